"""Continuation: texts written on, token by token, greedy or drawn, in one batch, through the cache.

    z = logits, those of tokens of the text so far over r where positive, times r elsewhere      (Keskar et al., 2019)
    p = softmax(z / temperature), and 0 for all but
        top_k   the k most probable tokens                                                         (Fan et al., 2018)
        top_p   the fewest that together have this probability                                (Holtzman et al., 2020)
        min_p   those with at least this share of the most probable one's probability           (Nguyen et al., 2025)

Of equally probable tokens the one earlier in the vocabulary comes first: top_k keeps k tokens, and no more.
Each text draws from a random stream of its own: what it becomes depends on no other text of the batch.
Axes: rows, tokens, vocab.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.generation.branches import Branches
from clearhead.generation.search import Hypothesis, not_numbers, search
from clearhead.ranges import Count, Counted, Nucleus, Part, Penalty, Seed, Temperature, check

__all__ = ["Choice", "Continuer", "Sampling", "beams", "check_writing", "continued", "drawn", "shares"]

_ENDED = 0.2  # share of the rows that may be of ended texts before the caches are copied without them
_ROUNDING = 8  # times the smallest step of a number near 1: so much a sum of probabilities may be wrong
_LIKELY = 256  # tokens that hold the probability of top_p nearly always: sorting all takes longer than a small model


_RANGES = {"temperature": Temperature, "top_k": Counted, "top_p": Nucleus, "min_p": Part, "repetition_penalty": Penalty}


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Args:
        temperature: below 1 probable tokens become more so; 0 is greedy.
        top_k: only so many tokens (0: all).
        top_p: only the fewest that together have this probability.
        min_p: only those with at least this share of the best one's.
        repetition_penalty: above 1 tokens of the text so far become less probable.

    Raises:
        ConfigError: a number is out of its range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name, kind in _RANGES.items():
            check(kind, name, getattr(self, name))

    def probabilities(self, logits: Tensor, seen: Tensor | None = None) -> Tensor:
        """The probability of each token [rows, vocab] of being chosen.

        Args:
            logits: [rows, vocab], float32.
            seen: [rows, vocab], bool: which tokens are in the text already.
        """
        if seen is not None and self.repetition_penalty != 1.0:
            logits = torch.where(seen & (logits > -math.inf), self._weaker(logits), logits)
        p = shares(logits, self.temperature)
        if 0 < self.top_k < p.size(1):
            p = _left(p, _first(p, torch.full_like(p[:, :1], self.top_k, dtype=torch.long)))
        if self.min_p:
            p = _left(p, p >= self.min_p * p.amax(1, keepdim=True))
        if self.top_p < 1:
            p = _left(p, _first(p, self._nucleus(p)))
        return p

    def _weaker(self, logits: Tensor) -> Tensor:
        """The logits of tokens that stood in the text; they stay finite."""
        numbers = torch.finfo(logits.dtype)
        by = min(max(self.repetition_penalty, numbers.tiny), numbers.max)
        return torch.where(logits > 0, logits / by, logits * by).clamp(-numbers.max, numbers.max)

    def _nucleus(self, p: Tensor) -> Tensor:
        """[rows, 1]: how many tokens the nucleus has; what rounding adds to a sum decides nothing."""
        wanted = self.top_p - _ROUNDING * torch.finfo(p.dtype).eps
        ordered = p.topk(min(_LIKELY, p.size(1)), dim=1).values.double()
        if (ordered.sum(1) < wanted).any():
            ordered = p.sort(dim=1, descending=True).values.double()
        before = ordered.cumsum(1) - ordered
        return (before < wanted).sum(1, keepdim=True).clamp(min=1)


def shares(logits: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature) [..., vocab]; at 0 the first of the best has all.

    The best logit is taken off first: then no temperature, however small, makes a number too large.
    """
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    below = logits - logits.amax(-1, keepdim=True)
    return (below / max(temperature, torch.finfo(logits.dtype).tiny)).softmax(-1)


def _first(p: Tensor, counts: Tensor) -> Tensor:
    """[rows, vocab]: whether a token is among the `counts` [rows, 1] best; of equal ones the earlier is better."""
    best = p.topk(int(counts.max()), dim=1).values
    least = best.gather(1, counts - 1)
    above, level = p > least, p == least
    room = counts - above.sum(1, keepdim=True)
    return above | (level & (level.cumsum(1) <= room))


def _left(p: Tensor, kept: Tensor) -> Tensor:
    """What is left of probabilities, made whole again."""
    p = torch.where(kept, p, 0.0)
    return p / p.sum(1, keepdim=True)


def check_writing(max_tokens: int, seed: int, first: int = 0) -> None:
    """Whether so many tokens can be written, drawn with such a seed.

    Raises:
        ConfigError: they cannot.
    """
    check(Count, "max_tokens", max_tokens)
    check(Seed, "seed", seed)
    check(Counted, "first", first)


@dataclass(frozen=True, eq=False)
class Choice:
    """A token that was chosen, and each token's probability before and after the cut; [vocab]."""

    token: int
    before: Tensor
    after: Tensor


class Continuer(Protocol):
    """What continuation asks of a model."""

    def new_cache(self, *, forgets: bool = True) -> Any: ...

    def decode(
        self,
        token_ids: Tensor,
        *,
        cache: Any = None,
        where: Where | None = None,
    ) -> Tensor: ...

    def logits(self, x: Tensor) -> Tensor: ...


@torch.inference_mode()
def continued(
    model: Continuer,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    sampling: Sampling,
    *,
    eos: int,
    forbidden: Sequence[int] = (),
    seed: int = 0,
    first: int = 0,
    told: Callable[[int, Choice], None] | None = None,
) -> Generator[dict[int, int], set[int] | None, None]:
    """Yields {number of the text: its next token}, once a step, until all texts have ended.

    Args:
        prompts: token ids of each text, at least one.
        limits: most tokens that are written for each.
        eos: ends a text; it is not among what is yielded.
        forbidden: tokens that are never written.
        seed: of what is drawn.
        first: the number of the first text, where a batch is a part of more: each text draws by its number.
        told: is given each choice with its probabilities.

    A consumer ends a text early by sending its number: `steps.send({number})`.
    """
    rows = [i for i, limit in enumerate(limits) if limit > 0]
    if not rows:
        return
    random = {i: np.random.default_rng([seed, first + i]) for i in rows}
    left = {i: limits[i] for i in rows}
    ids, where = _padded([prompts[i] for i in rows])
    cache, banned = model.new_cache(), list(forbidden)
    seen: Tensor | None = None
    x = model.decode(ids, cache=cache, where=where)[:, -1:]
    while True:
        logits = model.logits(x)[:, 0].float().cpu()
        if logits.isnan().any():
            raise not_numbers()
        if banned:
            logits[:, banned] = float("-inf")
        if sampling.repetition_penalty != 1.0:
            if seen is None:
                seen = torch.zeros_like(logits, dtype=torch.bool)
                for row, i in enumerate(rows):
                    seen[row, list(prompts[i])] = True
            seen = seen.scatter(1, ids[:, -1:], True)
        tokens = _chosen(logits, sampling, seen, [random[i] for i in rows], rows, told)
        written = {i: t for i, t in zip(rows, tokens, strict=True) if t != eos and left[i] > 0}
        for i in rows:
            left[i] = left[i] - 1 if i in written else 0
        stopped = yield written
        for i in stopped or ():
            left[i] = 0
        going = [row for row, i in enumerate(rows) if left[i] > 0]
        if not going:
            return
        ids = torch.tensor(tokens)[:, None]
        if len(going) < (1 - _ENDED) * len(rows):
            picked = torch.tensor(going)
            rows = [rows[row] for row in going]
            cache.select(picked)
            ids, seen = ids[picked], None if seen is None else seen[picked]
            where = None if where is None else where.select(picked)
        where = None if where is None else where.next()
        x = model.decode(ids, cache=cache, where=where)


def _padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Where | None]:
    """(token ids of one width, padded at the beginning; where they stand, if lengths differ)."""
    lengths = torch.tensor([len(p) for p in prompts])
    width = int(lengths.max())
    ids = torch.tensor([[*[0] * (width - len(p)), *p] for p in prompts])
    return ids, None if bool((lengths == width).all()) else Where.texts(lengths, width, left=True)


def _chosen(
    logits: Tensor,
    sampling: Sampling,
    seen: Tensor | None,
    random: Sequence[np.random.Generator],
    rows: Sequence[int],
    told: Callable[[int, Choice], None] | None,
) -> list[int]:
    if sampling.temperature == 0 and seen is None and told is None:
        greedy: list[int] = logits.argmax(-1).tolist()
        return greedy
    p = sampling.probabilities(logits, seen)
    tokens = drawn(p, [r.random() for r in random])
    if told is not None:
        before = logits.softmax(-1)
        for row, (i, token) in enumerate(zip(rows, tokens, strict=True)):
            told(i, Choice(token, before[row], p[row]))
    return tokens


def drawn(p: Tensor, chances: Sequence[float]) -> list[int]:
    """The token that a number from 0 to 1 draws of each row of probabilities [rows, vocab]."""
    sums = p.double().cumsum(1)
    whole = sums[:, -1:]
    draws = torch.tensor(chances, dtype=torch.float64, device=p.device)[:, None] * whole
    draws = draws.minimum(whole.nextafter(torch.zeros_like(whole)))  # rounded up to the whole, nothing would be drawn
    tokens: list[int] = torch.searchsorted(sums, draws, right=True)[:, 0].tolist()
    return tokens


def beams(
    model: Continuer,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    *,
    eos: int,
    forbidden: Sequence[int] = (),
    beam: int = 4,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    """The best continuations of each text, best first; see `search`."""
    lengths = torch.tensor([len(p) for p in prompts])
    newest = torch.tensor([p[-1] for p in prompts])
    return search(
        _Prompted(model, prompts),
        _Nothing(),
        limits,
        bos=newest,
        eos=eos,
        forbidden=forbidden,
        beam=beam,
        length_penalty=length_penalty,
        tree=Branches.of_texts(lengths, int(lengths.max())),
    )


class _Nothing:
    """The memory of a model that has none."""

    def select(self, rows: Tensor) -> _Nothing:
        return self


class _Prompted:
    """A model as search knows it, that has read the prompts but for their last tokens."""

    def __init__(self, model: Continuer, prompts: Sequence[Sequence[int]]):
        self._model, self._prompts = model, prompts

    def new_cache(self) -> Any:
        cache = self._model.new_cache(forgets=False)
        if max(map(len, self._prompts)) > 1:
            ids, where = _padded(self._prompts)
            where = None if where is None else where.but_last()
            self._model.decode(ids[:, :-1], cache=cache, where=where)
        return cache

    def decode(self, tgt: Tensor, memory: Any, *, cache: Any = None, where: Where | None = None) -> Tensor:
        return self._model.decode(tgt, cache=cache, where=where)

    def logits(self, x: Tensor) -> Tensor:
        return self._model.logits(x)
