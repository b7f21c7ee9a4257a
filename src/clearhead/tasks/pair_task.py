"""What tasks on pairs of texts say alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearhead.models.bricks import nested
from clearhead.tasks.task import TrainingRequest

__all__ = ["PAIR_HELP", "preview_pairs", "tries_of_pairs"]

PAIR_HELP = """Files hold one pair a line: TSV ({}, TAB, {}), CSV, JSONL or Parquet; two parallel text files; PO or TMX
    translation memories; text may be packed as .gz or .xz. hub:NAME is a data set of the Hugging Face hub.

    Example: clearhead train {task} pairs.tsv --out models/mine --max-steps 2000

    What would the model see? clearhead train {task} pairs.tsv --dry-run

    Columns by name: clearhead train {task} pairs.csv --data.source {} --data.target {} --out FOLDER"""


def preview_pairs(asked: TrainingRequest) -> Any:
    """What a training would be given; nothing is written.

    Raises:
        DataError: the files cannot be used.
    """
    from clearhead.tasks.pairs import preview

    return preview(asked)


def tries_of_pairs(folder: str, config: Mapping[str, Any]) -> list[str]:
    """Commands to try with a model that was just trained."""
    tries = [f'clearhead {config["task"]} {folder} "your sentence"']
    if nested(config["arch"]).get("attention", {}).get("kind") != "none":
        tries.append(f'clearhead show {folder} "your sentence"')
    return tries
