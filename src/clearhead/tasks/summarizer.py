"""A trained summarizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from clearhead.generation.precision import Precision
from clearhead.generation.sampling import Sampling
from clearhead.tasks.metrics import Score, rouge_scores
from clearhead.tasks.pair_model import PairModel

__all__ = ["Summarizer"]


class Summarizer(PairModel):
    """A trained summarizer; see `PairModel` for what every model on pairs of texts can do."""

    name: ClassVar[str] = "summarize"
    verbs: ClassVar[tuple[str, ...]] = ("summarize",)

    def summarize(
        self,
        texts: Sequence[str],
        *,
        beam: int = 4,
        length_penalty: float = 1.0,
        sampling: Sampling | None = None,
        seed: int = 0,
        precision: Precision = "float32",
    ) -> list[str]:
        """The summary of each text, in order. An empty text stays empty; one over `max_len` tokens is cut.

        Args:
            beam: hypotheses that are followed at once; 1 is greedy.
            length_penalty: 0 prefers short summaries, 1 compares the mean log-probability of a token.
            sampling: draws each token instead; no beam is followed then.
            seed: of what is drawn; what one text becomes depends on no other.
            precision: of the arithmetic; bfloat16 and int8 are faster, `evaluate` reports what they cost.
        """
        return self.write(
            texts, beam=beam, length_penalty=length_penalty, sampling=sampling, seed=seed, precision=precision
        )

    @staticmethod
    def limit(source_tokens: int) -> int:
        """No longer than the text, but room for a title's worth of words."""
        return source_tokens + 16

    @staticmethod
    def metrics(
        outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
    ) -> dict[str, Score]:
        """ROUGE-1, ROUGE-2 and ROUGE-L, which compare without case in any case."""
        return rouge_scores(outputs, references)
