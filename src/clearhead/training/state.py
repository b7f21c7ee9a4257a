"""The state of a training: all that a resumed run needs to repeat every bit.

One safetensors file holds the master weights, what the optimizers remember and the random state; its metadata holds the
position in the data, the best evaluation and the choices made by measuring. One file, replaced whole, so that a kill at
any instant leaves a state that belongs together.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import nn

from clearhead.errors import FolderError
from clearhead.folder import Folder, unshared
from clearhead.training.health import Health
from clearhead.training.optim import load_state_tensors, state_tensors

__all__ = ["FILE", "Position", "load_state", "save_state"]

FILE = "training/state.safetensors"


@dataclass
class Position:
    """Where a training stands.

    `epoch` and `index` are the next batch; `best_step` and `best_loss` the best evaluation so far, `worse` how many
    came after it; `window` the steps of the last evaluations, to be averaged. `loss` and `count` sum up the training
    since its last report.
    """

    precision: str
    threads: int
    most_threads: int = 0  # among which the number is chosen as the machine gets busy or quiet; 0: never
    compiled: bool = False
    muon: str = "bfloat16"  # the precision of its products; states that do not say were made in this one
    step: int = 0
    epoch: int = 0
    index: int = 0
    seconds: float = 0.0
    best_step: int = -1
    best_loss: float = float("inf")
    worse: int = 0
    window: list[int] = field(default_factory=list)
    finished: bool = False
    loss: float = 0.0
    count: int = 0
    health: Health = field(default_factory=Health)


def save_state(folder: Folder, position: Position, master: nn.Module, optimizers: list[torch.optim.Optimizer]) -> None:
    """Write the state, replacing the former one."""
    tensors = {f"model.{name}": value for name, value in unshared(master).items()}
    tensors |= state_tensors(optimizers)
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_initialized():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    folder.write_tensors(FILE, tensors, {"position": json.dumps(asdict(position))})


def load_state(folder: Folder, master: nn.Module, optimizers: list[torch.optim.Optimizer]) -> Position:
    """Read the state into the model, the optimizers and torch's random state.

    Raises:
        FolderError: the state is damaged or belongs to another model.
    """
    tensors, metadata = folder.tensors(FILE)
    try:
        position = _position(json.loads(metadata["position"]))
        model = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        missing, unexpected = master.load_state_dict(model, strict=False)
        if unexpected or (set(missing) & set(unshared(master))):
            raise KeyError(next(iter([*unexpected, *missing])))
        load_state_tensors(optimizers, tensors)
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise FolderError(
            f"this state does not belong to the model in config.json ({error})",
            "resume with the folder's own files, or train into another folder",
            file=folder.path / FILE,
        ) from error
    return position


def _position(data: dict[str, Any]) -> Position:
    """A saved position; fields that its version did not know begin with their defaults."""
    health = Health(**{f.name: data["health"][f.name] for f in fields(Health)}) if "health" in data else Health()
    known = {f.name: data[f.name] for f in fields(Position) if f.name in data}
    return Position(**{**known, "health": health})
