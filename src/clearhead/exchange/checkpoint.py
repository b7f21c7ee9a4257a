"""The tensors of another library's folder: one file or several, each tensor read when it is asked for.

safetensors files are mapped into memory, so that a model takes the memory of its weights once. A `pytorch_model.bin`
is a pickle: it is read by PyTorch's own reader of nothing but tensors, which runs no code, and is the last choice.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearhead.errors import FolderError, given
from clearhead.exchange.forms import json_of, plain_file

__all__ = ["Checkpoint"]

_INTACT = "take the whole model again"
_FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
_NAMES = (("model.safetensors", "safetensors"), ("pytorch_model.bin", "pickle"))


class Checkpoint:
    """Tensors by name.

    Args:
        folder: the model's.

    Raises:
        FolderError: there are no weights, a file is damaged, or one of several is missing.
    """

    def __init__(self, folder: Path):
        self.folder, self._files = folder, ExitStack()
        self._where: dict[str, tuple[str, Any]] = {}
        for name, kind in _NAMES:
            if files := self._parts(name):
                for file in files:
                    self._add(file, kind)
                self._check_index(name)
                return
        known = " or ".join(name for name, _ in _NAMES)
        raise FolderError(f"there are no weights: {known}", _INTACT, file=folder)

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
        opened = self._mapped(path) if kind == "safetensors" else _unpickled(path)
        for key in opened.keys():  # noqa: SIM118 - a safetensors file is no mapping
            if key in self._where:
                raise FolderError(f"{key} is in {self._where[key][0]} too", _INTACT, file=path)
            self._where[key] = (name, opened)

    def _mapped(self, path: Path) -> Any:
        from safetensors import SafetensorError, safe_open

        try:
            return self._files.enter_context(safe_open(path, framework="pt"))
        except (SafetensorError, OSError, ValueError) as error:
            size = path.stat().st_size
            raise FolderError(f"not a whole safetensors file ({size:,} bytes): {error}", _INTACT, file=path) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def __getitem__(self, name: str) -> Tensor:
        file, opened = self._where[name]
        x: Tensor = opened[name] if isinstance(opened, dict) else opened.get_tensor(name)
        path = self.folder / file
        if (x.is_floating_point() and x.dtype not in _FLOATS) or x.dtype in (torch.int8, torch.uint8):
            kind = str(x.dtype).removeprefix("torch.")
            fix = "take the model as it was before it was quantised"
            raise FolderError(f"{name} has numbers of {kind}: the weights are quantised", fix, file=path)
        if x.is_floating_point() and not x.sum(dtype=torch.float32).isfinite() and not x.isfinite().all():
            raise FolderError(f"{name} has numbers that are not finite", _INTACT, file=path)
        return x

    def close(self) -> None:
        """Let go of the files; what was read stays."""
        self._files.close()


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
