"""`clearhead worksheet`: the arithmetic of attention on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clearhead.errors import ConfigError, DataError

__all__ = ["worksheet"]


def worksheet(
    source: str = "poem",
    text: str | None = None,
    *,
    target: str | None = None,
    part: Literal["encoder", "decoder", "cross"] = "cross",
    layer: int = 0,
    head: int = 0,
    cell: tuple[str, str, str] | None = None,
    out: list[Path] | None = None,
) -> None:
    """The arithmetic of attention as a person would write it on paper, every step with its numbers.

    Example: clearhead worksheet

    One number in full: clearhead worksheet poem-masked --cell percentages poem a

    As a spreadsheet with live formulas: clearhead worksheet poem --out poem.xlsx

    A head of a trained model: clearhead worksheet models/demo "The red house is big." --layer 1 --head 2

    Parameters
    ----------
    source
        poem, poem-masked, car, two-heads, translator; a file of your own numbers (.yaml, .json, .csv); a model folder
    text
        the sentence that the model reads
    target
        what it is to write (default: its own translation)
    part
        the encoder's or the decoder's self-attention, or the attention across
    layer, head
        which, from 0
    cell
        only this number, written out: a table, a row and a column, by label or number from 1
    out
        save it here instead of printing it: .md, .tex, .html or .xlsx (several times if need be)
    """
    from clearhead.data.numbers import read_numbers
    from clearhead.data.samples.worksheets import TRANSLATOR, WORKSHEETS
    from clearhead.views.worksheet import attention_paper, save, show, translator_paper
    from clearhead.views.worksheet.text import in_full, place

    if text is not None:
        from clearhead.tasks.load import load

        paper = attention_paper(load(source).arithmetic(text, target, part=part, layer=layer, head=head))
    elif source == "translator":
        paper = translator_paper(TRANSLATOR, ["let's", "go"])
    elif source in WORKSHEETS:
        paper = attention_paper(WORKSHEETS[source]())
    elif Path(source).is_dir():
        raise ConfigError("a model needs something to read", f'write clearhead worksheet {source} "A sentence."')
    elif not Path(source).exists():
        known = ", ".join([*WORKSHEETS, "translator"])
        raise DataError(f"there is no worksheet or file {source!r}", f"take {known}, or name a file")
    else:
        paper = attention_paper(read_numbers(source))
    if cell is not None:
        table = paper.table(cell[0])
        print(in_full(table, *place(table, *cell[1:])))
    for path in out or []:
        save(paper, path)
        print(f"saved {path}")
    if cell is None and not out:
        show(paper)
