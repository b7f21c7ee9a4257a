"""`load`: a trained model by the name of its folder."""

from __future__ import annotations

import os

from clearhead.folder import Folder
from clearhead.tasks import task_class
from clearhead.tasks.translate import Translator

__all__ = ["load"]


def load(model: str | os.PathLike[str]) -> Translator:
    """Open a model folder; the object has its task's verbs (`.translate([...])`) and `.module`.

    Raises:
        FolderError: there is no model, or it is damaged or of another library.
    """
    folder = Folder(model)
    loaded = task_class(folder.config().get("task", "")).load(folder)
    assert isinstance(loaded, Translator)
    return loaded
