"""BLEU and chrF of translations, with signatures, by sacrebleu: the same for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearhead.data.config import DataConfig
from clearhead.data.pairs import read_pairs


def read_references(files: str) -> dict[str, list[str]]:
    """Source -> its references; rows with the same source are several references of one translation."""
    references: dict[str, list[str]] = {}
    for pair in read_pairs(files.split(","), DataConfig())[0]:
        references.setdefault(pair.source, []).append(pair.target)
    return references


def score(
    outputs: Sequence[str], references: Sequence[list[str]], *, lowercase: bool = False, spacy: str | None = None
) -> dict[str, tuple[float, str]]:
    """Metric -> (value, signature); with `spacy` once more on lower-cased tokens of its blank pipeline."""
    import sacrebleu

    most = max(len(r) for r in references)
    streams: Any = [[r[k] if k < len(r) else None for r in references] for k in range(most)]
    found = {}
    for name, metric in (("BLEU", sacrebleu.BLEU(lowercase=lowercase)), ("chrF", sacrebleu.CHRF(lowercase=lowercase))):
        found[name] = metric.corpus_score(outputs, streams).score, str(metric.get_signature())
    if spacy:
        import spacy as library

        cut = library.blank(spacy).tokenizer

        def words(text: str | None) -> str | None:
            return None if text is None else " ".join(token.text for token in cut(text.lower()))

        plain = sacrebleu.BLEU(tokenize="none")
        tokens: Any = [[words(text) for text in stream] for stream in streams]
        value = plain.corpus_score([words(text) for text in outputs], tokens).score
        found["BLEU, spaCy"] = value, f"{plain.get_signature()}|spacy:{library.__version__} blank {spacy}"
    return found
