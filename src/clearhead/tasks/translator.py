"""A trained translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clearhead.tasks.metrics import Metric, exact_match, text_scores
from clearhead.tasks.pair_model import PairModel

__all__ = ["Translator"]


class Translator(PairModel):
    """A trained translator; see `PairModel` for what every model on pairs of texts can do."""

    name: ClassVar[str] = "translate"
    verbs: ClassVar[tuple[str, ...]] = ("translate",)

    translate = PairModel.write

    @staticmethod
    def limit(source_tokens: int) -> int:
        """Twice the source and a little more: translations are rarely longer."""
        return 2 * source_tokens + 16

    @staticmethod
    def metrics(
        outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
    ) -> dict[str, Metric]:
        """BLEU, chrF and exact match."""
        scores = text_scores(outputs, references, lowercase=lowercase)
        return {**scores, "exact match": exact_match(outputs, references, lowercase=lowercase)}
