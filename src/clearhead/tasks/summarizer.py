"""A trained summarizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clearhead.tasks.metrics import Metric, rouge_scores
from clearhead.tasks.pair_model import PairModel

__all__ = ["Summarizer"]


class Summarizer(PairModel):
    """A trained summarizer; see `PairModel` for what every model on pairs of texts can do."""

    name: ClassVar[str] = "summarize"
    verbs: ClassVar[tuple[str, ...]] = ("summarize",)
    cased: ClassVar[bool] = False

    summarize = PairModel.write

    @staticmethod
    def limit(source_tokens: int) -> int:
        """No longer than the text, but room for a title's worth of words."""
        return source_tokens + 16

    @staticmethod
    def metrics(
        outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
    ) -> dict[str, Metric]:
        """ROUGE-1, ROUGE-2 and ROUGE-L, which compare without case in any case."""
        return rouge_scores(outputs, references)
