"""The folder of a run, as every task's training meets it: new, or begun by the very same run."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from clearhead.data.config import DataConfig
from clearhead.errors import ConfigError, FolderError
from clearhead.fields import checked
from clearhead.folder import FORMAT, Folder, checkpoint_file
from clearhead.ranges import Steps, check

if TYPE_CHECKING:
    from torch import nn

__all__ = ["begun", "described", "differing", "is_begun", "module_at", "pair_data", "same_run"]

M = TypeVar("M", bound="nn.Module")


def is_begun(folder: Folder) -> bool:
    """Whether a run was begun in the folder."""
    return (folder.path / "config.json").exists()


def begun(folder: Folder, *, resume: bool) -> bool:
    """Whether the folder holds a run that is to go on.

    Raises:
        FolderError: it holds a model and nobody asked to go on, or it cannot be written.
    """
    started = is_begun(folder)
    if started and not resume:
        raise FolderError(
            "this folder holds a model already",
            "add --resume to go on with it, or choose another --out",
            file=folder.path,
        )
    folder.check_place()
    return started


def described(
    task: str,
    config: Any,
    tokenizers: Mapping[str, object],
    files: Sequence[str],
    valid: Sequence[str],
    digest: str,
) -> dict[str, object]:
    """What config.json says before the first step, so that a killed run can be resumed."""
    return {
        "format": FORMAT,
        "clearhead": version("clearhead"),
        "task": task,
        "arch": config.arch.model_dump(mode="json"),
        **tokenizers,
        "run": config.model_dump(mode="json"),
        "data": {"files": list(files), "valid": list(valid), "digest": digest},
    }


def differing(before: BaseModel, now: BaseModel) -> list[str]:
    """The options in which two configurations differ: "arch.layers 2, now 3"."""
    old, new = _flat(before.model_dump(mode="json")), _flat(now.model_dump(mode="json"))
    pairs = {name: (old.get(name, "none"), new.get(name, "none")) for name in old | new}
    return [f"{name} {one}, now {other}" for name, (one, other) in pairs.items() if one != other]


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Values by dotted names, as they are said."""
    said: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            said |= _flat(value, f"{prefix}{name}.")
        else:
            said[prefix + name] = "none" if value is None else str(value)
    return said


def module_at(folder: Folder | None, module: M, step: int) -> M:
    """A copy of a trained module with its weights at a moment of the training that was kept.

    Raises:
        ConfigError: the model has no folder.
        FolderError: the moment was not kept.
    """
    if folder is None:
        raise ConfigError("this model has no folder, and so no history", "load it from a model folder")
    check(Steps, "step", step)
    then = copy.deepcopy(module)
    folder.load_into(then, checkpoint_file(step))
    return then


def pair_data(folder: Folder | None) -> DataConfig:
    """How a model on pairs read its files when it was trained; the usual way where it has no folder.

    Raises:
        FolderError: config.json does not say it.
    """
    if folder is None:
        return DataConfig()
    saved = folder.config().get("run", {}).get("data", {})
    data: DataConfig = checked(DataConfig, saved, where="run.data", file=f"{folder}/config.json")
    return data


def same_run(folder: Folder, config: BaseModel, digest: str, data: str) -> None:
    """Refuse to go on with other options or other data ("sentence pairs") than the folder was begun with.

    Raises:
        ConfigError: they differ.
    """
    saved = folder.config()
    try:
        first = type(config).model_validate(saved.get("run"))  # options that are newer than the folder have defaults
    except ValidationError:
        first = None
    if first != config or saved.get("data", {}).get("digest") != digest:
        told = "" if first is None else "; ".join(differing(first, config))
        same = first == config
        raise ConfigError(
            f"the {data if same else 'options'} differ from those {folder} was begun with{told and f' ({told})'}",
            f"resume with the same {'files' if same else 'options'}, or name none, and those of the folder are taken; "
            "or train into another folder",
        )
