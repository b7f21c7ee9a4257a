"""Which form a model's folder has: ours, that of Hugging Face or of sentence-transformers; or a file of word vectors.

Nothing of a folder is executed, and no file outside of it is read. The hub's own cache keeps files elsewhere and links
to them (`snapshots/REVISION/config.json -> ../../blobs/...`): such links are followed, no others.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypeAlias

from clearhead.errors import FolderError
from clearhead.folder.layout import CONFIG
from clearhead.parsing import parse_json, read_file

__all__ = ["Form", "form_of", "is_hub_name", "json_of", "plain_file"]

Form: TypeAlias = Literal["clearhead", "huggingface", "sentence-transformers", "file"]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?", re.ASCII)
_INTACT = "take the whole model again"
_MOST = 2**26  # bytes of a JSON file
MODULES = "modules.json"


def form_of(path: Path) -> Form:
    """The form of a model at this place; where nothing can be told, ours: whoever opens it says what is wrong."""
    if path.is_file():
        return "file"
    if (path / MODULES).exists():
        return "sentence-transformers"
    if not (path / CONFIG).is_file():
        return "clearhead"
    try:
        text = read_file(path / CONFIG, error=FolderError, most=_MOST)
        config = parse_json(text, file=path / CONFIG, error=FolderError)
    except FolderError:
        return "clearhead"
    theirs = isinstance(config, dict) and "format" not in config and "model_type" in config
    return "huggingface" if theirs else "clearhead"


def is_hub_name(name: str) -> bool:
    """Whether this reads like the name of a model on the hub (OWNER/MODEL, and @REVISION after it, if one is meant).

    Where there is a folder OWNER here, a folder in it is meant.
    """
    return _HUB_NAME.fullmatch(name) is not None and not Path(name).parent.exists()


def plain_file(folder: Path, name: str) -> Path:
    """A file of a folder.

    Raises:
        FolderError: it is missing, is not a regular file, or is a link out of the folder.
    """
    path = folder / name
    if not path.exists():
        raise FolderError("the file is missing", _INTACT, file=path)
    real, home = path.resolve(), folder.resolve()
    cache = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
    if not (real.is_relative_to(home) or real.is_relative_to(cache)):
        raise FolderError("this is a link out of the model's folder", "put the file itself there", file=path)
    if not real.is_file():
        raise FolderError("this is not a regular file", _INTACT, file=path)
    return path


def json_of(folder: Path, name: str) -> dict[str, object]:
    """A JSON object of a folder.

    Raises:
        FolderError: it is missing, or something else.
    """
    path = plain_file(folder, name)
    text = read_file(path, error=FolderError, missing=_INTACT, fix=_INTACT, most=_MOST)
    data = parse_json(text, file=path, error=FolderError, fix=_INTACT)
    if not isinstance(data, dict):
        raise FolderError("not a JSON object", _INTACT, file=path)
    return data
