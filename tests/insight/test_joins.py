"""Which heads join a word with which: a planted dependency is seen, and words are found as people write them."""

from __future__ import annotations

import pytest
from planted import induction_model, pairs, traced, translator

from clearhead.errors import ConfigError
from clearhead.insight.joins import joins


def test_the_planted_head_joins_a_dependent_with_its_head() -> None:
    example = pairs(1)[0]
    (arc, *_) = example.facts.arcs["source"]
    trace = traced(translator(), example.sides)
    found = joins(trace, str(arc.dependent))
    assert found.heads == [f"encoder 0.{h}" for h in range(4)]
    assert found.words == [f"w{i}" for i in example.sides["source"][:-1]] and found.word == arc.dependent
    assert float(found.weights[0, arc.head]) > 0.99
    assert found.weights[2].tolist() == pytest.approx([1 / 7] * 6) == found.chances.tolist()  # six words and the end
    mixed = 0.5 * found.weights.mean(0)  # one layer: half of what it looks at, and half itself
    mixed[found.word] += 0.5
    assert found.rolled.tolist() == pytest.approx(mixed.tolist())
    assert found.flowing.tolist() == pytest.approx(mixed.tolist())
    assert found.towards[:3, arc.head].tolist() == pytest.approx([1 / 7, 0.0, 1 / 7], abs=1e-3)  # its head looks evenly
    table, back = found.findings().tables
    assert len(back.rows) == 4 and back.rows[0][0] == "encoder 0.0"
    assert list(table.columns) == ["layer.head", *found.words] and len(table.rows) == 7
    answers = found.findings().answers
    assert len(answers) == 5 and any("encoder 0.0" in line and "times chance" in line for line in answers)


def test_words_are_found_as_people_write_them() -> None:
    trace = traced(induction_model(), {"tokens": [3, 4, 5, 6]})
    trace.labels = {"tokens": ["The", " cat", "s", " sleep."]}
    trace.words = {"tokens": [0, 1, 1, 2]}
    assert [joins(trace, word).word for word in ("the", "cats", "Sleep", "1")] == [0, 1, 2, 1]
    cats = joins(trace, "cats")
    assert cats.words == ["The", "cats", "sleep."]
    # Rows 1 and 2 may see two and three tokens: on "cats" 1 of 2 and 2 of 3.
    assert cats.chances.tolist() == pytest.approx([(1 / 2 + 1 / 3) / 2, (1 / 2 + 2 / 3) / 2, 0.0])
    the, sleep = cats.findings().answers
    assert "times chance" in the and "it cannot look there" in sleep
    with pytest.raises(ConfigError, match="no word 'dogs'"):
        joins(trace, "dogs")
