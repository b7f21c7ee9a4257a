"""The pictures that a command is asked for: whether they can be made is known before the work is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from clearhead.errors import ConfigError

__all__ = ["Pictures", "check_form", "pictures"]


@Parameter(name="*")
@dataclass(frozen=True)
class Pictures:
    """Where a figure is saved, in which forms.

    Parameters
    ----------
    svg
        save the figure here
    png
        save the figure here
    pdf
        save the figure here
    """

    svg: Path | None = None
    png: Path | None = None
    pdf: Path | None = None

    def wanted(self) -> list[Path]:
        """The files to draw; what is wrong with one is said now.

        Raises:
            ConfigError: a name does not end as its option says.
            MissingError: there is no matplotlib to draw with.
        """
        return pictures(svg=self.svg, png=self.png, pdf=self.pdf)


def check_form(path: Path | None, form: str) -> None:
    """Refuse a name for a file of a form that does not end so.

    Raises:
        ConfigError: it does not.
    """
    if path is not None and path.suffix.lower() != f".{form}":
        better = path.with_suffix(f".{form}") if path.name.strip(".") else path / f"name.{form}"
        raise ConfigError(f"{path} does not end in .{form}", f"write --{form} {better}")


def pictures(*places: Path | None, **named: Path | None) -> list[Path]:
    """The files to draw, in the order they were named; `svg=Path("a.svg")` has to end so, the others in any known form.

    Raises:
        ConfigError: a name ends in another form.
        MissingError: there is no matplotlib to draw with.
    """
    for form, path in named.items():
        check_form(path, form)
    wanted = [path for path in (*places, *named.values()) if path is not None]
    if wanted:
        from clearhead.figures.canvas import check_figures, form_of

        check_figures()
        for path in wanted:
            form_of(path)
    return wanted
