"""`clearhead translate | summarize MODEL ...` and `clearhead evaluate MODEL FILES...`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import Parameter

from clearhead.cli.drawing import DrawingInstead
from clearhead.cli.inputs import Line, Source, count, lines, sources
from clearhead.cli.outputs import Output, OutputFile, StandardOutput
from clearhead.cli.remarks import Remarks
from clearhead.errors import ConfigError, DataError, FolderError
from clearhead.progress import Bar
from clearhead.ranges import Device

if TYPE_CHECKING:
    from clearhead.tasks.pair_model import PairModel, Written

__all__ = ["evaluate", "summarize", "translate"]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]  # as in generation.precision, which needs torch

_CHUNK = 512  # lines that are read before the first is written, unless a person types


@Parameter(name="*")
@dataclass(frozen=True)
class Writing:
    """How texts are written, and where to."""

    out: Annotated[Path | None, Parameter(help="a file to write instead of standard output")] = None
    resume: Annotated[
        bool,
        Parameter(
            negative=(),
            help="go on with what that file holds, with the same model, input and options (it need not exist yet)",
        ),
    ] = False
    beam: Annotated[int, Parameter(help="hypotheses followed at once; 1 is greedy")] = 4
    length_penalty: Annotated[
        float, Parameter(help="0 prefers short texts, 1 compares the mean log-probability of a token")
    ] = 1.0
    precision: Annotated[
        Precision,
        Parameter(
            help="of the arithmetic: bfloat16 and int8 are faster, `clearhead evaluate --precision` says what they cost"
        ),
    ] = "float32"
    device: Annotated[Device, Parameter(help="where texts are written; auto: on an NVIDIA GPU if there is one")] = (
        "auto"
    )


@dataclass(frozen=True)
class Extras:
    """What is printed beside the texts."""

    n_best: int = 1
    alignments: bool = False
    show: bool = False


def translate(
    model: str,
    *texts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    n_best: int = 1,
    alignments: Annotated[bool, Parameter(negative=())] = False,
    show: Annotated[bool, Parameter(negative=())] = False,
    writing: Writing = Writing(),
    drawing: DrawingInstead = DrawingInstead(),  # noqa: B008
) -> None:
    """Translate texts, files (one sentence a line) or standard input; one line out for each line in.

    Example: clearhead translate models/demo "The red house is big."

    A file: clearhead translate models/demo input.txt > output.txt

    A long file, that may be stopped: clearhead translate models/demo input.txt --out output.txt --resume

    Another translation with each seed: clearhead translate models/demo "The red house is big." --sample --seed 1

    Parameters
    ----------
    model
        a model folder
    texts
        sentences, or files to read, or - for standard input (default)
    n_best
        print so many translations of each line, as: line number, TAB, score, TAB, text
    alignments
        append a TAB and word links i-j (source word - written word, from 0), read from one forced pass
    show
        also print where the model looked, on standard error
    """
    _write("translate", model, sources(texts, "translate"), writing, drawing, Extras(n_best, alignments, show))


def summarize(
    model: str,
    *texts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    writing: Writing = Writing(),
    drawing: DrawingInstead = DrawingInstead(),  # noqa: B008
) -> None:
    """Summarize texts, files (one text a line) or standard input; one line out for each line in.

    Example: clearhead summarize models/mine articles.txt > summaries.txt

    Parameters
    ----------
    model
        a model folder
    texts
        texts, or files to read, or - for standard input (default)
    """
    _write("summarize", model, sources(texts, "summarize"), writing, drawing, Extras())


def _write(
    verb: str, model: str, wanted: list[Source], writing: Writing, drawing: DrawingInstead, extras: Extras
) -> None:
    out, n_best, sampling = writing.out, extras.n_best, drawing.sampling()
    if sampling is not None and (n_best > 1 or writing.beam != Writing.beam):
        option = "--n-best" if n_best > 1 else "--beam"
        raise ConfigError(f"drawn texts have no {option}: that is of a beam search", f"leave {option} or --sample out")
    total = count(wanted)  # before torch is there: a line that is not UTF-8 is found at once
    tabs = 2 * (n_best > 1) + extras.alignments
    output = _output(out, wanted, tabs=tabs, resume=writing.resume)

    from clearhead.cli.machine import settle
    from clearhead.tasks.load import load_for
    from clearhead.tasks.reading import not_known, stopped

    writer: PairModel = load_for(verb, model, device=writing.device)
    settle(writing.precision)

    unknown, unended = Remarks("have words that the model does not know"), Remarks("were not ended")
    long = Remarks("were cut")

    def found(chunk: list[Line], first: int) -> list[list[Written]]:
        texts = [line.text for line in chunk]
        with long.placed(chunk):
            if sampling is not None:
                seed, number = drawing.seed or 0, first - 1
                drawn = writer.sample(texts, sampling=sampling, seed=seed, first=number, precision=writing.precision)
                return [[one] for one in drawn]
            followed = max(writing.beam, n_best) if writing.beam > 0 else writing.beam  # an impossible one is refused
            penalty, precision = writing.length_penalty, writing.precision
            return writer.n_best(texts, n=n_best, beam=followed, length_penalty=penalty, precision=precision)

    def rows(chunk: list[Line], first: int) -> list[str]:
        for line in chunk:
            unknown.tell(line, not_known(writer.unknown("source", line.text)))
        written = []
        for number, (line, best) in enumerate(zip(chunk, found(chunk, first), strict=True), first):
            unended.tell(line, [stopped(best[0].limit)] if best[0].limit is not None else [])
            for one in best:
                prefix = f"{number}\t{one.score:.4f}\t" if n_best > 1 else ""
                suffix = f"\t{_links(writer, line.text, one.text)}" if extras.alignments else ""
                written.append(prefix + one.text + suffix)
            if extras.show and best[0].text:
                _show(writer, line.text, best[0].text)
        return written

    typed = None in wanted and sys.stdin.isatty()
    # On a terminal the lines themselves show how far the work is.
    known = total if any(isinstance(s, Path) for s in wanted) else None
    bar = Bar("translating", known, "lines", quiet=not out and sys.stdout.isatty())
    try:
        with output, bar:
            _work(lines(wanted), rows, output, bar, size=1 if typed else _CHUNK, n_best=n_best)
    except BaseException:
        if out and output.written:
            print(f"{output.written:,} lines stand in {out}", file=sys.stderr)
        raise


def evaluate(
    model: str,
    *files: str,
    beam: int = 4,
    length_penalty: float = 1.0,
    lowercase: Annotated[bool, Parameter(negative=())] = False,
    precision: Precision = "float32",
    device: Device = "auto",
    source: int | str | None = None,
    target: int | str | None = None,
    links: int | str | None = None,
) -> None:
    """Measure a model on files: BLEU, chrF, ROUGE, bits per byte, perplexity and the like, each with its signature.

    Translations are scored by BLEU, chrF and exact match, and by alignment errors where there are gold links. Rows with
    the same source are several references of one translation. Word vectors are measured on files of two words and how
    alike people find them (rank correlation), or of four words, "man king woman queen" (analogies solved); language
    models by bits per byte and perplexity of texts, chat models by the perplexity of their answers in chats.

    Example: clearhead evaluate models/demo sample:english-spanish/test

    With gold links in the third column: clearhead evaluate models/mine test.tsv --links 3

    Parameters
    ----------
    model
        a model folder
    files
        files of what the model was trained on: sentence pairs, texts, chats, or pairs and analogies of words
    beam
        hypotheses followed at once; 1 is greedy
    length_penalty
        0 prefers short translations, 1 compares the mean log-probability of a token
    lowercase
        compare without case
    precision
        of the arithmetic; one below float32 is measured beside it, so that its price is seen
    device
        where it is measured; auto: on an NVIDIA GPU if there is one
    source
        the column of sources, by position (from 1) or name (default: that of the training)
    target
        the column of references, likewise
    links
        the column of gold word links i-j, likewise
    """
    from clearhead.cli.machine import settle
    from clearhead.cli.report import scores
    from clearhead.tasks.load import load

    if not files:
        raise DataError("no file to evaluate on", f"name one: clearhead evaluate {model} FILE")
    loaded = load(model, device=device)
    named = {"source": source, "target": target, "links": links}
    columns = {name: value for name, value in named.items() if value is not None}
    asked = {"beam": beam, "length_penalty": length_penalty, "lowercase": lowercase, "precision": precision}
    usual = {"beam": 4, "length_penalty": 1.0, "lowercase": False, "precision": "float32"}
    options: dict[str, Any] = {name: value for name, value in asked.items() if value != usual[name]}
    options |= {"columns": columns} if columns else {}
    known = signature(loaded.evaluate).parameters
    if other := [name for name in options if name not in known]:
        option = next(iter(columns)) if other[0] == "columns" else other[0]
        problem = f"a model of the task {loaded.name} is measured without --{option.replace('_', '-')}"
        raise ConfigError(problem, "leave that option out")
    settle(precision)
    found = loaded.evaluate(list(files), **options)
    print("\n".join(scores(found)))
    if "BLEU" in found and loaded.tokenizers.target.lowercase and not lowercase:
        print("note: this model writes lower case only; --lowercase compares so", file=sys.stderr)


def _output(out: Path | None, wanted: Sequence[Source], *, tabs: int, resume: bool) -> Output:
    if out is None:
        if resume:
            raise ConfigError("--resume goes on with a file", "name it: --out FILE")
        return StandardOutput()
    if out.exists() and any(isinstance(source, Path) and out.samefile(source) for source in wanted):
        raise FolderError("the input cannot be the output too", "name another --out", file=out)
    return OutputFile(out, tabs=tabs, resume=resume)


def _work(
    texts: Iterable[Line],
    rows: Callable[[list[Line], int], list[str]],
    output: Output,
    bar: Bar,
    *,
    size: int,
    n_best: int,
) -> None:
    """All chunks: those that the output holds are skipped, the others worked out and written."""
    texts, first = iter(texts), 1
    while chunk := list(islice(texts, size)):
        held = output.holds(len(chunk) * n_best)
        if not held:
            output.write(rows(chunk, first))
        bar.advance(len(chunk), skipped=held)
        first += len(chunk)
    output.end()


def _links(translator: PairModel, source: str, target: str) -> str:
    from clearhead.data.pairs import clean, format_links

    return format_links(translator.align([clean(source)], [target])[0]) if target else ""


def _show(translator: PairModel, source: str, target: str) -> None:
    from rich.console import Console

    from clearhead.explorer.show import show

    show(translator.look(source, target), console=Console(stderr=True))
