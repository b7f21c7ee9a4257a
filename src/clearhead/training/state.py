"""The state of a training: all that a resumed run needs to repeat every bit.

One safetensors file holds the master weights, what the optimizers remember and the random state; its metadata holds the
position in the data, the best evaluation and the choices made by measuring. One file, replaced whole, so that a kill at
any instant leaves a state that belongs together.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, TypeAlias

import torch
from pydantic import Field
from torch import nn

from clearhead.errors import FolderError, given
from clearhead.fields import checked
from clearhead.folder import STATE, Folder, unshared
from clearhead.parsing import parse_json
from clearhead.ranges import Count, Counted, Steps
from clearhead.training.health import Health
from clearhead.training.optim import load_state_tensors, state_tensors

__all__ = ["Position", "load_state", "save_state"]

_FIX = "resume with the folder's own files, or train into another folder"
_Precision: TypeAlias = Annotated[str, Field(pattern="^(float32|bfloat16)$")]


@dataclass
class Position:
    """Where a training stands.

    `epoch` and `index` are the next batch; `best_step` and `best_loss` the best evaluation so far, `worse` how many
    came after it; `window` the steps of the last evaluations, to be averaged. `loss` and `count` sum up the training
    since its last report.
    """

    precision: _Precision
    threads: Count
    most_threads: Counted = 0  # among which the number is chosen as the machine gets busy or quiet; 0: never
    compiled: bool = False
    muon: _Precision = "bfloat16"  # the precision of its products; states that do not say were made in this one
    step: Steps = 0
    epoch: Steps = 0
    index: Counted = 0
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    best_step: Annotated[int, Field(ge=-1)] = -1
    best_loss: float = float("inf")
    worse: Counted = 0
    window: Annotated[list[Steps], Field(max_length=10_000)] = field(default_factory=list)
    finished: bool = False
    loss: float = 0.0
    count: Annotated[int, Field(ge=0, lt=2**63)] = 0
    health: Health = field(default_factory=Health)


def save_state(folder: Folder, position: Position, master: nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    """Write the state, replacing the former one."""
    tensors = {f"model.{name}": value for name, value in unshared(master).items()}
    tensors |= state_tensors(optimizers)
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_initialized():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    folder.write_tensors(STATE, tensors, {"position": json.dumps(asdict(position))})


def load_state(folder: Folder, master: nn.Module, optimizers: list[torch.optim.Optimizer]) -> Position:
    """Read the state into the model, the optimizers and torch's random state.

    Raises:
        FolderError: the state is damaged or belongs to another model.
    """
    tensors, metadata = folder.tensors(STATE)
    try:
        position = _position(metadata["position"], folder)
        model = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        missing, unexpected = master.load_state_dict(model, strict=False)
        if unexpected or (set(missing) & set(unshared(master))):
            raise KeyError(next(iter([*unexpected, *missing])))
        if not all(bool(value.isfinite().all()) for value in model.values()):
            raise ValueError("a weight is not a finite number")
        load_state_tensors(optimizers, tensors)
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
    except (LookupError, RuntimeError, ValueError, TypeError) as error:
        raise FolderError(
            f"this state does not belong to the model in config.json ({error})",
            _FIX,
            file=folder.path / STATE,
        ) from error
    return position


def _position(text: str, folder: Folder) -> Position:
    """A saved position; fields that its version did not know begin with their defaults.

    Raises:
        FolderError: a field is not what it must be.
    """
    file = folder.path / STATE
    data = checked(dict[str, object], parse_json(text, file=file, error=FolderError, fix=_FIX), file=file, fix=_FIX)
    known = {f.name: data[f.name] for f in fields(Position) if f.name in data}
    if isinstance(health := known.get("health"), dict):
        known["health"] = {f.name: health[f.name] for f in fields(Health) if f.name in health}
    position: Position = checked(Position, known, file=file, fix=_FIX)
    for wrong, problem in (
        (
            position.threads > _most_threads(),
            f"threads = {position.threads}: at most {_most_threads()} are possible here",
        ),
        (position.best_step > position.step, f"best_step = {position.best_step}, and step = {position.step}"),
        (
            position.window != sorted(s for s in set(position.window) if 0 < s <= position.step),
            f"window = {given(position.window)}: steps up to {position.step} in their order are wanted",
        ),
    ):
        if wrong:
            raise FolderError(problem, _FIX, file=file)
    return position


def _most_threads() -> int:
    """Threads beyond these are more than a system gives, whatever was saved on another machine."""
    return max(256, 4 * (os.cpu_count() or 1))
