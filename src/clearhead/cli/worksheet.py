"""`clearhead worksheet`: the arithmetic of attention on paper."""

from __future__ import annotations

from pathlib import Path

from clearhead.errors import DataError

__all__ = ["worksheet"]


def worksheet(source: str = "poem", *, cell: tuple[str, str, str] | None = None, out: list[Path] | None = None) -> None:
    """The arithmetic of attention as a person would write it on paper, every step with its numbers.

    Example: clearhead worksheet

    One number in full: clearhead worksheet poem-masked --cell percentages poem a

    As a spreadsheet with live formulas: clearhead worksheet poem --out poem.xlsx

    Parameters
    ----------
    source
        poem, poem-masked, car, two-heads, or a file of your own numbers (.yaml, .json, .csv)
    cell
        only this number, written out: a table, a row and a column, by label or number from 1
    out
        save it here instead of printing it: .md, .tex, .html or .xlsx (several times if need be)
    """
    from clearhead.data.numbers import read_numbers
    from clearhead.data.samples.worksheets import WORKSHEETS
    from clearhead.views.worksheet import attention_paper, save, show
    from clearhead.views.worksheet.text import in_full, place

    if source not in WORKSHEETS and not Path(source).exists():
        raise DataError(f"there is no worksheet or file {source!r}", f"take {', '.join(WORKSHEETS)}, or name a file")
    numbers = WORKSHEETS[source]() if source in WORKSHEETS else read_numbers(source)
    paper = attention_paper(numbers)
    if cell is not None:
        table = paper.table(cell[0])
        print(in_full(table, *place(table, *cell[1:])))
    for path in out or []:
        save(paper, path)
        print(f"saved {path}")
    if cell is None and not out:
        show(paper)
