"""Words, dependencies and alignments of single heads: numbers a hand can check."""

from __future__ import annotations

from statistics import NormalDist

import pytest
import torch
from planted import weights_of

from clearhead.insight.aligning import Aligning, soft_error_rate
from clearhead.insight.alignment import Gold, error_rate, find_links
from clearhead.insight.facts import Arc
from clearhead.insight.head_scores import HeadScore
from clearhead.insight.looks import Look
from clearhead.insight.syntax import Syntax
from clearhead.insight.word_weights import word_table, words_of
from clearhead.look import Trace


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["the", " cat", "s", " sleep", "."], [0, 1, 1, 2, 2]),
        (["a", " ", "b"], [0, None, 1]),
        (["<bos>", "a", "\n", " b", "<eos>"], [None, 0, None, 1, None]),
        ([" a b", "c"], [0, 1]),  # a piece of two words is the first one's
        (["a ", "b"], [0, 1]),
        ([], []),
    ],
)
def test_pieces_tell_where_words_begin(pieces: list[str], words: list[int | None]) -> None:
    assert words_of(pieces) == words


def test_a_word_is_attended_with_a_sum_and_attends_with_a_mean() -> None:
    weights = weights_of([[0.5, 0.1, 0.2, 0.2], [0.0, 0.4, 0.6, 0.0], [0.3, 0.3, 0.2, 0.2]])[None]
    table = word_table(weights, [0, 0, None], [0, 1, 1, None])
    # Rows 0 and 1 are one word: means of 0.5, 0.0 and of 0.1 + 0.2, 0.4 + 0.6.
    assert table[0].tolist() == [pytest.approx([0.25, 0.65])]


# Four words of one piece each and the end. Head 0 looks as the arcs say, head 1 everywhere alike.
ARCS = [Arc("subject", 0, 2), Arc("subject", 3, 1)]
HEAD = weights_of(
    [
        [0.3, 0.1, 0.2, 0.1, 0.3],  # word 0: most of all at itself and at the end, of other words at 2
        [0.0, 0.2, 0.0, 0.5, 0.3],
        [0.2, 0.5, 0.1, 0.1, 0.1],
        [0.1, 0.6, 0.1, 0.1, 0.1],
        [0.2, 0.2, 0.2, 0.2, 0.2],
    ]
)


def syntax_scores(arcs: list[Arc], *, causal: bool = False) -> list[dict[str, HeadScore]]:
    trace = Trace(labels={"tokens": list("abcde")}, words={"tokens": [0, 1, 2, 3, None]})
    allowed = torch.ones(5, 5, dtype=torch.bool)
    allowed = allowed.tril() if causal else allowed
    syntax = Syntax()
    syntax.add(Look("a", "tokens", "tokens", torch.stack([HEAD, torch.full((5, 5), 0.2)]), allowed), trace, arcs)
    return [{s.name.removeprefix("syntax: subject, looks at "): s for s in head} for head in syntax.scores()]


def test_accuracy_chance_and_baseline_of_arcs() -> None:
    first, _ = syntax_scores(ARCS)
    up, down = first["its head"], first["dependent"]
    assert (up.value, up.rows) == (1.0, 2)
    assert up.chance == pytest.approx(1 / 3)  # three other words
    assert up.baseline == 0.5  # offsets +2 and -2: each is right once
    assert down.value == 0.5  # 2 looks at 1 and not at 0; 1 looks at 3
    assert first["its head (weight)"].value == pytest.approx((0.2 + 0.6) / 2)
    assert not first["its head (weight)"].role


def test_arcs_into_the_future_or_without_a_choice_are_not_asked() -> None:
    first, _ = syntax_scores(ARCS, causal=True)
    # Of 0 -> 2 and 1 -> 3 nothing can be seen; 3 -> 1 and, looking at the dependent, 2 -> 0 can.
    assert (first["its head"].rows, first["dependent"].rows) == (1, 1)
    assert syntax_scores([Arc("subject", 1, 0)], causal=True) == []  # its head is the only other word it sees


def test_arcs_at_one_offset_can_name_no_head() -> None:
    first, _ = syntax_scores([Arc("subject", i, i + 1) for i in range(3)])
    assert first["its head"].baseline == 1.0 and first["its head"].lift == 0.0


# Alignment: three source words, two target words; row 0 stands for <bos>.
PAIR = weights_of([[0.7, 0.1, 0.1, 0.1], [0.2, 0.5, 0.2, 0.1], [0.1, 0.1, 0.7, 0.1]])
GOLD = Gold(frozenset({(1, 0), (2, 1)}), frozenset({(1, 0), (2, 1), (0, 1)}))


def aligned(head: torch.Tensor, gold: Gold) -> dict[str, HeadScore]:
    trace = Trace(
        labels={"source": ["a", "b", "c", "<eos>"], "target": ["<bos>", "x", "y"]},
        words={"source": [0, 1, 2, None], "target": [None, 0, 1]},
    )
    aligning = Aligning()
    allowed = torch.ones(3, 4, dtype=torch.bool)
    aligning.add(Look("a", "target", "source", head[None], allowed), trace, gold)
    (scores,) = aligning.scores()
    return {score.name: score for score in scores}


def test_the_better_row_counts() -> None:
    hard = aligned(PAIR, GOLD)["alignment"]
    assert hard.value == 0.0 and hard.about.startswith("the row that reads")
    turned = aligned(torch.cat([PAIR[1:], PAIR[:1]]), GOLD)["alignment"]
    assert turned.value == 0.0 and turned.about.startswith("the row that predicts")


def test_error_rates_are_those_of_the_links() -> None:
    gold = Gold(frozenset({(0, 0), (2, 1)}), frozenset({(0, 0), (2, 1), (1, 0)}))
    # Row 1 looks at 1 (possible), row 2 at 2 (sure): 1 - (1 + 2) / (2 + 2); the other rows at 0 and 1: 1 - 2 / 4.
    found = aligned(PAIR, gold)
    assert found["alignment"].value == pytest.approx(1 / 4)
    links = find_links(PAIR[1:, :3])
    assert found["alignment"].value == pytest.approx(error_rate([links], [gold]))
    # Soft: the weights on a, b, c sum to 0.9 and 0.9; sure 0.2 + 0.7, possible 0.2 + 0.5 + 0.7.
    assert found["alignment (soft)"].value == pytest.approx(1 - (0.9 + 1.4) / (1.8 + 2))


def test_chance_and_the_best_diagonal_of_an_alignment() -> None:
    hard = aligned(PAIR, GOLD)["alignment"]
    # Drawn evenly from 3 words, (2 sure + 3 possible) / 3 hits are expected of 2 links and 2 sure ones.
    assert hard.chance == pytest.approx(1 - 5 / 3 / 4)
    assert hard.baseline == 0.0 and "+1" in hard.about  # one to the right is always right
    assert hard.lift == 0.0 and not hard.clear


def test_a_soft_error_rate_of_links_is_the_error_rate() -> None:
    table = torch.zeros(2, 3)
    table[0, 1] = table[1, 0] = 1.0
    assert soft_error_rate([table], [GOLD]) == pytest.approx(error_rate([find_links(table)], [GOLD]))
    assert soft_error_rate([], []) == 0.0


def test_one_sentence_said_again_and_again_shows_no_syntax() -> None:
    """Arcs at the same words of every text: a head with one key for each position has them by luck, once in nine."""
    syntax = Syntax()
    trace = Trace(labels={"tokens": list("abcde")}, words={"tokens": [0, 1, 2, 3, None]})
    for _ in range(30):
        syntax.add(Look("a", "tokens", "tokens", HEAD[None], torch.ones(5, 5, dtype=torch.bool)), trace, ARCS)
    score = syntax.scores()[0][0]
    assert (score.value, score.rows, score.baseline) == (1.0, 60, 0.5)
    assert score.away == pytest.approx(-NormalDist().inv_cdf(1 / 9), abs=1e-3) and not score.clear


def test_one_order_of_words_again_and_again_shows_no_alignment() -> None:
    """Four words whose order is turned round in every pair: to a head that knows positions alone one luck in 4^4."""
    trace = Trace(labels={"source": list("abcd"), "target": list("_efgh")})
    trace.words = {"source": [0, 1, 2, 3], "target": [None, 0, 1, 2, 3]}
    weights = torch.eye(4).flip(0)[torch.tensor([0, 1, 2, 3, 3])][None]
    aligning, links = Aligning(), frozenset((3 - j, j) for j in range(4))
    for _ in range(30):
        aligning.add(
            Look("a", "target", "source", weights, torch.ones(5, 4, dtype=torch.bool)), trace, Gold(links, links)
        )
    score = aligning.scores()[0][0]
    assert (score.value, score.rows) == (0.0, 120)
    assert score.away == pytest.approx(-NormalDist().inv_cdf(4**-4), abs=1e-3) and not score.clear
