"""`clearhead info MODEL`: what is in a model."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from clearhead.errors import ConfigError

__all__ = ["info"]


def info(
    model: str | None = None,
    *,
    preset: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """What is in a model: architecture, sizes, memory, task, training.

    Example: clearhead info models/demo

    Known models side by side, none of whose numbers is made: clearhead info --preset bert-base gpt3 llama-405b

    Parameters
    ----------
    model
        a model folder
    preset
        names of known models instead: parameters, layers, memory and cache
    json
        print it as JSON
    """
    if (model is None) == (not preset):
        raise ConfigError(
            "a model is wanted, or presets", "clearhead info models/demo, or: clearhead info --preset gpt2"
        )
    if preset:
        _print_presets(preset, as_json=json)
        return
    from json import dumps

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from clearhead.tasks.load import load

    assert model is not None, "asked above"
    about = load(model).describe()
    if json:
        print(dumps(about, indent=1, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in about.items():
        table.add_row(Text(name, style="bold"), Text(_words(value)))
    Console().print(table)


def _print_presets(names: tuple[str, ...], *, as_json: bool) -> None:
    """A column for each known model."""
    from json import dumps

    from rich.console import Console
    from rich.table import Table

    from clearhead.models.known import find_known
    from clearhead.tasks.room import known_sizes

    found = {name: known_sizes(*find_known(name)) for name in names}
    if as_json:
        print(dumps(found, indent=1))
        return
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    for name in found:
        table.add_column(name, justify="right", no_wrap=True)
    for line in next(iter(found.values())):
        table.add_row(line, *(_words(sizes[line]) for sizes in found.values()))
    Console().print(table)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_words(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
