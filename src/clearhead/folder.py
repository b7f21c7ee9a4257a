"""The model folder: sole owner of its format.

    config.json           {"format": 1, "task": ..., "arch": ..., "run": ..., ...}
    model.safetensors     the weights
    tokenizer.json        the tokenizer
    metrics.jsonl         one line per report of the training
    checkpoints/          weights of moments of the training, and index.json that lists them (the checkpoint history)
    training/             what is needed to go on: state.safetensors

Every file is written aside, fsynced and renamed (disk.py): at any instant it is the old one or the new one. While a
training writes, it holds .lock. Nothing is unpickled.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from clearhead.disk import append, failing, identity, lock, named, replacing, unlock, write_text
from clearhead.errors import FolderError, given, nearest
from clearhead.fields import INTACT, checked
from clearhead.parsing import parse_json, read_file
from clearhead.ranges import Entries, Steps

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT", "Folder", "checkpoint_file", "replacing", "unshared", "write_text"]

FORMAT = 2  # 1 named the choices of an architecture flat; it is read, too
_READ = (1, FORMAT)
_LOCK = ".lock"


class _Object(BaseModel):
    """What anybody may rely on in a JSON object of the folder; there may be more in it."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Data(_Object):
    """What a model was trained on."""

    files: list[str] = []
    valid: list[str] = []
    digest: str = ""


class _Config(_Object):
    """config.json; which of these it must have is for the task to say."""

    task: str = ""
    arch: dict[str, Any] = {}
    run: dict[str, Any] = {}
    data: _Data = _Data()
    results: dict[str, Any] = {}
    alignment: dict[str, Any] = {}
    tokenizers: dict[str, str] = {}
    vocab_size: Entries = 1
    source_vocab_size: Entries = 1


class _Moment(_Object):
    """A moment of the checkpoint history."""

    step: Steps
    file: str


class _History(_Object):
    """checkpoints/index.json."""

    checkpoints: list[_Moment]


class Folder:
    """A model folder on disk.

    Args:
        path: the folder; it need not exist before something is written.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = named(path)
        self._identity: tuple[int, int] | None = None  # known from the first thing written
        self._guarded, self._new, self._lock = False, False, -1

    def __str__(self) -> str:
        return str(self.path)

    # Reading ---------------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The content of config.json.

        Raises:
            FolderError: there is no such folder, or it holds no clearhead model, or one of a later format.
        """
        if not self.path.is_dir():
            near = nearest(self.path.name, [p.name for p in _entries(self.path.parent)])
            raise FolderError("there is no such model folder", near or "train one: clearhead train", file=self.path)
        config = self.json("config.json", "this folder holds no model; train one into it, or name another")
        if config.get("format") not in _READ:
            if "format" not in config:
                raise FolderError(*_foreign(config), file=self.path / "config.json")
            raise FolderError(
                f"this is format {config['format']!r}; this version of clearhead reads formats {_READ[0]} to {FORMAT}",
                "train with clearhead, or install the version that wrote it",
                file=self.path / "config.json",
            )
        checked(_Config, config, file=self.path / "config.json")
        return config

    def part(self, name: str, kind: Any, of: str) -> Any:
        """A field of config.json that has to be there, as the type `kind` has it; `of` is what the folder holds.

        Raises:
            FolderError: it is missing, or something else.
        """
        config, file, about = self.config(), self.path / "config.json", f"this is no configuration of {of}: "
        if name not in config:
            raise FolderError(f"{about}{name!r} is missing", INTACT, file=file)
        return checked(kind, config[name], where=name, about=about, file=file)

    def json(self, name: str, missing: str) -> dict[str, Any]:
        """A JSON object in the folder; `missing` is the fix if it is not there."""
        path = self.path / name
        text = read_file(path, error=FolderError, missing=missing, fix=INTACT)
        data = parse_json(text, file=path, error=FolderError, fix=INTACT)
        if not isinstance(data, dict):
            raise FolderError("not a JSON object", INTACT, file=path)
        return data

    def text(self, name: str) -> str:
        """A text file of the folder."""
        return read_file(self.path / name, error=FolderError, missing="copy the model folder whole", fix=INTACT)

    def tensors(self, name: str = "model.safetensors") -> tuple[dict[str, Tensor], dict[str, str]]:
        """(tensors, metadata) of a safetensors file in the folder.

        Raises:
            FolderError: it is missing, cut short or something else.
        """
        with self._opened(name) as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118

    @contextmanager
    def _opened(self, name: str) -> Iterator[Any]:
        """A safetensors file, mapped into memory."""
        from safetensors import SafetensorError, safe_open

        path = self.path / name
        if not path.is_file():
            raise FolderError("the file is missing", "copy the model folder whole, or train again", file=path)
        try:
            with safe_open(path, framework="pt") as file:
                yield file
        except (SafetensorError, OSError, ValueError) as error:
            raise FolderError(
                f"not a whole safetensors file ({path.stat().st_size:,} bytes): {error}",
                "take it from an intact copy, or train again",
                file=path,
            ) from error

    def shapes(self, name: str = "model.safetensors") -> dict[str, tuple[int, ...]]:
        """The shape of each tensor of a file, of which no more than the head is read."""
        with self._opened(name) as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118

    def load_into(self, module: Any, name: str = "model.safetensors") -> None:
        """Put the weights of a file into a torch module, strictly.

        Raises:
            FolderError: names or shapes differ.
        """
        self.compare(module, name)
        tensors, _ = self.tensors(name)
        module.load_state_dict(tensors, strict=False)
        wrong = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
        if wrong:
            count = f"{wrong[0]} and {len(wrong) - 1:,} more" if len(wrong) > 1 else wrong[0]
            said = (
                f"{self.path / name}: not every weight is a finite number ({count}): what this model says means nothing"
            )
            warnings.warn(said, stacklevel=2)

    def compare(self, module: Any, name: str = "model.safetensors") -> None:
        """Hold the shapes of a module against those of a file.

        Raises:
            FolderError: names or shapes differ.
        """
        wanted = {key: tuple(value.shape) for key, value in unshared(module).items()}
        given = self.shapes(name)
        if wanted != given:
            key = min(set(wanted.items()) ^ set(given.items()))[0]
            raise FolderError(
                f"the weights do not fit the model: {key} is {given.get(key, 'missing')} in the file, "
                f"{wanted.get(key, 'unknown')} in config.json",
                "the files are of two models; copy one model folder whole",
                file=self.path / name,
            )

    # Writing ---------------------------------------------------------------------------------------------------------

    def check_place(self) -> None:
        """Find out now, not hours later, whether the folder can be written; nothing is made yet.

        Raises:
            FolderError: it cannot.
        """
        there = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            why = "no right to write in it" if there.is_dir() else "it is a file"
            raise FolderError(f"cannot be written: {there}: {why}", "name another folder", file=self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process train into the folder; one that does not exist yet is held from its first file on.

        A folder that was made in the block is taken away again if an error ends the block before a state was saved:
        it would only stand in the way of the command that fixes the error. What was stopped, or found no place to
        write to, can go on with what it has left.

        Raises:
            FolderError: another process does.
        """
        self._guarded, self._new = True, not self.path.is_dir()
        try:
            if not self._new:
                self._settle()
            yield
        except (FolderError, OSError):
            raise
        except Exception:
            if self._new and not (self.path / "training/state.safetensors").exists():
                self._take_away()
            raise
        finally:
            if self._lock >= 0:
                unlock(self.path / _LOCK, self._lock)
            self._guarded, self._lock = False, -1

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        write_text(self._place(name), text, parents=False)

    def append_line(self, name: str, line: str, *, lasting: bool) -> None:
        """Append a line to a file of lines, whole or not at all; `lasting`: a power cut must not take it back."""
        path = self._place(name)
        with failing(path), path.open("ab+", buffering=0) as file:
            append(file, path, f"{line}\n".encode(), lasting=lasting)

    def write_json(self, name: str, data: Mapping[str, Any]) -> None:
        """Write a JSON object."""
        self.write_text(name, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def write_tensors(
        self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write tensors as safetensors."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        wanted = sum(v.numel() * v.element_size() for v in tensors.values())
        with replacing(self._place(name), wanted=wanted, parents=False) as aside:
            try:
                save_file({k: v.detach().contiguous() for k, v in tensors.items()}, aside, dict(metadata or {}))
            except SafetensorError as error:
                raise _system_error(error) from error

    def remove(self, name: str) -> None:
        """Delete a file of the folder if it is there."""
        path = self.path / name
        self._stay(path)
        with failing(path):
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what a killed process left half-written beside the files of the folder."""
        for place in ("", "checkpoints", "training"):
            for aside in (self.path / place).glob(".*.aside"):
                with failing(aside):
                    aside.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        """Where a file is to be written. The folder is made for the first, and must be the same one ever after: one
        that was taken away is not made again with only a part of its files."""
        path = self.path / name
        if self._identity is None:
            self._settle()
        self._stay(path)
        with failing(path):
            path.parent.mkdir(exist_ok=True)
        return path

    def _settle(self) -> None:
        """Make the folder, or take it as it is, and hold it if that was asked for."""
        with failing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._identity = identity(self.path)
        if not self._guarded:
            return
        self._lock = lock(self.path / _LOCK)
        if self._new and (self.path / "config.json").exists():  # made and left by another since `locked` looked
            raise FolderError(
                "another training has written into this folder meanwhile", "choose another --out", file=self.path
            )

    def _take_away(self) -> None:
        """Delete the folder with all that is in it, if it is the one that was made and is held."""
        with suppress(OSError):
            if self._lock >= 0 and identity(self.path) == self._identity:
                shutil.rmtree(self.path)

    def _stay(self, path: Path) -> None:
        """Refuse to go on in another folder than the one that was written to before."""
        with failing(path):
            if self._identity is not None and identity(self.path) != self._identity:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    # The checkpoint history ------------------------------------------------------------------------------------------

    def checkpoints(self) -> list[dict[str, Any]]:
        """The history, oldest first: [{"step": 100, "file": "checkpoints/step-000100.safetensors", "loss": 2.3}]."""
        path = self.path / "checkpoints/index.json"
        if not path.exists():
            return []
        index = self.json("checkpoints/index.json", INTACT)
        checked(_History, index, file=path)
        moments: list[dict[str, Any]] = index["checkpoints"]
        for moment in moments:
            if moment["file"] != checkpoint_file(moment["step"]):
                raise FolderError(f"step {moment['step']} lies in {given(moment['file'])}", INTACT, file=path)
        return moments

    def add_checkpoint(self, step: int, tensors: Mapping[str, Tensor], **about: float) -> None:
        """Add a moment to the history; `about` is what is known of it (its loss)."""
        name = checkpoint_file(step)
        self.write_tensors(name, tensors, {"step": str(step)})
        others = [c for c in self.checkpoints() if c["step"] != step]
        self._write_index([*others, {"step": step, "file": name, **about}])

    def drop_checkpoint(self, step: int) -> None:
        """Take a moment out of the history, and its file away, also where a kill left only the file."""
        others = [c for c in self.checkpoints() if c["step"] != step]
        if len(others) < len(self.checkpoints()):
            self._write_index(others)
        self.remove(checkpoint_file(step))

    def _write_index(self, checkpoints: list[dict[str, Any]]) -> None:
        self.write_json("checkpoints/index.json", {"checkpoints": sorted(checkpoints, key=lambda c: c["step"])})


def unshared(module: Any) -> dict[str, Tensor]:
    """The state of a module with each tied matrix once, under its first name."""
    seen: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    return {k: v.detach() for k, v in state.items() if seen.setdefault(id(v), k) == k}


def _system_error(error: Exception) -> OSError:
    """What the system said, which safetensors hands on as text: "I/O error: No space left on device (os error 28)"."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))


def checkpoint_file(step: int) -> str:
    """Where a moment of the history lies in the folder."""
    return f"checkpoints/step-{step:06d}.safetensors"


def _foreign(config: Mapping[str, Any]) -> tuple[str, str]:
    """What a folder of another library is, and what can be done with it today."""
    if "model_type" not in config and "architectures" not in config:
        return "this is a model of another library", "train with clearhead: clearhead train --help"
    kind = config.get("model_type", config.get("architectures"))
    return (
        f"this is a model of another library (Hugging Face, {kind}), and commands open clearhead's own",
        "gpt2, llama and qwen3 can be opened from Python alone: clearhead.exchange.huggingface.from_huggingface",
    )


def _entries(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []
