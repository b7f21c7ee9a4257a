"""A model folder that is written: its files, each whole or not at all, and the checkpoint history."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from clearhead.disk import append, failing, replacing, write_text
from clearhead.folder.folder_reader import FolderReader
from clearhead.folder.layout import INDEX, checkpoint_file
from clearhead.folder.lock import WrittenFolder
from clearhead.parsing import Json

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Folder"]


class Folder(FolderReader):
    """A model folder on disk.

    Args:
        path: the folder; it need not exist before something is written.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self._written = WrittenFolder(self.path)

    def check_place(self) -> None:
        """Find out now, not hours later, whether the folder can be written; nothing is made yet.

        Raises:
            FolderError: it cannot.
        """
        self._written.check_place()

    def locked(self) -> AbstractContextManager[None]:
        """Let no other process train into the folder; one that does not exist yet is held from its first file on.

        A folder that was made in the block is taken away again if an error ends the block before a state was saved:
        it would only stand in the way of the command that fixes the error. What was stopped, or found no place to
        write to, can go on with what it has left.

        Raises:
            FolderError: another process does.
        """
        return self._written.locked()

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        write_text(self._written.place(name), text, parents=False)

    def append_line(self, name: str, line: str, *, lasting: bool) -> None:
        """Append a line to a file of lines, whole or not at all; `lasting`: a power cut must not take it back."""
        path = self._written.place(name)
        with failing(path), path.open("ab+", buffering=0) as file:
            append(file, path, f"{line}\n".encode(), lasting=lasting)

    def write_json(self, name: str, data: Mapping[str, object]) -> None:
        """Write a JSON object."""
        self.write_text(name, json.dumps(data, indent=1, ensure_ascii=False) + "\n")

    def write_tensors(
        self, name: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write tensors as safetensors."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        wanted = sum(v.numel() * v.element_size() for v in tensors.values())
        with replacing(self._written.place(name), wanted=wanted, parents=False) as aside:
            try:
                save_file({k: v.detach().contiguous() for k, v in tensors.items()}, aside, dict(metadata or {}))
            except SafetensorError as error:
                raise _system_error(error) from error

    def remove(self, name: str) -> None:
        """Delete a file of the folder if it is there."""
        path = self.path / name
        self._written.check_same(path)
        with failing(path):
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Delete what a killed process left half-written beside the files of the folder."""
        for place in ("", "checkpoints", "training"):
            for aside in (self.path / place).glob(".*.aside"):
                with failing(aside):
                    aside.unlink(missing_ok=True)

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

    def _write_index(self, checkpoints: list[Json]) -> None:
        self.write_json(INDEX, {"checkpoints": sorted(checkpoints, key=lambda c: c["step"])})


def _system_error(error: Exception) -> OSError:
    """What the system said, which safetensors hands on as text: "I/O error: No space left on device (os error 28)"."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))
