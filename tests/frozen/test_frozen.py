"""Folders of the first edition open, write and go on as they did when they were made; see frozen.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

import frozen

EXPECTED: dict[str, dict[str, Any]] = json.loads(frozen.EXPECTED.read_text(encoding="utf-8"))
ROUNDING = 1e-4  # other processors sum in another order; the benchmark `frozen` compares bits on one
DRIFT = 0.02  # and hundreds of steps make more of it
NOISE = "k_proj.bias"  # adds the same to all scores of a query: its gradient is rounding alone, which Adam makes large


@pytest.mark.parametrize("name", [name for name in frozen.RUNS if name not in frozen.STOPPED])
def test_a_folder_of_the_first_edition_gives_what_it_gave(name: str) -> None:
    assert_alike(frozen.opened(name), EXPECTED[name], ROUNDING)


@pytest.mark.parametrize("name", frozen.STOPPED)
def test_a_training_of_the_first_edition_goes_on_as_it_did(name: str) -> None:
    assert_alike(frozen.resumed(name), EXPECTED[name], DRIFT)


def assert_alike(now: Any, before: Any, within: float) -> None:
    """The same, but for the bits of numbers."""
    now, before = json.loads(json.dumps(now)), dict(before)
    assert now.keys() == before.keys()
    for key, value in before.items():
        if isinstance(value, dict):
            assert now[key]["shape"] == value["shape"], key
            if within < DRIFT or not key.endswith(NOISE):
                assert now[key]["size"] == pytest.approx(value["size"], rel=within), key
        elif key == "losses":
            assert now[key] == pytest.approx(value, rel=within)
        else:
            assert now[key] == value, key
