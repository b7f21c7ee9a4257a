"""Search: greedy and beam, batched, through the cache.

A hypothesis scores log p(y | x) / length^penalty, its end counted (Wu et al., 2016, without their offset); beam 1 is
greedy. A sentence ends when it has as many ended hypotheses as beams; ended sentences leave the batch.

Axes: sentences, beams, rows = sentences * beams, vocab.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

__all__ = ["Hypothesis", "Writer", "search"]


class SelectableMemory(Protocol):
    """What the encoder left; `select` keeps some sentences."""

    def select(self, rows: Tensor) -> Any: ...


class WriterCache(Protocol):
    """A decoder's cache."""

    def select(self, rows: Tensor, sentences: Tensor | None = None) -> None: ...


M = TypeVar("M", bound=SelectableMemory)


class Writer(Protocol):
    """What search asks of a model: the decoder's output for new tokens, and the scores of the next one."""

    def new_cache(self) -> Any: ...

    def decode(self, tgt: Tensor, memory: Any, *, cache: Any = None) -> Tensor: ...

    def logits(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Hypothesis:
    """Token ids without BOS and EOS; `log_probability` of the whole, its end included; `score` what it is ranked by."""

    ids: list[int]
    log_probability: float
    score: float


@torch.inference_mode()
def search(
    model: Writer,
    memory: SelectableMemory,
    limits: Sequence[int],
    *,
    bos: int,
    eos: int,
    forbidden: Sequence[int] = (),
    beam: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, best first; as many as `beam`.

    Args:
        memory: of all sentences, one row each.
        limits: most tokens of each sentence (at least 1), EOS counted.
        forbidden: tokens that are never written; with `eos` among them, exactly as many tokens as the limit are.
        length_penalty: 0 prefers short, 1 compares the mean log-probability of a token.
    """
    cache, beams = model.new_cache(), _Beams(limits, beam, bos, eos, length_penalty)
    while beams.sentences:
        x = model.decode(beams.ids[:, :, -1:].flatten(0, 1), memory, cache=cache)
        log_p = model.logits(x[:, -1]).float().log_softmax(-1)
        log_p[:, list(forbidden)] = float("-inf")
        rows, sentences = beams.advance(log_p)
        if beams.sentences and (beam > 1 or sentences is not None):
            cache.select(rows, sentences)
            memory = memory if sentences is None else memory.select(sentences)
    return [sorted(hypotheses, key=lambda h: -h.score) for hypotheses in beams.ended]


class _Beams:
    """The sentences still being written: token ids [sentences, beams, tokens] and their log-probabilities."""

    def __init__(self, limits: Sequence[int], beam: int, bos: int, eos: int, length_penalty: float):
        self.limits, self.beam, self.eos, self.length_penalty = limits, beam, eos, length_penalty
        self.ended: list[list[Hypothesis]] = [[] for _ in limits]
        self.sentences = list(range(len(limits)))
        self.ids = torch.full((len(limits), beam, 1), bos)
        self.log_p = torch.full((len(limits), beam), float("-inf"))
        self.log_p[:, 0] = 0.0  # all beams begin alike: only the first may branch

    def advance(self, log_p: Tensor) -> tuple[Tensor, Tensor | None]:
        """Append one token, given its log-probabilities [rows, vocab].

        Returns the rows that go on, in order, and the sentences that do, or None if none has ended.
        """
        vocab = log_p.size(-1)
        total = self.log_p[:, :, None] + log_p.view(len(self.sentences), self.beam, vocab)
        best, where = total.flatten(1).topk(min(2 * self.beam, self.beam * vocab), dim=1)
        parent, token = where // vocab, where % vocab
        self._end(best, parent, token)
        length = self.ids.size(2)  # with the token of now, BOS not counted
        going = torch.tensor(
            [
                i
                for i, sentence in enumerate(self.sentences)
                if len(self.ended[sentence]) < self.beam and length < self.limits[sentence]
            ],
            dtype=torch.long,
        )
        # Of 2 * beam candidates at most `beam` end (each beam ends in one way): the others go on, the best first.
        order = torch.arange(token.size(1)) + (token == self.eos) * token.size(1)
        picked = order.argsort(dim=1)[going, : self.beam]
        from_beam = parent[going].gather(1, picked)
        chosen = token[going].gather(1, picked)
        none_ended = len(going) == len(self.sentences)
        self.ids = torch.cat([self.ids[going[:, None], from_beam], chosen[:, :, None]], dim=2)
        self.log_p = best[going].gather(1, picked)
        self.sentences = [self.sentences[i] for i in going.tolist()]
        return (going[:, None] * self.beam + from_beam).flatten(), None if none_ended else going

    def _end(self, best: Tensor, parent: Tensor, token: Tensor) -> None:
        """Move what ends among the first `beam` candidates to `ended`; at a sentence's limit everything ends."""
        length, scores, parents, tokens = self.ids.size(2), best.tolist(), parent.tolist(), token.tolist()
        for i, sentence in enumerate(self.sentences):
            for c in range(self.beam):
                at_end = tokens[i][c] == self.eos
                if not (at_end or length >= self.limits[sentence]) or len(self.ended[sentence]) >= self.beam:
                    continue
                if scores[i][c] > float("-inf"):
                    ids = self.ids[i, parents[i][c], 1:].tolist() + ([] if at_end else [tokens[i][c]])
                    score = scores[i][c] / length**self.length_penalty
                    self.ended[sentence].append(Hypothesis(ids, scores[i][c], score))
