"""Tasks: what a person wants to do, one file each. `TASKS` names them without importing them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from clearhead.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from clearhead.tasks.base import Task

TASKS = {
    "translate": ("clearhead.tasks.translate", "Translator", "TranslateConfig"),
    "summarize": ("clearhead.tasks.summarize", "Summarizer", "SummarizeConfig"),
    "language": ("clearhead.tasks.language", "LanguageModel", "LanguageConfig"),
    "chat": ("clearhead.tasks.chat", "Chat", "ChatConfig"),
    "words": ("clearhead.tasks.words", "Words", "WordsConfig"),
}


def task_class(name: str) -> type[Task]:
    """The class of a task (imports torch)."""
    module, cls, _ = TASKS[_known(name)]
    found: type[Task] = getattr(import_module(module), cls)
    return found


def config_class(name: str) -> type[BaseModel]:
    """The class of a task's configuration (imports no torch)."""
    found: type[BaseModel] = getattr(import_module("clearhead.tasks.config"), TASKS[_known(name)][2])
    return found


def _known(name: str) -> str:
    if name not in TASKS:
        raise ConfigError(f"there is no task {name!r}", nearest(name, TASKS) or f"the tasks are {', '.join(TASKS)}")
    return name
