"""The names of files in a model folder, and what JSON objects in it must have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from clearhead.ranges import Entries, Steps

__all__ = ["CONFIG", "FORMAT", "INDEX", "LOCK", "READ", "STATE", "WEIGHTS", "Config", "History", "checkpoint_file"]

FORMAT = 2
READ = (1, FORMAT)  # 1 named the choices of an architecture flat
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "checkpoints/index.json"
STATE = "training/state.safetensors"
LOCK = ".lock"


def checkpoint_file(step: int) -> str:
    """The file of a moment of the history, relative to the folder."""
    return f"checkpoints/step-{step:06d}.safetensors"


class _Object(BaseModel):
    """What anybody may rely on in a JSON object of the folder; there may be more in it."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Data(_Object):
    """What a model was trained on."""

    files: list[str] = []
    valid: list[str] = []
    digest: str = ""


class Config(_Object):
    """config.json; which of these it must have is for the task to say."""

    task: str = ""
    arch: dict[str, object] = {}
    run: dict[str, object] = {}
    data: _Data = _Data()
    results: dict[str, object] = {}
    alignment: dict[str, object] = {}
    tokenizers: dict[str, str] = {}
    vocab_size: Entries = 1
    source_vocab_size: Entries = 1


class _Moment(_Object):
    """A moment of the checkpoint history."""

    step: Steps
    file: str


class History(_Object):
    """checkpoints/index.json."""

    checkpoints: list[_Moment]
