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

import torch
from torch import Tensor, nn

from clearhead.errors import ConfigError
from clearhead.interrupting import TookTooLong, can_interrupt, interrupted_after
from clearhead.models.block import Block
from clearhead.processor import bfloat16_cost, bfloat16_note

__all__ = ["WORTH", "MasterWeights", "check_compiler", "choose_compiling", "choose_precision", "slower"]

WORTH, _CLEAR = 0.9, 0.5  # shares of the time that what is taken must bring; where only a product could be measured
_SECONDS = 180.0  # that a run lasts for compiling to pay
_SHARE, _LONGEST = 0.1, 20.0  # of a run, and in seconds: what a trial may take
_SHORTEST, _TURNS = 40, 3  # passes of a run that is worth a trial; turns after the one that warms up


class MasterWeights:
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
        self._compiled: dict[nn.Module, Callable[..., object] | None] = {}
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


def choose_precision(
    module: nn.Module, loss: Callable[[nn.Module], Tensor], passes: int, say: Callable[[str], None], device: str = "cpu"
) -> tuple[str, float | None, str]:
    """(precision, seconds of a pass where they were measured, one line that says why), for a run of so many passes.

    bfloat16 must win by a tenth to be taken. It is not even tried where a single product says that it cannot win. Both
    are tried in turns, the one that should be faster first, for as long as a trial may take; `say` is told before. The
    module, its gradients and the random state are left as they were.
    """
    cost = bfloat16_cost(device)
    products = f"a matrix product takes {cost:.2g} times as long in bfloat16 as in float32"
    if cost > WORTH:
        return "float32", None, f"precision float32: {products}"
    if passes < _SHORTEST:
        return "float32", None, f"precision float32: a run of {passes} passes is too short to try another"
    say("measuring whether passes are faster in bfloat16 (--training.precision names one without measuring)")
    by_product = "bfloat16" if cost < _CLEAR else "float32"
    too_long = by_product, None, f"precision {by_product}: {products}; a pass takes too long to try both"
    try:
        with torch.random.fork_rng(devices=()), interrupted_after(_LONGEST):
            times = _in_turns(_Trial(module, loss), passes, cost)
    except TookTooLong:
        return too_long
    if times is None:
        return too_long
    half, full = times
    chosen = "bfloat16" if half < WORTH * full else "float32"
    why = f"precision {chosen}: a pass takes {half * 1e3:.0f} ms in bfloat16, {full * 1e3:.0f} ms in float32"
    return chosen, half if chosen == "bfloat16" else full, why


def _in_turns(trial: _Trial, passes: int, cost: float) -> tuple[float, float] | None:
    """The least times of a pass in bfloat16 and in float32; None where a trial has no time for one of each."""
    half = trial.seconds("bfloat16")
    limit = min(_LONGEST, _SHARE * passes * half)
    if trial.spent + half / cost > limit:
        return None
    full = trial.seconds("float32")
    for _ in range(_TURNS):
        if trial.spent + half + full > limit:
            break
        half, full = min(half, trial.seconds("bfloat16")), min(full, trial.seconds("float32"))
    return half, full


def slower(precision: str, device: str = "cpu") -> str:
    """A note where a person chose bfloat16 on a machine that is slower in it; else ""."""
    said = bfloat16_note(device) if precision == "bfloat16" else ""
    return said and f"note: {said}; --training.precision float32 is faster"


def choose_compiling(
    module: nn.Module,
    loss: Callable[[nn.Module], Tensor],
    precision: str,
    passes: int,
    say: Callable[[str], None],
    plain: float | None = None,
) -> tuple[bool, str]:
    """(whether to compile the blocks, one line that says why): where the run is long enough to win by it.

    Of a run that is over before compiling could pay, and of a model without blocks, nothing is said. Compiling that
    takes longer than a trial may is given up; it can be in the main thread only, so elsewhere nothing is tried.
    What is compiled here the run need not compile again: PyTorch keeps it with the code, whichever module it serves.

    `plain` is how many seconds a pass takes that is not compiled, where that is known. The module, its gradients and
    the random state are left as they were.
    """
    if not _blocks(module) or not can_interrupt():
        return False, ""
    limit = _LONGEST
    try:
        with torch.random.fork_rng(devices=()):
            trial = _Trial(module, loss)
            if plain is None:
                with interrupted_after(limit):
                    plain = trial.seconds(precision)
            if plain * passes < _SECONDS:
                return False, ""
            limit = min(_LONGEST, _SHARE * passes * plain)
            say(f"measuring whether compiled blocks are faster, at most {limit:.0f} s (not with --training.compile no)")
            with interrupted_after(limit):
                start = time.perf_counter()
                trial.seconds(precision, compiled=True)
                first = time.perf_counter() - start
                compiled = min(trial.seconds(precision, compiled=True) for _ in range(2))
    except TookTooLong:
        torch._dynamo.reset()
        return False, f"not compiled: to try it takes longer than {limit:.0f} s (--training.compile yes: all the same)"
    except ConfigError as error:  # the run goes on without
        return False, f"not compiled: {error.problem}"
    except Exception as error:  # a compiler that fails at more than the least
        return False, f"not compiled: {type(error).__name__}: {_first_line(error)}"
    worth = compiled < WORTH * plain and (plain - compiled) * passes > first
    times = f"a pass takes {compiled * 1e3:.0f} ms compiled (after {first:.0f} s), {plain * 1e3:.0f} ms as it is"
    return worth, f"{'compiled' if worth else 'not compiled'}: {times}"


def _blocks(module: nn.Module) -> list[Block]:
    return [part for part in module.modules() if isinstance(part, Block)]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


class _Trial:
    """Passes, forward and backward, of copies of a module; `spent` seconds so far."""

    def __init__(self, module: nn.Module, loss: Callable[[nn.Module], Tensor]):
        self._module, self._loss, self.spent = module, loss, 0.0
        self._copies: dict[tuple[str, bool], MasterWeights] = {}

    def seconds(self, precision: str, *, compiled: bool = False) -> float:
        """Of one pass; the first one warms up."""
        start = time.perf_counter()
        key = precision, compiled
        if key not in self._copies:
            self._copies[key] = MasterWeights(copy.deepcopy(self._module), precision, compiled=compiled)
        passes = self._copies[key].train()
        passes.zero_grad()
        begun = time.perf_counter()
        self._loss(passes).backward()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        end = time.perf_counter()
        self.spent += end - start
        return end - begun
