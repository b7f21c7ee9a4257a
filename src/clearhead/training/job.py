"""What is trained and how: a task as a `Job`, its configuration as a `Plan`, and the `Outcome`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = ["Batch", "Job", "Key", "Outcome", "Plan"]

# Of the job's own kinds: the loop hands them back to it, and asks nothing of them.
Batch: TypeAlias = Any
Key: TypeAlias = Any
Network: TypeAlias = Any


class Job(Protocol):
    """What the loop asks of a task. The passes run on `module` or on a copy of it, which they are given.

    `varies` says whether batches differ in shape.
    """

    module: Network
    varies: bool

    def epoch(self, epoch: int) -> Sequence[Key]:
        """The batches of an epoch in training order, as light keys; a function of the seed and the epoch alone."""
        ...

    def batch(self, key: Key) -> Batch:
        """The tensors of a batch, on the CPU: the loop moves them to where the module is."""
        ...

    def loss(self, module: Network, batch: Batch) -> tuple[Tensor, int]:
        """(sum of the losses in nats, how many predictions)."""
        ...

    def held_out(self) -> Iterable[Batch]:
        """The validation part in batches, on the CPU: all of it, once."""
        ...

    def measure(self, module: Network, batch: Batch) -> Mapping[str, float]:
        """What is summed over the batches of the validation part, by name."""
        ...

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Numbers of the validation part, of those sums; "loss" (nats per prediction) decides."""
        ...

    def floors(self) -> dict[str, float]:
        """Validation losses that models reach which know less, the plainest first; {} where there are none."""
        ...

    def order(self) -> str:
        """How batches are made, in a few words."""
        ...

    def sample(self, module: Network) -> str:
        """Something that the model writes now, for people to follow; "" where it writes nothing."""
        ...


@dataclass(frozen=True)
class Plan:
    """The parts of a task's configuration that the loop reads."""

    seed: int
    max_steps: int | None
    keep_checkpoints: int
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    training: TrainingConfig
    device: str = "cpu"
    trained: bool = False  # before: it goes on with the weights of a trained model


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `kind` says which weights were kept, `numbers` what they reach on the validation part."""

    steps: int
    seconds: float
    kind: str
    best_step: int
    numbers: dict[str, float]
    precision: str

    def to_json(self) -> dict[str, object]:
        """As config.json has it."""
        return {
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "precision": self.precision,
            "weights": self.kind,
            "best step": self.best_step,
            "validation": {name: round(value, 4) for name, value in self.numbers.items()},
        }
