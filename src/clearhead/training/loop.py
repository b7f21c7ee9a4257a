"""The training loop: steps, evaluations, states, checkpoints; knows a task only as a `Job`.

A run is a function of its configuration, its data and its seed: order, dropout and schedule depend on nothing else, and
a run that was killed and resumed repeats every bit of one that was not (same machine, same number of threads).
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from clearhead.errors import ClearheadError, ConfigError, FolderError
from clearhead.fields import checked
from clearhead.folder import Folder, checkpoint_file, unshared, write_text
from clearhead.parsing import parse_json
from clearhead.processor import bfloat16_cost, free_threads, quick_threads
from clearhead.progress import doing
from clearhead.ranges import Steps
from clearhead.training.board import Board
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.health import expectations, passed
from clearhead.training.muon import Muon
from clearhead.training.optim import make_optimizers, make_schedule
from clearhead.training.pace import Pace
from clearhead.training.precision import WORTH, Weights, choose_compiling, choose_precision, slower
from clearhead.training.progress import Reporter
from clearhead.training.state import FILE, Position, load_state, save_state

__all__ = ["Job", "Outcome", "Plan", "StoppedError", "find_device", "read_metrics", "reports", "run"]

Batch = Any
_REPORT_STEPS = 10
_REPORTS = "take the line out; what it reported is lost"


class Job(Protocol):
    """What the loop asks of a task. The passes run on `module` or on a copy of it, which they are given.

    `varies` says whether batches differ in shape.
    """

    module: Any
    varies: bool

    def epoch(self, epoch: int) -> Sequence[Any]:
        """The batches of an epoch in training order, as light keys; a function of the seed and the epoch alone."""
        ...

    def batch(self, key: Any) -> Batch:
        """The tensors of a batch."""
        ...

    def loss(self, module: Any, batch: Batch) -> tuple[Tensor, int]:
        """(sum of the losses in nats, how many predictions)."""
        ...

    def validate(self, module: Any) -> dict[str, float]:
        """Numbers of the validation part; "loss" (nats per prediction) decides."""
        ...

    def floors(self) -> dict[str, float]:
        """Validation losses that models reach which know less, the plainest first; {} where there are none."""
        ...

    def order(self) -> str:
        """How batches are made, in a few words."""
        ...

    def sample(self, module: Any) -> str:
        """Something that the model writes now, for people to follow; "" where it writes nothing."""
        ...


class StoppedError(ClearheadError):
    """The run was asked to stop (Ctrl-C, SIGTERM) by a signal of this number; its state is saved."""

    def __init__(self, problem: str, mend: str, number: int):
        super().__init__(problem, mend)
        self.number, self.exit_code = number, 128 + number


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

    def to_json(self) -> dict[str, Any]:
        """As config.json has it."""
        return {
            "steps": self.steps,
            "seconds": round(self.seconds, 1),
            "precision": self.precision,
            "weights": self.kind,
            "best step": self.best_step,
            "validation": {name: round(value, 4) for name, value in self.numbers.items()},
        }


class _Run:
    """One run of the loop, from its first or a saved step to the end."""

    def __init__(self, job: Job, plan: Plan, folder: Folder, *, quiet: bool):
        self.job, self.plan, self.folder = job, plan, folder
        self.device = find_device(plan.device)
        self.master = job.module.to(self.device)  # before the optimizers are told of its weights
        for part in self.master.modules():
            if hasattr(part, "checkpointing"):
                part.checkpointing = plan.training.checkpointing
        self.optimizers = make_optimizers(self.master, plan.optimizer)
        first_epoch = math.ceil(len(job.epoch(0)) / plan.training.accumulate)
        self.total = plan.max_steps or max(1, round(plan.training.epochs * first_epoch))
        self.schedule = make_schedule(plan.schedule, self.total)
        self.film = _spread(plan.keep_checkpoints, self.total)
        self.looks = {
            max(1, round(i * self.total / plan.training.evaluations)) for i in range(1, plan.training.evaluations)
        }
        self.looks |= {self.total}
        self.reporter = Reporter(self.total, quiet=quiet)
        self.board = Board(folder) if plan.training.tensorboard else None
        self._saved = time.monotonic()

    def begin(self, *, resume: bool) -> bool:
        """Read the saved state, or choose the precision and save a first one; returns whether anything is left."""
        self.folder.sweep()
        if resume and (self.folder.path / FILE).exists():
            self.position = load_state(self.folder, self.master, self.optimizers)
            self._check_place()
            torch.set_num_threads(self.position.threads)
            if not self.position.finished:
                _cut_metrics(self.folder, self.position.step)
            self.reporter.say(f"resuming at step {self.position.step} of {self.total}")
            self.weights = Weights(self.master, self.position.precision, compiled=self.position.compiled)
        else:
            self._set_out()
        for group in _muon_groups(self.optimizers):
            group["precision"] = self.position.muon
        self.reporter = Reporter(self.total, self.position.step, quiet=self.reporter.console.quiet)
        return not self.position.finished

    def _check_place(self) -> None:
        """Raises:
        FolderError: the saved position lies outside the run.
        """
        at = self.position
        if at.step > self.total or at.index > len(self.job.epoch(at.epoch)):
            raise FolderError(
                f"it stands at step {at.step} of {self.total}, batch {at.index} of epoch {at.epoch}: there is no such",
                "resume with the folder's own files, or train into another folder",
                file=self.folder.path / FILE,
            )

    def _set_out(self) -> None:
        """Choose the precision, say what to expect, and save a first state."""
        say, precision, compiled = self.reporter.say, str(self.plan.training.precision), self.plan.training.compile
        most = free_threads() if self.device.type == "cpu" else 0
        if most > 1 and (chosen := quick_threads(most)) < most:
            torch.set_num_threads(chosen)
            say(f"{_of_threads(chosen, most)}: the machine is busy")

        @cache
        def batch() -> Batch:
            keys = self.job.epoch(0)
            return self.job.batch(keys[len(keys) // 2])

        def loss(module: nn.Module) -> Tensor:
            return self.job.loss(module, batch())[0]

        passes, plain = self.total * self.plan.training.accumulate, None
        doing("measuring a pass")
        if precision == "auto":
            precision, plain, why = choose_precision(self.master, loss, passes, say, self.device.type)
            say(why)
        elif remark := slower(precision, self.device.type):
            say(remark)
        compiles, varying = compiled == "yes", self.job.varies
        # What is compiled for a shape depends on those that came before it, and a resumed run begins with another.
        if compiles and varying:
            say("compiled: batches differ in length, so a run that is resumed may differ in the last bits")
        if compiled == "auto" and not varying:
            compiles, why = choose_compiling(self.master, loss, precision, passes, say, plain)
            if why:
                say(why)
        quick = _muon_groups(self.optimizers) and bfloat16_cost(self.device.type) < WORTH
        self.position = Position(
            precision=precision,
            threads=torch.get_num_threads(),
            most_threads=most,
            compiled=compiles,
            muon="bfloat16" if quick else "float32",
        )
        self.weights = Weights(self.master, precision, compiled=compiles)
        self.weights.eval()
        doing("measuring the untrained model")
        untrained, floors = self.job.validate(self.weights.working)["loss"], self.job.floors()
        self.position.health.floors, self.position.health.untrained = floors, untrained
        write_text(self.folder.path / "metrics.jsonl", "")
        self._log(kind="floors", untrained=untrained, **floors)
        expected = expectations(untrained, floors, trained=self.plan.trained)
        for line in (f"order: {self.job.order()}", *expected):
            say(line)
        torch.manual_seed(self.plan.seed)
        self._save()

    def steps(self) -> None:
        """All steps that are left."""
        at, started, before = self.position, time.monotonic(), self.position.seconds
        if at.step >= self.total or self._enough():
            return
        if at.step == 0 and 0 in self.film:
            self.folder.add_checkpoint(0, unshared(self.master))
        tokens, since = 0, time.monotonic()
        pace = Pace(at.most_threads)
        with _signals() as stopped:
            doing("the first step")
            for keys in self._groups():
                begun = time.monotonic()
                loss, count, lost = self._step(keys)
                self._use_threads(pace.threads(count, time.monotonic() - begun))
                doing(None)
                at.step += 1
                at.seconds = before + time.monotonic() - started
                if lost:
                    self._remark(at.health.lost(at.step, lost))
                else:
                    at.loss, at.count = at.loss + loss, at.count + count
                    at.health.trained(loss, count)
                tokens += count
                rate = tokens / (time.monotonic() - since)
                self.reporter.step(at.step, loss / count, rate)
                if at.step % _REPORT_STEPS == 0 or at.step == self.total:
                    if at.count:
                        self._log(
                            kind="train", loss=at.loss / at.count, rate=round(rate), lr=self.schedule(at.step - 1)
                        )
                    at.loss, at.count, tokens, since = 0.0, 0, 0, time.monotonic()
                if at.step in self.film - self.looks:  # before the state is saved: a kill in between loses no moment
                    self.folder.add_checkpoint(at.step, unshared(self.master))
                enough = at.step in self.looks and self._look()
                if at.step == self.total or enough:
                    break
                if stopped or time.monotonic() - self._saved > self.plan.training.save_seconds:
                    self._save()
                if stopped:
                    raise StoppedError(
                        f"stopped after step {at.step} of {self.total}; everything is saved in {self.folder}",
                        "go on with the same command and --resume",
                        stopped[0],
                    )

    def finish(self) -> Outcome:
        """Choose between the best evaluation and the average of the last ones, and write the model."""
        at, average = self.position, self.plan.training.average
        if at.finished:
            self._drop_window()
            self.folder.load_into(self.master)
            final = reports(self.folder, "final")[-1]
            known = {"kind", "weights", "step", "seconds", "best_step"}
            numbers = {k: float(v) for k, v in final.items() if k not in known and isinstance(v, int | float)}
            return Outcome(at.step, at.seconds, str(final.get("weights")), at.best_step, numbers, at.precision)
        kind, numbers = "best", {"loss": float("inf")}
        if average > 1 and len(at.window) > 1:
            numbers = self._judge(_mean([self._weights(checkpoint_file(step)) for step in at.window]))
            kind = f"average of {len(at.window)}"
        if not numbers["loss"] < at.best_loss:
            kind, numbers = "best", self._judge(self._weights("model.safetensors"))
        self.folder.write_tensors("model.safetensors", unshared(self.master))
        self._log(kind="final", weights=kind, best_step=at.best_step, **numbers)
        at.finished = True
        self._save()
        self._drop_window()
        return Outcome(at.step, at.seconds, kind, at.best_step, numbers, at.precision)

    def _drop_window(self) -> None:
        """Take what was only kept to be averaged out of the history."""
        for step in set(self.position.window) - self.film - ({self.position.step} if self.film else set()):
            self.folder.drop_checkpoint(step)

    def _enough(self) -> bool:
        """Whether the loss has stopped getting better."""
        patience = self.plan.training.patience
        return bool(patience) and self.position.worse >= patience

    def _groups(self) -> Iterator[list[Any]]:
        """The batches of each step from the present position on; moves the position."""
        at, accumulate = self.position, self.plan.training.accumulate
        while True:
            keys = self.job.epoch(at.epoch)
            while at.index < len(keys):
                group = list(keys[at.index : at.index + accumulate])
                at.index += len(group)
                yield group
            at.epoch, at.index = at.epoch + 1, 0

    def _step(self, keys: list[Any]) -> tuple[float, int, str]:
        """One optimizer step; returns (sum of losses, predictions, "" or what was no finite number: no step then)."""
        self.weights.train()
        total, count = 0.0, 0
        for key in keys:
            loss, n = self.job.loss(self.weights.working, self.job.batch(key))
            loss.backward()
            total, count = total + loss.item(), count + n
        self.weights.gather()
        grads = [_numbers(w) for w in self.master.parameters() if w.grad is not None]
        norm = float(nn.utils.get_total_norm(grads)) / count  # of the mean gradient over all predictions
        lost = "loss" if not math.isfinite(total) else "gradient" if not math.isfinite(norm) else ""
        if not lost and not self.position.health.is_sane(total / count):
            lost = "explosion"
        if not lost:
            clip = self.plan.optimizer.clip
            torch._foreach_mul_(grads, (min(1.0, clip / (norm + 1e-6)) if clip else 1.0) / count)
            self._update()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        return total, count, lost

    def _update(self) -> None:
        """Change the weights by their gradients."""
        share = self.schedule(self.position.step)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()
        self.weights.publish()

    def _use_threads(self, threads: int) -> None:
        """From the next step on; kept in the state, as sums depend on it."""
        if threads != self.position.threads:
            torch.set_num_threads(threads)
            self.position.threads = threads
            self._log(kind="threads", threads=threads)
            self.reporter.say(f"{_of_threads(threads, self.position.most_threads)} from now on, as these are faster")

    def _look(self) -> bool:
        """Evaluate, keep what is best; returns whether the run has stopped getting better."""
        at, average = self.position, self.plan.training.average
        self.weights.eval()
        numbers = self.job.validate(self.weights.working)
        best = numbers["loss"] < at.best_loss
        at.worse = 0 if best else at.worse + 1
        self._log(kind="valid", **numbers)
        self.reporter.evaluation(at.step, numbers, best, passed(at.health.floors, at.best_loss, numbers["loss"]))
        if text := self.job.sample(self.weights.working):
            self._log(kind="sample", text=text)
            self.reporter.say(f"  it writes: {text!r}")
        if average > 1 or at.step in self.film or (self.film and self._enough()):
            self.folder.add_checkpoint(at.step, unshared(self.master), loss=numbers["loss"])
        if average > 1:
            at.window.append(at.step)
            if len(at.window) > average and at.window[0] not in self.film:
                self.folder.drop_checkpoint(at.window[0])
            at.window = at.window[-average:]
        if best:
            at.best_loss, at.best_step = numbers["loss"], at.step
            self.folder.write_tensors("model.safetensors", unshared(self.master))
        self._remark(at.health.evaluated(numbers["loss"], at.step, at.best_step))
        self._save()
        if self._enough():
            self.reporter.say(f"stopping at step {at.step}: no better loss in {at.worse} evaluations")
        return self._enough()

    def _judge(self, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        """Put weights in place and evaluate them."""
        self.master.load_state_dict(dict(tensors), strict=False)
        self.weights.publish()
        self.weights.eval()
        return self.job.validate(self.weights.working)

    def _weights(self, name: str) -> dict[str, Tensor]:
        self.folder.compare(self.master, name)
        return self.folder.tensors(name)[0]

    def _remark(self, about: dict[str, Any]) -> None:
        """Say and keep a remark on the run's health, if there is one."""
        if about:
            self._log(kind="health", **about)
            self.reporter.say(about["remark"])

    def _save(self) -> None:
        if self.board:
            self.board.catch_up()
        if all(bool(w.isfinite().all()) for w in self.master.parameters()):  # a broken state never replaces a good one
            save_state(self.folder, self.position, self.master, self.optimizers)
        self._saved = time.monotonic()

    def _log(self, **numbers: Any) -> None:
        line = {"step": self.position.step, "seconds": round(self.position.seconds, 2), **numbers}
        # What a saved state builds on must outlast a power cut as it does; a report of the training need not.
        self.folder.append_line("metrics.jsonl", json.dumps(line), lasting=numbers["kind"] != "train")


def run(job: Job, plan: Plan, folder: Folder, *, resume: bool = False, quiet: bool = False) -> Outcome:
    """Train `job.module` as planned, leaving model.safetensors, metrics and history in `folder`.

    Raises:
        StoppedError: the run was asked to stop and can be resumed.
        ConfigError: the validation loss is not a number from the first evaluation on, or too many steps were skipped
            because their loss or gradient was not finite.
        ClearheadError: TensorBoard is asked for and missing.
    """
    this = _Run(job, plan, folder, quiet=quiet)
    with this.board or nullcontext():
        if this.begin(resume=resume):
            with this.reporter:
                this.steps()
            if this.position.best_step < 0:
                raise ConfigError(
                    "the loss was never a number: the training diverged", "lower --optimizer.lr and --optimizer.muon-lr"
                )
        this.master.eval()
        outcome = this.finish()
        this.master.cpu()
        return outcome


def find_device(wanted: str) -> torch.device:
    """Where to train.

    Raises:
        ConfigError: there is no such device.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError("PyTorch finds no NVIDIA GPU", "leave --device out, or install PyTorch for CUDA")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def _of_threads(threads: int, most: int) -> str:
    return f"{threads} of {most} threads"


def _muon_groups(optimizers: Sequence[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers if isinstance(optimizer, Muon) for group in optimizer.param_groups]


def _numbers(weight: Tensor) -> Tensor:
    """The numbers of a weight's gradient; of a sparse one, those of its rows, each row once."""
    assert weight.grad is not None, "only called where there is one"
    if not weight.grad.is_sparse:
        return weight.grad
    weight.grad = weight.grad.coalesce()
    return weight.grad.values()


class _Report(BaseModel):
    """What a line of metrics.jsonl must be; it may say more."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float | str]

    step: Steps
    kind: str = ""
    loss: float = 0.0
    lr: float = 0.0
    untrained: float = 0.0


def read_metrics(folder: Folder) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; a last line that was cut short by a kill is left out.

    Raises:
        FolderError: a line is no report.
    """
    path, lines = folder.path / "metrics.jsonl", folder.text("metrics.jsonl").split("\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):
        if line.strip("\0"):  # which a power cut may leave in place of text
            report = parse_json(line, file=path, line=number, error=FolderError, mend=_REPORTS)
            checked(_Report, report, file=path, line=number, mend=_REPORTS)
            found.append(report)
    return found


def reports(folder: Folder, kind: str) -> list[dict[str, Any]]:
    """The reports of one kind, at least one.

    Raises:
        FolderError: there is none.
    """
    found = [report for report in read_metrics(folder) if report.get("kind") == kind]
    if not found:
        path = folder.path / "metrics.jsonl"
        raise FolderError(f"it has no line of kind {kind!r}", "take the folder from an intact copy", file=path)
    return found


def _cut_metrics(folder: Folder, step: int) -> None:
    """Forget what was reported after the state was saved: it will be reported again."""
    kept = [m for m in read_metrics(folder) if m["step"] <= step and m.get("kind") != "final"]
    folder.write_text("metrics.jsonl", "".join(json.dumps(m) + "\n" for m in kept))


def _spread(count: int, total: int) -> set[int]:
    """`count` steps spread evenly over the run, the first (0) and the last with them."""
    return {round(i * total / max(1, count - 1)) for i in range(count)} if count > 1 else {total} if count else set()


def _mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several sets of weights (checkpoint averaging; Vaswani et al., 2017)."""
    return {name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]}


@contextmanager
def _signals() -> Iterator[list[int]]:
    """While open, Ctrl-C and SIGTERM only append to the list, so that the step can end and be saved."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, _: object) -> None:
        if caught:  # asked twice: do not wait any longer
            raise KeyboardInterrupt
        caught.append(number)

    before: dict[int, Callable[..., Any] | int | None] = {
        n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
