"""How a loaded model shows itself: where a person types its name, and in `clearhead info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn

    from clearhead.folder import Folder
    from clearhead.tasks.task import Model

__all__ = ["describe_model", "model_repr"]


class _Described(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def module(self) -> nn.Module: ...
    @property
    def folder(self) -> Folder | None: ...


def describe_model(
    model: _Described,
    architecture: Mapping[str, object],
    reads: Mapping[str, object],
    costs: Mapping[str, object] = {},
    *,
    trained: bool = True,
) -> dict[str, object]:
    """What is in a model, as plain JSON by the words of `clearhead info`.

    Args:
        architecture: its configuration, as JSON.
        reads: what it says of its vocabulary and texts, after the architecture.
        costs: what it says beside the memory of its weights.
        trained: whether the folder says how it was trained.
    """
    numbers = sum(parameter.numel() for parameter in model.module.parameters())
    saved = {} if model.folder is None else model.folder.config()
    training = {"training": saved.get("results", "not finished"), "data": saved.get("data", {})} if trained else {}
    return {
        "task": model.name,
        "architecture": architecture,
        **reads,
        "parameters": numbers,
        "memory of the weights (float32)": f"{numbers * 4 / 1e6:.1f} MB",
        **costs,
        **training,
    }


def model_repr(model: Model) -> str:
    """What it is, how large, where it lies, and what can be done with it: for `__repr__`."""
    numbers = sum(parameter.numel() for parameter in model.module.parameters())
    where = "" if model.folder is None else f", {model.folder}"
    calls = [*model.verbs, *([] if model.inside is None else ["trace", "look"]), "evaluate", "describe"]
    return f"<{type(model).__name__} of {numbers:,} numbers{where}: {', '.join(f'.{call}()' for call in calls)}>"
