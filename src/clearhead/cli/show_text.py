"""`clearhead show MODEL "text"`: where a model looked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from clearhead.cli.pictures import Pictures, check_form
from clearhead.errors import ConfigError

if TYPE_CHECKING:
    from clearhead.tasks.task import Inside

__all__ = ["show"]


@Parameter(name="*")
@dataclass(frozen=True)
class AlignedHead:
    """The head whose attention is shown.

    Parameters
    ----------
    layer
        which decoder layer, from 0 (default: that of the head that aligns best)
    head
        which head, from 0 (default: the one that aligns best; of a layer that is named: the mean of its heads)
    """

    layer: int | None = None
    head: int | None = None


def show(
    model: str,
    text: str,
    *,
    target: str | None = None,
    place: AlignedHead = AlignedHead(),
    figures: Pictures = Pictures(),  # noqa: B008
    html: Path | None = None,
) -> None:
    """Show which words each word attended to: a translation's its source, a text's itself; or save all as one page.

    Example: clearhead show models/demo "The red house is big." --svg attention.svg

    Example: clearhead show models/demo "The red house is big." --html page.html

    Parameters
    ----------
    model
        a model folder
    text
        the source sentence, or the text of a language model
    target
        a translation to look at instead of the model's own
    html
        save here, as one page that opens anywhere without a network, every number from the tokens to the probabilities
        (of any model that reads text; the text of a language model is not continued)
    """
    check_form(html, "html")
    wanted = figures.wanted()
    from clearhead.tasks.opened import load_inside

    inside, texts = load_inside(model), [text] if target is None else [text, target]
    if len(texts) > len(inside.inputs):
        raise ConfigError(f"a model of the task {inside.name} reads one text", "leave --target out")
    if html is not None:
        _save_page(inside, model, texts, html)
        if not wanted and place == AlignedHead():
            return
    if not text.strip():
        raise ConfigError("the text is empty", "write something")
    _show_alignment(inside, texts, place, wanted)


def _save_page(inside: Inside, model: str, texts: list[str], html: Path) -> None:
    """Save every number of a pass as one page."""
    from clearhead.explorer.inspector import Inspector
    from clearhead.explorer.questions import Pass

    given = dict(zip(inside.inputs, texts, strict=False))  # the later ones are optional
    Inspector(inside, model).page(Pass(texts=given)).save(html)
    print(f"saved {html}")


def _show_alignment(inside: Inside, texts: list[str], place: AlignedHead, wanted: list[Path]) -> None:
    """Print where the model looked, and save figures of it."""
    from clearhead.explorer.show import save, show

    alignment = inside.look(*texts, layer=place.layer, head=place.head)
    for note in alignment.trace.notes:
        print(f"note: {note}", file=sys.stderr)
    if alignment.written:
        print(" ".join(alignment.target))
    show(alignment)
    for path in wanted:
        save(alignment, path)
        print(f"saved {path}")
