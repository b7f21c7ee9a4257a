"""Judgements on a curve: each is a small function of numbers, so each is tested by numbers."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest

from clearhead.errors import ConfigError
from clearhead.training.health import Health, expectations, overfits, passed

FLOORS = {"uniform": 9.0, "unigram": 6.0, "bigram": 4.0}
NAN = math.nan


@pytest.mark.parametrize(
    ("untrained", "words"),
    [
        (9.1, "as it should be"),
        (9.6, "input and output share a matrix"),
        (8.4, "trained before, or the answer stands in the input"),
    ],
)
def test_what_to_expect(untrained: float, words: str) -> None:
    first, second = expectations(untrained, FLOORS)
    assert first.startswith(f"untrained: {untrained:.2f} nats a token against ln V = 9.00 (")
    assert words in first
    assert "unigram 6.00, bigram 4.00" in second


def test_without_floors_only_the_loss_is_said() -> None:
    assert expectations(2.5, {}) == ["untrained: loss 2.50"]
    assert len(expectations(2.5, {"uniform": 2.5})) == 1


def test_of_a_model_trained_before_nothing_is_explained() -> None:
    assert expectations(2.5, {}, trained=True) == ["before this training: loss 2.50"]
    assert expectations(2.5, FLOORS, trained=True)[0] == "before this training: 2.50 nats a token against ln V = 9.00"


@pytest.mark.parametrize(
    ("before", "loss", "words"),
    [
        (math.inf, 9.5, ""),
        (math.inf, 8.5, "below the uniform floor (9.00): it has begun to learn"),
        (8.5, 6.0, ""),
        (6.0, 5.9, "below the unigram floor (6.00): it knows more than how common each token is"),
        (9.5, 3.9, "below the bigram floor (4.00): it uses more than the last word"),
        (3.9, 3.8, ""),
        (3.8, 4.5, ""),
        (3.8, NAN, ""),
    ],
)
def test_a_floor_is_passed_once(before: float, loss: float, words: str) -> None:
    assert passed(FLOORS, before, loss) == words


def test_a_floor_of_another_name_and_one_above_a_plainer_one() -> None:
    assert passed({"copying": 2.0}, 3.0, 1.0) == "below the copying floor (2.00)"
    odd = {"uniform": 9.0, "unigram": 5.0, "bigram": 5.5}  # so few data that counting pairs did harm
    assert passed(odd, 6.0, 5.2) == ""
    assert passed(odd, 6.0, 4.9).startswith("below the bigram floor")


@pytest.mark.parametrize(
    ("valid", "train", "yes"),
    [
        ([2.0, 2.1, 2.2], [1.9, 1.8, 1.7], True),
        ([2.0, 2.1, 2.2], [3.9, 3.8, 3.7], True),  # smoothed: only the trend is asked
        ([2.0, 2.1], [1.9, 1.8], False),  # one evaluation may be an accident
        ([2.0, 2.2, 2.1], [1.9, 1.8, 1.7], False),  # not rising
        ([2.0, 2.1, 2.05, 2.2], [1.9, 1.8, 1.85, 1.7], True),
        ([2.0, 2.1, 2.2], [1.9, 1.8, 1.85], False),  # the training loss rises too: not over-fitting but divergence
        ([2.0, 2.1, 2.2], [1.9, 1.95, 1.7], False),
        ([2.0, 2.001, 2.009], [1.9, 1.8, 1.7], False),  # less than half a per cent
        ([2.0, 2.001, 2.011], [1.9, 1.8, 1.7], True),
        ([2.0, NAN, 2.2], [1.9, 1.8, 1.7], False),
        ([2.0, 2.1, 2.2], [NAN, 1.8, 1.7], False),
    ],
)
def test_over_fitting_is_a_parting_of_trends(valid: list[float], train: list[float], yes: bool) -> None:
    assert overfits(valid, train) is yes


def look(health: Health, step: int, best_step: int, valid: float, train: float) -> dict[str, object]:
    """An evaluation after one stretch of training, the health having been saved and read in between."""
    health.trained(4 * train, 4)
    found = health.evaluated(valid, step, best_step)
    health.__init__(**json.loads(json.dumps(asdict(health))))  # type: ignore[misc]
    return found


def test_over_fitting_is_told_once_for_a_best_step() -> None:
    health = Health()
    assert look(health, 10, 10, 3.0, 3.0) == {}
    assert look(health, 20, 20, 2.0, 2.5) == {}
    assert look(health, 30, 20, 2.1, 2.25) == {}
    told = look(health, 40, 20, 2.2, 2.0)
    assert told["since"] == 20
    assert str(told["remark"]).startswith(
        "over-fitting since step 20: the validation loss rose from 2.000 to 2.200 while the training loss fell from "
        "2.500 to 2.000; the weights of step 20 are kept; more data,"
    )
    assert look(health, 50, 20, 2.3, 1.75) == {}
    assert look(health, 60, 60, 1.9, 1.5) == {}  # it got better after all
    assert look(health, 70, 60, 2.0, 1.25) == {}
    assert look(health, 80, 60, 2.1, 1.0)["since"] == 60


def test_the_state_of_an_older_version_has_no_evaluations() -> None:
    health = Health()
    assert [look(health, step, 20, 2.0 + step / 100, 2.0 - step / 100) for step in (30, 40, 50)] == [{}, {}, {}]
    assert health.valid == []


def test_skipped_steps_are_told_at_powers_of_two() -> None:
    health = Health()
    told = {step: health.lost(step, "loss") for step in range(30, 1000, 30)}  # each 30th: within bounds
    counts = {step: about["skipped"] for step, about in told.items() if about}
    assert counts == {30: 1, 60: 2, 120: 4, 240: 8, 480: 16, 960: 32}
    assert told[30]["remark"] == "step 30 skipped: its loss is not a finite number; no weight was changed"
    assert told[120]["remark"].endswith("; 4 steps so far")
    assert health.skipped == [810, 840, 870, 900, 930, 960, 990]


def test_ten_in_a_row_end_the_run() -> None:
    health = Health()
    health.lost(3, "loss")
    for step in range(10, 19):
        health.lost(step, "gradient")
    with pytest.raises(ConfigError) as error:
        health.lost(19, "gradient")
    assert "10 steps in a row, from step 10 on, had to be skipped: the gradient is not a finite number" in str(
        error.value
    )
    for flag in ("--optimizer.lr", "--optimizer.muon-lr", "--training.precision float32", "the data"):
        assert flag in error.value.fix


def test_more_than_a_twentieth_of_the_last_steps_ends_the_run() -> None:
    health = Health()
    for step in range(100, 300, 20):
        health.lost(step, "loss")
    assert len(health.skipped) == 10
    with pytest.raises(ConfigError, match=r"11 of the last 200 steps, from step 100 on"):
        health.lost(299, "loss")
    health.skipped.pop()
    health.lost(300, "loss")  # step 100 is not among the last 200 any more
