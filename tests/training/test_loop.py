"""The loop: it learns, judges, keeps and stops as planned; a resumed run repeats every bit."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import clearhead
from clearhead.data.batches import PairBatch, PairSet
from clearhead.data.vocabulary import Specials
from clearhead.errors import ConfigError, FolderError, StoppedError
from clearhead.folder import STATE, Folder, unshared
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.tasks.pair_training import PairJob
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.job import Outcome, Plan
from clearhead.training.log import read_metrics
from clearhead.training.run import run

SPECIALS = Specials(pad=0, bos=1, eos=2)


def plan(max_steps: int | None = 12, *, keep: int = 0, optimizer: str = "muon", seed: int = 0, **training: Any) -> Plan:
    training = {
        "precision": "float32",
        "evaluations": 4,
        "save_seconds": 1e6,
        "patience": 0,
        "compile": "no",
        **training,
    }
    return Plan(
        seed,
        max_steps,
        keep,
        OptimizerConfig.model_validate({"kind": optimizer, "lr": 0.02, "muon_lr": 0.02}),
        ScheduleConfig(warmup=3),
        TrainingConfig.model_validate(training),
    )


# A job without text: a line through points. Its validation losses may be dictated.


class Line:
    """Job: y = 3 x, one number to learn a batch being a list of xs.

    The first evaluation, of the untrained model, says `untrained` and is not among those judged.
    """

    untrained: float | None = 9.0
    varies = False

    def __init__(
        self, losses: Sequence[float] = (), keys: Sequence[Sequence[float]] = ((1.0, 2.0), (-1.0,), (0.5, 3.0))
    ):
        torch.manual_seed(7)
        self.module = nn.Linear(1, 1).double()
        self._losses, self._keys = list(losses), keys
        self.judged: list[dict[str, Tensor]] = []

    def epoch(self, epoch: int) -> Sequence[Sequence[float]]:
        return self._keys

    def batch(self, key: Sequence[float]) -> Tensor:
        return torch.tensor(key, dtype=torch.float64)[:, None]

    def loss(self, module: nn.Module, batch: Tensor) -> tuple[Tensor, int]:
        return (module(batch) - 3 * batch).square().sum(), len(batch)

    def floors(self) -> dict[str, float]:
        return {"uniform": 8.0, "bigram": 4.0}

    def sample(self, module: nn.Module) -> str:
        return ""

    def order(self) -> str:
        return "always the same"

    def held_out(self) -> list[Tensor]:
        return [self.batch([-2.0, 4.0])]

    def measure(self, module: nn.Module, batch: Tensor) -> dict[str, float]:
        if self.untrained is not None:
            loss, self.untrained = self.untrained, None
            return {"loss": loss, "count": 1}
        self.judged.append({name: value.clone() for name, value in module.state_dict().items()})
        if self._losses:
            return {"loss": self._losses[min(len(self.judged), len(self._losses)) - 1], "count": 1}
        sum_of_losses, count = self.loss(module, batch)
        return {"loss": sum_of_losses.item(), "count": count}

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        return {"loss": sums["loss"] / sums["count"]}


def test_the_loss_falls(tmp_path: Path) -> None:
    job = Line()
    outcome = run(job, plan(300), Folder(tmp_path), quiet=True)
    lines = read_metrics(Folder(tmp_path))
    valid = [m["loss"] for m in lines if m["kind"] == "valid"]
    assert valid[-1] < 0.1 * valid[0]
    assert outcome.steps == 300
    assert outcome.numbers["loss"] == min([*valid, outcome.numbers["loss"]])


def test_metrics_are_json_lines(tmp_path: Path) -> None:
    run(Line(), plan(25), Folder(tmp_path), quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [m["step"] for m in lines if m["kind"] == "train"] == [10, 20, 25]
    assert [m["step"] for m in lines if m["kind"] == "valid"] == [6, 12, 19, 25]
    assert [m["kind"] for m in lines].count("final") == 1
    assert all({"step", "seconds", "kind"} <= set(m) for m in lines)
    assert all("loss" in m for m in lines if m["kind"] in ("train", "valid", "final"))
    assert lines[0] == {"step": 0, "seconds": 0.0, "kind": "floors", "untrained": 9.0, "uniform": 8.0, "bigram": 4.0}
    assert [m["step"] for m in lines] == sorted(m["step"] for m in lines)


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "lo', encoding="utf-8")
    assert read_metrics(Folder(tmp_path)) == [{"step": 1}]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_two_batches_a_step_are_one_batch_of_both(tmp_path: Path, optimizer: str) -> None:
    """Unequal batches, too: the gradient is the mean over predictions, not over batches."""
    apart, together = Line(keys=[[1.0, 2.0], [-1.0], [0.5]]), Line(keys=[[1.0, 2.0, -1.0], [0.5]])
    run(apart, plan(8, accumulate=2, optimizer=optimizer), Folder(tmp_path / "a"), quiet=True)
    run(together, plan(8, optimizer=optimizer), Folder(tmp_path / "b"), quiet=True)
    for a, b in zip(apart.module.parameters(), together.module.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_epochs_say_how_many_steps(tmp_path: Path) -> None:
    assert run(Line(), plan(None, epochs=4), Folder(tmp_path / "a"), quiet=True).steps == 12
    assert run(Line(), plan(None, epochs=4, accumulate=2), Folder(tmp_path / "b"), quiet=True).steps == 8


# What is judged and kept


def test_stopping_early(tmp_path: Path) -> None:
    job = Line(losses=[3.0, 2.0, 4.0, 4.0, 1.0])
    outcome = run(job, plan(100, evaluations=10, patience=2, average=0), Folder(tmp_path), quiet=True)
    assert (outcome.steps, outcome.best_step, outcome.kind) == (40, 20, "best")
    tensors, _ = Folder(tmp_path).tensors()
    assert all(tensors[name].equal(value) for name, value in job.judged[1].items())


def test_without_patience_the_run_goes_on(tmp_path: Path) -> None:
    job = Line(losses=[1.0, *[2.0] * 9])
    assert run(job, plan(10, evaluations=10, average=0), Folder(tmp_path), quiet=True).steps == 10


@pytest.mark.parametrize(("average_loss", "kind"), [(0.5, "average of 3"), (1.5, "best")])
def test_the_average_is_taken_only_if_it_is_better(tmp_path: Path, average_loss: float, kind: str) -> None:
    job = Line(losses=[4.0, 3.0, 1.0, 2.0, average_loss, 1.0])
    outcome = run(job, plan(8, evaluations=4, average=3), Folder(tmp_path), quiet=True)
    assert outcome.kind == kind
    last = job.judged[1:4]
    mean = {name: torch.stack([j[name] for j in last]).mean(0) for name in last[0]}
    assert all(job.judged[4][name].equal(value) for name, value in mean.items())
    wanted = mean if kind != "best" else job.judged[2]
    tensors, _ = Folder(tmp_path).tensors()
    assert all(tensors[name].equal(wanted[name]) for name in wanted)
    assert outcome.numbers["loss"] == min(average_loss, 1.0)
    assert Folder(tmp_path).checkpoints() == []  # kept only to be averaged
    assert list((tmp_path / "checkpoints").glob("*.safetensors")) == []


@pytest.mark.parametrize("average", [0, 2])
@pytest.mark.parametrize(
    ("keep", "steps"), [(0, []), (1, [12]), (2, [0, 12]), (4, [0, 4, 8, 12]), (7, [*range(0, 13, 2)])]
)
def test_moments_are_kept_evenly_spread(tmp_path: Path, keep: int, steps: list[int], average: int) -> None:
    job = Line()
    start = {name: value.clone() for name, value in job.module.state_dict().items()}
    run(job, plan(12, keep=keep, average=average, evaluations=3), Folder(tmp_path), quiet=True)
    folder = Folder(tmp_path)
    history = folder.checkpoints()
    assert [c["step"] for c in history] == steps
    assert sorted(c["file"] for c in history) == sorted(
        f"checkpoints/{p.name}" for p in (tmp_path / "checkpoints").glob("*.safetensors")
    )
    moments = {c["step"]: folder.tensors(c["file"])[0] for c in history}
    assert 0 not in moments or all(moments[0][name].equal(value) for name, value in start.items())
    # A moment that was evaluated has the loss of that evaluation, and its weights.
    for checkpoint in history:
        if checkpoint["step"] in (4, 8, 12):
            judged = job.judged[checkpoint["step"] // 4 - 1]
            assert all(moments[checkpoint["step"]][name].equal(value) for name, value in judged.items())
            assert checkpoint["loss"] > 0
        else:
            assert "loss" not in checkpoint


@pytest.mark.parametrize("average", [0, 2])
def test_a_run_that_stops_early_keeps_its_last_moment(tmp_path: Path, average: int) -> None:
    job = Line(losses=[1.0, 2.0, 2.0])
    run(job, plan(100, keep=3, evaluations=10, patience=2, average=average), Folder(tmp_path), quiet=True)
    assert [c["step"] for c in Folder(tmp_path).checkpoints()] == [0, 30]


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"diverged\n  fix: lower --optimizer.lr"):
        run(Line(losses=[float("nan")]), plan(4, average=0), Folder(tmp_path), quiet=True)


# Whether a curve is normal


def said(job: Line, wanted: Plan, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a run says, a line a line."""
    run(job, wanted, Folder(folder))
    return capsys.readouterr().err.splitlines()


def test_the_loop_says_what_to_expect_before_the_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(Line(losses=[8.5, 7.5, 3.5, 3.0]), plan(4), tmp_path, capsys)
    assert lines[0] == "order: always the same"
    assert lines[1].startswith("untrained: 9.00 nats a token against ln V = 8.00 (above: ")
    assert lines[2].startswith("floors of this data, in nats a token: bigram 4.00")
    evaluations = [line for line in lines if "validation:" in line]
    assert [line.partition("(best so far)")[2].strip() for line in evaluations] == [
        "",
        "below the uniform floor (8.00): it has begun to learn",
        "below the bigram floor (4.00): it uses more than the last word",
        "",
    ]


def test_over_fitting_is_said_once_with_its_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    losses = [3.0, 2.0, 2.5, 3.0, 3.5, 4.0]
    lines = said(Line(losses=losses), plan(60, evaluations=6, average=0), tmp_path, capsys)
    remark = "over-fitting since step 20: the validation loss rose from 2.000 to 3.000"
    assert sum(remark in line for line in lines) == 1
    (told,) = [m for m in read_metrics(Folder(tmp_path)) if m["kind"] == "health"]
    assert (told["step"], told["since"]) == (40, 20)


class Sick(Line):
    """The losses, or the gradients, of some steps are no finite numbers."""

    def __init__(self, steps: Sequence[int], *, what: str = "loss", value: float = float("nan"), **more: Any):
        super().__init__(keys=[[1.0, 2.0]], **more)
        self.module.float()
        self._sick, self._what, self._value, self.step, self.before = steps, what, value, 0, list[Tensor]()

    def loss(self, module: nn.Module, batch: Tensor) -> tuple[Tensor, int]:
        loss, count = super().loss(module, batch.to(module.weight.dtype))
        if torch.is_grad_enabled():
            self.step += 1
            self.before.append(self.module.weight.detach().clone())
            if self.step in self._sick and self._what == "loss":
                loss = loss * self._value
            if self.step in self._sick and self._what == "gradient":
                loss.register_hook(lambda grad: grad * self._value)
        return loss, count


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_step_that_is_no_number_moves_no_weight(
    tmp_path: Path, what: str, value: float, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights move at every step but those that are skipped."""
    job = Sick([3, 8], what=what, value=value)
    lines = said(job, plan(12, precision=precision, average=0), tmp_path, capsys)
    moved = [not a.equal(b) for a, b in zip(job.before, job.before[1:], strict=False)]
    assert [number + 1 for number, changed in enumerate(moved) if not changed] == [3, 8]
    assert f"step 3 skipped: its {what} is not a finite number; no weight was changed" in lines
    told = [m for m in read_metrics(Folder(tmp_path)) if m["kind"] == "health"]
    assert [(m["step"], m["skipped"]) for m in told] == [(3, 1), (8, 2)]
    assert all(m["loss"] < 1e9 for m in read_metrics(Folder(tmp_path)) if m["kind"] == "train")


def test_too_many_skipped_steps_end_the_run(tmp_path: Path) -> None:
    job, wanted = Sick(range(21, 100)), plan(100, evaluations=10, save_seconds=1e-9, average=0)
    with pytest.raises(ConfigError, match=r"10 steps in a row, from step 21 on.*\n  fix: .*--optimizer.muon-lr"):
        run(job, wanted, Folder(tmp_path), quiet=True)
    assert job.step == 30
    tensors, _ = Folder(tmp_path).tensors()
    assert tensors["weight"].equal(job.judged[1]["weight"])  # of step 20, the best
    again = Sick(range(1, 100))
    with pytest.raises(ConfigError, match="10 steps in a row, from step 21 on"):
        run(again, wanted, Folder(tmp_path), resume=True, quiet=True)
    assert again.step == 1  # the state of step 29 was saved


def test_a_broken_state_never_replaces_a_good_one(tmp_path: Path) -> None:
    """Weights that overflow at the very step after which the state is saved."""
    job = Sick([])

    def explode() -> Any:
        if job.step == 5:
            with torch.no_grad():
                job.module.weight.fill_(float("inf"))
        return torch.tensor([[1.0]], dtype=torch.float64)

    job.batch = lambda key: explode()  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="10 steps in a row, from step 6 on"):
        run(job, plan(40, save_seconds=1e-9, average=0), Folder(tmp_path), quiet=True)
    tensors, about = Folder(tmp_path).tensors(STATE)
    assert json.loads(about["position"])["step"] == 5
    assert tensors["model.weight"].isfinite().all()


# A job with text, dropout and all, that can be made to fail


class Failing(PairJob):
    """A tiny translator's job that does something at its n-th batch; the loss of a batch with `sick_row` is NaN."""

    def __init__(self, at: int = -1, do: Callable[[], None] | None = None, *, dropout: float = 0.2, sick_row: int = -1):
        numbers = random.Random(0)
        rows = [[numbers.randrange(4, 20) for _ in range(numbers.randrange(1, 7))] for _ in range(40)]
        torch.manual_seed(3)
        config = EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=1, max_len=16, dropout=dropout)
        train, valid = (
            PairSet(some, [r[::-1] for r in some], 16, (Specials(pad=0, bos=1, eos=2),) * 2)
            for some in (rows, rows[:4])
        )
        module = EncoderDecoder(config, 20, 20)
        super().__init__(module, train, valid, seed=5, batch_tokens=96, label_smoothing=0.1)
        self.count, self._at, self._do = 0, at, do
        self._sick_row, self._sick = sick_row, False

    def batch(self, key: Any) -> PairBatch:
        self.count += 1
        if self.count == self._at and self._do is not None:
            self._do()
        self._sick = self._sick_row in key
        return super().batch(key)

    def loss(self, module: EncoderDecoder, batch: PairBatch) -> tuple[Tensor, int]:
        loss, count = super().loss(module, batch)
        return (loss * float("nan") if self._sick else loss), count


class Broken(Exception):
    """The power went."""


def fail() -> None:
    raise Broken


def same(a: Path, b: Path) -> None:
    """Every file of two finished runs agrees, bit by bit, seconds and rates apart."""
    files = sorted(str(p.relative_to(a)) for p in a.rglob("*") if p.is_file())
    assert files == sorted(str(p.relative_to(b)) for p in b.rglob("*") if p.is_file())
    for name in files:
        if name.endswith(".safetensors"):
            (mine, about), (other, about_other) = Folder(a).tensors(name), Folder(b).tensors(name)
            assert mine.keys() == other.keys()
            for key in mine:
                assert mine[key].dtype == other[key].dtype
                assert mine[key].equal(other[key]), (name, key)
            assert timeless(about) == timeless(about_other)
    assert Folder(a).checkpoints() == Folder(b).checkpoints()
    mine, other = ([{**m, "seconds": 0, "rate": 0} for m in read_metrics(Folder(f))] for f in (a, b))
    assert mine == other
    assert {m["kind"] for m in mine} >= {"floors", "train", "valid", "final"}


def timeless(about: dict[str, str]) -> Any:
    return {**json.loads(about["position"]), "seconds": 0} if "position" in about else about


def go(folder: Path, wanted: Plan, job: Failing, *, resume: bool = False) -> Outcome:
    torch.manual_seed(11)  # whatever the process drew before has no say
    return run(job, wanted, Folder(folder), resume=resume, quiet=True)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("save_seconds", [1e-9, 1e6], ids=["saved each step", "saved at evaluations"])
def test_a_resumed_run_repeats_every_bit(tmp_path: Path, optimizer: str, accumulate: int, save_seconds: float) -> None:
    wanted = plan(12, keep=3, optimizer=optimizer, accumulate=accumulate, save_seconds=save_seconds, average=3)
    go(tmp_path / "whole", wanted, Failing())
    for number in (1, 3 * accumulate, 7 * accumulate):  # batches since the last resume
        with pytest.raises(Broken):
            go(tmp_path / "parts", wanted, Failing(number, fail), resume=True)
    go(tmp_path / "parts", wanted, Failing(), resume=True)
    same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_a_resumed_run_repeats_every_bit_in_any_precision(tmp_path: Path, precision: str) -> None:
    """What was measured once is read back, however the machine has changed since."""
    wanted = plan(8, precision=precision)
    torch.set_num_threads(1)
    with pytest.raises(Broken):
        go(tmp_path / "parts", wanted, Failing(7, fail))
    chosen = json.loads(Folder(tmp_path / "parts").tensors(STATE)[1]["position"])["precision"]
    outcome = go(tmp_path / "parts", wanted, Failing(), resume=True)
    assert outcome.precision == chosen
    assert precision in ("auto", chosen)
    go(tmp_path / "whole", plan(8, precision=chosen), Failing())
    same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_skipped_step_changes_neither_weights_nor_optimizer(tmp_path: Path, optimizer: str, precision: str) -> None:
    first = Failing().epoch(0)
    well, row = len(first) - 1, int(first[-1][0])  # the last batch of the first epoch is the sick one
    assert well > 1
    wanted = plan(30, save_seconds=1e-9, optimizer=optimizer, precision=precision)
    states = []
    for number in (well, well + 1):
        with pytest.raises(Broken):
            go(tmp_path / str(number), wanted, Failing(number + 1, fail, sick_row=row))
        tensors, about = Folder(tmp_path / str(number)).tensors(STATE)
        states.append(tensors)
        assert json.loads(about["position"])["step"] == number
    before, after = states
    assert before.keys() == after.keys()
    assert [key for key in before if not before[key].equal(after[key])] == ["random"]  # its dropout was drawn


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_skips_the_same_steps_and_says_the_same(tmp_path: Path, precision: str) -> None:
    """The whole metrics.jsonl, rates and seconds apart: reports that a kill fell into, health and all."""
    epoch = len(Failing().epoch(0))
    wanted = plan(4 * epoch, save_seconds=1e-9, precision=precision, average=3)
    go(tmp_path / "whole", wanted, Failing(sick_row=7))
    for number in (3, epoch, epoch + 2):  # batches since the last resume: kills within a report, after skipped steps
        with pytest.raises(Broken):
            go(tmp_path / "parts", wanted, Failing(number, fail, sick_row=7), resume=True)
    go(tmp_path / "parts", wanted, Failing(sick_row=7), resume=True)
    same(tmp_path / "whole", tmp_path / "parts")
    told = [m["skipped"] for m in read_metrics(Folder(tmp_path / "parts")) if m["kind"] == "health"]
    assert told == [1, 2, 4]  # once an epoch


def test_a_state_of_an_older_version_is_read(tmp_path: Path) -> None:
    """One that knows nothing of health and of sums: weights and evaluations are those of the whole run."""
    wanted = plan(16, save_seconds=1e-9, average=3)
    go(tmp_path / "whole", wanted, Failing())
    with pytest.raises(Broken):
        go(tmp_path / "parts", wanted, Failing(7, fail))
    folder = Folder(tmp_path / "parts")
    tensors, about = folder.tensors(STATE)
    position = json.loads(about["position"])
    for name in ("health", "loss", "count"):
        del position[name]
    folder.write_tensors(STATE, tensors, {"position": json.dumps(position)})
    go(tmp_path / "parts", wanted, Failing(), resume=True)
    one, other = (
        [m["loss"] for m in read_metrics(Folder(tmp_path / f)) if m["kind"] in ("valid", "final")]
        for f in ("whole", "parts")
    )
    assert one == other


def test_tensorboard_shows_the_same_after_a_kill(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    wanted = plan(25, tensorboard=True)
    for number in (9, 12):
        with pytest.raises(Broken):
            go(tmp_path, wanted, Failing(number, fail), resume=True)
    go(tmp_path, wanted, Failing(), resume=True)
    reader = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    lines = read_metrics(Folder(tmp_path))
    for kind, name in (("train", "loss"), ("valid", "accuracy"), ("floors", "bigram"), ("final", "loss")):
        points = [(e.step, e.value) for e in reader.Scalars(f"{kind}/{name}")]
        assert points == [(m["step"], pytest.approx(m[name])) for m in lines if m["kind"] == kind]
    files = sorted((tmp_path / "tensorboard").iterdir())
    go(tmp_path, wanted, Failing(), resume=True)  # finished: nothing is drawn again
    assert sorted((tmp_path / "tensorboard").iterdir()) == files


def test_a_run_stopped_before_its_first_state_begins_anew(tmp_path: Path) -> None:
    go(tmp_path / "whole", plan(), Failing())
    go(tmp_path / "parts", plan(), Failing(), resume=True)
    same(tmp_path / "whole", tmp_path / "parts")


def kill_after(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The n-th change of the folder, counted from now, is the last: everything ends when it is done."""
    done = [0]

    def counted(real: Callable[..., None]) -> Callable[..., None]:
        def change(*args: Any) -> None:
            real(*args)
            done[0] += 1
            if done[0] == number:
                raise Broken

        return change

    for name in ("write_tensors", "write_text", "remove"):
        monkeypatch.setattr(Folder, name, counted(getattr(Folder, name)))


@pytest.mark.parametrize("average", [0, 2])
def test_a_kill_between_any_two_changes_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: int
) -> None:
    """Evaluation, best weights, history and state are several files: stopped after each of them in turn."""
    wanted = plan(3, keep=2, evaluations=3, average=average)
    go(tmp_path / "whole", wanted, Failing())
    number, finished = 0, False
    while not finished:
        number += 1
        parts = tmp_path / f"parts{number}"
        with monkeypatch.context() as patch:
            kill_after(patch, number)
            try:
                go(parts, wanted, Failing())
                finished = True
            except Broken:
                pass
        go(parts, wanted, Failing(), resume=True)
        same(tmp_path / "whole", parts)
    assert number > (20 if average else 8)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    wanted = plan(6, keep=2)
    first = go(tmp_path, wanted, Failing())
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()}
    job = Failing()
    second = go(tmp_path, wanted, job, resume=True)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file()} == before
    assert job.count == 0
    assert second == first
    tensors, _ = Folder(tmp_path).tensors()
    assert all(value.equal(tensors[name]) for name, value in unshared(job.module).items())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_saves_and_can_be_resumed(tmp_path: Path, number: int) -> None:
    wanted, before = plan(10, keep=3), signal.getsignal(number)
    go(tmp_path / "whole", wanted, Failing())
    with pytest.raises(StoppedError, match=r"stopped after step 5 of 10; .*\n  fix: .*--resume"):
        go(tmp_path / "parts", wanted, Failing(5, lambda: os.kill(os.getpid(), number)))
    assert signal.getsignal(number) == before
    assert json.loads(Folder(tmp_path / "parts").tensors(STATE)[1]["position"])["step"] == 5
    go(tmp_path / "parts", wanted, Failing(), resume=True)
    same(tmp_path / "whole", tmp_path / "parts")


def test_asked_twice_it_stops_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, plan(10), Failing(5, twice))
    assert signal.getsignal(signal.SIGINT) == before


def test_a_run_in_another_thread_leaves_signals_alone(tmp_path: Path) -> None:
    before, outcomes = signal.getsignal(signal.SIGINT), list[Outcome]()
    thread = threading.Thread(target=lambda: outcomes.append(go(tmp_path, plan(2), Failing())))
    thread.start()
    thread.join()
    assert outcomes[0].steps == 2
    assert signal.getsignal(signal.SIGINT) == before


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Broken):
        go(tmp_path, plan(6, save_seconds=1e-9), Failing(4, fail))
    with pytest.raises(FolderError, match=r"state.safetensors: this state does not belong to the model"):
        run(Line(), plan(6), Folder(tmp_path), resume=True, quiet=True)
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FolderError, match="not a whole safetensors file"):
        go(tmp_path, plan(6), Failing(), resume=True)


# Through the front door


FILES = "sample:english-spanish/train:60"
OPTIONS: dict[str, Any] = {
    "max_steps": 4,
    "arch": {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2},
    "training": {"precision": "float32"},
}


def test_resuming_with_other_options_or_data_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "m"
    clearhead.train("translate", FILES, out=out, quiet=True, **OPTIONS)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    told = r"the options differ .* \(seed 0, now 1; max_steps 4, now none\)\n  fix: resume with the same"
    with pytest.raises(ConfigError, match=told):
        clearhead.train(
            "translate", FILES, out=out, quiet=True, resume=True, **{**OPTIONS, "seed": 1, "max_steps": None}
        )
    with pytest.raises(ConfigError, match="the sentence pairs differ"):
        clearhead.train("translate", FILES[:-2] + "61", out=out, quiet=True, resume=True, **OPTIONS)
    with pytest.raises(FolderError, match="holds a model already"):
        clearhead.train("translate", FILES, out=out, quiet=True, **OPTIONS)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    clearhead.train("translate", FILES, out=out, quiet=True, resume=True, **OPTIONS)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_padding_content_is_nobodys_business() -> None:
    """The loss of a batch is the sum of the losses of its pairs."""
    job = Failing(dropout=0.0)
    job.module.eval()
    key = job.epoch(0)[0]
    with torch.no_grad():
        together, count = job.loss(job.module, job.batch(key))
        apart = [job.loss(job.module, job.batch(key[i : i + 1])) for i in range(len(key))]
    assert count == sum(n for _, n in apart)
    assert F.l1_loss(together, torch.stack([loss for loss, _ in apart]).sum()).item() < 1e-3
