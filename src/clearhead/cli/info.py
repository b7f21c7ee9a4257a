"""`clearhead info MODEL`: what is in a model."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

__all__ = ["info"]


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


def _words(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
