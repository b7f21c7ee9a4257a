"""The pictures that a command is asked for: whether they can be made is known before the work is done."""

from __future__ import annotations

from pathlib import Path

from clearhead.errors import ConfigError

__all__ = ["pictures"]


def pictures(*places: Path | None, **named: Path | None) -> list[Path]:
    """The files to draw, in the order they were named; `svg=Path("a.svg")` has to end so, the others in any known form.

    Raises:
        ConfigError: a name ends in another form.
        MissingError: there is no matplotlib to draw with.
    """
    for form, path in named.items():
        if path is not None and path.suffix.lower() != f".{form}":
            raise ConfigError(f"{path} does not end in .{form}", f"write --{form} {path.with_suffix(f'.{form}')}")
    wanted = [path for path in (*places, *named.values()) if path is not None]
    if wanted:
        from clearhead.views.canvas import check_figures, form_of

        check_figures()
        for path in wanted:
            form_of(path)
    return wanted
