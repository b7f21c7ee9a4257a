"""Recipes for word vectors."""

from __future__ import annotations

from clearhead.data.config import VocabularyConfig
from clearhead.models.architecture import WordVectorsConfig
from clearhead.tasks.config import WordsConfig
from clearhead.training.config import OptimizerConfig

__all__ = ["plane", "words"]


def words() -> WordsConfig:
    """Word vectors of some million words of running text."""
    return WordsConfig()


def plane() -> WordsConfig:
    """Vectors of two numbers that predict the next word, for a text of a few sentences: the weights are the picture."""
    return WordsConfig(
        recipe="plane",
        negatives=0,
        vocabulary=VocabularyConfig(min_count=1, sample=0.0),
        arch=WordVectorsConfig(objective="next", d_model=2),
        optimizer=OptimizerConfig(kind="adamw", lr=0.1, weight_decay=0.0),
        training=WordsConfig().training.model_copy(update={"epochs": 300, "batch_tokens": 4096, "evaluations": 5}),
    )
