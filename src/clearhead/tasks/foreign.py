"""Models of other libraries as models of ours: each class of theirs is for one of our tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from clearhead.exchange.opening import Opened, open_folder
from clearhead.exchange.tokenizer_files import token_ids_as_text
from clearhead.tasks import find_task
from clearhead.tasks.encoder_models import Classifier, Embedder, Filler
from clearhead.tasks.session import say
from clearhead.tasks.task import Model

__all__ = ["open_foreign"]


def open_foreign(folder: Path, task: str | None = None) -> Model:
    """A folder of Hugging Face or sentence-transformers as a model with the verbs of its task.

    Args:
        task: what it is to do (default: what its class is for).

    Raises:
        FolderError: it cannot be read, or holds what clearhead does not compute.
    """
    opened = open_folder(folder, task)
    if opened.tokenizer is None:
        say(f"note: {folder} has no tokenizer: texts are token ids, written as numbers")
        numbers = token_ids_as_text(opened.described.vocab_size, opened.described.carried)
        opened = replace(opened, tokenizer=numbers)
    for note in opened.notes:
        say(f"note: {note}")
    kinds = opened.described.kind.tasks
    chosen = task or ("chat" if opened.template is not None and "chat" in kinds else kinds[0])
    adopt = _ENCODERS.get(chosen) or find_task(chosen).adopt
    assert adopt is not None, "a family names tasks that can"
    model: Any = adopt(opened)
    model.carried = opened.described.carried
    return cast(Model, model)


def _classify(opened: Opened) -> Model:
    module: Any = opened.module
    named = opened.described.carried.get("id2label") or {}
    labels = [str(named.get(str(i), named.get(i, f"LABEL_{i}"))) for i in range(module.config.readout.classes)]
    several = opened.described.carried.get("problem_type") == "multi_label_classification"
    return Classifier(module, opened.read_tokenizer, labels=labels, several=several)


def _embed(opened: Opened) -> Model:
    module: Any = opened.module
    return Embedder(module, opened.read_tokenizer, pooling=opened.pooling)


def _fill(opened: Opened) -> Model:
    module: Any = opened.module
    return Filler(module, opened.read_tokenizer)


_ENCODERS: dict[str, Callable[[Opened], Model]] = {"fill": _fill, "classify": _classify, "embed": _embed}
