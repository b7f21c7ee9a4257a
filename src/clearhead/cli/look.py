"""`clearhead show MODEL "text"` and `clearhead info MODEL`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from clearhead.cli.pictures import check_form, pictures
from clearhead.errors import ConfigError

__all__ = ["info", "show"]


def show(
    model: str,
    text: str,
    *,
    target: str | None = None,
    layer: int | None = None,
    head: int | None = None,
    svg: Path | None = None,
    png: Path | None = None,
    pdf: Path | None = None,
    html: Path | None = None,
) -> None:
    """Show whom each word attended to: a translation's its source, a text's itself; or save everything as one page.

    Example: clearhead show models/demo "The red house is big." --svg attention.svg

    Example: clearhead show models/demo "The red house is big." --html page.html

    Parameters
    ----------
    model
        a model folder
    text
        the source sentence, or the text of a language model
    target
        a translation to look at instead of the model's own
    layer
        which decoder layer, from 0 (default: that of the head that aligns best)
    head
        which head, from 0 (default: the one that aligns best; of a layer that is named: the mean of its heads)
    svg
        save the figure here
    png
        save the figure here
    pdf
        save the figure here
    html
        save here, as one page that opens anywhere without a network, every number from the tokens to the probabilities
        (of any model that reads text; the text of a language model is not continued)
    """
    check_form(html, "html")
    wanted = pictures(svg=svg, png=png, pdf=pdf)

    from clearhead.explorer.show import save
    from clearhead.explorer.show import show as show_alignment
    from clearhead.tasks.load import load

    loaded = load(model)
    if not getattr(loaded, "inputs", ()):
        raise ConfigError(f"{model} has no attention to show: its task is {loaded.name}", "name another model")
    if html is not None:
        from clearhead.explorer.glass import Glass, Question

        glass = Glass(loaded, model)
        given = {loaded.inputs[0]: text} if target is None else dict(zip(loaded.inputs, (text, target), strict=True))
        glass.page(Question(texts=given)).save(html)
        print(f"saved {html}")
        if not any((svg, png, pdf, layer, head)):
            return
    if target is not None and len(loaded.inputs) < 2:
        raise ConfigError("a language model reads one text", "leave --target out")
    if not text.strip():
        raise ConfigError("the text is empty", "write something")
    texts = [text] if len(loaded.inputs) < 2 else [text, target]
    alignment = loaded.look(*texts, layer=layer, head=head)
    for remark in alignment.trace.remarks:
        print(f"note: {remark}", file=sys.stderr)
    if len(texts) > 1:
        print(" ".join(alignment.target))
    show_alignment(alignment)
    for path in wanted:
        save(alignment, path)
        print(f"saved {path}")


def info(model: str, *, json: Annotated[bool, Parameter(negative=())] = False) -> None:
    """What is in a model: architecture, sizes, memory, task, training.

    Example: clearhead info models/demo

    Parameters
    ----------
    model
        a model folder
    json
        print it as JSON
    """
    from json import dumps

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from clearhead.tasks.load import load

    about = load(model).describe()
    if json:
        print(dumps(about, indent=1, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in about.items():
        table.add_row(Text(name, style="bold"), Text(_words(value)))
    Console().print(table)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
