"""Probes: a slice that holds a label is read, one that holds nothing is not; splits by hand."""

from __future__ import annotations

import pytest
import torch
from planted import induction_model, pairs, said_twice, traced, translator

from clearhead.insight.facts import Facts
from clearhead.insight.probes import fit, probes


def test_a_label_that_stands_in_a_column_is_read() -> None:
    texts = [i // 2 for i in range(40)]  # 20 texts of two rows; texts 3, 7, 11, 15 and 19 are held out
    labels = ["a" if i % 3 else "b" for i in range(40)]
    x = torch.tensor([[1.0 if label == "a" else -1.0] for label in labels])
    held = [label for label, text in zip(labels, texts, strict=True) if text % 4 == 3]
    assert fit(x, labels, texts) == (1.0, held.count("a") / 10, 2, 10)


def test_rows_without_a_label_and_rare_classes_are_left_out() -> None:
    labels = ["a", "b", None, "a"] * 9 + ["d"] * 4  # 40 texts of a row; the fourth of each four is held out
    x = torch.tensor([[{"a": 1.0, "b": -1.0}.get(label or "", 0.0)] for label in labels])
    # Held out are nine rows of a; of d only three rows are trained on, too few.
    assert fit(x, labels, list(range(40))) == (1.0, 1.0, 2, 9)


def test_nothing_to_tell_apart_is_no_probe() -> None:
    assert fit(torch.randn(20, 2), ["a"] * 20, list(range(20))) is None
    assert fit(torch.randn(4, 2), ["a", "b", "a", "b"], [0, 1, 2, 3]) is None


def test_noise_reads_no_more_than_the_majority() -> None:
    rng = torch.Generator().manual_seed(0)
    labels = [int(i) for i in torch.randint(2, (2000,), generator=rng)]
    read = fit(torch.randn(2000, 4, generator=rng), labels, list(range(2000)))
    assert read is not None and abs(read[0] - 0.5) < 0.07 and read[3] == 500


def test_portions_of_the_embedding_stand_for_what_was_put_there() -> None:
    """One-hot tokens stand in columns 0-19, positions in 20-59; a head's portion is a third of the 80 columns."""
    found = probes([traced(induction_model(), sides) for sides in said_twice(80)])
    read = {(p.layer, p.head, p.about): p for p in found if p.part == "portion"}
    assert read[0, 0, "token"].accuracy == 1.0 and read[0, 0, "token"].majority < 0.2
    assert read[0, 1, "position"].accuracy > 0.7 > 0.3 > read[0, 1, "token"].accuracy
    last = read[1, 2, "token"]  # by now the slot in columns 60-79 holds the token before, which is another one
    assert last.accuracy < 0.3
    contexts = {(p.layer, p.head, p.about): p for p in found if p.part == "context"}
    assert contexts[0, 0, "token"].accuracy < 0.4  # the previous token's head tells the one before


def test_parts_of_speech_are_those_of_words() -> None:
    examples = pairs(40)
    kinds = {True: "dependent", False: "head"}
    facts = [Facts(tags={"source": [kinds[token < 11] for token in e.sides["source"][:-1]]}) for e in examples]
    found = probes([traced(translator(), e.sides) for e in examples], facts)
    tags = [p for p in found if p.about == "part of speech"]
    assert {p.path for p in tags} == {"encoder.blocks.0.self_attention.attention"}  # nothing is known of targets
    first = next(p for p in tags if p.part == "portion" and p.head == 0)  # source tokens stand in its columns
    assert first.accuracy == 1.0 and first.classes == 2
    assert first.majority == pytest.approx(0.5, abs=0.01)  # as many of one as of the other
    assert first.rows == sum(len(e.sides["source"]) - 1 for e in examples[3::4])
