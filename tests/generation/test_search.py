"""Search against every text there is, and against a plain loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.generation import writer as module
from clearhead.generation.beam import Hypothesis, _best
from clearhead.generation.branches import Branches
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.stack import Memory
from tests.generation.writing import searched

BOS, EOS, VOCAB = 0, 1, 4
_PRUNED = Branches.pruned


@dataclass
class Tables:
    """A memory of one random table a sentence."""

    tables: Tensor

    def select(self, rows: Tensor) -> Tables:
        return Tables(self.tables[rows])


class Prefixes:
    """A cache that remembers the tokens of each row."""

    def __init__(self) -> None:
        self.ids = torch.empty(0, 0, dtype=torch.long)

    def select(self, rows: Tensor) -> None:
        self.ids = self.ids[rows]

    def keep(self, places: Tensor) -> None:
        self.ids = self.ids.gather(1, places)


class Fake:
    """A model whose next token depends on the whole prefix, by a random number for each."""

    device = torch.device("cpu")

    def new_cache(self, *, forgets: bool = True) -> Prefixes:
        return Prefixes()

    def decode(self, tgt: Tensor, memory: Tables, *, cache: Any = None, where: Where | None = None) -> Tensor:
        assert where is not None
        cache.ids = tgt if not cache.ids.numel() else torch.cat([cache.ids, tgt], dim=1)
        # [rows, newest, tokens]; the k-th of a line is its k-th token
        lines = torch.ones(1, 1, where.m, dtype=torch.long) if where.kin is None else where.kin.long()
        assert (lines.sum(-1) == where.queries + 1).all()
        place = VOCAB ** (lines.cumsum(-1) - 1)
        number = (cache.ids[:, None] * place * lines).sum(-1)
        return memory.tables[torch.arange(len(tgt))[:, None], number]

    def logits(self, x: Tensor) -> Tensor:
        return x


def memory(sentences: int = 1, seed: int = 0) -> Tables:
    numbers = torch.randn(sentences, VOCAB**5, VOCAB, generator=torch.Generator().manual_seed(seed))
    return Tables(2 * numbers)


def every_text(table: Tensor, limit: int, penalty: float) -> Iterator[Hypothesis]:
    """All that can be written: ended by EOS, or as long as the limit."""
    todo: list[tuple[list[int], float]] = [([], 0.0)]
    while todo:
        ids, log_p = todo.pop()
        number = sum(token * VOCAB**i for i, token in enumerate([BOS, *ids]))
        log_p_next = (log_p + table[number].log_softmax(-1)).tolist()
        length = len(ids) + 1
        yield Hypothesis(ids, log_p_next[EOS], log_p_next[EOS] / length**penalty)
        for token in range(VOCAB):
            if token != EOS and length < limit:
                todo.append(([*ids, token], log_p_next[token]))
            elif token != EOS:
                yield Hypothesis([*ids, token], log_p_next[token], log_p_next[token] / length**penalty, ended=False)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_all_there_is(seed: int, limit: int, penalty: float) -> None:
    table = memory(seed=seed)
    (found,) = searched(Fake(), table, [limit], bos=BOS, eos=EOS, beam=VOCAB**limit, length_penalty=penalty)
    wanted = sorted(every_text(table.tables[0], limit, penalty), key=lambda h: -h.score)
    assert [(h.ids, h.ended) for h in found] == [(h.ids, h.ended) for h in wanted]
    assert [h.score for h in found] == pytest.approx([h.score for h in wanted], rel=1e-4)


def test_length_penalty_prefers_long() -> None:
    def length(penalty: float) -> int:
        found = [
            searched(Fake(), memory(seed=s), [4], bos=BOS, eos=EOS, beam=64, length_penalty=penalty) for s in range(9)
        ]
        return sum(len(sentence[0].ids) for (sentence,) in found)

    assert length(0.0) < length(1.0) < length(3.0)


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_limits_forbidden_tokens_and_order(beam: int) -> None:
    limits = [1, 4, 2, 3]
    found = searched(Fake(), memory(4), limits, bos=BOS, eos=EOS, forbidden=[0, 2], beam=beam)
    for hypotheses, limit in zip(found, limits, strict=True):
        assert 1 <= len(hypotheses) <= beam
        assert len({tuple(h.ids) for h in hypotheses}) == len(hypotheses)
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
        assert all(len(h.ids) <= limit and set(h.ids) <= {3} for h in hypotheses)


@pytest.mark.parametrize("beam", [1, 3])
def test_without_an_end_texts_are_as_long_as_the_limit(beam: int) -> None:
    found = searched(Fake(), memory(3), [1, 4, 3], bos=BOS, eos=EOS, forbidden=[EOS], beam=beam)
    assert [[len(h.ids) for h in hypotheses] for hypotheses in found] == [[n] * beam for n in (1, 4, 3)]


# With the real model

LENGTHS = torch.tensor([6, 2, 4])
SRC = torch.randint(3, 12, (3, 6), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def model() -> EncoderDecoder:
    torch.manual_seed(2)
    config = EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=2, tied="none")
    made = EncoderDecoder(config, 12, 12).eval()
    with torch.no_grad():
        made.head.weight.mul_(3.0)  # a sharper opinion than a fresh model has
    return made


def encode(model: EncoderDecoder, rows: slice = slice(None)) -> Memory:
    with torch.no_grad():
        return model.encode(SRC[rows, : LENGTHS[rows].max()], LENGTHS[rows])


def test_greedy_is_a_plain_loop(model: EncoderDecoder) -> None:
    limits = [5, 9, 7]
    found = searched(model, encode(model), limits, bos=1, eos=2)
    for i, limit in enumerate(limits):
        ids = [1]
        while len(ids) <= limit and ids[-1] != 2:
            ids.append(int(model(SRC[i : i + 1, : LENGTHS[i]], torch.tensor([ids]))[0, -1].argmax()))
        assert found[i][0].ids == [token for token in ids[1:] if token != 2]


@pytest.mark.parametrize("beam", [1, 2, 4])
def test_a_batch_is_its_sentences(model: EncoderDecoder, beam: int) -> None:
    limits = [5, 9, 7]
    together = searched(model, encode(model), limits, bos=1, eos=2, forbidden=[0, 1], beam=beam)
    for i in range(3):
        (alone,) = searched(
            model, encode(model, slice(i, i + 1)), limits[i : i + 1], bos=1, eos=2, forbidden=[0, 1], beam=beam
        )
        assert [h.ids for h in alone] == [h.ids for h in together[i]]
        assert [h.score for h in alone] == pytest.approx([h.score for h in together[i]], rel=1e-4)


@torch.no_grad()
def test_the_log_probability_is_that_of_teacher_forcing(model: EncoderDecoder) -> None:
    limits, ended = [5, 9, 7], 0
    for i, hypotheses in enumerate(searched(model, encode(model), limits, bos=1, eos=2, beam=4, length_penalty=0.5)):
        for h in hypotheses:
            at_end = len(h.ids) < limits[i]
            ended += at_end
            written = torch.tensor([[*h.ids, 2] if at_end else h.ids])
            tgt = torch.cat([torch.tensor([[1]]), written[:, :-1]], dim=1)
            log_p = model(SRC[i : i + 1, : LENGTHS[i]], tgt).log_softmax(-1)
            total = float(log_p.gather(2, written[:, :, None]).sum())
            assert h.log_probability == pytest.approx(total, abs=1e-4)
            assert h.score == pytest.approx(total / written.size(1) ** 0.5, abs=1e-4)
    assert ended


def test_nothing_to_write_is_nothing() -> None:
    assert searched(Fake(), memory(0), [], bos=BOS, eos=EOS, beam=2) == []


@pytest.mark.parametrize("small", [0, 8, 1000])
@torch.no_grad()
def test_cutting_dead_branches_changes_nothing(
    model: EncoderDecoder, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = copy.deepcopy(model).double()
    memory, cut = exact.encode(SRC, LENGTHS), []

    def pruned(tree: Branches, share: float) -> tuple[Branches, Tensor] | None:
        found = _PRUNED(tree, share)
        cut.append(found is not None)
        return found

    monkeypatch.setattr(module, "_SMALL", small)
    monkeypatch.setattr(Branches, "pruned", pruned)
    found = searched(exact, memory, [40, 25, 38], bos=1, eos=2, forbidden=[0, 1, 2], beam=4)
    assert any(cut) == (small < 1000)
    monkeypatch.setattr(module, "_SMALL", 1000)
    wanted = searched(exact, memory, [40, 25, 38], bos=1, eos=2, forbidden=[0, 1, 2], beam=4)
    assert [[h.ids for h in hs] for hs in found] == [[h.ids for h in hs] for hs in wanted]


@pytest.mark.parametrize("vocab", [2, 7, 64, 192, 1000])
@pytest.mark.parametrize("forbidden", [(), (0,), (0, 1)])
def test_the_best_are_those_of_a_sorted_vocabulary(vocab: int, forbidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    logits, log_p = 3 * torch.randn(5, 4, vocab), torch.randn(5, 4)
    n = min(8, 4 * vocab)
    wanted = log_p[:, :, None] + logits.log_softmax(-1)
    wanted[:, :, list(forbidden)] = float("-inf")
    values, places = wanted.flatten(1).topk(n, dim=1)
    best, beam, token = _best(logits, log_p, forbidden, n)
    torch.testing.assert_close(best, values)
    real = values > float("-inf")
    assert (beam * vocab + token)[real].equal(places[real])
