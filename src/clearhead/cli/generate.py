"""`clearhead generate MODEL "prompt"`: how a text goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from json import dumps
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from clearhead.cli.drawing import WritingOptions
from clearhead.cli.inputs import Line, some, sources
from clearhead.cli.note_lines import Notes
from clearhead.errors import ConfigError

if TYPE_CHECKING:
    from clearhead.tasks.text_writer import Shown

__all__ = ["generate"]

_BETWEEN = "-" * 8  # stands between texts
_NUMBERS = ("probability", "after the cut", "share")  # columns of --show
_ATONCE = 32  # texts of a batch, those that a beam follows among them


def generate(
    model: str,
    *prompts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    writing: WritingOptions = WritingOptions(),  # noqa: B008  (nobody can change it)
    beam: int = 1,
    show: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Continue texts: each prompt is printed and written on, as it comes.

    Example: clearhead generate models/mine "Once upon a time" --max-tokens 100 --seed 1

    Always the most probable token: clearhead generate models/mine "Once upon a time" --temperature 0

    What else could have come, and where it looked: clearhead generate models/mine "Once upon" --max-tokens 8 --show

    Parameters
    ----------
    model
        a model folder
    prompts
        texts, or files of them (one a line), or - for standard input; without, a new text is begun
    beam
        above 1 (at most 256): follow so many texts at once and print the most probable; nothing is drawn
    show
        print each token's candidates with their probabilities, and the tokens it attended to, on standard error
    json
        print one object {"prompt", "text"} a line; "text" is what was written
    """
    given = list(some(sources(prompts, "generate"))) if prompts else [Line("", "the text")]
    from clearhead.cli.machine import settle
    from clearhead.tasks.opened import load_for

    sampling = writing.drawing.sampling()  # what is impossible is refused before the model is read
    writer = load_for("generate", model, device=writing.device)
    settle(writing.precision)
    common = {"max_tokens": writing.max_tokens, "seed": writing.seed, "sampling": sampling}
    notes = Notes()
    if show:
        if len(given) > 1 or beam > 1 or writing.stop:
            raise ConfigError("--show explains one text, written without beam and stop", "leave the others out")
        steps = writer.shown(given[0].text, on_note=notes.on(given), **common)
        print(given[0].text + "".join(step.text for step in steps))
        _explain(steps)
        return
    common |= {"stop": writing.stop or (), "precision": writing.precision}
    if len(given) == 1 and beam == 1 and not json:
        _print_as_it_comes(given[0].text, writer.stream([given[0].text], on_note=notes.on(given), **common))
        return
    size = max(1, _ATONCE // max(1, beam))
    for start in range(0, len(given), size):
        batch = given[start : start + size]
        texts = [line.text for line in batch]
        written = writer.generate(texts, beam=beam, first=start, on_note=notes.on(batch), **common)
        _print_batch(batch, written, start, json=json)


def _print_as_it_comes(prompt: str, pieces: Iterator[tuple[int, str]]) -> None:
    """Print a prompt and what follows it. `pieces` was made before: what is impossible was refused by then."""
    print(prompt, end="", flush=True)
    for _, more in pieces:
        print(more, end="", flush=True)
    print()


def _print_batch(batch: Sequence[Line], written: Sequence[str], start: int, *, json: bool) -> None:
    """Print texts, the first of which has the number `start`."""
    for number, (line, text) in enumerate(zip(batch, written, strict=True), start):
        if json:
            print(dumps({"prompt": line.text, "text": text}, ensure_ascii=False))
        else:
            print(f"{_BETWEEN}\n{line.text}{text}" if number else line.text + text)


def _explain(steps: Sequence[Shown]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from clearhead.figures.terminal import visible

    table = Table(box=None)
    for name in ("token", "candidate", "probability", "after the cut", "attended to", "share"):
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
    for step in steps:
        candidates = [
            (Text(repr(visible(name))), f"{before:.1%}", f"{after:.1%}" if after else "out")
            for name, before, after in step.candidates
        ]
        attended = [(Text(repr(visible(name)), "dim"), Text(f"{share:.0%}", "dim")) for name, share in step.attended]
        token = Text(repr(visible(step.text)), "bold")
        for left, right in zip_longest(candidates, attended, fillvalue=("", "", "")):
            table.add_row(token, *left[:3], *right[:2])
            token = Text("")
    Console(stderr=True).print(table)
    print(
        f"{len(steps)} tokens; attention, the mean of all heads, read from one forced pass over the whole text",
        file=sys.stderr,
    )
