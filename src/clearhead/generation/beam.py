"""Beam search: of several texts that are written side by side, the most probable.

A hypothesis scores log p(y | x) / length^penalty, its end counted (Wu et al., 2016, without their offset); beam 1 is
greedy. A text ends when it has as many ended hypotheses as beams. The hypotheses of a text are one tree of tokens in
one row of the cache (`Branches`): none is copied when it branches.

Axes: rows, beams, vocab.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.generation.sampling import not_numbers
from clearhead.generation.writer import Writer, WriterMemory, write
from clearhead.ranges import among

__all__ = ["Beam", "Hypothesis", "check_beam", "search"]

_ENDED = 0.2  # share of the rows that may be of ended texts before the caches are copied without them
_WIDEST = 256  # a beam: what is attended to grows with its square, and with it the memory
_STEEPEST = 10  # a length penalty: length^10 is a number still


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


def search(
    writer: Writer,
    beginnings: Sequence[Sequence[int]],
    limits: Sequence[int],
    memory: WriterMemory = None,
    *,
    eos: int,
    forbidden: Sequence[int] = (),
    beam: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each text, best first; as many as `beam`.

    Args:
        beginnings: token ids of each text, at least one (BOS, or a prompt).
        limits: most tokens of each (at least 1), EOS counted.
        memory: what the model reads beside them, a row for each text.
        forbidden: tokens that are never written; with `eos` among them, exactly as many tokens as the limit are.
        length_penalty: 0 prefers short, 1 compares the mean log-probability of a token.
    """
    strategy = Beam(limits, eos=eos, forbidden=forbidden, beam=beam, length_penalty=length_penalty)
    for _ in write(writer, beginnings, strategy, memory):
        pass
    if not all(strategy.ended):
        raise not_numbers()
    return [sorted(hypotheses, key=lambda h: -h.score) for hypotheses in strategy.ended]


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


class Beam:
    """The strategy of beam search; see `clearhead.generation.writer.Strategy`, and `search` for what is given.

    `ended` are the hypotheses of each text that have come to an end.
    """

    def __init__(
        self, limits: Sequence[int], *, eos: int, forbidden: Sequence[int] = (), beam: int, length_penalty: float = 1.0
    ):
        self.branches = beam > 1
        self.ended: list[list[Hypothesis]] = [[] for _ in limits]
        self._limits, self._beam, self._eos, self._penalty = limits, beam, eos, length_penalty
        self._forbidden = forbidden
        self._texts = list(range(len(limits)))  # a row each; one that has ended keeps its row for a while
        self._ids = torch.zeros(len(limits), 1, 0, dtype=torch.long)  # [rows, beams, tokens written]
        self._log_p = torch.zeros(len(limits), 1)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The best tokens that go on, of scores [rows, beams, vocab]; what ends is kept in `ended`."""
        beams, vocab = logits.shape[1:]
        log_p = self._log_p.to(logits.device)
        found = _best(logits.float(), log_p, self._forbidden, min(2 * self._beam, beams * vocab))
        best, parent, token = (x.cpu() for x in found)
        self._end(best, parent, token)
        # Of 2 * beam candidates at most `beam` end (each beam ends in one way): the others go on, the best first.
        order = torch.arange(token.size(1)) + (token == self._eos) * token.size(1)
        picked = order.argsort(dim=1)[:, : min(self._beam, beams * (vocab - 1))]
        parents, tokens = parent.gather(1, picked), token.gather(1, picked)
        grown = self._ids.gather(1, parents[:, :, None].expand(-1, -1, self._ids.size(2)))
        self._ids = torch.cat([grown, tokens[:, :, None]], dim=2)
        self._log_p = best.gather(1, picked)
        return parents, tokens

    def written(self) -> dict[int, int]:
        """Nothing: which hypothesis is best is known at the end."""
        return {}

    def stop(self, numbers: Iterable[int]) -> None:
        """Nothing: a search goes to its end."""

    def leave(self) -> Tensor | None:
        """The rows that go on, where a fifth of them have ended."""
        following = self._ids.size(2) + 1
        going = [row for row, text in enumerate(self._texts) if not self._full(text, following)]
        if going and len(going) > (1 - _ENDED) * len(self._texts):
            return None
        rows = torch.tensor(going, dtype=torch.long)
        self._texts = [self._texts[row] for row in going]
        self._ids, self._log_p = self._ids[rows], self._log_p[rows]
        return rows

    def _end(self, best: Tensor, parent: Tensor, token: Tensor) -> None:
        """Move what ends among the first `beam` candidates to `ended`; at a text's limit everything ends."""
        length, scores, parents, tokens = self._ids.size(2) + 1, best.tolist(), parent.tolist(), token.tolist()
        for row, text in enumerate(self._texts):
            for c in range(min(self._beam, len(tokens[row]))):
                at_end = tokens[row][c] == self._eos
                if not (at_end or length == self._limits[text]) or self._full(text, length):
                    continue
                if scores[row][c] > float("-inf"):
                    ids = self._ids[row, parents[row][c]].tolist() + ([] if at_end else [tokens[row][c]])
                    score = scores[row][c] / length**self._penalty
                    self.ended[text].append(Hypothesis(ids, scores[row][c], score, at_end))

    def _full(self, text: int, length: int) -> bool:
        """Whether nothing of this length can end a text any more."""
        return len(self.ended[text]) >= self._beam or length > self._limits[text]
