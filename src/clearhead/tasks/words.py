"""Words: vectors of words from running text; their neighbours, and analogies ("king - man + woman")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearhead.data.config import VocabularyConfig
from clearhead.folder import Folder
from clearhead.models.architecture import WordVectorsConfig
from clearhead.parsing import Json
from clearhead.tasks.config import WordsConfig
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest
from clearhead.training.config import OptimizerConfig

if TYPE_CHECKING:
    from clearhead.models.word_vectors import WordVectors

__all__ = ["TASK"]


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


def _read(asked: TrainingRequest[WordsConfig]) -> Parts[WordsConfig, WordVectors]:
    from clearhead.tasks.word_training import WordParts

    return WordParts(asked)


def _open(folder: Folder) -> Model:
    from clearhead.tasks.word_model import Words

    return Words.load(folder)


def _tries(folder: str, config: Json) -> list[str]:
    return [f"clearhead nearest {folder} WORD"]


TASK = Task(
    name="words",
    about="Train word vectors on running text.",
    files="files of text",
    help="""Files hold running text, which may be packed as .gz or .xz; each line is a text of its own.

    Example: clearhead train words book.txt --out models/words

    Vectors of two numbers, drawn before and after:
    clearhead train words story.txt --out models/plane --recipe plane""",
    example="book.txt",
    config=WordsConfig,
    recipes={"words": words, "plane": plane},
    read=_read,
    open=_open,
    preview=None,
    tries=_tries,
    pictures=("loss", "words"),
)
