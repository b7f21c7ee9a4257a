"""A folder while files are written into it: made for the first, the same one ever after, locked during a training."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clearhead.disk import failing, identity, lock, unlock
from clearhead.errors import FolderError
from clearhead.folder.layout import CONFIG, LOCK, STATE

__all__ = ["WrittenFolder"]


class WrittenFolder:
    """The folder at `path`, made when the first file is written, and refused once another one has its name."""

    def __init__(self, path: Path):
        self.path = path
        self._identity: tuple[int, int] | None = None  # known from the first thing written
        self._guarded, self._new, self._lock = False, False, -1

    def check_place(self) -> None:
        """Find out whether the folder can be written; nothing is made yet.

        Raises:
            FolderError: it cannot.
        """
        there = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            why = "no right to write in it" if there.is_dir() else "it is a file"
            raise FolderError(f"cannot be written: {there}: {why}", "name another folder", file=self.path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As `Folder.locked` has it."""
        self._guarded, self._new = True, not self.path.is_dir()
        try:
            if not self._new:
                self._settle()
            yield
        except (FolderError, OSError):
            raise
        except Exception:
            if self._new and not (self.path / STATE).exists():
                self._take_away()
            raise
        finally:
            if self._lock >= 0:
                unlock(self.path / LOCK, self._lock)
            self._guarded, self._lock = False, -1

    def place(self, name: str) -> Path:
        """The path at which a file is to be written.

        The folder is made for the first file, and must be the same one ever after: one that was taken away is not made
        again with only a part of its files.

        Raises:
            FolderError: it cannot be made, or is another one now.
        """
        path = self.path / name
        if self._identity is None:
            self._settle()
        self.check_same(path)
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
        self._lock = lock(self.path / LOCK)
        if self._new and (self.path / CONFIG).exists():  # made and left by another since `locked` looked
            raise FolderError(
                "another training has written into this folder meanwhile", "choose another --out", file=self.path
            )

    def _take_away(self) -> None:
        """Delete the folder with all that is in it, if it is the one that was made and is held."""
        with suppress(OSError):
            if self._lock >= 0 and identity(self.path) == self._identity:
                shutil.rmtree(self.path)

    def check_same(self, path: Path) -> None:
        """Refuse to go on in another folder than the one that was written to before."""
        with failing(path):
            if self._identity is not None and identity(self.path) != self._identity:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
