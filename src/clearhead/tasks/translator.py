"""A trained translator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clearhead.generation.precision import Precision
from clearhead.generation.sampling import Sampling
from clearhead.tasks.metrics import Score, exact_match, text_scores
from clearhead.tasks.pair_model import PairModel

__all__ = ["Translator"]


class Translator(PairModel):
    """A trained translator; see `PairModel` for what every model on pairs of texts can do."""

    name: ClassVar[str] = "translate"
    verbs: ClassVar[tuple[str, ...]] = ("translate",)

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam: int = 4,
        length_penalty: float = 1.0,
        sampling: Sampling | None = None,
        seed: int = 0,
        precision: Precision = "float32",
    ) -> list[str]:
        """The translation of each text, in order. An empty text stays empty.

        Args:
            beam: hypotheses that are followed at once; 1 is greedy.
            length_penalty: 0 prefers short translations, 1 compares the mean log-probability of a token.
            sampling: draws each token instead; no beam is followed then.
            seed: of what is drawn; what one text becomes depends on no other.
            precision: of the arithmetic; bfloat16 and int8 are faster, `evaluate` reports what they cost.
        """
        return self.write(
            texts, beam=beam, length_penalty=length_penalty, sampling=sampling, seed=seed, precision=precision
        )

    @staticmethod
    def limit(source_tokens: int) -> int:
        """Twice the source and a little more: translations are rarely longer."""
        return 2 * source_tokens + 16

    @staticmethod
    def metrics(
        outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
    ) -> dict[str, Score]:
        """BLEU, chrF and exact match."""
        scores = text_scores(outputs, references, lowercase=lowercase)
        return {**scores, "exact match": exact_match(outputs, references, lowercase=lowercase)}
