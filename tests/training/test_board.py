"""TensorBoard shows what metrics.jsonl says, also after a resume: read back with TensorBoard's own reader."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from clearhead.errors import ClearheadError
from clearhead.folder import Folder
from clearhead.training.board import Board

Points = dict[str, list[tuple[int, float]]]

LINES: list[dict[str, Any]] = [
    {"step": 0, "seconds": 0.0, "kind": "floors", "untrained": 9.5, "uniform": 9.0},
    {"step": 10, "seconds": 2.0, "kind": "train", "loss": 8.0, "rate": 500, "lr": 0.5},
    {"step": 10, "seconds": 2.5, "kind": "valid", "loss": 7.0, "accuracy": 12.5},
    {"step": 10, "seconds": 2.5, "kind": "health", "remark": "words are no points", "skipped": 2},
    {"step": 20, "seconds": 4.0, "kind": "train", "loss": 6.0, "rate": 500, "lr": 1.0},
]


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def wanted(lines: list[dict[str, Any]]) -> Points:
    """tag -> [(step, value)], as metrics.jsonl has them."""
    points: Points = {}
    for line in lines:
        for name, value in line.items():
            if name not in ("step", "seconds", "kind", "remark", "weights"):
                points.setdefault(f"{line['kind']}/{name}", []).append((line["step"], pytest.approx(value, rel=1e-6)))
    return points


def drawn(folder: Path) -> tuple[Points, list[float]]:
    """The same, as TensorBoard reads it; and the clock times of train/loss."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    points = {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    points = {tag: found for tag, found in points.items() if found}  # of a tag taken back, the name stays
    return points, [e.wall_time for e in reader.Scalars("train/loss")]


def test_it_draws_every_number_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(text(LINES[:2]) + '{"step": 10, "sec', encoding="utf-8")
    with Board(Folder(tmp_path)) as board:
        board.catch_up()
        assert drawn(tmp_path)[0] == wanted(LINES[:2])  # a line that is not whole waits
        (tmp_path / "metrics.jsonl").write_text(text(LINES), encoding="utf-8")
    points, times = drawn(tmp_path)
    assert points == wanted(LINES)
    assert times[1] - times[0] == pytest.approx(2.0, abs=1e-3)  # the run's own clock


def test_a_resumed_board_takes_back_what_the_file_no_longer_says(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(text(LINES), encoding="utf-8")
    with Board(Folder(tmp_path)) as board:
        board.catch_up()
    path.write_text(text([*LINES[:2], {**LINES[4], "loss": 5.0}]), encoding="utf-8")
    with Board(Folder(tmp_path)) as board:
        board.catch_up()
    points, times = drawn(tmp_path)
    assert points == wanted([*LINES[:2], {**LINES[4], "loss": 5.0}])
    assert times == sorted(times)


def test_a_board_that_was_not_used_leaves_nothing(tmp_path: Path) -> None:
    with Board(Folder(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "tensorboard" or name == "torch.utils.tensorboard":
            raise ImportError("No module named 'tensorboard'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ClearheadError, match=r'needs tensorboard.*\n  fix: pip install "clearhead\[track\]"'):
        Board(Folder(tmp_path))
