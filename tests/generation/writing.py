"""Texts written by a strategy that is made for them, for tests that ask nothing else of it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

from clearhead.generation.beam import Hypothesis, search
from clearhead.generation.sampling import Drawn, Sampling, continue_texts


def continued(
    model: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    sampling: Sampling,
    *,
    first: int = 0,
    **strategy: Any,
) -> Generator[dict[int, int], Iterable[int] | None, None]:
    """`continue_texts`, the texts numbered from `first` on."""
    numbers = range(first, first + len(prompts))
    return continue_texts(model, prompts, limits, Drawn(sampling, **strategy), numbers=numbers)


def searched(model: Any, memory: Any, limits: Sequence[int], *, bos: int, **options: Any) -> list[list[Hypothesis]]:
    """`search` for texts that all begin with one token."""
    return search(model, [[bos]] * len(limits), limits, memory, **options)
