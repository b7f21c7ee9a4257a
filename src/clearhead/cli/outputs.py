"""Where lines go: standard output, or a file that a killed run goes on with.

A file grows by whole chunks, each fsynced. Going on means to skip every chunk of the input whose lines all stand in the
file, but the last of them: that one is worked out again from its beginning and compared, so that a file of another
model or other options is refused and not mixed. Chunks begin where they would have begun without a kill: each is
computed in the same batches and comes out the same, byte for byte.
"""

from __future__ import annotations

import errno
import os
import sys
from io import FileIO
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from clearhead.disk import append, failing, is_at, taken
from clearhead.errors import DataError, FolderError

__all__ = ["Output", "OutputFile", "StandardOutput"]


class Output(Protocol):
    """Takes chunks of lines; `written` counts the whole lines that are there."""

    written: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...

    def holds(self, count: int) -> bool:
        """Whether the next `count` lines were written before, so that the chunk is done."""
        ...

    def write(self, lines: list[str]) -> None:
        """Write a chunk, whole."""
        ...

    def end(self) -> None:
        """No more comes."""
        ...


class StandardOutput:
    """Standard output; nothing written to it can be gone on with."""

    def __init__(self) -> None:
        self.written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...

    def holds(self, count: int) -> bool:
        """Never."""
        return False

    def write(self, lines: list[str]) -> None:
        """Write a chunk.

        Raises:
            DataError: the disk that it is sent to is full.
        """
        try:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try again at its end
            why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or error
            raise DataError(
                f"standard output cannot be written: {why}; its first {self.written:,} lines are whole",
                "free some space; with --out FILE and --resume in place of > it goes on where it stopped",
            ) from error
        self.written += len(lines)

    def end(self) -> None:
        """Nothing is left to do."""


class OutputFile:
    """A file of lines.

    Args:
        path: it is made, with the folders above it.
        tabs: how many TABs stand in each line; a file whose lines have another number is of other options.
        resume: go on with what it holds.

    Raises:
        FolderError: it exists and `resume` was not asked for, another process writes it, or it cannot be written.
    """

    def __init__(self, path: Path, *, tabs: int, resume: bool):
        self.path, self.written, self._tabs, self._resume = path, 0, tabs, resume
        self._left = b""  # what stands of the chunk that is next to be written

    def __enter__(self) -> Self:
        with failing(self.path):
            if self.path.exists() and not self.path.is_file():
                raise FolderError("this is not a file", "name one that can be made", file=self.path)
            if not self._resume and self.path.exists() and self.path.stat().st_size:
                raise FolderError(
                    "the file exists already", "add --resume to go on with it, or name another --out", file=self.path
                )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "a+")
            self._old = self.path.open("rb")
        if taken(self._file.fileno()):
            self.__exit__()
            raise FolderError(
                "another process writes this file", "wait until it has ended, or name another --out", file=self.path
            )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._old.close()
        self._file.close()

    def holds(self, count: int) -> bool:
        """Whether the next `count` lines stand in the file, and more after them.

        Raises:
            FolderError: its lines are of another form.
        """
        rows = list(islice(self._old, count))
        whole = [row for row in rows if row.endswith(b"\n")]
        for number, row in enumerate(whole, self.written + 1):
            if row.count(b"\t") != self._tabs:
                raise FolderError(
                    "the file was begun with other options: n-best or alignments do not fit",
                    "give the same options, or name another --out",
                    file=self.path,
                    line=number,
                )
        if len(whole) == count and self._old.peek(1):
            self.written += count
            return True
        self._left = b"".join(rows).rstrip(b"\0")  # which a power cut may leave in place of text
        return False

    def write(self, lines: list[str]) -> None:
        """Write a chunk; what a kill left of it must be how it begins.

        Raises:
            FolderError: it cannot be written, or what stands there is of another model, input or options.
        """
        content = "".join(f"{line}\n" for line in lines).encode("utf-8")
        if not content.startswith(self._left):
            self._differs(content)
        if not is_at(self._file.fileno(), self.path):
            raise FolderError(
                f"the file was removed or replaced while it was written to ({self.written:,} lines)",
                "begin again, or put it back and add --resume",
                file=self.path,
            )
        append(self._file, self.path, content[self._left.rfind(b"\n") + 1 :])
        self._left, self.written = b"", self.written + len(lines)
        self._old.seek(0, os.SEEK_END)

    def end(self) -> None:
        """Raises:
        FolderError: the file holds more lines than the input asks for.
        """
        if self._old.read(1):
            raise FolderError(
                f"the file holds more than the {self.written:,} lines of this input",
                "it belongs to another input: name another --out",
                file=self.path,
            )

    def _differs(self, content: bytes) -> None:
        pairs = zip(content.split(b"\n"), self._left.split(b"\n"), strict=False)
        same = next((number for number, (new, old) in enumerate(pairs) if new != old), 0)
        raise FolderError(
            "what stands from here on is not what this model writes for this input with these options",
            "give what it was begun with, or name another --out, or cut the file before this line",
            file=self.path,
            line=self.written + same + 1,
        )
