"""Before a command writes: fewer threads on a busy machine, and a word about a precision that is slow on this one."""

from __future__ import annotations

import pytest
import torch

from clearhead import processor
from clearhead.cli.machine import settle


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many threads were taken; four are free."""
    taken: list[int] = []
    monkeypatch.setattr(processor, "free_threads", lambda: 4)
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    return taken


@pytest.mark.parametrize("quick", [1, 4])
def test_as_many_threads_as_are_quick(monkeypatch: pytest.MonkeyPatch, used: list[int], quick: int) -> None:
    monkeypatch.setattr(processor, "quick_threads", lambda most: quick)
    settle()
    assert used == [quick]


@pytest.mark.usefixtures("used")
@pytest.mark.parametrize(
    ("precision", "cost", "said"), [("bfloat16", 24.0, True), ("bfloat16", 0.3, False), ("int8", 24.0, False)]
)
def test_a_precision_that_is_slow_here_is_remarked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], precision: str, cost: float, said: bool
) -> None:
    monkeypatch.setattr(processor, "quick_threads", lambda most: most)
    monkeypatch.setattr(processor, "bfloat16_cost", lambda device: cost)
    settle(precision)
    assert ("24 times as long in bfloat16" in capsys.readouterr().err) == said
