"""`clearhead heads MODEL [FILE]`: what each head does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from clearhead.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    svg, png, pdf
        save the picture here
    """
    for path, suffix in ((svg, ".svg"), (png, ".png"), (pdf, ".pdf")):
        if path is not None and path.suffix.lower() != suffix:
            raise ConfigError(f"{path} does not end in {suffix}", f"write --{suffix[1:]} {path.with_suffix(suffix)}")
    if (sentence is None) != (word is None):
        raise ConfigError("a word is looked for in a sentence", 'write --sentence "The cats sleep." --word cats')
    if texts < 1:
        raise ConfigError(f"{texts} texts tell nothing", "ask for 1 or more")
    figures = [path for path in (svg, png, pdf) if path is not None]

    from clearhead.tasks.load import load

    loaded = load(model)
    if sentence is not None and word is not None:
        _one_word(loaded, sentence, word, figures, json=json)
        return
    _all_heads(loaded, model, file, texts, figures, norms=norms, probes=probes, importance=importance, json=json)


def _one_word(loaded: Any, sentence: str, word: str, figures: Sequence[Path], *, json: bool) -> None:
    from clearhead.insight.joins import joins
    from clearhead.tasks.examples import Example, trace_example
    from clearhead.views.heads import joins_figure

    found = joins(trace_example(loaded, Example(sentence)), word)
    _tell(found.findings(), found.findings().to_json(), json=json)
    if figures:
        _save(joins_figure(found), figures)


def _all_heads(
    loaded: Any,
    model: str,
    file: str | None,
    texts: int,
    figures: Sequence[Path],
    *,
    norms: bool,
    probes: bool,
    importance: bool,
    json: bool,
) -> None:
    from clearhead.progress import Bar
    from clearhead.tasks.examples import built_in, of_file
    from clearhead.tasks.heads import examine
    from clearhead.views.heads import heads_figure

    examples = of_file(loaded, file, texts) if file else built_in(loaded, texts)
    name = Path(model).name
    with Bar("reading", len(examples), "texts") as bar:
        found = examine(
            loaded, examples, name=name, norms=norms, probes=probes, importance=importance, done=bar.advance
        )
    setting = f"{len(examples)} texts ({file or 'built-in sentences'})"
    setting += ", weighed by what is moved (norms)" if norms else ""
    _tell(found.findings(setting), found.to_json(), json=json)
    if figures:
        _save(heads_figure(found.roles, title=f"What the heads of {name} do"), figures)


def _tell(findings: Any, data: dict[str, Any], *, json: bool) -> None:
    from json import dumps

    from rich.console import Console

    from clearhead.views.findings import print_findings

    if json:
        print(dumps(data, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_findings(findings, Console())


def _save(figure: Figure, paths: Sequence[Path]) -> None:
    import sys

    from clearhead.views.canvas import save_figure

    for path in paths:
        save_figure(figure, path)
        print(f"saved {path}", file=sys.stderr)
