"""Recipes for language models."""

from __future__ import annotations

from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.models.architecture import DecoderConfig
from clearhead.tasks.config import LanguageConfig
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = ["gpt_100m", "language", "shakespeare"]


def language() -> LanguageConfig:
    """A language model on some million characters of one's own, on a few CPU cores."""
    return LanguageConfig()


def shakespeare() -> LanguageConfig:
    """Tiny Shakespeare by characters, in a minute or two on 2 cores."""
    return LanguageConfig(
        recipe="shakespeare",
        tokenizer=TextTokenizerConfig(kind="character", min_count=1),
        arch=DecoderConfig(d_model=128, d_ff=512, heads=4, layers=4, max_len=64, dropout=0.0),
        optimizer=OptimizerConfig(lr=5e-3, muon_lr=1e-2, beta2=0.95, weight_decay=0.0),
        schedule=ScheduleConfig(warmup=20),
        training=TrainingConfig(
            batch_tokens=2048, label_smoothing=0.0, epochs=2, evaluations=2, patience=0, average=0, precision="float32"
        ),
    )


def gpt_100m() -> LanguageConfig:
    """116 million parameters, for a GPU: books, some 50 MB of them and more."""
    return LanguageConfig(
        recipe="gpt-100m",
        tokenizer=TextTokenizerConfig(vocab_size=20_000),
        arch=DecoderConfig(d_model=768, d_ff=3072, heads=12, layers=12, max_len=1024, dropout=0.1),
        training=TrainingConfig(batch_tokens=65_536, accumulate=4, label_smoothing=0.0, epochs=4, average=0),
    )
