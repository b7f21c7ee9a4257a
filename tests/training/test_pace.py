"""The number of threads follows the machine: looked at when the pace falls, and again while fewer run."""

from __future__ import annotations

import pytest
import torch

from clearhead.training import pace
from clearhead.training.pace import Pace


class Machine:
    """A clock, a number of threads in use, and how many are quick at the moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int):
        self.now, self.used, self.quick, self.looks = 0.0, most, most, 0
        monkeypatch.setattr(pace.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.used)
        monkeypatch.setattr(pace, "quick_threads", self._look)
        self.pace = Pace(most)

    def _look(self, most: int) -> int:
        self.looks += 1
        return self.quick

    def steps(self, count: int, seconds: float) -> None:
        """So many steps of 100 tokens, each so long."""
        for _ in range(count):
            self.now += seconds
            self.used = self.pace.threads(100, seconds)


def test_a_run_at_its_pace_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 4)
    machine.steps(1000, 0.1)
    machine.steps(500, 0.13)  # within what batches differ
    assert (machine.used, machine.looks) == (4, 0)


def test_a_fallen_pace_is_looked_at_and_changes_nothing_on_a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 4)
    machine.steps(100, 0.1)
    machine.steps(300, 0.2)
    assert machine.used == 4
    assert 1 <= machine.looks <= 1 + 60 / 15  # 15 s between two looks


def test_threads_go_and_come_back_with_the_others_load(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, 4)
    machine.steps(300, 0.1)
    machine.quick = 1
    machine.steps(20, 1.0)
    assert machine.used == 1
    machine.quick = 4
    machine.steps(200, 0.2)
    assert machine.used == 4
    assert machine.looks <= 3


def test_a_number_that_the_steps_do_not_bear_out_is_taken_back_and_tried_ever_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, 2)
    machine.used, machine.quick = 1, 2  # a still moment, always at the look; never in the steps
    slow = 0.0
    for _ in range(1200):
        seconds = 0.5 if machine.used == 1 else 4.0
        slow += seconds if machine.used == 2 else 0.0
        machine.steps(1, seconds)
    assert machine.used == 1
    assert machine.looks <= 6  # after 15, 30, 60, 120, 240 and 240 s
    assert slow <= 6 * 4.0
    machine.steps(2000, 0.5)  # now two are no worse
    assert machine.used == 2


@pytest.mark.parametrize("most", [0, 1])
def test_without_a_choice_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    machine = Machine(monkeypatch, most)
    machine.used = 3
    machine.steps(100, 0.1)
    machine.steps(100, 9.0)
    assert (machine.used, machine.looks) == (3, 0)
