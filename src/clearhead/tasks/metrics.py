"""Metrics of text, by the libraries of the field, each with the signature that makes it comparable.

BLEU (Papineni et al., 2002; Post, 2018) and chrF (Popovic, 2015) by sacrebleu; ROUGE (Lin, 2004) by rouge-score; exact
match is the share of outputs that equal one of their references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any

from clearhead.errors import DataError, MissingError
from clearhead.generation.prepared import Precision
from clearhead.tasks.scripts import blankless, has_blankless, words

__all__ = ["Metric", "beside_float32", "exact_match", "rouge_scores", "text_scores"]


@dataclass(frozen=True)
class Metric:
    """A number, how it was computed ("" where it is a plain count), and how many decimals of it are told."""

    value: float
    signature: str
    digits: int = 2


def beside_float32(judge: Callable[[Precision], Mapping[str, Metric]], precision: Precision) -> dict[str, Metric]:
    """What `judge` measures with a precision, and beside it what it measures with float32."""
    scores = dict(judge(precision))
    if precision != "float32":
        scores |= {f"{name}, float32": score for name, score in judge("float32").items()}
    return scores


def text_scores(
    outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> dict[str, Metric]:
    """BLEU and chrF of `outputs`; `references[i]` are all that output i may be compared with (one or more).

    BLEU counts what stands between blanks; where most references are in scripts without them, characters.

    Raises:
        DataError: there is nothing to compare.
        MissingError: the library that counts is missing.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingError("BLEU and chrF need sacrebleu", "eval") from error
    most = _check(outputs, references)
    streams: list[Any] = [[r[k] if k < len(r) else None for r in references] for k in range(most)]
    cut = {"": "13a", "Chinese": "zh", "other": "char"}[blankless(chain.from_iterable(references))]
    found = {}
    for name, metric in (("BLEU", BLEU(lowercase=lowercase, tokenize=cut)), ("chrF", CHRF(lowercase=lowercase))):
        score = metric.corpus_score(list(outputs), streams)
        found[name] = Metric(float(score.score), str(metric.get_signature()))
    return found


def rouge_scores(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Metric]:
    """Mean ROUGE-1, ROUGE-2 and ROUGE-L (F1) of `outputs`, each against the reference that it is nearest to.

    Words are those of `tasks.scripts`: each character is one in scripts without blanks.

    Raises:
        DataError: there is nothing to compare.
        MissingError: the library that counts is missing.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingError("ROUGE needs rouge-score", "eval") from error
    most = _check(outputs, references)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_StemmedWords())
    found = [scorer.score_multi(r, o) for o, r in zip(outputs, references, strict=True)]
    apart = ", each character in scripts without blanks" if any(map(has_blankless, chain(*references))) else ""
    signature = f"F1, Porter-stemmed words{apart}|nrefs:{most}|rouge-score:{version('rouge-score')}"
    names = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L"}
    return {
        shown: Metric(100.0 * sum(f[name].fmeasure for f in found) / len(found), signature)
        for name, shown in names.items()
    }


class _StemmedWords:
    """The words that rouge-score compares by default on ASCII text; its own tokenizer deletes every other letter."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = PorterStemmer().stem

    def tokenize(self, text: str) -> list[str]:
        return [self._stem(word) if len(word) > 3 else word for word in words(text)]


def exact_match(outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False) -> Metric:
    """The percentage of outputs that equal one of their references.

    Raises:
        DataError: there is nothing to compare.
    """
    _check(outputs, references)
    told = "equal to a reference, character for character"
    if lowercase:
        told += ", in lower case"
        outputs, references = [o.lower() for o in outputs], [[r.lower() for r in some] for some in references]
    hits = sum(o in r for o, r in zip(outputs, references, strict=True))
    return Metric(100.0 * hits / len(outputs), told)


def _check(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> int:
    """The most references that an output has; each has one."""
    if len(outputs) != len(references) or not outputs or not all(references):
        problem = f"{len(outputs):,} texts cannot be compared with the references of {sum(map(bool, references)):,}"
        raise DataError(problem, "give at least one text, and for each text a list of at least one reference")
    return max(map(len, references))
