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
    cost = processor.bfloat16_cost()
    assert cost > 0
    assert torch.get_num_threads() == before
    monkeypatch.setattr(processor, "_seconds", lambda *_: pytest.fail("measured again"))
    assert processor.bfloat16_cost() == cost


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
    assert processor.bfloat16_cost() == cost
    assert len(asked) == tries
