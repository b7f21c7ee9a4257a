"""Floors: numbers a hand can derive, equal to the definition written as loops, and probabilities that sum to one."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead.data.floors import floors

BOS, A, B = 0, 1, 2
row = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def arrays(rows: list[list[int]]) -> list[np.ndarray]:
    return [np.array(r, dtype=np.int32) for r in rows]


def test_numbers_a_hand_can_derive() -> None:
    """Seen: A A B once (V = 4). Unigram: N = 3, T = 2, so p(A) = (2 + 2/4) / 5 = 1/2 and p(B) = (1 + 2/4) / 5 = 3/10.

    After A came A and B, once each: p(B | A) = (1 + 2 * 3/10) / (2 + 2) = 2/5; after BOS only A:
    p(A | BOS) = (1 + 1/2) / (1 + 1) = 3/4. B led nowhere: p(A | B) = p(A) = 1/2.
    """
    found = floors(arrays([[BOS, A, A, B]]), arrays([[BOS, A, B, A]]), 4)
    assert list(found) == ["uniform", "unigram", "bigram"]
    assert found["uniform"] == pytest.approx(math.log(4))
    assert found["unigram"] == pytest.approx(-(math.log(1 / 2) + math.log(3 / 10) + math.log(1 / 2)) / 3)
    assert found["bigram"] == pytest.approx(-(math.log(3 / 4) + math.log(2 / 5) + math.log(1 / 2)) / 3)


def probabilities(rows: list[list[int]], vocab_size: int) -> tuple[dict[int, float], dict[tuple[int, int], float]]:
    """The formulas of the docstring, word by word: p(w) and p(w | v)."""
    words = Counter(w for r in rows for w in r[1:])
    pairs = Counter((v, w) for r in rows for v, w in pairwise(r))
    one = {
        w: (words[w] + len(words) / vocab_size) / (words.total() + len(words)) if words else 1 / vocab_size
        for w in range(vocab_size)
    }
    two = {}
    for v in range(vocab_size):
        after = {w: n for (u, w), n in pairs.items() if u == v}
        for w in range(vocab_size):
            total = sum(after.values()) + len(after)
            two[v, w] = (after.get(w, 0) + len(after) * one[w]) / total if total else one[w]
    return one, two


@given(st.lists(row, min_size=1, max_size=6), st.lists(row, min_size=1, max_size=4))
def test_they_are_what_the_formulas_say(train: list[list[int]], valid: list[list[int]]) -> None:
    valid = [*valid, [0, 1]]
    one, two = probabilities(train, 6)
    assert sum(one.values()) == pytest.approx(1)
    assert all(sum(two[v, w] for w in range(6)) == pytest.approx(1) for v in range(6))
    steps = [(v, w) for r in valid for v, w in pairwise(r)]
    found = floors(arrays(train), arrays(valid), 6)
    assert found["unigram"] == pytest.approx(-np.mean([math.log(one[w]) for _, w in steps]))
    assert found["bigram"] == pytest.approx(-np.mean([math.log(two[step]) for step in steps]))


def test_a_row_does_not_lead_into_the_next() -> None:
    apart = floors(arrays([[BOS, A], [BOS, B]] * 50), arrays([[BOS, A]]), 8)
    joined = floors(arrays([[BOS, A, BOS, B] * 50]), arrays([[A, BOS]]), 8)
    assert apart["unigram"] == pytest.approx(math.log(2), abs=0.02)  # BOS itself is never predicted
    assert joined["bigram"] < 0.2  # and inside a row it would be


def test_a_language_that_is_a_cycle_has_no_bigram_floor_left() -> None:
    cycle = [[BOS, *[1 + i % 5 for i in range(start, start + 50)]] for start in range(40)]
    found = floors(arrays(cycle), arrays(cycle[:3]), 6)
    assert found["bigram"] < 0.1 < found["unigram"] < found["uniform"]
    assert found["unigram"] == pytest.approx(math.log(5), abs=0.01)
