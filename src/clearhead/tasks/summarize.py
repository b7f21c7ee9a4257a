"""Summarize: a long text to a short one. ROUGE (Lin, 2004)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearhead.folder import Folder
from clearhead.tasks.config import PairConfig, SummarizeConfig
from clearhead.tasks.pair_task import PAIR_HELP, adopted_pair, preview_pairs, tries_of_pairs
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest

if TYPE_CHECKING:
    from clearhead.exchange.opening import Opened
    from clearhead.models.seq2seq import Seq2Seq


__all__ = ["TASK"]


def summarizer() -> SummarizeConfig:
    """A summarizer on some 10,000 to 500,000 texts of one's own, each of at most 512 tokens, on a few CPU cores."""
    return SummarizeConfig()


def _read(asked: TrainingRequest[PairConfig]) -> Parts[PairConfig, Seq2Seq]:
    from clearhead.tasks.pair_training import PairParts
    from clearhead.tasks.summarizer import Summarizer

    return PairParts(asked, Summarizer)


def _open(folder: Folder) -> Model:
    from clearhead.tasks.summarizer import Summarizer

    return Summarizer.load(folder)


def _adopt(opened: Opened) -> Model:
    from clearhead.tasks.summarizer import Summarizer

    return Summarizer(*adopted_pair(opened))


TASK = Task(
    name="summarize",
    about="Train a summarizer on pairs of a text and its summary.",
    files="files of pairs",
    help=PAIR_HELP.format("text", "summary", "article", "highlights", task="summarize"),
    example="pairs.tsv",
    config=SummarizeConfig,
    recipes={"summarizer": summarizer},
    read=_read,
    open=_open,
    preview=preview_pairs,
    tries=tries_of_pairs,
    adopt=_adopt,
)
