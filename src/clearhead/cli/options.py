"""A configuration as command-line options: every field optional, so that what was not given comes from the recipe."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Optional

from cyclopts import Parameter
from pydantic import BaseModel

__all__ = ["given", "optional"]


def optional(defaults: BaseModel, *, without: tuple[str, ...] = ()) -> type:
    """A dataclass with the fields of `defaults`, none required, their defaults told in the help.

    A dataclass and no pydantic model: cyclopts would read the sources of pydantic itself in search of help texts, which
    takes longer than all the rest of `--help`.
    """
    fields: list[tuple[str, Any, Any]] = []
    for name, field in type(defaults).model_fields.items():
        if name in without:
            continue
        value = getattr(defaults, name)
        kind: Any = optional(value) if isinstance(value, BaseModel) else field.annotation
        shown = "" if value is None or isinstance(value, BaseModel) else f" [default: {value}]"
        help_ = Parameter(help=f"{field.description}{shown}")
        fields.append((name, Annotated[Optional[kind], help_], dataclasses.field(default=None)))  # noqa: UP045
    # A module that does not exist: there is no source to look into.
    return dataclasses.make_dataclass(type(defaults).__name__, fields, namespace={"__module__": "clearhead.cli.made"})


def given(options: Any) -> dict[str, Any]:
    """What was given, as nested dicts."""
    if options is None:
        return {}
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    nested = {k: given(v) if dataclasses.is_dataclass(v) else v for k, v in values.items() if v is not None}
    return {k: v for k, v in nested.items() if v != {}}
