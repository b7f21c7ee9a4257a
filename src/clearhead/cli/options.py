"""A configuration as command-line options: every field optional, so that what was not given comes from the recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel

from clearhead.models.architecture import models_in

__all__ = ["given", "optional"]

# The sections of a configuration and the panels of the help that hold their options, in the order of the page.
_PANELS = {
    name: Group(title, sort_key=place)
    for place, (name, title) in enumerate(
        {
            "data": "Data",
            "tokenizer": "Tokenizer",
            "vocabulary": "Vocabulary",
            "arch": "Model",
            "lora": "LoRA",
            "optimizer": "Optimizer",
            "schedule": "Schedule",
            "training": "Training",
        }.items(),
        1,
    )
}


def optional(defaults: BaseModel, *, without: tuple[str, ...] = (), others: Sequence[type[BaseModel]] = ()) -> type:
    """A dataclass with the fields of `defaults`, none required, their defaults told in the help.

    Where a section may be of another kind (`others`), it has the fields of all of them.

    A dataclass and no pydantic model: cyclopts would read the sources of pydantic itself in search of help texts, which
    takes longer than all the rest of `--help`.
    """
    kinds = [type(defaults), *others]
    fields: list[tuple[str, Any, Any]] = []
    for name in dict.fromkeys(name for kind in kinds for name in kind.model_fields if name not in without):
        owners = [kind for kind in kinds if name in kind.model_fields]
        value = getattr(defaults, name, owners[0].model_fields[name].default)
        if isinstance(value, BaseModel):
            also = [m for m in models_in(owners[0].model_fields[name].annotation) if m is not type(value)]
            annotation: Any = optional(value, others=also)
        else:
            annotation = _either([kind.model_fields[name].annotation for kind in owners])
        flag = owners[0].model_fields[name].title  # a name that Python keeps for itself
        panel: dict[str, Any] = {"group": _PANELS[name]} if name in _PANELS else {}
        help_ = Parameter(name=f"--{flag}" if flag else None, help=_help(name, value, owners, kinds), **panel)
        fields.append((name, Annotated[Optional[annotation], help_], dataclasses.field(default=None)))  # noqa: UP045
    # A module that does not exist: there is no source to look into.
    return dataclasses.make_dataclass(type(defaults).__name__, fields, namespace={"__module__": "clearhead.cli.made"})


def _help(name: str, value: Any, owners: Sequence[type[BaseModel]], kinds: Sequence[type[BaseModel]]) -> str:
    """What a field says, which kinds of model have it where not all do, and its default, told for each kind."""
    field = owners[0].model_fields[name]
    whose = f" ({_families(owners)})" if len(owners) < len(kinds) else ""
    if value is None or isinstance(value, BaseModel):
        return f"{field.description}{whose}"
    others = [(kind, kind.model_fields[name].default) for kind in owners if kind is not kinds[0]]
    differ = "".join(f"; {_families([k])}: {d}" for k, d in others if d != value and d is not None and name != "family")
    return f"{field.description}{whose} [default: {value}{differ}]"


def _either(annotations: Sequence[Any]) -> Any:
    """A type of all that each of these allows."""
    if all(get_origin(a) is Literal for a in annotations):
        return Literal[tuple(choice for a in annotations for choice in get_args(a))]
    return Union[tuple(annotations)]  # noqa: UP007


def _families(kinds: Sequence[type[BaseModel]]) -> str:
    return ", ".join(family for kind in kinds for family in get_args(kind.model_fields["family"].annotation))


def given(options: Any) -> dict[str, Any]:
    """What was given, as nested dicts."""
    if options is None:
        return {}
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    nested = {k: given(v) if dataclasses.is_dataclass(v) else v for k, v in values.items() if v is not None}
    return {k: v for k, v in nested.items() if v != {}}
