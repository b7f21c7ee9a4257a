"""`clearhead translate MODEL ...` and `clearhead evaluate MODEL FILES...`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

from clearhead.errors import DataError

if TYPE_CHECKING:
    from clearhead.tasks.translate import Translator

__all__ = ["evaluate", "translate"]

_CHUNK = 512  # lines that are read before the first is written, unless a person types


def translate(
    model: str,
    *texts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    beam: int = 4,
    length_penalty: float = 1.0,
    n_best: int = 1,
    alignments: Annotated[bool, Parameter(negative=())] = False,
    show: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Translate texts, files (one sentence a line) or standard input; one line out for each line in.

    Example: clearhead translate models/demo "The red house is big."

    A file: clearhead translate models/demo input.txt > output.txt

    Parameters
    ----------
    model
        a model folder
    texts
        sentences, or files to read, or - for standard input (default)
    beam
        hypotheses followed at once; 1 is greedy
    length_penalty
        0 prefers short translations, 1 compares the mean log-probability of a token
    n_best
        print so many translations of each line, as: line number, TAB, score, TAB, text
    alignments
        append a TAB and word links i-j (source word - written word, from 0), read from one forced pass
    show
        also print where the model looked, on standard error
    """
    from rich.console import Console

    from clearhead.tasks.load import load
    from clearhead.views.show import show as show_alignment

    translator = load(model)
    lines, number = _lines(list(texts)), 0
    while chunk := list(islice(lines, 1 if sys.stdin.isatty() else _CHUNK)):
        found = translator.n_best(chunk, n=n_best, beam=max(beam, n_best), length_penalty=length_penalty)
        for source, best in zip(chunk, found, strict=True):
            number += 1
            for translation in best:
                prefix = f"{number}\t{translation.score:.4f}\t" if n_best > 1 else ""
                suffix = f"\t{_links(translator, source, translation.text)}" if alignments else ""
                print(prefix + translation.text + suffix)
            if show and best[0].text:
                show_alignment(translator.look(source, best[0].text), console=Console(stderr=True))
        sys.stdout.flush()


def evaluate(
    model: str,
    *files: str,
    beam: int = 4,
    length_penalty: float = 1.0,
    lowercase: Annotated[bool, Parameter(negative=())] = False,
    source: int | str | None = None,
    target: int | str | None = None,
    links: int | str | None = None,
) -> None:
    """BLEU and chrF with signatures, exact match, and the alignment error rate where there are gold links.

    Rows with the same source are several references of one translation.

    Example: clearhead evaluate models/demo sample:english-spanish/test

    With gold links in the third column: clearhead evaluate models/mine test.tsv --links 3

    Parameters
    ----------
    model
        a model folder
    files
        files of sentence pairs
    beam
        hypotheses followed at once; 1 is greedy
    length_penalty
        0 prefers short translations, 1 compares the mean log-probability of a token
    lowercase
        compare without case
    source, target, links
        columns, by position (from 1) or name (default: those of the training)
    """
    from clearhead.cli.report import scores
    from clearhead.tasks.load import load

    if not files:
        raise DataError("no file to evaluate on", f"name one: clearhead evaluate {model} test.tsv")
    translator = load(model)
    columns = {name: value for name, value in (("source", source), ("target", target), ("links", links)) if value}
    found = translator.evaluate(
        list(files), beam=beam, length_penalty=length_penalty, lowercase=lowercase, columns=columns
    )
    print("\n".join(scores(found)))


def _lines(texts: list[str]) -> Iterator[str]:
    """What is to be translated, in order: arguments that are files are read, "-" or nothing is standard input."""
    for text in texts or ["-"]:
        if text == "-":
            yield from _decoded(sys.stdin.buffer, "standard input")
        elif len(text) < 4096 and Path(text).is_file():
            with Path(text).open("rb") as file:
                yield from _decoded(file, text)
        else:
            yield text


def _decoded(file: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"not valid UTF-8 at byte {error.start + 1}", "save the text as UTF-8", file=name, line=number
            ) from error


def _links(translator: Translator, source: str, target: str) -> str:
    from clearhead.data.pairs import clean, format_links

    return format_links(translator.align([clean(source)], [target])[0]) if target else ""
