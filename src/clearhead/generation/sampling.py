"""Drawing: which token follows, greedily or by chance.

    z = logits, those of tokens of the text so far over r where positive, times r elsewhere      (Keskar et al., 2019)
    p = softmax(z / temperature), and 0 for all but
        top_k   the k most probable tokens                                                         (Fan et al., 2018)
        top_p   the fewest that together have this probability                                (Holtzman et al., 2020)
        min_p   those with at least this share of the most probable one's probability           (Nguyen et al., 2025)

Of equally probable tokens the one earlier in the vocabulary comes first: top_k keeps k tokens, and no more.
Each text draws from a random stream of its own: what it becomes depends on no other text of the batch.
Axes: rows, vocab.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.generation.writer import Writer, WriterMemory, write
from clearhead.ranges import Count, Counted, Nucleus, Part, Penalty, Seed, Temperature, check

__all__ = [
    "Choice",
    "Drawn",
    "Sampling",
    "check_writing",
    "continue_texts",
    "draw",
    "not_numbers",
    "probabilities_at",
]

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
        p = probabilities_at(logits, self.temperature)
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


def probabilities_at(logits: Tensor, temperature: float) -> Tensor:
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


def not_numbers() -> ConfigError:
    """The error of a model of whose tokens none has a probability."""
    problem = "no text can be written: the model's probabilities are not numbers"
    return ConfigError(problem, "take an intact copy of the model, or train again: its weights are not finite")


@dataclass(frozen=True, eq=False)
class Choice:
    """A token that was chosen, and each token's probability before and after the cut; [vocab]."""

    token: int
    before: Tensor
    after: Tensor


OnChoice: TypeAlias = Callable[[int, Choice], None]


class Drawn:
    """The strategy of greedy and drawn texts; see `clearhead.generation.writer.Strategy`.

    Args:
        sampling: how tokens are chosen.
        eos: ends a text; it is not among what is written.
        forbidden: tokens that are never written.
        seed: of what is drawn: each text draws by its number.
        on_choice: is given each choice with its probabilities.
        scored: whether `log_p` is kept: the log-probability of what was written of each text, its end included.
    """

    branches = False

    def __init__(
        self,
        sampling: Sampling,
        *,
        eos: int,
        forbidden: Sequence[int] = (),
        seed: int = 0,
        on_choice: OnChoice | None = None,
        scored: bool = False,
    ):
        self.log_p: dict[int, float] = {}
        self._scored = scored
        self._sampling, self._eos, self._forbidden, self._seed = sampling, eos, list(forbidden), seed
        self._on_choice = on_choice
        self._numbers: list[int] = []  # of the texts, a row each
        self._random: dict[int, np.random.Generator] = {}
        self._left: dict[int, int] = {}
        self._begun: dict[int, Sequence[int]] = {}  # tokens of rows that `seen` does not know yet
        self._seen: Tensor | None = None  # [rows, vocab]: which tokens are in a text
        self._written: dict[int, int] = {}

    def enter(self, texts: Sequence[tuple[int, Sequence[int], int]]) -> None:
        """More rows: (number of the text, its beginning, the most tokens that are written after it)."""
        for number, beginning, limit in texts:
            self._numbers.append(number)
            self._random[number] = np.random.default_rng([self._seed, number])
            self._left[number], self._begun[number], self.log_p[number] = limit, beginning, 0.0

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """One token for each row, of scores [rows, 1, vocab]."""
        logits = logits[:, 0].float().cpu()
        if logits.isnan().any():
            raise not_numbers()
        log_p = logits.log_softmax(-1) if self._scored else None  # what is forbidden has its share of the probability
        if self._forbidden:
            logits[:, self._forbidden] = -math.inf
        tokens = self._chosen(logits, self._known(logits))
        if log_p is not None:
            for row, (number, token) in enumerate(zip(self._numbers, tokens, strict=True)):
                self.log_p[number] += float(log_p[row, token]) if self._left[number] else 0.0
        self._written = {i: t for i, t in zip(self._numbers, tokens, strict=True) if t != self._eos and self._left[i]}
        for i in self._numbers:
            self._left[i] = self._left[i] - 1 if i in self._written else 0
        newest = torch.tensor(tokens)[:, None]
        if self._seen is not None:
            self._seen = self._seen.scatter(1, newest, True)
        return torch.zeros_like(newest), newest

    def written(self) -> dict[int, int]:
        """The last token of each text that goes on."""
        return self._written

    def stop(self, numbers: Iterable[int]) -> None:
        """End these texts."""
        self._left.update(dict.fromkeys(numbers, 0))

    def leave(self) -> Tensor | None:
        """The rows that go on, where a fifth of them have ended."""
        going = [row for row, i in enumerate(self._numbers) if self._left[i]]
        if going and len(going) >= (1 - _ENDED) * len(self._numbers):
            return None
        rows = torch.tensor(going, dtype=torch.long)
        self._numbers = [self._numbers[row] for row in going]
        self._seen = None if self._seen is None else self._seen[rows]
        return rows

    def _known(self, logits: Tensor) -> Tensor | None:
        """Which tokens stand in each text [rows, vocab]; None where nobody asks."""
        if self._sampling.repetition_penalty == 1.0:
            return None
        held = 0 if self._seen is None else len(self._seen)
        more = torch.zeros_like(logits[held:], dtype=torch.bool)
        for row, number in zip(more, self._numbers[held:], strict=True):
            row[list(self._begun.pop(number))] = True
        self._seen = more if self._seen is None else torch.cat([self._seen, more])
        return self._seen

    def _chosen(self, logits: Tensor, seen: Tensor | None) -> list[int]:
        if self._sampling.temperature == 0 and seen is None and self._on_choice is None:
            greedy: list[int] = logits.argmax(-1).tolist()
            return greedy
        p = self._sampling.probabilities(logits, seen)
        tokens = draw(p, [self._random[number].random() for number in self._numbers])
        if self._on_choice is not None:
            before = logits.softmax(-1)
            for row, (number, token) in enumerate(zip(self._numbers, tokens, strict=True)):
                self._on_choice(number, Choice(token, before[row], p[row]))
        return tokens


def draw(p: Tensor, chances: Sequence[float]) -> list[int]:
    """The token that a number from 0 to 1 draws of each row of probabilities [rows, vocab]."""
    sums = p.double().cumsum(1)
    whole = sums[:, -1:]
    draws = torch.tensor(chances, dtype=torch.float64, device=p.device)[:, None] * whole
    draws = draws.minimum(whole.nextafter(torch.zeros_like(whole)))  # rounded up to the whole, nothing would be drawn
    tokens: list[int] = torch.searchsorted(sums, draws, right=True)[:, 0].tolist()
    return tokens


def continue_texts(
    writer: Writer,
    beginnings: Sequence[Sequence[int]],
    limits: Sequence[int],
    strategy: Drawn,
    memory: WriterMemory = None,
    *,
    numbers: Sequence[int] | None = None,
) -> Generator[dict[int, int], Iterable[int] | None, None]:
    """Yields {number of the text: its next token}, once a step, until all texts have ended.

    Args:
        beginnings: token ids of each text, at least one.
        limits: most tokens that are written for each.
        memory: what the model reads beside them, a row for each text.
        numbers: of the texts, where they are a part of more (default: 0, 1, 2, ...); each draws by its number.

    A consumer ends a text early by sending its number: `steps.send({number})`.
    """
    rows = [row for row, limit in enumerate(limits) if limit > 0]
    names = range(len(limits)) if numbers is None else numbers
    strategy.enter([(names[row], beginnings[row], limits[row]) for row in rows])
    if memory is not None and len(rows) < len(limits):
        memory = memory.select(torch.tensor(rows, dtype=torch.long))
    yield from write(writer, [beginnings[row] for row in rows], strategy, memory)
