"""Search: greedy and beam, batched, through the cache.

A hypothesis scores log p(y | x) / length^penalty, its end counted (Wu et al., 2016, without their offset); beam 1 is
greedy. A sentence ends when it has as many ended hypotheses as beams; ended sentences leave the batch. The hypotheses
of a sentence are one tree of tokens in one row of the cache: each looks at its own ancestors, so that none is copied
when it branches; dead branches are cut off now and then.

Axes: sentences, beams, vocab.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.errors import ConfigError
from clearhead.generation.branches import Branches
from clearhead.ranges import among

__all__ = ["Hypothesis", "Writer", "check_beam", "not_numbers", "search"]

_ENDED = 0.2  # share of the rows that may be of ended sentences before the caches are copied without them
_WIDEST = 256  # a beam: what is attended to grows with its square, and with it the memory
_STEEPEST = 10  # a length penalty: length^10 is a number still
_ALIVE, _SMALL = 0.5, 32  # a tree of more than 32 tokens is cut where at most half of them are alive


class SelectableMemory(Protocol):
    """What the encoder left; `select` keeps some sentences."""

    def select(self, rows: Tensor) -> Any: ...


class WriterCache(Protocol):
    """A decoder's cache: `select` keeps some sentences, `keep` some tokens [sentences, kept] of each."""

    def select(self, rows: Tensor) -> None: ...

    def keep(self, places: Tensor) -> None: ...


M = TypeVar("M", bound=SelectableMemory)


class Writer(Protocol):
    """What search asks of a model: the decoder's output for the newest tokens of a tree, and scores of the next one."""

    def new_cache(self) -> Any: ...

    def decode(self, tgt: Tensor, memory: Any, *, cache: Any = None, where: Where | None = None) -> Tensor: ...

    def logits(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Hypothesis:
    """Token ids without BOS and EOS; `log_probability` of the whole, its end included; `score` what it is ranked by.

    `ended` is False where the limit came before the end.
    """

    ids: list[int]
    log_probability: float
    score: float
    ended: bool = True


def check_beam(beam: int, vocab: int, length_penalty: float = 1.0) -> None:
    """Whether so many texts can be followed at once, of a vocabulary of `vocab` tokens, and compared so.

    Raises:
        ConfigError: they cannot.
    """
    most = min(_WIDEST, vocab)
    if not among(beam, most + 1) or not beam:
        raise ConfigError(
            f"beam {beam} is not possible", f"give 1 (none) to {most}: so many texts can be followed at once"
        )
    if not (isinstance(length_penalty, int | float) and -_STEEPEST <= length_penalty <= _STEEPEST):
        raise ConfigError(
            f"length_penalty {length_penalty} is not possible",
            f"give a number from {-_STEEPEST} to {_STEEPEST}; 0 prefers short texts, 1 compares the mean of a token",
        )


@torch.inference_mode()
def search(
    model: Writer,
    memory: SelectableMemory,
    limits: Sequence[int],
    *,
    bos: int | Tensor,
    eos: int,
    forbidden: Sequence[int] = (),
    beam: int = 1,
    length_penalty: float = 1.0,
    tree: Branches | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, best first; as many as `beam`.

    Args:
        memory: of all sentences, one row each.
        limits: most tokens of each sentence (at least 1), EOS counted.
        bos: the token that each sentence begins with, or that it goes on from [sentences].
        forbidden: tokens that are never written; with `eos` among them, exactly as many tokens as the limit are.
        length_penalty: 0 prefers short, 1 compares the mean log-probability of a token.
        tree: what stands in the cache already, and `bos` after it; None: nothing.
    """
    cache, beams = model.new_cache(), _Beams(limits, beam, bos, eos, length_penalty, tree)
    while beams.sentences:
        x = model.decode(beams.ids[:, :, -1], memory, cache=cache, where=beams.tree.where())
        going = beams.advance(model.logits(x).float(), forbidden)
        if going is not None:
            cache.select(going)
            memory = memory.select(going)
        if (places := beams.prune()) is not None:
            cache.keep(places)
    if not all(beams.ended):
        raise not_numbers()
    return [sorted(hypotheses, key=lambda h: -h.score) for hypotheses in beams.ended]


def not_numbers() -> ConfigError:
    """The error of a model of whose tokens none has a probability."""
    problem = "no text can be written: the model's probabilities are not numbers"
    return ConfigError(problem, "take an intact copy of the model, or train again: its weights are not finite")


def _best(logits: Tensor, log_p: Tensor, forbidden: Sequence[int], n: int) -> tuple[Tensor, Tensor, Tensor]:
    """The n most probable continuations of each sentence: (log-probability with the beam's own, beam, token).

    Sorting and normalising the whole vocabulary would take longer than the model's int8 products. The n best tokens
    stand in those n groups of tokens whose best ones are best, so only these are sorted.

    Args:
        logits: [sentences, beams, vocab]; overwritten where forbidden.
        log_p: of the beams so far, [sentences, beams].
    """
    vocab = logits.size(2)
    width = math.gcd(vocab, 64)
    groups = vocab // width  # group g holds the tokens g, g + groups, g + 2 groups, ...
    hidden = logits[:, :, list(forbidden)].logsumexp(-1)
    logits[:, :, list(forbidden)] = float("-inf")
    highest = logits.unflatten(2, (width, groups)).amax(2)
    most = highest.amax(2).clamp(min=torch.finfo(logits.dtype).min)
    normaliser = (logits - most[:, :, None]).exp_().sum(2).log_() + most
    offset = log_p - normaliser.logaddexp(hidden)  # what is forbidden keeps its share of the probability
    chosen = (highest + offset[:, :, None]).flatten(1).topk(min(n, highest[0].numel()), dim=1).indices
    beam = chosen // groups
    where = (beam * vocab + chosen % groups)[:, :, None] + groups * torch.arange(width, device=logits.device)
    total = logits.flatten(1).gather(1, where.flatten(1)).view_as(where) + offset.gather(1, beam)[:, :, None]
    best, at = total.flatten(1).topk(n, dim=1)
    where = where.flatten(1).gather(1, at)
    return best, where // vocab, where % vocab


class _Beams:
    """The sentences still being written: token ids [sentences, beams, tokens] and their log-probabilities.

    An ended sentence keeps its rows until there are enough of them to be worth a copy of the caches.
    """

    def __init__(
        self,
        limits: Sequence[int],
        beam: int,
        bos: int | Tensor,
        eos: int,
        length_penalty: float,
        tree: Branches | None = None,
    ):
        self.limits, self.beam, self.eos, self.length_penalty = limits, beam, eos, length_penalty
        self.ended: list[list[Hypothesis]] = [[] for _ in limits]
        self.sentences = list(range(len(limits)))
        self.ids = torch.as_tensor(bos).expand(len(limits)).reshape(-1, 1, 1)
        self.log_p = torch.zeros(len(limits), 1)
        self.tree = Branches.root(len(limits)) if tree is None else tree

    def advance(self, logits: Tensor, forbidden: Sequence[int]) -> Tensor | None:
        """Append one token, given its scores [sentences, beams, vocab], which are used up.

        Returns the sentences that go on, or None if all rows stay.
        """
        beams, vocab = logits.shape[1:]
        best, parent, token = _best(logits, self.log_p, forbidden, min(2 * self.beam, beams * vocab))
        self._end(best, parent, token)
        # Of 2 * beam candidates at most `beam` end (each beam ends in one way): the others go on, the best first.
        order = torch.arange(token.size(1)) + (token == self.eos) * token.size(1)
        picked = order.argsort(dim=1)[:, : min(self.beam, beams * (vocab - 1))]
        parents = parent.gather(1, picked)
        grown = self.ids.gather(1, parents[:, :, None].expand(-1, -1, self.ids.size(2)))
        self.ids = torch.cat([grown, token.gather(1, picked)[:, :, None]], dim=2)
        self.log_p, self.tree = best.gather(1, picked), self.tree.grown(parents)
        return self._leave()

    def prune(self) -> Tensor | None:
        """Cut dead branches off the tree, if they are worth a copy of the caches; returns which tokens are left."""
        found = self.tree.pruned(_ALIVE) if self.tree.ancestors.size(2) > _SMALL else None
        if found is None:
            return None
        self.tree, places = found
        return places

    def _end(self, best: Tensor, parent: Tensor, token: Tensor) -> None:
        """Move what ends among the first `beam` candidates to `ended`; at a sentence's limit everything ends."""
        length, scores, parents, tokens = self.ids.size(2), best.tolist(), parent.tolist(), token.tolist()
        for i, sentence in enumerate(self.sentences):
            for c in range(min(self.beam, len(tokens[i]))):
                at_end = tokens[i][c] == self.eos
                if not (at_end or length == self.limits[sentence]) or self._full(sentence, length):
                    continue
                if scores[i][c] > float("-inf"):
                    ids = self.ids[i, parents[i][c], 1:].tolist() + ([] if at_end else [tokens[i][c]])
                    score = scores[i][c] / length**self.length_penalty
                    self.ended[sentence].append(Hypothesis(ids, scores[i][c], score, at_end))

    def _leave(self) -> Tensor | None:
        """Drop the rows of ended sentences, if there are enough of them."""
        length = self.ids.size(2) - 1  # with the token of now, BOS not counted
        going = [i for i, s in enumerate(self.sentences) if not self._full(s, length + 1)]
        if not going:
            self.sentences = []
        if not going or len(going) > (1 - _ENDED) * len(self.sentences):
            return None
        rows = torch.tensor(going)
        self.sentences = [self.sentences[i] for i in going]
        self.ids, self.log_p, self.tree = self.ids[rows], self.log_p[rows], self.tree.select(rows)
        return rows

    def _full(self, sentence: int, length: int) -> bool:
        """Whether nothing of this length can end a sentence any more."""
        return len(self.ended[sentence]) >= self.beam or length > self.limits[sentence]
