"""`clearhead worksheet`: the arithmetic of attention on paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from clearhead.disk import named
from clearhead.errors import ConfigError, DataError

if TYPE_CHECKING:
    from clearhead.worksheet import Paper

__all__ = ["worksheet"]


@Parameter(name="*")
@dataclass(frozen=True)
class PartOfModel:
    """The head of a model whose arithmetic is written.

    Parameters
    ----------
    target
        what it is to write (default: its own translation)
    part
        of a model: the encoder's or the decoder's self-attention, or the attention across (the default)
    layer
        of a model: which layer, from 0 (the default)
    head
        of a model: which head, from 0 (the default)
    """

    target: str | None = None
    part: Literal["encoder", "decoder", "cross"] | None = None
    layer: int | None = None
    head: int | None = None


def worksheet(
    source: str = "poem",
    text: str | None = None,
    *,
    of: PartOfModel = PartOfModel(),
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
    cell
        only this number, written out: a table, a row and a column, by label or number from 1
    out
        save it here instead of printing it: .md, .tex, .html or .xlsx (several times if need be)
    """
    from clearhead.worksheet import save, show
    from clearhead.worksheet.cells import in_full, place

    paper = _paper(source, text, of)
    if cell is not None:
        table = paper.table(cell[0])
        print(in_full(table, *place(table, *cell[1:])))
    for path in out or []:
        save(paper, path)
        print(f"saved {path}")
    if cell is None and not out:
        show(paper)


def _paper(source: str, text: str | None, of: PartOfModel) -> Paper:
    """The arithmetic of built-in numbers, of a file of numbers, or of a head of a model that reads a text."""
    from clearhead.data.numbers import read_numbers
    from clearhead.worksheet import attention_paper, translator_paper
    from clearhead.worksheet.samples import TRANSLATOR, WORKSHEETS

    given = [option for option, value in asdict(of).items() if value is not None]
    if given and text is None:
        raise ConfigError(
            f"--{given[0]} asks for a part of a model that reads a sentence, and there is no sentence",
            f'write clearhead worksheet {source} "A sentence." --{given[0]} ..., or leave it out',
        )
    if text is not None:
        from clearhead.tasks.opened import load_inside
        from clearhead.tasks.pair_inside import PairInside

        model = load_inside(source)
        if not isinstance(model, PairInside):
            raise ConfigError(f"{source} reads one text alone", "worksheets are of models on pairs: name a translator")
        return attention_paper(
            model.arithmetic(text, of.target, part=of.part or "cross", layer=of.layer or 0, head=of.head or 0)
        )
    if source == "translator":
        return translator_paper(TRANSLATOR, ["let's", "go"])
    if source in WORKSHEETS:
        return attention_paper(WORKSHEETS[source]())
    if named(source).is_dir():
        raise ConfigError("a model needs something to read", f'write clearhead worksheet {source} "A sentence."')
    if not Path(source).exists():
        known = ", ".join([*WORKSHEETS, "translator"])
        raise DataError(f"there is no worksheet or file {source!r}", f"take {known}, or name a file")
    return attention_paper(read_numbers(source))
