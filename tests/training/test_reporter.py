"""What is said of a training where no terminal is: the rate, and the time left."""

from __future__ import annotations

import re
import sys

import pytest

from clearhead.training.reporter import Reporter


def test_the_time_left_counts_no_compilation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    reporter = Reporter(1004, 1000)  # resumed
    for step, seconds in ((1001, 90.0), (1002, 15.0), (1003, 25.0), (1004, 15.0)):
        clock[0] += seconds
        reporter.step(step, 2.0, 512.0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 1001/1004  loss 2.000  512 tokens/s",
        "step 1003/1004  loss 2.000  512 tokens/s  left 0:20",
    ]


def test_lines_stay_above_the_bar_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with Reporter(1004, 1000) as reporter:
        reporter.step(1001, 2.0, 512.0)
        reporter.say("a line")
        reporter.step(1002, 2.0, 512.0)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "a line" in shown.splitlines()
    assert re.search(r"training .* 1,002/1,004 steps loss 2\.000  512 tokens/s  left 0:00", shown)
