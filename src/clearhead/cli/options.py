"""A configuration as command-line options: every field optional, so that what was not given comes from the recipe."""

from __future__ import annotations

from typing import Any, Optional

from pydantic import BaseModel, Field, create_model

__all__ = ["given", "optional"]


def optional(defaults: BaseModel, *, without: tuple[str, ...] = ()) -> type[BaseModel]:
    """A model with the fields of `defaults`, none required, their defaults told in their descriptions."""
    fields: dict[str, Any] = {}
    for name, field in type(defaults).model_fields.items():
        if name in without:
            continue
        value = getattr(defaults, name)
        if isinstance(value, BaseModel):
            kind: Any = optional(value)
            text = field.description
        else:
            kind = field.annotation
            shown = "by the recipe" if value is None else value
            text = f"{field.description} [default: {shown}]" if value is not None else field.description
        fields[name] = (Optional[kind], Field(default=None, description=text))  # noqa: UP045
    return create_model(type(defaults).__name__ + "Options", **fields)


def given(options: BaseModel | None) -> dict[str, Any]:
    """What was given, as nested dicts."""
    return {} if options is None else options.model_dump(exclude_unset=True)
