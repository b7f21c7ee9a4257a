"""The training loop: steps and evaluations of a run that `run` has begun; knows a task only as a `Job`."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from clearhead.devices import find_device, move
from clearhead.errors import StoppedError
from clearhead.folder import Folder
from clearhead.interrupting import caught_signals
from clearhead.parsing import Json
from clearhead.progress import doing
from clearhead.training.board import Board
from clearhead.training.health import passed
from clearhead.training.job import Batch, Job, Key, Plan
from clearhead.training.keeping import Keeping
from clearhead.training.log import Log
from clearhead.training.optim import make_optimizers, make_schedule, muon_groups
from clearhead.training.pace import Pace
from clearhead.training.precision import MasterWeights
from clearhead.training.reporter import Reporter
from clearhead.training.state import Position, save_state

__all__ = ["Loop"]

_REPORT_STEPS = 10


class Loop:
    """What a run trains, by what, and where it stands; `stand_at` says where before anything else is asked."""

    position: Position
    weights: MasterWeights
    keeping: Keeping
    log: Log

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
        evaluations = plan.training.evaluations
        self._looks = {max(1, round(i * self.total / evaluations)) for i in range(1, evaluations)} | {self.total}
        self.reporter = Reporter(self.total, quiet=quiet)
        self.board = Board(folder) if plan.training.tensorboard else None
        self._saved = time.monotonic()

    def stand_at(self, position: Position) -> None:
        """Go on from there, in the precision and with what was compiled there."""
        self.position = position
        self.weights = MasterWeights(self.master, position.precision, compiled=position.compiled)
        for group in muon_groups(self.optimizers):
            group["precision"] = position.muon
        self.keeping = Keeping(self.folder, self.master, position, self.plan, self.total)
        self.log = Log(self.folder, position)

    def steps(self) -> None:
        """All steps that are left.

        Raises:
            StoppedError: a signal asked to stop; the state is saved.
        """
        at, started, before = self.position, time.monotonic(), self.position.seconds
        if at.step >= self.total or self._enough():
            return
        self.reporter = Reporter(self.total, at.step, quiet=self.reporter.console.quiet)
        if at.step == 0:
            self.keeping.moment()
        tokens, since = 0, time.monotonic()
        pace = Pace(at.most_threads)
        with self.reporter, caught_signals() as stopped:
            doing("the first step")
            for keys in self._groups():
                begun = time.monotonic()
                loss, count, lost = self.step(keys)
                self._use_threads(pace.threads(count, time.monotonic() - begun))
                doing(None)
                at.step += 1
                at.seconds = before + time.monotonic() - started
                self._count(loss, count, lost)
                tokens += count
                rate = tokens / (time.monotonic() - since)
                self.reporter.step(at.step, loss / count, rate)
                if at.step % _REPORT_STEPS == 0 or at.step == self.total:
                    self._report(rate)
                    tokens, since = 0, time.monotonic()
                if at.step not in self._looks:  # before the state is saved: a kill in between loses no moment
                    self.keeping.moment()
                enough = at.step in self._looks and self._look()
                if at.step == self.total or enough:
                    break
                if stopped or time.monotonic() - self._saved > self.plan.training.save_seconds:
                    self.save()
                if stopped:
                    raise StoppedError(
                        f"stopped after step {at.step} of {self.total}; everything is saved in {self.folder}",
                        "go on with the same command and --resume",
                        stopped[0],
                    )

    def _groups(self) -> Iterator[list[Key]]:
        """The batches of each step from the present position on; moves the position."""
        at, accumulate = self.position, self.plan.training.accumulate
        while True:
            keys = self.job.epoch(at.epoch)
            while at.index < len(keys):
                group = list(keys[at.index : at.index + accumulate])
                at.index += len(group)
                yield group
            at.epoch, at.index = at.epoch + 1, 0

    def step(self, keys: list[Key]) -> tuple[float, int, str]:
        """One optimizer step; returns (sum of losses, predictions, "" or what was not finite: no step then)."""
        self.weights.train()
        total, count = 0.0, 0
        for key in keys:
            loss, n = self.job.loss(self.weights.working, self.batch(key))
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

    def _count(self, loss: float, count: int, lost: str) -> None:
        """Add a step to what the next report says, and watch over it."""
        at = self.position
        if lost:
            self._note(at.health.lost(at.step, lost))
        else:
            at.loss, at.count = at.loss + loss, at.count + count
            at.health.trained(loss, count)

    def _report(self, rate: float) -> None:
        """Log the training since the last report."""
        at = self.position
        if at.count:
            self.log.add("train", loss=at.loss / at.count, rate=round(rate), lr=self.schedule(at.step - 1))
        at.loss, at.count = 0.0, 0

    def _use_threads(self, threads: int) -> None:
        """From the next step on; kept in the state, as sums depend on it."""
        at = self.position
        if threads != at.threads:
            torch.set_num_threads(threads)
            at.threads = threads
            self.log.add("threads", threads=threads)
            self.reporter.say(f"{threads} of {at.most_threads} threads from now on, as these are faster")

    def _look(self) -> bool:
        """Evaluate, keep what is best; returns whether the run has stopped getting better."""
        at = self.position
        numbers = self.validate()
        best = numbers["loss"] < at.best_loss
        at.worse = 0 if best else at.worse + 1
        self.log.add("valid", **numbers)
        self.reporter.evaluation(at.step, numbers, best, passed(at.health.floors, at.best_loss, numbers["loss"]))
        if text := self.job.sample(self.weights.working):
            self.log.add("sample", text=text)
            self.reporter.say(f"  it writes: {text!r}")
        self.keeping.evaluated(numbers["loss"], best=best, last=self._enough())
        self._note(at.health.evaluated(numbers["loss"], at.step, at.best_step))
        self.save()
        if self._enough():
            self.reporter.say(f"stopping at step {at.step}: no better loss in {at.worse} evaluations")
        return self._enough()

    def validate(self) -> dict[str, float]:
        """What the weights reach on the validation part."""
        self.weights.eval()
        sums: Counter[str] = Counter()
        with torch.inference_mode():
            for batch in self.job.held_out():
                sums.update(self.job.measure(self.weights.working, move(batch, self.device)))
        return self.job.summary(sums)

    def batch(self, key: Key) -> Batch:
        """A batch, where the module is."""
        return move(self.job.batch(key), self.device)

    def judge(self, tensors: Mapping[str, Tensor]) -> dict[str, float]:
        """Put weights in place and evaluate them."""
        self.master.load_state_dict(dict(tensors), strict=False)
        self.weights.publish()
        return self.validate()

    def save(self) -> None:
        """Write the state; a broken one never replaces a good one."""
        if self.board:
            self.board.catch_up()
        if all(bool(w.isfinite().all()) for w in self.master.parameters()):
            save_state(self.folder, self.position, self.master, self.optimizers)
        self._saved = time.monotonic()

    def _enough(self) -> bool:
        """Whether the loss has stopped getting better."""
        patience = self.plan.training.patience
        return bool(patience) and self.position.worse >= patience

    def _note(self, about: Json) -> None:
        """Say and keep a note on the run's health, if there is one."""
        if about:
            self.log.add("health", **about)
            self.reporter.say(about["remark"])


def _numbers(weight: Tensor) -> Tensor:
    """The numbers of a weight's gradient; of a sparse one, those of its rows, each row once."""
    assert weight.grad is not None, "only called where there is one"
    if not weight.grad.is_sparse:
        return weight.grad
    weight.grad = weight.grad.coalesce()
    return weight.grad.values()
