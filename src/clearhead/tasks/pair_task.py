"""What tasks on pairs of texts say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearhead.errors import ConfigError
from clearhead.models.bricks import nested
from clearhead.parsing import Json
from clearhead.tasks.config import PairConfig
from clearhead.tasks.task import TrainingRequest

if TYPE_CHECKING:
    from clearhead.exchange.opening import Opened
    from clearhead.tasks.tokenizer_pair import TokenizerPair

__all__ = ["PAIR_HELP", "adopted_pair", "preview_pairs", "tries_of_pairs"]

PAIR_HELP = """Files hold one pair a line: TSV ({}, TAB, {}), CSV, JSONL or Parquet; two parallel text files; PO or TMX
    translation memories; text may be packed as .gz or .xz. hub:NAME is a data set of the Hugging Face hub.

    Example: clearhead train {task} pairs.tsv --out models/mine --max-steps 2000

    What would the model see? clearhead train {task} pairs.tsv --dry-run

    Columns by name: clearhead train {task} pairs.csv --data.source {} --data.target {} --out FOLDER"""


def preview_pairs(asked: TrainingRequest[PairConfig]) -> object:
    """What a training would be given; nothing is written.

    Raises:
        DataError: the files cannot be used.
    """
    from clearhead.tasks.pair_training import preview

    return preview(asked)


def adopted_pair(opened: Opened) -> tuple[Any, TokenizerPair]:
    """(module, tokenizers) of an encoder-decoder of another library, which says what every target begins with.

    Raises:
        ConfigError: it does not.
    """
    from dataclasses import replace

    from clearhead.data.tokenizers import Tokenizer
    from clearhead.tasks.tokenizer_pair import TokenizerPair

    said = [known.get("decoder_start_token_id") for known in (opened.generation, opened.described.carried)]
    start = next((token for token in said if isinstance(token, int)), None)
    if start is None:
        raise ConfigError("the configuration has no decoder_start_token_id", "take the whole model again")
    written = opened.target or opened.read_tokenizer
    target = Tokenizer(written.backend, replace(written.specials, bos=start))
    return opened.module, TokenizerPair(opened.read_tokenizer, target)


def tries_of_pairs(folder: str, config: Json) -> list[str]:
    """Commands to try with a model that was just trained."""
    tries = [f'clearhead {config["task"]} {folder} "your sentence"']
    if nested(config["arch"]).get("attention", {}).get("kind") != "none":
        tries.append(f'clearhead show {folder} "your sentence"')
    return tries
