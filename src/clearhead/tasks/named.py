"""How a loaded model shows itself where a person types its name."""

from __future__ import annotations

from typing import Any

__all__ = ["named"]


def named(model: Any) -> str:
    """What it is, how large, where it lies, and what can be done with it: for `__repr__`."""
    numbers = sum(parameter.numel() for parameter in model.module.parameters())
    where = "" if model.folder is None else f", {model.folder}"
    calls = [*model.verbs, *(["trace", "look"] if hasattr(model, "trace") else []), "evaluate", "describe"]
    return f"<{type(model).__name__} of {numbers:,} numbers{where}: {', '.join(f'.{call}()' for call in calls)}>"
