"""What a training left behind, changed by somebody: each field is checked before it is used, and named if wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clearhead.errors import FolderError
from clearhead.folder import STATE, Folder
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.job import Plan
from clearhead.training.log import read_metrics, reports
from clearhead.training.run import run


class Line:
    """Job: y = 3 x."""

    varies = False

    def __init__(self) -> None:
        torch.manual_seed(7)
        self.module = nn.Linear(1, 1)

    def epoch(self, epoch: int) -> Sequence[Any]:
        return [(1.0, 2.0), (-1.0,), (0.5, 3.0)]

    def batch(self, key: Sequence[float]) -> Tensor:
        return torch.tensor(key)[:, None]

    def loss(self, module: nn.Module, batch: Tensor) -> tuple[Tensor, int]:
        return (module(batch) - 3 * batch).square().sum(), len(batch)

    def held_out(self) -> list[Tensor]:
        return [self.batch([-2.0, 4.0])]

    def measure(self, module: nn.Module, batch: Tensor) -> dict[str, float]:
        return {"loss": self.loss(module, batch)[0].item()}

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        return {"loss": sums["loss"] / 2}

    def floors(self) -> dict[str, float]:
        return {}

    def sample(self, module: nn.Module) -> str:
        return ""

    def order(self) -> str:
        return "always the same"


def plan(max_steps: int = 6) -> Plan:
    training = TrainingConfig(precision="float32", evaluations=3, compile="no", average=2)
    return Plan(0, max_steps, 0, OptimizerConfig(kind="adamw", lr=0.1), ScheduleConfig(), training)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("run") / "m"
    run(Line(), plan(), Folder(path), quiet=True)
    return path


@pytest.fixture
def left(trained: Path, tmp_path: Path) -> Path:
    """A copy, half way: its state says that it is not finished."""
    path = Path(shutil.copytree(trained, tmp_path / "m"))
    change(path, finished=False, window=[])
    return path


def change(path: Path, **fields: Any) -> None:
    """Change fields of the position that a state holds; `position` is the whole of it."""
    tensors, metadata = Folder(path).tensors(STATE)
    said = fields.pop("position", None) or json.dumps({**json.loads(metadata["position"]), **fields})
    Folder(path).write_tensors(STATE, tensors, {"position": said})


def resume(path: Path) -> None:
    run(Line(), plan(), Folder(path), resume=True, quiet=True)


def test_a_state_as_it_was_written_goes_on(left: Path) -> None:
    resume(left)


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "threads": [1_000_000, 5000, 0, -3, "two", None, 1.5, True],
        "step": ["x", None, -5, 1.5, 10**12, [1]],
        "epoch": [-1, "a", None, 10**30],
        "index": [-1, 4, "a", None],
        "window": ["abc", [7], [0], [-1], [4, 2], [None], {"a": 1}, [[1]]],
        "best_step": ["x", -2, 7, None],
        "best_loss": ["x", None, []],
        "worse": [-1, "x"],
        "seconds": [-1.0, float("nan"), "x"],
        "finished": [[], "perhaps", 7],
        "compiled": ["perhaps", None],
        "precision": ["float16", 7, None],
        "loss": ["x", None],
        "count": [-1, 10**30, "x"],
        "health": [7, {"valid": "abc"}, {"skips": -1.5}, {"floors": [1]}],
        "position": ["[1]", "{", "[" * 5000, '{"step": ' + "1" * 5000 + "}", "7"],
    }.items(),
)
def test_a_field_of_the_position_that_cannot_be_is_named(left: Path, field: str, values: Sequence[Any]) -> None:
    for value in values:
        change(left, **{field: value})
        with pytest.raises(FolderError, match=r"state\.safetensors.*\n  fix: resume with the folder's own files"):
            resume(left)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("optimizer.0.0.exp_avg", torch.zeros(3)),
        ("optimizer.0.9.exp_avg", torch.zeros(1, 1)),
        ("optimizer.0.x.exp_avg", torch.zeros(1, 1)),
        ("optimizer.0", torch.zeros(1, 1)),
        ("model.weight", torch.tensor([[float("nan")]])),
        ("model.weight", torch.zeros(2, 2)),
        ("model.other", torch.zeros(1)),
        ("random", torch.zeros(3)),
    ],
)
def test_a_tensor_of_another_state_is_refused(left: Path, name: str, tensor: Tensor) -> None:
    tensors, metadata = Folder(left).tensors(STATE)
    Folder(left).write_tensors(STATE, {**tensors, name: tensor}, metadata)
    with pytest.raises(FolderError, match=r"state\.safetensors: this state does not belong to the model"):
        resume(left)


def test_weights_of_another_shape_are_not_judged(left: Path) -> None:
    Folder(left).write_tensors("model.safetensors", {"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
    change(left, step=6, worse=99)
    with pytest.raises(FolderError, match=r"model\.safetensors: the weights do not fit the model"):
        resume(left)


@pytest.mark.parametrize(
    "line",
    ["7", "null", "[]", '{"step": "x"}', '{"kind": "train"}', '{"step": 1, "kind": 7}', '{"step": 1, "loss": "x"}',
     "rubbish", "[" * 5000, '{"step": 1, "kind": "valid", "loss": [1]}', '{"step": -1}'],
)  # fmt: skip
def test_a_line_of_the_metrics_that_is_no_report_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 0, "kind": "floors"}}\n{line}\n{{"step": 9}}\n')
    with pytest.raises(FolderError, match=r"metrics\.jsonl, line 2: "):
        read_metrics(Folder(tmp_path))


def test_what_a_power_cut_leaves_in_place_of_lines_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n\0\0\0\n{"step": 2}\n\0\0')
    assert [report["step"] for report in read_metrics(Folder(tmp_path))] == [1, 2]


def test_a_finished_run_without_its_last_report(trained: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(trained, tmp_path / "m"))
    (path / "metrics.jsonl").write_text('{"step": 1, "kind": "train", "loss": 1.0}\n')
    with pytest.raises(FolderError, match=r"metrics\.jsonl: it has no line of kind 'final'"):
        resume(path)
    assert reports(Folder(path), "train") == [{"step": 1, "kind": "train", "loss": 1.0}]
