"""`clearhead translate | summarize MODEL ...` and `clearhead evaluate MODEL FILES...`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from clearhead.cli.drawing import DrawingInstead
from clearhead.cli.inputs import Line, Source, count, lines, sources
from clearhead.cli.machine import Precision
from clearhead.cli.note_lines import Notes
from clearhead.cli.outputs import Output, OutputFile, StandardOutput
from clearhead.errors import ConfigError, DataError, FolderError
from clearhead.progress import Bar
from clearhead.ranges import Device

if TYPE_CHECKING:
    from clearhead.generation.sampling import Sampling
    from clearhead.tasks.pair_model import PairModel
    from clearhead.tasks.pair_writer import Written
    from clearhead.tasks.task import Model

__all__ = ["evaluate", "summarize", "translate"]

_CHUNK = 512  # lines that are read before the first is written, unless a person types


@Parameter(name="*")
@dataclass(frozen=True)
class Destination:
    """Where lines are written.

    Parameters
    ----------
    out
        a file to write instead of standard output
    resume
        go on with what that file holds, with the same model, input and options (it need not exist yet)
    """

    out: Path | None = None
    resume: Annotated[bool, Parameter(negative=())] = False

    def output(self, wanted: Sequence[Source], *, tabs: int) -> Output:
        """Standard output, or the file; `wanted` are read meanwhile, `tabs` stand in each line.

        Raises:
            ConfigError: there is no file to go on with.
            FolderError: the file is read too.
        """
        if self.out is None:
            if self.resume:
                raise ConfigError("--resume goes on with a file", "name it: --out FILE")
            return StandardOutput()
        if self.out.exists() and any(isinstance(source, Path) and self.out.samefile(source) for source in wanted):
            raise FolderError("the input cannot be the output too", "name another --out", file=self.out)
        return OutputFile(self.out, tabs=tabs, resume=self.resume)


_QUICK = "of the arithmetic: bfloat16 and int8 are faster, `clearhead evaluate --precision` shows what they cost"


@Parameter(name="*")
@dataclass(frozen=True)
class Search:
    """How a translation is searched for."""

    beam: Annotated[int, Parameter(help="hypotheses followed at once; 1 is greedy")] = 4
    length_penalty: Annotated[
        float, Parameter(help="0 prefers short translations, 1 compares the mean log-probability of a token")
    ] = 1.0
    precision: Annotated[Precision, Parameter(help=_QUICK)] = "float32"


@Parameter(name="*")
@dataclass(frozen=True)
class SummarySearch(Search):
    """How a summary is searched for."""

    length_penalty: Annotated[
        float, Parameter(help="0 prefers short summaries, 1 compares the mean log-probability of a token")
    ] = 1.0


@Parameter(name="*")
@dataclass(frozen=True)
class MeasuredSearch(Search):
    """How what is measured is searched for."""

    precision: Annotated[
        Precision,
        Parameter(help="of the arithmetic; one below float32 is measured beside it, so that its price is seen"),
    ] = "float32"


@Parameter(name="*")
@dataclass(frozen=True)
class Printed:
    """What is printed of each line.

    Parameters
    ----------
    n_best
        print so many translations of each line, as: line number, TAB, score, TAB, text
    alignments
        append a TAB and word links i-j (source word - written word, from 0), read from one forced pass
    show
        also print where the model looked, on standard error
    """

    n_best: int = 1
    alignments: Annotated[bool, Parameter(negative=())] = False
    show: Annotated[bool, Parameter(negative=())] = False

    @property
    def tabs(self) -> int:
        """How many stand in each line."""
        return 2 * (self.n_best > 1) + self.alignments


def translate(
    model: str,
    *texts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    destination: Destination = Destination(),
    search: Search = Search(),
    drawing: DrawingInstead = DrawingInstead(),  # noqa: B008  (it is frozen)
    printed: Printed = Printed(),
    device: Device = "auto",
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
    device
        where texts are written; auto: on an NVIDIA GPU if there is one
    """
    wanted, how = sources(texts, "translate"), _How(search, drawing, printed, device)
    _write("translate", model, wanted, destination, how)


def summarize(
    model: str,
    *texts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    destination: Destination = Destination(),
    search: SummarySearch = SummarySearch(),
    drawing: DrawingInstead = DrawingInstead(),  # noqa: B008  (it is frozen)
    device: Device = "auto",
) -> None:
    """Summarize texts, files (one text a line) or standard input; one line out for each line in.

    Example: clearhead summarize models/mine articles.txt > summaries.txt

    Parameters
    ----------
    model
        a model folder
    texts
        texts, or files to read, or - for standard input (default)
    device
        where texts are written; auto: on an NVIDIA GPU if there is one
    """
    how = _How(search, drawing, Printed(), device)
    _write("summarize", model, sources(texts, "summarize"), destination, how)


@dataclass(frozen=True)
class _How:
    """How lines are written: searched for or drawn, what is printed of them, and where that is computed."""

    search: Search
    drawing: DrawingInstead
    printed: Printed
    device: Device

    def sampling(self) -> Sampling | None:
        """What is drawn with; None where texts are searched for.

        Raises:
            ConfigError: what is asked for contradicts itself.
        """
        found = self.drawing.sampling()
        if found is not None and (self.printed.n_best > 1 or self.search.beam != Search.beam):
            option = "--n-best" if self.printed.n_best > 1 else "--beam"
            problem = f"drawn texts have no {option}: that is of a beam search"
            raise ConfigError(problem, f"leave {option} or --sample out")
        return found


def _write(verb: str, model: str, wanted: list[Source], destination: Destination, how: _How) -> None:
    sampling = how.sampling()
    total = count(wanted)  # before torch is there: a line that is not UTF-8 is found at once
    output = destination.output(wanted, tabs=how.printed.tabs)

    from clearhead.cli.machine import settle
    from clearhead.tasks.opened import load_for

    writer = load_for(verb, model, device=how.device)
    settle(how.search.precision)
    typed = None in wanted and sys.stdin.isatty()
    # On a terminal the lines themselves show how far the work is.
    known, out = total if any(isinstance(s, Path) for s in wanted) else None, destination.out
    bar = Bar("translating", known, "lines", quiet=not out and sys.stdout.isatty())
    try:
        with output, bar:
            _work(lines(wanted), _Rows(writer, how, sampling), output, bar, size=1 if typed else _CHUNK)
    except BaseException:
        if out and output.written:
            print(f"{output.written:,} lines stand in {out}", file=sys.stderr)
        raise


class _Rows:
    """What a model writes for chunks of lines, as it is printed; what is to be said of a line is said meanwhile."""

    def __init__(self, writer: PairModel, how: _How, sampling: Sampling | None):
        self._writer, self._how, self._sampling, self.printed = writer, how, sampling, how.printed
        self._notes = Notes()

    def of(self, chunk: list[Line], first: int) -> list[str]:
        """The rows of a chunk, whose first line has the number `first`."""
        found, written = self._found([line.text for line in chunk], first), []
        for number, (line, best) in enumerate(zip(chunk, found, strict=True), first):
            self._notes.tell(line, best[0].notes)
            written += [self._row(number, line, one) for one in best]
            if self.printed.show and best[0].text:
                _show(self._writer, line.text, best[0].text)
        return written

    def _found(self, texts: list[str], first: int) -> list[list[Written]]:
        search, n = self._how.search, self.printed.n_best
        if self._sampling is None:
            followed = max(search.beam, n) if search.beam > 0 else search.beam  # an impossible one is refused
            return self._writer.n_best(texts, n=n, **asdict(replace(search, beam=followed)))
        seed, precision = self._how.drawing.seed or 0, search.precision
        drawn = self._writer.sample(texts, sampling=self._sampling, seed=seed, first=first - 1, precision=precision)
        return [[one] for one in drawn]

    def _row(self, number: int, line: Line, one: Written) -> str:
        prefix = f"{number}\t{one.score:.4f}\t" if self.printed.n_best > 1 else ""
        suffix = f"\t{_links(self._writer, line.text, one.text)}" if self.printed.alignments else ""
        return prefix + one.text + suffix


@Parameter(name="*")
@dataclass(frozen=True)
class FileColumns:
    """The columns that are read.

    Parameters
    ----------
    source
        the column of sources, by position (from 1) or name (default: that of the training)
    target
        the column of references, likewise
    links
        the column of gold word links i-j, likewise
    """

    source: int | str | None = None
    target: int | str | None = None
    links: int | str | None = None


def evaluate(
    model: str,
    *files: str,
    search: MeasuredSearch = MeasuredSearch(),
    lowercase: Annotated[bool, Parameter(negative=())] = False,
    columns: FileColumns = FileColumns(),
    device: Device = "auto",
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
    lowercase
        compare without case
    device
        where it is measured; auto: on an NVIDIA GPU if there is one
    """
    from clearhead.cli.machine import settle
    from clearhead.cli.report import scores
    from clearhead.tasks.load import load

    if not files:
        raise DataError("no file to evaluate on", f"name one: clearhead evaluate {model} FILE")
    loaded = load(model, device=device)
    options = _known_options(loaded, search, lowercase, columns)
    settle(search.precision)
    found = loaded.evaluate(list(files), **options)
    print("\n".join(scores(found)))


def _known_options(loaded: Model, search: Search, lowercase: bool, columns: FileColumns) -> dict[str, object]:
    """What was asked for otherwise than usual.

    Raises:
        ConfigError: a model of this task is measured without it.
    """
    asked, usual = {**asdict(search), "lowercase": lowercase}, {**asdict(Search()), "lowercase": False}
    options: dict[str, object] = {name: value for name, value in asked.items() if value != usual[name]}
    if named := {name: value for name, value in asdict(columns).items() if value is not None}:
        options["columns"] = named
    known = signature(loaded.evaluate).parameters
    if other := [name for name in options if name not in known]:
        option = next(iter(named)) if other[0] == "columns" else other[0]
        problem = f"a model of the task {loaded.name} is measured without --{option.replace('_', '-')}"
        raise ConfigError(problem, "leave that option out")
    return options


def _work(texts: Iterable[Line], rows: _Rows, output: Output, bar: Bar, *, size: int) -> None:
    """All chunks: those that the output holds are skipped, the others worked out and written."""
    texts, first = iter(texts), 1
    while chunk := list(islice(texts, size)):
        held = output.holds(len(chunk) * rows.printed.n_best)
        if not held:
            output.write(rows.of(chunk, first))
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
