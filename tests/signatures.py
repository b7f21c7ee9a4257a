"""Signatures are checked at every call: the types by beartype, and the axes by jaxtyping where a signature names any.

jaxtyping gives each call a frame in which the names of axes are bound, and looks at its parameters twice. That costs
more than most functions do; of those without axes beartype alone says the same. A function inside another is part of
that one: it is made again at every call, and to decorate it each time takes far longer than to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import beartype

__all__ = ["check"]

_WITH_AXES = jaxtyping.jaxtyped


def check(packages: list[str]) -> None:
    """From here on what is imported of these packages is checked."""
    jaxtyping.jaxtyped = _checked
    jaxtyping.install_import_hook(packages, "beartype.beartype")


def _checked(*, typechecker: Any) -> Callable[[Any], Any]:
    """What the hook decorates functions and classes with."""

    def decorate(thing: Any) -> Any:
        if not isinstance(thing, FunctionType):  # a class: of dataclasses it is what makes them that is checked
            return _WITH_AXES(thing, typechecker=typechecker)
        if "<locals>" in thing.__qualname__:
            return thing
        written = thing.__annotations__
        hints = {name: _resolved(hint, thing.__globals__) for name, hint in written.items()}
        if any(map(_has_axes, hints.values())):
            return _WITH_AXES(thing, typechecker=typechecker)
        try:
            thing.__annotations__ = hints
            return beartype(thing)
        finally:
            thing.__annotations__ = written

    return decorate


def _resolved(hint: Any, known: Mapping[str, Any]) -> Any:
    """A hint as a type; as jaxtyping has it, what is not known yet may be anything."""
    holder = type("Holder", (), {"__annotations__": {"x": hint}})
    try:
        return get_type_hints(holder, dict(known), include_extras=True)["x"]
    except Exception:
        return Any


def _has_axes(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_has_axes, get_args(hint)))
