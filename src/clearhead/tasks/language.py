"""Language: a text is continued, token by token. Bits per byte, perplexity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig
from clearhead.models.bricks import AttentionConfig, FeedForwardConfig
from clearhead.parsing import Json
from clearhead.tasks.config import LanguageConfig
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

if TYPE_CHECKING:
    from clearhead.exchange.opening import Opened
    from clearhead.models.decoder import Decoder


__all__ = ["TASK"]


def language() -> LanguageConfig:
    """A language model on some million characters of one's own, on a few CPU cores."""
    return LanguageConfig()


def shakespeare() -> LanguageConfig:
    """Tiny Shakespeare by characters, in a minute or two on 2 cores."""
    return LanguageConfig(
        recipe="shakespeare",
        tokenizer=TextTokenizerConfig(kind="character", min_count=1),
        arch=DecoderConfig(
            d_model=128,
            attention=AttentionConfig(heads=4),
            feed_forward=FeedForwardConfig(d_ff=512),
            layers=4,
            max_len=64,
            dropout=0.0,
        ),
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
        arch=DecoderConfig(
            d_model=768,
            attention=AttentionConfig(heads=12),
            feed_forward=FeedForwardConfig(d_ff=3072),
            layers=12,
            max_len=1024,
            dropout=0.1,
        ),
        training=TrainingConfig(batch_tokens=65_536, accumulate=4, label_smoothing=0.0, epochs=4, average=0),
    )


def _read(asked: TrainingRequest[LanguageConfig]) -> Parts[LanguageConfig, Decoder]:
    from clearhead.tasks.texts import TextParts

    return TextParts(asked)


def _open(folder: Folder) -> Model:
    from clearhead.tasks.language_model import LanguageModel

    return LanguageModel.load(folder)


def _preview(asked: TrainingRequest[LanguageConfig]) -> object:
    from clearhead.tasks.texts import preview_text

    return preview_text(asked)


def _tries(folder: str, config: Json) -> list[str]:
    return [f'clearhead generate {folder} "Once upon a time"']


def _adopt(opened: Opened) -> Model:
    from clearhead.tasks.language_model import LanguageModel

    module: Any = opened.module
    return LanguageModel(module, opened.read_tokenizer)


TASK = Task(
    name="language",
    about="Train a language model on running text.",
    files="texts, tables, folders, or sample:python",
    help="""Files are texts, or tables with a column of texts (JSONL, Parquet, CSV, TSV), or folders of such files;
    they may be packed as .gz or .xz. hub:NAME is a data set of the Hugging Face hub, sample:python the documentation
    inside Python's own standard library. The text is tokenised once, into FOLDER/tokens, and may be larger than memory.

    Example: clearhead train language book.txt --out models/mine

    By characters, as small as it gets: clearhead train language book.txt --recipe shakespeare --out models/small

    Another architecture: clearhead train language books/ --arch.preset llama --arch.layers 8 --out models/llama""",
    example="book.txt",
    config=LanguageConfig,
    recipes={"language": language, "shakespeare": shakespeare, "gpt-100m": gpt_100m},
    read=_read,
    open=_open,
    preview=_preview,
    tries=_tries,
    adopt=_adopt,
)
