"""Precision: float32 weights always; the passes in float32, or in bfloat16 on a copy of the weights, compiled or not.

The float32 "master" weights are what the optimizer changes and what is saved (Micikevicius et al., 2018). Which
precision is faster differs between machines and sizes, and so does what compiling the blocks brings; both are measured
once, before the first step, written into the training's state and read back: nothing that alters weights depends on the
clock.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.errors import ConfigError
from clearhead.models.block import Block

__all__ = ["Weights", "check_compiler", "choose_compiling", "choose_precision"]

WORTH, _SECONDS = 0.9, 180.0  # of the time: what is taken up must bring so much; what a run lasts for compiling to pay


class Weights:
    """The master weights, and the copy that the passes run on (the same module in float32).

    Args:
        master: the model; its parameters are float32.
        precision: "float32" or "bfloat16".
        compiled: whether the blocks are compiled for training passes; others need their own shapes, and are not.

    Raises:
        ConfigError: nothing can be compiled on this machine.
    """

    def __init__(self, master: nn.Module, precision: str, *, compiled: bool = False):
        self.master = self.working = master
        if precision == "bfloat16":
            self.working = copy.deepcopy(master)
            for weight in self.working.parameters():  # parameters only: tables of positions stay exact
                weight.data = weight.data.bfloat16()
        pairs = zip(master.parameters(), self.working.parameters(), strict=True)
        self._pairs = [(mine, copied) for mine, copied in pairs if mine.requires_grad]
        self._compiled: dict[nn.Module, Any] = {}
        for block in _blocks(self.working) if compiled else ():
            check_compiler(next(block.parameters()).device.type)
            block.compile()
            self._compiled[block] = block._compiled_call_impl

    def train(self) -> nn.Module:
        """The working copy, for a training pass."""
        for block, call in self._compiled.items():
            block._compiled_call_impl = call
        return self.working.train()

    def eval(self) -> nn.Module:
        """The working copy, to judge it and to write with it."""
        for block in self._compiled:
            block._compiled_call_impl = None
        return self.working.eval()

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


@cache
def check_compiler(device: str) -> None:
    """Compile the least there is for a kind of device ("cpu"): what the machine lacks is known before a run begins.

    Raises:
        ConfigError: it cannot be compiled.
    """

    def twice(x: Tensor) -> Tensor:
        return 2 * x

    try:
        torch.compile(twice)(torch.ones(2, device=device))
    except Exception as error:
        raise ConfigError(
            f"PyTorch cannot compile on this machine ({_first_line(error)})",
            "install a C++ compiler (Debian, Ubuntu: apt install g++), or begin a run with --training.compile no",
        ) from error


def choose_precision(module: nn.Module, loss: Callable[[nn.Module], Tensor]) -> tuple[str, float, str]:
    """(precision, seconds of a pass in it, one line that says why): the faster one, forward and backward.

    bfloat16 must win by a tenth to be taken. The module, its gradients and the random state are left as they were.
    """
    full, half = (_seconds(module, loss, precision, False) for precision in ("float32", "bfloat16"))
    chosen = "bfloat16" if half < WORTH * full else "float32"
    times = f"a pass takes {half * 1e3:.0f} ms in bfloat16, {full * 1e3:.0f} ms in float32"
    return chosen, half if chosen == "bfloat16" else full, f"precision {chosen}: {times}"


def choose_compiling(
    module: nn.Module, loss: Callable[[nn.Module], Tensor], precision: str, passes: int, plain: float | None = None
) -> tuple[bool, str]:
    """(whether to compile the blocks, one line that says why): where the run is long enough to win by it.

    Of a run that is over before compiling could pay, and of a model without blocks, nothing is said.
    What is compiled here the run need not compile again: PyTorch keeps it with the code, whichever module it serves.

    `plain` is how many seconds a pass takes that is not compiled, where that is known. The module, its gradients and
    the random state are left as they were.
    """
    if not _blocks(module):
        return False, ""
    plain = plain or _seconds(module, loss, precision, False)
    if plain * passes < _SECONDS:
        return False, ""
    start = time.perf_counter()
    try:
        compiled = _seconds(module, loss, precision, True)
    except ConfigError as error:  # the run goes on without
        return False, f"not compiled: {error.problem}"
    except Exception as error:  # a compiler that fails at more than the least
        return False, f"not compiled: {type(error).__name__}: {_first_line(error)}"
    spent = time.perf_counter() - start
    worth = compiled < WORTH * plain and (plain - compiled) * passes > spent
    times = f"a pass takes {compiled * 1e3:.0f} ms compiled (after {spent:.0f} s), {plain * 1e3:.0f} ms as it is"
    return worth, f"{'compiled' if worth else 'not compiled'}: {times}"


def _blocks(module: nn.Module) -> list[Block]:
    return [part for part in module.modules() if isinstance(part, Block)]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _seconds(module: nn.Module, loss: Callable[[nn.Module], Tensor], precision: str, compiled: bool) -> float:
    """The least time of a pass, forward and backward, on a copy."""
    random = torch.get_rng_state()
    trial, times = Weights(copy.deepcopy(module), precision, compiled=compiled).train(), []
    for _ in range(4):
        start = time.perf_counter()
        loss(trial).backward()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    torch.set_rng_state(random)
    return min(times[1:])
