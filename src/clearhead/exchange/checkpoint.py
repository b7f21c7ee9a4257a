"""The tensors of another library's folder: one file or several, each tensor read when it is asked for.

safetensors files are mapped into memory; numbers that are only read to be turned or converted go through one buffer
that serves again, so that a model takes the memory of its weights once. A `pytorch_model.bin` is a pickle: it is read
by PyTorch's own reader of nothing but tensors, which runs no code, and is the last choice.
"""

from __future__ import annotations

import json
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from clearhead.errors import FolderError, given
from clearhead.exchange.forms import json_of, plain_file

__all__ = ["Checkpoint"]

_INTACT = "take the whole model again"
_FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "BOOL": torch.bool,
}
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.bool)
_NAMES = (("model.safetensors", "safetensors"), ("pytorch_model.bin", "pickle"))


@dataclass(frozen=True, eq=False)
class _Entry:
    """Where a tensor lies: in a mapped file, and from which byte on in the file itself."""

    mapped: Any
    file: FileIO
    dtype: str
    shape: Sequence[int]
    begin: int


class Checkpoint:
    """Tensors by name.

    Args:
        folder: the model's.
        dtype: what numbers are made; None: as they are stored.

    Raises:
        FolderError: there are no weights, a file is damaged, or one of several is missing.
    """

    def __init__(self, folder: Path, dtype: torch.dtype | None = None):
        self.folder, self._dtype, self._files = folder, dtype, ExitStack()
        self._buffer, self._held = torch.empty(0, dtype=torch.uint8), ""
        self._where: dict[str, tuple[str, Any]] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for name, kind in _NAMES:
            if files := self._parts(name):
                for file in files:
                    self._add(file, kind)
                self._check_index(name)
                return
        known = " or ".join(name for name, _ in _NAMES)
        raise FolderError(f"there are no weights: {known}", _INTACT, file=self.folder)

    def _parts(self, name: str) -> list[str]:
        """The files of the weights under this name: it, or those that an index beside it names."""
        if (self.folder / f"{name}.index.json").exists():
            return sorted(set(self._index(name).values()))
        return [name] if (self.folder / name).exists() else []

    def _index(self, name: str) -> dict[str, str]:
        index = f"{name}.index.json"
        found = json_of(self.folder, index).get("weight_map")
        if not isinstance(found, dict) or not found:
            raise FolderError("there is no weight_map", _INTACT, file=self.folder / index)
        for key, file in found.items():
            if not isinstance(file, str) or Path(file).name != file or file in ("", ".", ".."):
                problem = f"weight_map puts {given(key)} into {given(file)}, which is not the name of a file"
                raise FolderError(problem, _INTACT, file=self.folder / index)
        return found

    def _check_index(self, name: str) -> None:
        if not (self.folder / f"{name}.index.json").exists():
            return
        for key, file in self._index(name).items():
            if self._where.get(key, ("", None))[0] != file:
                problem = f"{key} is missing: {name}.index.json says that it is here"
                raise FolderError(problem, _INTACT, file=self.folder / file)

    def _add(self, name: str, kind: str) -> None:
        path = plain_file(self.folder, name)
        opened = self._entries(path) if kind == "safetensors" else _unpickled(path)
        for key in opened:
            if key in self._where:
                raise FolderError(f"{key} is in {self._where[key][0]} too", _INTACT, file=path)
            self._where[key] = (name, opened[key])

    def _entries(self, path: Path) -> dict[str, _Entry]:
        """Where each tensor of a safetensors file lies."""
        from safetensors import SafetensorError, safe_open

        try:
            mapped = self._files.enter_context(safe_open(path, framework="pt"))  # which checks the header
            file = self._files.enter_context(path.open("rb", buffering=0))
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
        except (SafetensorError, OSError, ValueError) as error:
            length = path.stat().st_size
            raise FolderError(
                f"not a whole safetensors file ({length:,} bytes): {error}", _INTACT, file=path
            ) from error
        return {
            name: _Entry(mapped, file, said["dtype"], said["shape"], 8 + size + said["data_offsets"][0])
            for name, said in header.items()
            if name != "__metadata__"
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def __getitem__(self, name: str) -> Tensor:
        file, opened = self._where[name]
        if isinstance(opened, _Entry) and _DTYPES.get(opened.dtype) not in (*_FLOATS, *_WHOLE):
            raise _quantised(self.folder / file, name, opened.dtype)
        if isinstance(opened, Tensor):
            return self._checked(name, opened if self._dtype is None else opened.to(self._dtype))
        if self._dtype is None or _DTYPES[opened.dtype] in (self._dtype, *_WHOLE):
            mapped: Tensor = opened.mapped.get_tensor(name)
            return self._checked(name, mapped)
        return self._checked(name, self._through_buffer(name, opened).to(self._dtype))

    def once(self, name: str) -> Tensor:
        """The same, good until the next one is read: for who makes something else of it."""
        opened = self._where[name][1]
        if not isinstance(opened, _Entry) or _DTYPES.get(opened.dtype) is not self._dtype:
            return self[name]
        return self._checked(name, self._through_buffer(name, opened))

    def _through_buffer(self, name: str, entry: _Entry) -> Tensor:
        kind = _DTYPES[entry.dtype]
        size = math.prod(entry.shape) * kind.itemsize
        if self._buffer.numel() < size:
            self._buffer, self._held = torch.empty(size, dtype=torch.uint8), ""
        if self._held != name:
            entry.file.seek(entry.begin)
            view, done = memoryview(cast(Any, self._buffer.numpy()))[:size], 0
            while done < size and (more := entry.file.readinto(view[done:])):
                done += more
            self._held = name
        return self._buffer[:size].view(kind).reshape(entry.shape)

    def _checked(self, name: str, x: Tensor) -> Tensor:
        path = self.folder / self._where[name][0]
        if x.is_floating_point() and x.dtype not in _FLOATS:
            raise _quantised(path, name, str(x.dtype).removeprefix("torch."))
        if x.is_floating_point() and not x.sum(dtype=torch.float32).isfinite() and not x.isfinite().all():
            raise FolderError(f"{name} has numbers that are not finite", _INTACT, file=path)
        return x

    def close(self) -> None:
        """Let go of the files; what was read stays."""
        self._files.close()


def _quantised(path: Path, name: str, kind: str) -> FolderError:
    fix = "take the model as it was before it was quantised"
    return FolderError(f"{name} has numbers of {kind}: the weights are quantised", fix, file=path)


def _unpickled(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it thinks of other pickles ends in an error anyway
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # it has many ways to say that this is something else
        problem = f"not a file of tensors alone: {str(error).partition('.')[0]}"
        raise FolderError(problem, "take the model as safetensors", file=path) from error
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise FolderError("not a file of tensors by name", "take the model as safetensors", file=path)
    return found
