"""`clearhead heads MODEL [FILE]`: what each head does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from clearhead.cli.pictures import Pictures
from clearhead.errors import ConfigError
from clearhead.ranges import Texts, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from clearhead.insight.findings import Findings
    from clearhead.tasks.task import Inside

__all__ = ["heads"]


@Parameter(name="*")
@dataclass(frozen=True)
class Measures:
    """What is measured of each head.

    Parameters
    ----------
    texts
        how many texts are read
    norms
        weigh by how much is moved, the norm of weight times value, and not by the weight alone
    probes
        also read tokens, positions and parts of speech from each head's slice with a linear probe
    importance
        also measure how much worse the model predicts without each head
    """

    texts: int = 200
    norms: Annotated[bool, Parameter(negative=())] = False
    probes: Annotated[bool, Parameter(negative=())] = False
    importance: bool = True


@Parameter(name="*")
@dataclass(frozen=True)
class OneWord:
    """A word that is looked for in a sentence.

    Parameters
    ----------
    sentence
        show in which heads a word of this sentence looks at which other word
    word
        which word of it (or its number, from 0)
    """

    sentence: str | None = None
    word: str | None = None


def heads(
    model: str,
    file: str | None = None,
    *,
    measures: Measures = Measures(),
    asked: OneWord = OneWord(),
    json: Annotated[bool, Parameter(negative=())] = False,
    figures: Pictures = Pictures(),  # noqa: B008
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
    json
        print everything as JSON instead of tables
    """
    wanted = figures.wanted()
    sentence, word = asked.sentence, asked.word
    if (sentence is None) != (word is None):
        raise ConfigError("a word is looked for in a sentence", 'write --sentence "The cats sleep." --word cats')
    check(Texts, "texts", measures.texts)

    from clearhead.tasks.opened import load_inside

    loaded = load_inside(model)
    if sentence is not None and word is not None:
        found = _one_word(loaded, sentence, word)
    else:
        found = _all_heads(loaded, Path(model).name, file, measures)
    _print(found, json=json)
    for path in wanted:
        _save(found, path)


class HeadReport(NamedTuple):
    """What was found, for people and as data, and how it is drawn if a picture is asked for."""

    findings: Findings
    data: dict[str, object]
    figure: Callable[[], Figure]


def _one_word(loaded: Inside, sentence: str, word: str) -> HeadReport:
    from clearhead.figures.head_figures import joins_figure
    from clearhead.insight.joins import joins
    from clearhead.tasks.examples import Example

    found = joins(loaded.trace_example(Example(sentence)), word)
    findings = found.findings()
    return HeadReport(findings, findings.to_json(), lambda: joins_figure(found))


def _all_heads(loaded: Inside, name: str, file: str | None, measures: Measures) -> HeadReport:
    from clearhead.figures.head_figures import heads_figure
    from clearhead.progress import Bar
    from clearhead.tasks.head_examination import examine

    examples = (
        loaded.examples.built_in(measures.texts) if file is None else loaded.examples.of_file(file, measures.texts)
    )
    asked = {"norms": measures.norms, "probes": measures.probes, "importance": measures.importance}
    with Bar("reading", len(examples), "texts") as bar:
        found = examine(loaded, examples, name=name, done=bar.advance, **asked)
    setting = f"{len(examples)} texts ({file or 'built-in sentences'})"
    setting += ", weighed by what is moved (norms)" if measures.norms else ""
    title = f"What the heads of {name} do"
    return HeadReport(found.findings(setting), found.to_json(), lambda: heads_figure(found.roles, title=title))


def _print(found: HeadReport, *, json: bool) -> None:
    from json import dumps

    from rich.console import Console

    from clearhead.figures.findings_output import print_findings

    if json:
        print(dumps(found.data, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_findings(found.findings, Console())


def _save(found: HeadReport, path: Path) -> None:
    from clearhead.figures.canvas import save_figure

    save_figure(found.figure(), path)
    print(f"saved {path}", file=sys.stderr)
