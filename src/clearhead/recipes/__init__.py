"""Recipes: named runs. A recipe is a function that returns a whole configuration; every option overrides it."""

from __future__ import annotations

from collections.abc import Callable

from clearhead.errors import ConfigError, nearest
from clearhead.recipes import chat, language, summarize, translate, words
from clearhead.tasks.config import RunConfig

RECIPES: dict[str, dict[str, Callable[[], RunConfig]]] = {
    "translate": {
        "translator": translate.translator,
        "demo": translate.demo,
        "multi30k-de-en": translate.multi30k_de_en,
        "multi30k-de-en-gru": translate.multi30k_de_en_gru,
        "multi30k-en-de": translate.multi30k_en_de,
        "tatoeba-en-es": translate.tatoeba_en_es,
    },
    "summarize": {"summarizer": summarize.summarizer},
    "language": {"language": language.language, "shakespeare": language.shakespeare, "gpt-100m": language.gpt_100m},
    "chat": {"chat": chat.chat},
    "words": {"words": words.words, "plane": words.plane},
}


def recipe(task: str, name: str | None = None) -> RunConfig:
    """The configuration of a recipe (default: the task's first).

    Raises:
        ConfigError: there is no such recipe.
    """
    known = RECIPES[task]
    name = name or next(iter(known))
    if name not in known:
        fix = nearest(name, known) or f"the recipes of {task} are {', '.join(known)}"
        raise ConfigError(f"there is no recipe {name!r} for {task}", fix)
    return known[name]()
