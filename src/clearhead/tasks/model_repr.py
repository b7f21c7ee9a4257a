"""How a loaded model shows itself where a person types its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearhead.tasks.task import Model

__all__ = ["model_repr"]


def model_repr(model: Model) -> str:
    """What it is, how large, where it lies, and what can be done with it: for `__repr__`."""
    numbers = sum(parameter.numel() for parameter in model.module.parameters())
    where = "" if model.folder is None else f", {model.folder}"
    calls = [*model.verbs, *([] if model.inside is None else ["trace", "look"]), "evaluate", "describe"]
    return f"<{type(model).__name__} of {numbers:,} numbers{where}: {', '.join(f'.{call}()' for call in calls)}>"
