"""`clearhead heads MODEL [FILE]`: what each head does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import Parameter

from clearhead.cli.pictures import pictures
from clearhead.errors import ConfigError
from clearhead.ranges import Texts, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clearhead.insight.findings import Findings

__all__ = ["heads"]


def heads(
    model: str,
    file: str | None = None,
    *,
    texts: int = 200,
    sentence: str | None = None,
    word: str | None = None,
    norms: Annotated[bool, Parameter(negative=())] = False,
    probes: Annotated[bool, Parameter(negative=())] = False,
    importance: bool = True,
    json: Annotated[bool, Parameter(negative=())] = False,
    svg: Path | None = None,
    png: Path | None = None,
    pdf: Path | None = None,
) -> None:
    """What each head does: the previous token, induction, a sink, syntax, alignment, or nothing that has a name.

    Every score stands beside its chance, and a head has a name only where it is clearly above that. Without a file the
    built-in English-Spanish sentences are read, by language models random tokens said twice too.

    Example: clearhead heads models/demo

    On your own text: clearhead heads models/mine english.conllu --png heads.png

    One word: clearhead heads models/demo --sentence "The white cats see the small house." --word cats

    Parameters
    ----------
    model
        a model folder
    file
        pairs (with gold links for the alignment), plain text, or sentences with dependencies (.conllu)
    texts
        how many texts are read
    sentence
        show in which heads a word of this sentence looks at which other word
    word
        which word of it (or its number, from 0)
    norms
        weigh by how much is moved, the norm of weight times value, and not by the weight alone
    probes
        also read tokens, positions and parts of speech from each head's slice with a linear probe
    importance
        also measure how much worse the model predicts without each head
    json
        print everything as JSON instead of tables
    svg
        save the picture here
    png
        save the picture here
    pdf
        save the picture here
    """
    wanted = pictures(svg=svg, png=png, pdf=pdf)
    if (sentence is None) != (word is None):
        raise ConfigError("a word is looked for in a sentence", 'write --sentence "The cats sleep." --word cats')
    check(Texts, "texts", texts)

    from clearhead.tasks.load import load

    loaded, name = load(model), Path(model).name
    if sentence is not None and word is not None:
        found = _one_word(loaded, sentence, word)
    else:
        found = _all_heads(loaded, name, file, texts, norms=norms, probes=probes, importance=importance)
    _tell(found, json=json)
    for path in wanted:
        _save(found, path)


class Told(NamedTuple):
    """What was found, for people and as data, and how it is drawn if a picture is asked for."""

    findings: Findings
    data: dict[str, Any]
    figure: Callable[[], Figure]


def _one_word(loaded: Any, sentence: str, word: str) -> Told:
    from clearhead.figures.heads import joins_figure
    from clearhead.insight.joins import joins
    from clearhead.tasks.examples import Example, trace_example

    found = joins(trace_example(loaded, Example(sentence)), word)
    findings = found.findings()
    return Told(findings, findings.to_json(), lambda: joins_figure(found))


def _all_heads(loaded: Any, name: str, file: str | None, texts: int, *, norms: bool, **asked: bool) -> Told:
    from clearhead.figures.heads import heads_figure
    from clearhead.progress import Bar
    from clearhead.tasks.examples import built_in, of_file
    from clearhead.tasks.heads import examine

    examples = built_in(loaded, texts) if file is None else of_file(loaded, file, texts)
    with Bar("reading", len(examples), "texts") as bar:
        found = examine(loaded, examples, name=name, norms=norms, done=bar.advance, **asked)
    setting = f"{len(examples)} texts ({file or 'built-in sentences'})"
    setting += ", weighed by what is moved (norms)" if norms else ""
    title = f"What the heads of {name} do"
    return Told(found.findings(setting), found.to_json(), lambda: heads_figure(found.roles, title=title))


def _tell(found: Told, *, json: bool) -> None:
    from json import dumps

    from rich.console import Console

    from clearhead.figures.findings import print_findings

    if json:
        print(dumps(found.data, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_findings(found.findings, Console())


def _save(found: Told, path: Path) -> None:
    from clearhead.figures.canvas import save_figure

    save_figure(found.figure(), path)
    print(f"saved {path}", file=sys.stderr)
