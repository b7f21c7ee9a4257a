"""Metrics of text, by the libraries of the field, each with the signature that makes it comparable.

BLEU (Papineni et al., 2002; Post, 2018) and chrF (Popovic, 2015) by sacrebleu; exact match is the share of outputs that
equal one of their references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearhead.errors import ClearheadError

__all__ = ["Score", "exact_match", "text_scores"]


@dataclass(frozen=True)
class Score:
    """A number between 0 and 100 and how it was computed."""

    value: float
    signature: str


def text_scores(
    outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> dict[str, Score]:
    """BLEU and chrF of `outputs`; `references[i]` are all that output i may be compared with (one or more)."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError as error:
        raise ClearheadError("BLEU and chrF need sacrebleu", 'pip install "clearhead[eval]"') from error
    most = max(len(r) for r in references)
    streams: list[Any] = [[r[k] if k < len(r) else None for r in references] for k in range(most)]
    found = {}
    for name, metric in (("BLEU", BLEU(lowercase=lowercase)), ("chrF", CHRF(lowercase=lowercase))):
        score = metric.corpus_score(list(outputs), streams)
        found[name] = Score(float(score.score), str(metric.get_signature()))
    return found


def exact_match(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """The percentage of outputs that equal one of their references."""
    hits = sum(o in r for o, r in zip(outputs, references, strict=True))
    return Score(100.0 * hits / max(1, len(outputs)), "equal to a reference, character for character")
