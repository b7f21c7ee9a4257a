"""Which weights of a run are kept: the best, the last ones to be averaged, and moments of its history."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from clearhead.folder import WEIGHTS, Folder, checkpoint_file, unshared
from clearhead.training.job import Plan
from clearhead.training.state import Position

__all__ = ["Keeping"]


class Keeping:
    """Keeps weights of `master` in `folder`: the best evaluation in model.safetensors, others as checkpoints.

    Args:
        plan: how many moments of the history are kept, and how many evaluations are averaged at the end.
        total: steps of the whole run.
    """

    def __init__(self, folder: Folder, master: nn.Module, position: Position, plan: Plan, total: int):
        self._folder, self._master, self._at = folder, master, position
        self._average = plan.training.average
        self._moments = _spread(plan.keep_checkpoints, total)

    def moment(self) -> None:
        """Keep the weights of this step if it is one of the moments."""
        if self._at.step in self._moments:
            self._folder.add_checkpoint(self._at.step, unshared(self._master))

    def evaluated(self, loss: float, *, best: bool, last: bool) -> None:
        """Keep the weights of this step as far as its validation loss asks for it."""
        at, folder = self._at, self._folder
        if self._average > 1 or at.step in self._moments or (self._moments and last):
            folder.add_checkpoint(at.step, unshared(self._master), loss=loss)
        if self._average > 1:
            at.window.append(at.step)
            if len(at.window) > self._average and at.window[0] not in self._moments:
                folder.drop_checkpoint(at.window[0])
            at.window = at.window[-self._average :]
        if best:
            at.best_loss, at.best_step = loss, at.step
            folder.write_tensors(WEIGHTS, unshared(self._master))

    def choose(self, judge: Callable[[Mapping[str, Tensor]], dict[str, float]]) -> tuple[str, dict[str, float]]:
        """Write the model: the best evaluation's weights, or the average of the last where `judge` finds that better.

        Returns:
            which weights they are, and what they reach.
        """
        at, kind, numbers = self._at, "best", {"loss": float("inf")}
        if self._average > 1 and len(at.window) > 1:
            numbers = judge(_mean([self._weights(checkpoint_file(step)) for step in at.window]))
            kind = f"average of {len(at.window)}"
        if not numbers["loss"] < at.best_loss:
            kind, numbers = "best", judge(self._weights(WEIGHTS))
        self._folder.write_tensors(WEIGHTS, unshared(self._master))
        return kind, numbers

    def tidy(self) -> None:
        """Take what was only kept to be averaged out of the history."""
        for step in set(self._at.window) - self._moments - ({self._at.step} if self._moments else set()):
            self._folder.drop_checkpoint(step)

    def _weights(self, name: str) -> dict[str, Tensor]:
        self._folder.compare(self._master, name)
        return self._folder.tensors(name)[0]


def _spread(count: int, total: int) -> set[int]:
    """`count` steps spread evenly over the run, the first (0) and the last with them."""
    return {round(i * total / max(1, count - 1)) for i in range(count)} if count > 1 else {total} if count else set()


def _mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several sets of weights (checkpoint averaging; Vaswani et al., 2017)."""
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}
