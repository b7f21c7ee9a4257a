"""Alignment: rates and sums a hand can check, and a head planted where it must be found."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from clearhead.insight.alignment import (
    AlignmentHead,
    Gold,
    choose_head,
    cross_weights,
    error_rate,
    find_links,
    word_weights,
)
from clearhead.look import watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

SURE, POSSIBLE = frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (2, 1), (3, 2)})
GOLD = Gold(SURE, POSSIBLE)


@pytest.mark.parametrize(
    ("found", "rate"),
    [
        (SURE, 0.0),  # 1 - (2 + 2) / (2 + 2)
        (POSSIBLE, 0.0),  # 1 - (2 + 4) / (4 + 2): a possible link is never wrong
        ({(0, 0)}, 1 / 3),  # 1 - (1 + 1) / (1 + 2): a sure link is missing
        ({(0, 0), (1, 1), (2, 1), (9, 9)}, 1 / 6),  # 1 - (2 + 3) / (4 + 2): one link is wrong
        ({(9, 9)}, 1.0),
        ((), 1.0),
    ],
)
def test_error_rates_by_hand(found: object, rate: float) -> None:
    assert error_rate([frozenset(found)], [GOLD]) == pytest.approx(rate)  # type: ignore[call-overload]


def test_sentences_are_counted_together() -> None:
    # hits 2 + 2 and 0, links 2 + 1, sure 2 + 2: not the mean of 0 and 1
    assert error_rate([SURE, frozenset({(9, 9)})], [GOLD, GOLD]) == pytest.approx(1 - 4 / 7)
    assert error_rate([], []) == 0.0
    with pytest.raises(ValueError):
        error_rate([SURE], [])


# One layer, one head. Rows: BOS and the pieces a1 a2 b; keys: the pieces x1 x2 y and the end.
ROWS = torch.tensor(
    [
        [0.1, 0.2, 0.3, 0.4],
        [0.5, 0.1, 0.2, 0.2],
        [0.0, 0.1, 0.9, 0.0],
        [0.3, 0.3, 0.2, 0.2],
    ]
)[None, None]
SOURCE, TARGET = [0, 0, 1], [0, 0, 1]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("predicts", [[0.45, 0.25], [0.1, 0.9]]),  # (.3 + .6) / 2, (.3 + .2) / 2; the row of a2 predicts b
        ("reads", [[0.35, 0.55], [0.6, 0.2]]),  # (.6 + .1) / 2, (.2 + .9) / 2; the row of b
    ],
)
def test_words_sum_their_pieces_and_average_their_rows(row: str, wanted: list[list[float]]) -> None:
    found = word_weights(ROWS, SOURCE, TARGET, AlignmentHead(0, 0, row))  # type: ignore[arg-type]
    torch.testing.assert_close(found, torch.tensor(wanted))
    links = {"predicts": {(0, 0), (1, 1)}, "reads": {(1, 0), (0, 1)}}[row]
    assert find_links(found) == links


def test_the_mean_of_heads() -> None:
    two = torch.cat([ROWS, torch.zeros_like(ROWS)], dim=1)
    found = word_weights(two, SOURCE, TARGET, AlignmentHead(0))
    torch.testing.assert_close(found, word_weights(ROWS, SOURCE, TARGET, AlignmentHead(0, 0)) / 2)


def test_nothing_written_has_no_links() -> None:
    assert find_links(word_weights(ROWS, SOURCE, [], AlignmentHead(0, 0))) == frozenset()
    assert find_links(word_weights(ROWS, [], TARGET, AlignmentHead(0, 0))) == frozenset()


def planted(
    layer: int, head: int | None, row: str, sentences: int = 4, words: int = 5
) -> tuple[list[Tensor], list[Gold]]:
    """Weights of 3 layers and 2 heads, uniform noise, and one place that says the (permuted) truth."""
    generator = torch.Generator().manual_seed(0)
    weights, gold = [], []
    for _ in range(sentences):
        order = torch.randperm(words, generator=generator)
        noise = torch.rand(3, 2, words + 1, words + 1, generator=generator)
        rows = slice(0, words) if row == "predicts" else slice(1, words + 1)
        truth = torch.nn.functional.one_hot(order, words + 1).float()
        if head is None:  # each head knows a half of it; only together they are right
            half = torch.arange(words) % 2 == 0
            noise[layer, :, rows] = 0.5
            noise[layer, 0, rows] += truth * half[:, None]
            noise[layer, 1, rows] += truth * ~half[:, None]
        else:
            noise[layer, head, rows] += 2 * truth
        weights.append(noise)
        links = frozenset((int(i), j) for j, i in enumerate(order.tolist()))
        gold.append(Gold(links, links))
    return weights, gold


@pytest.mark.parametrize("row", ["predicts", "reads"])
@pytest.mark.parametrize(("layer", "head"), [(0, 0), (1, 1), (2, None)])
def test_a_planted_head_is_found(layer: int, head: int | None, row: str) -> None:
    weights, gold = planted(layer, head, row)
    words = [list(range(5))] * 4
    assert choose_head(weights, words, words, gold) == AlignmentHead(layer, head, row, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layers", "layer"), [(1, 0), (2, 0), (3, 1), (6, 4)])
def test_by_rule_the_last_layer_but_one(layers: int, layer: int) -> None:
    assert AlignmentHead.by_rule(layers) == AlignmentHead(layer, None, "predicts", None)


def test_a_head_is_json_and_words() -> None:
    head = AlignmentHead(2, 1, "predicts", 0.25)
    assert AlignmentHead(**json.loads(json.dumps(head.to_json()))) == head
    assert str(head) == "decoder layer 2, head 1, the row that predicts the word"
    assert str(AlignmentHead.by_rule(3)) == "decoder layer 1, mean of all heads, the row that predicts the word"


def test_cross_weights_of_a_forced_pass() -> None:
    config = EncoderDecoderConfig(d_model=8, d_ff=8, heads=2, layers=1, decoder_layers=3)
    model = EncoderDecoder(config, 9, 9).eval()
    with watch(model) as trace:
        model(torch.randint(9, (2, 5)), torch.randint(9, (2, 4)), torch.tensor([5, 3]))
    weights = cross_weights(trace, sentence=1)
    assert weights.shape == (3, 2, 4, 5) and weights[..., 3:].eq(0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 4))
    torch.testing.assert_close(weights[2], trace["decoder.blocks.2.cross_attention.attention"].weights()[1])
