"""Metrics of text, by the libraries of the field, each with the signature that makes it comparable.

BLEU (Papineni et al., 2002; Post, 2018) and chrF (Popovic, 2015) by sacrebleu; ROUGE (Lin, 2004) by rouge-score; exact
match is the share of outputs that equal one of their references.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from clearhead.errors import ClearheadError

__all__ = ["Score", "exact_match", "rouge_scores", "text_scores"]


@dataclass(frozen=True)
class Score:
    """A number, how it was computed, and how many decimals of it are told."""

    value: float
    signature: str
    digits: int = 2


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


def rouge_scores(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """Mean ROUGE-1, ROUGE-2 and ROUGE-L (F1) of `outputs`, each against the reference that it is nearest to."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError as error:
        raise ClearheadError("ROUGE needs rouge-score", 'pip install "clearhead[eval]"') from error
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_StemmedWords())
    found = [scorer.score_multi(r, o) for o, r in zip(outputs, references, strict=True)]
    most = max(len(r) for r in references)
    signature = f"F1, Porter-stemmed words|nrefs:{most}|rouge-score:{version('rouge-score')}"
    names = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
    return {
        shown: Score(100.0 * sum(f[name].fmeasure for f in found) / max(1, len(found)), signature)
        for name, shown in names.items()
    }


class _StemmedWords:
    """The words that rouge-score compares by default on ASCII text; its own tokenizer deletes every other letter."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = PorterStemmer().stem

    def tokenize(self, text: str) -> list[str]:
        words = re.findall(r"[^\W_]+", text.lower())
        return [self._stem(word) if len(word) > 3 else word for word in words]


def exact_match(outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False) -> Score:
    """The percentage of outputs that equal one of their references."""
    told = "equal to a reference, character for character"
    if lowercase:
        told += ", in lower case"
        outputs, references = [o.lower() for o in outputs], [[r.lower() for r in some] for some in references]
    hits = sum(o in r for o, r in zip(outputs, references, strict=True))
    return Score(100.0 * hits / max(1, len(outputs)), told)
