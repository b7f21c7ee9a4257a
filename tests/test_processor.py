"""What a processor is quick at is measured: cheaply, alike each time, and without touching the process's threads."""

from __future__ import annotations

import pytest
import torch

from clearhead import processor


@pytest.fixture(autouse=True)
def measured_anew() -> None:
    processor.bfloat16_cost.cache_clear()


def test_it_measures_once_and_leaves_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    cost = processor.bfloat16_cost("cpu")
    assert cost > 0
    assert torch.get_num_threads() == before
    monkeypatch.setattr(processor, "_seconds", lambda *_: pytest.fail("measured again"))
    assert processor.bfloat16_cost("cpu") == cost


@pytest.mark.parametrize(("half", "tries", "cost"), [(0.25, 14, 0.25), (40.0, 8, 40.0)])
def test_it_gives_up_where_bfloat16_cannot_win(
    monkeypatch: pytest.MonkeyPatch, half: float, tries: int, cost: float
) -> None:
    """Six products in float32; two in bfloat16 tell that it is hopeless, six more how quick it is."""
    asked: list[torch.dtype] = []

    def seconds(dtype: torch.dtype, _: str) -> float:
        asked.append(dtype)
        return 1.0 if dtype == torch.float32 else half

    monkeypatch.setattr(processor, "_seconds", seconds)
    assert processor.bfloat16_cost("cpu") == cost
    assert len(asked) == tries


def test_a_number_of_threads_that_a_person_fixed_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert processor.free_threads() == 0
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert processor.free_threads() == torch.get_num_threads()


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({8: 1.0, 4: 1.9}, 8),  # quiet: twice the threads, half the time
        ({8: 1.0, 4: 0.9}, 8),  # by chance: a look decides only what is clear
        ({8: 9.0, 4: 8.0, 2: 1.5}, 8),
        ({8: 9.0, 4: 3.0, 2: 1.5, 1: 1.4}, 2),
        ({8: 9.0, 4: 6.0, 2: 3.0, 1: 1.0}, 1),
    ],
)
def test_fewer_threads_are_taken_where_they_are_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float], chosen: int
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(processor, "_shared_seconds", seconds.__getitem__)
    assert processor.quick_threads(8) == chosen
    assert torch.get_num_threads() == before


def test_one_thread_has_no_choice() -> None:
    assert processor.quick_threads(1) == 1
