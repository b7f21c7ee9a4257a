"""The pulse: nobody waits in silence, and what others say is not disturbed."""

from __future__ import annotations

import sys
import time

import pytest

from clearhead import progress
from clearhead.progress import Pulse, doing


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SILENCE", 0.2)


def test_silence_is_broken_by_what_is_being_done(capfd: pytest.CaptureFixture[str]) -> None:
    with Pulse("reading the files"):
        time.sleep(0.5)
        doing("training the tokenizer")
        time.sleep(0.5)
    lines = capfd.readouterr().err.splitlines()
    assert {line.partition(":")[0] for line in lines} == {"  reading the files", "  training the tokenizer"}
    assert all(line.endswith(": 0 s") or line.endswith(": 1 s") for line in lines)


def test_who_speaks_is_not_interrupted(capfd: pytest.CaptureFixture[str]) -> None:
    with Pulse("reading"):
        for _ in range(10):
            print("a line", file=sys.stderr)
            time.sleep(0.05)
    assert capfd.readouterr().err == "a line\n" * 10


@pytest.mark.parametrize("quiet", [True, False])
def test_it_ends_for_good(capfd: pytest.CaptureFixture[str], quiet: bool) -> None:
    before = sys.stderr
    with Pulse("reading", quiet=quiet):
        doing(None)
        assert sys.stderr is before
        time.sleep(0.5)
    doing("nobody is there to say it")
    assert capfd.readouterr().err == ""
