"""Translate: a sentence in one language to the same in another. BLEU, chrF, exact match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearhead.data.tokenizers import TokenizerConfig
from clearhead.folder import Folder
from clearhead.models.architecture import EncoderDecoderConfig, RecurrentConfig
from clearhead.models.bricks import AttentionConfig, FeedForwardConfig
from clearhead.tasks.config import PairConfig, TranslateConfig
from clearhead.tasks.pair_task import PAIR_HELP, adopted_pair, preview_pairs, tries_of_pairs
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

if TYPE_CHECKING:
    from clearhead.exchange.opening import Opened
    from clearhead.models.seq2seq import Seq2Seq


__all__ = ["TASK"]


# Recipes, with the results they are expected to reach


def translator() -> TranslateConfig:
    """A translator on some 10,000 to 500,000 pairs of one's own, on a few CPU cores."""
    return TranslateConfig()


def demo() -> TranslateConfig:
    """The built-in English-Spanish grammar: 99 % exact match on held-out combinations in under 3 minutes on 2 cores."""
    return TranslateConfig(
        recipe="demo",
        tokenizer=TokenizerConfig(kind="word", vocab_size=2000, min_count=1),
        arch=EncoderDecoderConfig(
            d_model=128,
            attention=AttentionConfig(heads=4),
            feed_forward=FeedForwardConfig(d_ff=256),
            layers=2,
            dropout=0.1,
            max_len=64,
        ),
        optimizer=OptimizerConfig(lr=3e-3, muon_lr=3e-3),
        schedule=ScheduleConfig(warmup=100),
        training=TrainingConfig(epochs=5, batch_tokens=2048, label_smoothing=0.1, precision="float32", evaluations=8),
    )


def multi30k_de_en() -> TranslateConfig:
    """Multi30k German-English, 29,000 pairs, ten epochs: validation BLEU (lower-cased 13a) 39.6 greedy, 41.4 beam 5."""
    return TranslateConfig(
        recipe="multi30k-de-en",
        arch=EncoderDecoderConfig(dropout=0.2),
        training=TrainingConfig(epochs=10, patience=0),
    )


def multi30k_de_en_gru() -> TranslateConfig:
    """The same data by a GRU with Bahdanau's attention, ten epochs: validation BLEU 39.6, beam 4."""
    return TranslateConfig(
        recipe="multi30k-de-en-gru",
        arch=RecurrentConfig(family="gru", dropout=0.3),
        optimizer=OptimizerConfig(kind="adamw", lr=2e-3),
        training=TrainingConfig(epochs=10, patience=0),
    )


def multi30k_en_de() -> TranslateConfig:
    """Multi30k English-German, 29,000 pairs, narrow and long: validation BLEU (lower-cased 13a) 41.0 beam 5."""
    return TranslateConfig(
        recipe="multi30k-en-de",
        # Half as wide as for ten epochs and twice as long: 41.0 instead of 38.8 in the same half hour.
        arch=EncoderDecoderConfig(
            d_model=128,
            attention=AttentionConfig(heads=4),
            feed_forward=FeedForwardConfig(d_ff=512),
            layers=4,
            dropout=0.2,
        ),
        training=TrainingConfig(epochs=22, patience=0),
    )


def tatoeba_en_es() -> TranslateConfig:
    """Tatoeba English-Spanish, 113,000 short pairs, ten epochs: validation BLEU 51.9, chrF 69.0, beam 4."""
    return TranslateConfig(
        recipe="tatoeba-en-es",
        arch=EncoderDecoderConfig(
            d_model=192, attention=AttentionConfig(heads=6), feed_forward=FeedForwardConfig(d_ff=768), dropout=0.1
        ),
        training=TrainingConfig(epochs=10, patience=0),
    )


def _read(asked: TrainingRequest[PairConfig]) -> Parts[PairConfig, Seq2Seq]:
    from clearhead.tasks.pair_training import PairParts
    from clearhead.tasks.translator import Translator

    return PairParts(asked, Translator)


def _open(folder: Folder) -> Model:
    from clearhead.tasks.translator import Translator

    return Translator.load(folder)


def _adopt(opened: Opened) -> Model:
    from clearhead.tasks.translator import Translator

    return Translator(*adopted_pair(opened))


TASK = Task(
    name="translate",
    about="Train a translator on sentence pairs.",
    files="files of pairs, or sample:english-spanish",
    help=PAIR_HELP.format("source sentence", "target sentence", "english", "spanish", task="translate"),
    example="pairs.tsv",
    config=TranslateConfig,
    recipes={
        "translator": translator,
        "demo": demo,
        "multi30k-de-en": multi30k_de_en,
        "multi30k-de-en-gru": multi30k_de_en_gru,
        "multi30k-en-de": multi30k_en_de,
        "tatoeba-en-es": tatoeba_en_es,
    },
    read=_read,
    open=_open,
    preview=preview_pairs,
    tries=tries_of_pairs,
    adopt=_adopt,
)
