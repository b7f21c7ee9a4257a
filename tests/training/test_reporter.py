"""What is said of a training where no terminal is: the rate, and the time left."""

from __future__ import annotations

import pytest

from clearhead.training.reporter import Reporter


def test_the_time_left_counts_no_compilation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("clearhead.training.reporter.time.monotonic", lambda: clock[0])
    reporter = Reporter(1004, 1000)  # resumed
    for step, seconds in ((1001, 90.0), (1002, 15.0), (1003, 25.0), (1004, 15.0)):
        clock[0] += seconds
        reporter.step(step, 2.0, 512.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 1001/1004  loss 2.000  512 tokens/s",
        "step 1003/1004  loss 2.000  512 tokens/s  left 0:20",
    ]
