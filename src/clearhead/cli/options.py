"""A configuration as command-line options: every field optional, so that what was not given comes from the recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel

from clearhead.models.architecture import models_in
from clearhead.models.bricks import BRICKS, old_names

__all__ = ["by_kind", "given", "optional"]

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


def optional(
    defaults: BaseModel,
    *,
    without: tuple[str, ...] = (),
    others: Sequence[type[BaseModel]] = (),
    families: Mapping[type[BaseModel], str] | None = None,
) -> type:
    """A dataclass with the fields of `defaults`, none required, their defaults told in the help.

    Where a section may be of another kind (`others`), it has the fields of all of them; `families` are the models that
    have a section of each kind, in words.

    A dataclass and no pydantic model: cyclopts would read the sources of pydantic itself in search of help texts, which
    takes longer than all the rest of `--help`.
    """
    kinds = [type(defaults), *others]
    families = families or {kind: _families(kind) for kind in kinds}
    fields: list[tuple[str, object, object]] = []
    for name in dict.fromkeys(name for kind in kinds for name in kind.model_fields if name not in without):
        owners = [kind for kind in kinds if name in kind.model_fields]
        value = getattr(defaults, name, owners[0].model_fields[name].get_default(call_default_factory=True))
        inner = {m: families[kind] for kind in owners for m in models_in(kind.model_fields[name].annotation)}
        if isinstance(value, BaseModel):
            also, named = [m for m in inner if m is not type(value)], inner if any(inner.values()) else None
            annotation: Any = optional(value, others=also, families=named)
        else:
            annotation = _either([kind.model_fields[name].annotation for kind in owners])
        flag = owners[0].model_fields[name].title  # a name that Python keeps for itself
        panel: dict[str, Any] = {"group": _PANELS[name]} if name in _PANELS else {}
        help_ = Parameter(name=f"--{flag}" if flag else None, help=_help(name, value, owners, families), **panel)
        fields.append((name, Annotated[Optional[annotation], help_], dataclasses.field(default=None)))  # noqa: UP045
    for name, annotation in _old(kinds).items():
        hidden = Annotated[Optional[annotation], Parameter(show=False)]  # noqa: UP045
        fields.append((name, hidden, dataclasses.field(default=None)))
    # A module that does not exist: there is no source to look into.
    return dataclasses.make_dataclass(type(defaults).__name__, fields, namespace={"__module__": "clearhead.cli.made"})


def _old(kinds: Sequence[type[BaseModel]]) -> dict[str, object]:
    """The options that an architecture had before its bricks were nested, with their types: they are still taken."""
    found: dict[str, list[object]] = {}
    for kind in kinds:
        if "family" in kind.model_fields:
            for name, ((first, *rest), *_) in old_names(kind.model_fields["family"].default).items():
                field = kind.model_fields[first]
                for inner in rest:
                    field = models_in(field.annotation)[0].model_fields[inner]
                found.setdefault(name, []).append(field.annotation)
    taken = {name for kind in kinds for name in kind.model_fields}
    return {name: _either(annotations) for name, annotations in found.items() if name not in taken}


def _help(name: str, value: object, owners: Sequence[type[BaseModel]], families: Mapping[type[BaseModel], str]) -> str:
    """What a field says, which kinds of model have it where not all do, and its default, told for each kind."""
    field = owners[0].model_fields[name]
    said = {families[kind]: kind.model_fields[name].description for kind in owners[1:]}
    also = "".join(f"; {of}: {about}" for of, about in said.items() if about != field.description)
    whose = f" ({', '.join(families[kind] for kind in owners)})" if len(owners) < len(families) else ""
    if value is None or isinstance(value, BaseModel):
        return f"{field.description}{also}{whose}"
    others = {families[kind]: kind.model_fields[name].default for kind in owners if kind is not owners[0]}
    differ = "".join(f"; {of}: {d}" for of, d in others.items() if d != value and d is not None and name != "family")
    return f"{field.description}{also}{whose} [default: {value}{differ}]"


def _either(annotations: Sequence[object]) -> object:
    """A type of all that each of these allows."""
    if all(get_origin(a) is Literal for a in annotations):
        return Literal[tuple(choice for a in annotations for choice in get_args(a))]
    return Union[tuple(annotations)]  # noqa: UP007


def _families(kind: type[BaseModel]) -> str:
    """The models that a configuration is of, in words; "" where it is not of a model."""
    field = kind.model_fields.get("family")
    return "" if field is None else ", ".join(get_args(field.annotation))


def by_kind(words: Sequence[str]) -> list[str]:
    """Words of a command in which a brick is chosen by its name alone: `--arch.positions alibi` is of its `kind`."""
    bricks = {f"--arch.{name.replace('_', '-')}" for name in BRICKS} | {f"--arch.{name}" for name in BRICKS}
    made = []
    for word in words:
        option, sign, value = word.partition("=")
        made.append(f"{option}.kind{sign}{value}" if option in bricks else word)
    return made


def given(options: Any) -> dict[str, object]:
    """What was given, as nested dicts."""
    if options is None:
        return {}
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    nested = {k: given(v) if dataclasses.is_dataclass(v) else v for k, v in values.items() if v is not None}
    return {k: v for k, v in nested.items() if v != {}}
