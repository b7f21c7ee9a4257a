"""`load`: a trained model by the name of its folder."""

from __future__ import annotations

import os
from typing import Any

from clearhead.disk import named
from clearhead.errors import ConfigError
from clearhead.exchange.forms import form_of, is_hub_name
from clearhead.folder import Folder
from clearhead.ranges import Device
from clearhead.tasks import find_task
from clearhead.tasks.task import Inside

__all__ = ["load", "load_for", "load_inside"]

# What a model of another library is opened for: it may be for several things.
_TASKS = {"summarize": "summarize", "translate": "translate", "generate": "language", "chat": "chat"}


def load(model: str | os.PathLike[str], *, device: Device = "auto", task: str | None = None) -> Any:
    """Open a model; the object is of its task's class, with its verbs (`.translate([...])`) and `.module`.

    A folder is one of ours, of Hugging Face or of sentence-transformers; a name like `someone/model`, where nothing
    stands here, is that of a model on the Hugging Face hub; a file is taken for word vectors in word2vec's text form.

    Args:
        task: of a model of another library, what it is to do (default: what its class is for).
        device: where texts are written and measured; auto: on an NVIDIA GPU if there is one. `.module` stays on the
            CPU, where it is looked into.

    Raises:
        FolderError: there is no model, or it is damaged or of another library.
        ConfigError: there is no such device.
    """
    loaded = _opened(model, task)
    loaded.write_on(device)
    return loaded


def _opened(model: str | os.PathLike[str], task: str | None) -> Any:
    if named(model).is_file():
        from clearhead.tasks.word_model import Words

        return Words.of_file(model)
    path = named(model)
    if is_hub_name(os.fspath(model)):
        from clearhead.exchange.hub import fetch

        path = fetch(os.fspath(model))
    if form_of(path) != "clearhead":
        from clearhead.tasks.foreign import open_foreign

        return open_foreign(path, task)
    folder = Folder(model)
    return find_task(folder.config().get("task", "")).open(folder)


def load_for(verb: str, model: str | os.PathLike[str], *, device: Device = "auto") -> Any:
    """Open a model folder to do this with it.

    Raises:
        ConfigError: the model is for something else, or there is no such device.
    """
    loaded = load(model, device=device, task=_TASKS.get(verb))
    if verb not in loaded.verbs:
        does = " or ".join(loaded.verbs)
        raise ConfigError(f"this model does not {verb}: its task is {loaded.name}", f"write: clearhead {does} {model}")
    return loaded


def load_inside(model: str | os.PathLike[str]) -> Inside:
    """Open a model folder to look inside.

    Raises:
        ConfigError: the model attends to nothing.
    """
    loaded = load(model)
    if loaded.inside is None:
        raise ConfigError(f"{model} has no attention to look into: its task is {loaded.name}", "name another model")
    return loaded.inside
