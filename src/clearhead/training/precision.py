"""Precision: float32 weights always; the passes in float32, or in bfloat16 on a copy of the weights.

The float32 "master" weights are what the optimizer changes and what is saved (Micikevicius et al., 2018). Which
precision is faster differs between machines and sizes, so it is measured once, before the first step, written into the
training's state and read back: nothing that alters weights depends on the clock.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["Weights", "choose_precision"]


class Weights:
    """The master weights, and the copy that the passes run on (the same module in float32).

    Args:
        master: the model; its parameters are float32.
        precision: "float32" or "bfloat16".
    """

    def __init__(self, master: nn.Module, precision: str):
        self.master = self.working = master
        if precision == "bfloat16":
            self.working = copy.deepcopy(master)
            for weight in self.working.parameters():  # parameters only: tables of positions stay exact
                weight.data = weight.data.bfloat16()
        pairs = zip(master.parameters(), self.working.parameters(), strict=True)
        self._pairs = [(mine, copied) for mine, copied in pairs if mine.requires_grad]

    def gather(self) -> None:
        """Put the gradient on the master weights; of tables with `trained_rows` on these only."""
        for master, working in self._pairs:
            if working.grad is None:
                working.grad = torch.zeros_like(working)
            if master is not working:
                master.grad, working.grad = working.grad.float(), None
            if master.grad is not None and (rows := getattr(master, "trained_rows", None)) is not None:
                kept = master.grad[rows]
                master.grad.zero_()[rows] = kept

    def publish(self) -> None:
        """Copy the master weights to where the passes run."""
        if self.master is not self.working:
            with torch.no_grad():
                torch._foreach_copy_([w for _, w in self._pairs], [m for m, _ in self._pairs])


def choose_precision(module: nn.Module, loss: Callable[[nn.Module], Tensor]) -> tuple[str, str]:
    """(precision, one line that says why): the faster of forward and backward in float32 and bfloat16.

    bfloat16 must win by a tenth to be taken. The module, its gradients and the random state are left as they were.
    """
    seconds = {}
    random = torch.get_rng_state()
    for precision in ("float32", "bfloat16"):
        trial = Weights(copy.deepcopy(module), precision).working
        times = []
        for _ in range(4):
            start = time.perf_counter()
            loss(trial).backward()
            times.append(time.perf_counter() - start)
        seconds[precision] = min(times[1:])
    torch.set_rng_state(random)
    full, half = seconds["float32"], seconds["bfloat16"]
    chosen = "bfloat16" if half < 0.9 * full else "float32"
    return chosen, f"precision {chosen}: a pass takes {half * 1e3:.0f} ms in bfloat16, {full * 1e3:.0f} ms in float32"
