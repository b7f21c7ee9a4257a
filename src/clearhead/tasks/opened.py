"""Any trained model by the name of its folder, and the same for one that has to do one thing."""

from __future__ import annotations

import os
from typing import Any

from clearhead.disk import named
from clearhead.errors import ConfigError
from clearhead.exchange.forms import form_of, is_hub_name
from clearhead.folder import Folder
from clearhead.ranges import Device
from clearhead.tasks import find_task
from clearhead.tasks.task import Inside, Model

__all__ = ["load_for", "load_inside", "open_model"]

# What a model of another library is opened for: it may be for several things.
_TASKS = {"summarize": "summarize", "translate": "translate", "generate": "language", "chat": "chat"}


def open_model(model: str | os.PathLike[str], device: Device = "auto", task: str | None = None) -> Model:
    """Open a model; see `clearhead.tasks.load.load`. `task` has a say only in what a model of another library is."""
    loaded = _opened(model, task)
    loaded.write_on(device)
    return loaded


def _opened(model: str | os.PathLike[str], task: str | None) -> Model:
    if named(model).is_file():
        from clearhead.tasks.word_model import Words

        return Words.of_file(model)
    path = named(model)
    if is_hub_name(os.fspath(model)):
        from clearhead.exchange.hub_models import fetch

        path = fetch(os.fspath(model))
    if form_of(path) != "clearhead":
        from clearhead.tasks.foreign import open_foreign

        return open_foreign(path, task)
    folder = Folder(model)
    return find_task(folder.config().get("task", "")).open(folder)


def load_for(verb: str, model: str | os.PathLike[str], *, device: Device = "auto") -> Any:
    """Open a model folder to do this with it: the object, of whatever class, has a method of that name.

    Raises:
        ConfigError: the model is for something else, or there is no such device.
    """
    loaded = open_model(model, device, _TASKS.get(verb))
    if verb not in loaded.verbs:
        does = " or ".join(loaded.verbs)
        raise ConfigError(f"this model does not {verb}: its task is {loaded.name}", f"write: clearhead {does} {model}")
    return loaded


def load_inside(model: str | os.PathLike[str]) -> Inside:
    """Open a model folder to look inside.

    Raises:
        ConfigError: the model attends to nothing.
    """
    loaded = open_model(model)
    if loaded.inside is None:
        raise ConfigError(f"{model} has no attention to look into: its task is {loaded.name}", "name another model")
    return loaded.inside
