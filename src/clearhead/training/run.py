"""A run from its beginning, or a saved state, to its end.

A run is a function of its configuration, its data and its seed: order, dropout and schedule depend on nothing else, and
a run that was killed and resumed repeats every bit of one that was not (same machine, same number of threads).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor, nn

from clearhead.errors import ConfigError, FolderError
from clearhead.folder import STATE, Folder
from clearhead.processor import bfloat16_cost, free_threads, quick_threads
from clearhead.progress import doing
from clearhead.training.health import expectations
from clearhead.training.job import Batch, Job, Outcome, Plan
from clearhead.training.log import reports
from clearhead.training.loop import Loop
from clearhead.training.optim import muon_groups
from clearhead.training.precision import WORTH, choose_compiling, choose_precision, slower
from clearhead.training.state import Position, load_state

__all__ = ["begin", "run"]


def run(job: Job, plan: Plan, folder: Folder, *, resume: bool = False, quiet: bool = False) -> Outcome:
    """Train `job.module` as planned, leaving model.safetensors, metrics and history in `folder`.

    Raises:
        StoppedError: the run was asked to stop and can be resumed.
        ConfigError: the validation loss is not a number from the first evaluation on, or too many steps were skipped
            because their loss or gradient was not finite.
        ClearheadError: TensorBoard is asked for and missing.
    """
    loop = Loop(job, plan, folder, quiet=quiet)
    with loop.board or nullcontext():
        begin(loop, resume=resume)
        if not loop.position.finished:
            loop.steps()
            if loop.position.best_step < 0:
                raise ConfigError(
                    "the loss was never a number: the training diverged", "lower --optimizer.lr and --optimizer.muon-lr"
                )
        loop.master.eval()
        outcome = _finish(loop)
        loop.master.cpu()
        return outcome


def begin(loop: Loop, *, resume: bool) -> None:
    """Go on from the saved state, or make the choices of the run and save a first one."""
    loop.folder.sweep()
    if resume and (loop.folder.path / STATE).exists():
        _go_on(loop)
    else:
        _set_out(loop)


def _go_on(loop: Loop) -> None:
    """Stand where the saved state does.

    Raises:
        FolderError: that lies outside the run.
    """
    at = load_state(loop.folder, loop.master, loop.optimizers)
    if at.step > loop.total or at.index > len(loop.job.epoch(at.epoch)):
        raise FolderError(
            f"it stands at step {at.step} of {loop.total}, batch {at.index} of epoch {at.epoch}: there is no such",
            "resume with the folder's own files, or train into another folder",
            file=loop.folder.path / STATE,
        )
    torch.set_num_threads(at.threads)
    loop.stand_at(at)
    if not at.finished:
        loop.log.cut()
    loop.reporter.say(f"resuming at step {at.step} of {loop.total}")


def _set_out(loop: Loop) -> None:
    """Choose, say what to expect of the training, and save a first state."""
    at = _chosen(loop)
    loop.stand_at(at)
    doing("measuring the untrained model")
    at.health.untrained, at.health.floors = loop.validate()["loss"], loop.job.floors()
    loop.log.begin()
    loop.log.add("floors", untrained=at.health.untrained, **at.health.floors)
    expected = expectations(at.health.untrained, at.health.floors, trained=loop.plan.trained)
    for line in (f"order: {loop.job.order()}", *expected):
        loop.reporter.say(line)
    torch.manual_seed(loop.plan.seed)
    loop.save()


def _chosen(loop: Loop) -> Position:
    """The first position, with what is quick on this machine: threads, precision, compiled passes."""
    say, precision, compiled = loop.reporter.say, str(loop.plan.training.precision), loop.plan.training.compile
    most = free_threads() if loop.device.type == "cpu" else 0
    if most > 1 and (threads := quick_threads(most)) < most:
        torch.set_num_threads(threads)
        say(f"{threads} of {most} threads: the machine is busy")

    @cache
    def batch() -> Batch:
        keys = loop.job.epoch(0)
        return loop.batch(keys[len(keys) // 2])

    def loss(module: nn.Module) -> Tensor:
        return loop.job.loss(module, batch())[0]

    passes, plain = loop.total * loop.plan.training.accumulate, None
    doing("measuring a pass")
    if precision == "auto":
        precision, plain, why = choose_precision(loop.master, loss, passes, say, loop.device.type)
        say(why)
    elif said := slower(precision, loop.device.type):
        say(said)
    compiles, varying = compiled == "yes", loop.job.varies
    # What is compiled for a shape depends on those that came before it, and a resumed run begins with another.
    if compiles and varying:
        say("compiled: batches differ in length, so a run that is resumed may differ in the last bits")
    if compiled == "auto" and not varying:
        compiles, why = choose_compiling(loop.master, loss, precision, passes, say, plain)
        if why:
            say(why)
    quick = muon_groups(loop.optimizers) and bfloat16_cost(loop.device.type) < WORTH
    return Position(
        precision=precision,
        threads=torch.get_num_threads(),
        most_threads=most,
        compiled=compiles,
        muon="bfloat16" if quick else "float32",
    )


def _finish(loop: Loop) -> Outcome:
    """Choose between the best evaluation and the average of the last ones, and write the model."""
    at = loop.position
    if at.finished:
        loop.keeping.tidy()
        loop.folder.load_into(loop.master)
        final = reports(loop.folder, "final")[-1]
        known = {"kind", "weights", "step", "seconds", "best_step"}
        numbers = {k: float(v) for k, v in final.items() if k not in known and isinstance(v, int | float)}
        return Outcome(at.step, at.seconds, str(final.get("weights")), at.best_step, numbers, at.precision)
    kind, numbers = loop.keeping.choose(loop.judge)
    loop.log.add("final", weights=kind, best_step=at.best_step, **numbers)
    at.finished = True
    loop.save()
    loop.keeping.tidy()
    return Outcome(at.step, at.seconds, kind, at.best_step, numbers, at.precision)
