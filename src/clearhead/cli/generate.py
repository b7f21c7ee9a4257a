"""`clearhead generate MODEL "prompt"`: how a text goes on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import zip_longest
from json import dumps
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter

from clearhead.cli.drawing import Drawing
from clearhead.cli.inputs import Line, some, sources
from clearhead.cli.remarks import Remarks
from clearhead.errors import ConfigError
from clearhead.ranges import Device

if TYPE_CHECKING:
    from clearhead.tasks.language_model import Shown

__all__ = ["generate"]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]  # as in generation.precision, which needs torch

_BETWEEN = "-" * 8  # stands between texts
_NUMBERS = ("probability", "after the cut", "share")  # columns of --show
_ATONCE = 32  # texts of a batch, those that a beam follows among them


def generate(
    model: str,
    *prompts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    max_tokens: int = 200,
    seed: int = 0,
    drawing: Drawing = Drawing(),  # noqa: B008  (nobody can change it)
    stop: Annotated[list[str] | None, Parameter(negative=())] = None,
    beam: int = 1,
    precision: Precision = "float32",
    device: Device = "auto",
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
    max_tokens
        most tokens that are written
    seed
        of what is drawn; what one text becomes depends on no other
    stop
        end before this text (may be given several times)
    beam
        above 1 (at most 256): follow so many texts at once and print the most probable; nothing is drawn
    precision
        of the arithmetic: bfloat16 and int8 are faster, `clearhead evaluate --precision` says what they cost
    device
        where texts are written; auto: on an NVIDIA GPU if there is one
    show
        print each token's candidates with their probabilities, and what it attended to, on standard error
    json
        print one object {"prompt", "text"} a line; "text" is what was written
    """
    given = list(some(sources(prompts, "generate"))) if prompts else [Line("", "the text")]
    from clearhead.cli.machine import settle
    from clearhead.tasks.load import load_for

    common = {"max_tokens": max_tokens, "seed": seed, "sampling": drawing.sampling()}
    from clearhead.tasks.reading import not_known

    writer, remarks = load_for("generate", model, device=device), Remarks("were cut, or could not be written on")
    settle(precision)
    unknown = Remarks("have characters that the model does not know")
    for line in given:
        unknown.tell(line, not_known(writer.unknown("tokens", line.text)))
    if show:
        if len(given) > 1 or beam > 1 or stop:
            raise ConfigError("--show explains one text, written without beam and stop", "leave the others out")
        with remarks.placed(given):
            steps = writer.shown(given[0].text, **common)
        print(given[0].text + "".join(step.text for step in steps))
        _explain(steps)
        return
    if len(given) == 1 and beam == 1 and not json:
        with remarks.placed(given):
            # What is impossible is refused here, before anything is printed.
            pieces = writer.stream([given[0].text], stop=stop or (), precision=precision, **common)
            print(given[0].text, end="", flush=True)
            for _, more in pieces:
                print(more, end="", flush=True)
            print()
        return
    size = max(1, _ATONCE // max(1, beam))
    for start in range(0, len(given), size):
        batch = given[start : start + size]
        texts = [line.text for line in batch]
        with remarks.placed(batch):
            written = writer.generate(texts, stop=stop or (), beam=beam, precision=precision, first=start, **common)
        for number, (prompt, text) in enumerate(zip(texts, written, strict=True), start):
            if json:
                print(dumps({"prompt": prompt, "text": text}, ensure_ascii=False))
            else:
                print(f"{_BETWEEN}\n{prompt}{text}" if number else prompt + text)


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
