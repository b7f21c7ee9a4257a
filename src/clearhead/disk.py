"""Writing that fails calmly: what stands stays whole, and each failure says in plain words what is missing.

A file is written aside, fsynced and renamed: at any instant it is the old one or the new one. Lines are appended whole,
or cut away again. A place that a process writes to is held by a lock of the kernel, which a kill gives back by itself.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from clearhead.errors import FolderError, given

__all__ = [
    "append",
    "failing",
    "identity",
    "is_at",
    "lock",
    "named",
    "new_folder",
    "replacing",
    "taken",
    "unlock",
    "write_text",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_GONE = (errno.ENOENT, errno.ESTALE)


@contextmanager
def failing(path: Path, wanted: int | None = None) -> Iterator[None]:
    """A block that writes `path` (`wanted` bytes, where known): what the system refuses is said in plain words.

    Raises:
        FolderError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise FolderError(*_words(error, path, wanted), file=path) from error


@contextmanager
def replacing(path: Path, *, wanted: int | None = None, parents: bool = True) -> Iterator[Path]:
    """Write aside: yields a path beside `path`; when the block ends well it is fsynced and takes the place of `path`.

    Args:
        wanted: bytes that will be written, where known.
        parents: make the folders above.

    Raises:
        FolderError: the place cannot be written; what stood there stays as it was, and the space is given back.
    """
    path = named(path)
    if path.is_symlink():  # what it leads to is written, and the link stays
        path = Path(os.path.realpath(path))
        if path.is_symlink():
            raise FolderError("cannot be written: it is a link that leads to itself", "name a file", file=path)
    if path.is_dir():
        raise FolderError("cannot be written: it is a folder", "name a file", file=path)
    if path.exists() and not path.is_file():  # who may write anywhere would put a file in a device's place
        raise FolderError("cannot be written: it is a device or a pipe", "name a file", file=path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
    with failing(path, wanted):
        try:
            if parents:
                path.parent.mkdir(parents=True, exist_ok=True)
            aside.touch()
            mode = stat.S_IMODE(aside.stat().st_mode)
            yield aside
            aside.chmod(mode)  # a library that wrote it may have made it anew, for its owner only
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            aside.replace(path)
            _sync_folder(path.parent)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Write a folder aside: yields one beside `path`; when the block ends well it is fsynced and stands there.

    Raises:
        FolderError: something stands at the place already, or it cannot be written.
    """
    path = named(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FolderError("is there already", "name a new folder, or remove it", file=path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
    with failing(path):
        try:
            aside.mkdir(parents=True)
            yield aside
            for file in sorted(aside.rglob("*")):
                if file.is_file():
                    with file.open("rb+") as opened:
                        os.fsync(opened.fileno())
            if path.exists():
                path.rmdir()
            aside.rename(path)
            _sync_folder(path.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str, *, parents: bool = True) -> None:
    """Write a text file whole or not at all."""
    content = text.encode("utf-8")
    with replacing(path, wanted=len(content), parents=parents) as aside:
        aside.write_bytes(content)


def append(file: FileIO, path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Append whole lines to an unbuffered file (mode "ab+"), or nothing; a line that a kill cut short goes first.

    Args:
        path: the name of the file, for messages.
        lasting: fsync, so that a power cut does not take them back.

    Raises:
        FolderError: it cannot be written; what a full disk took of the content is cut away again.
    """
    with failing(path, len(content)):
        end = _last_line_end(file)
        try:
            file.truncate(end)
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            if lasting:
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                file.truncate(end)
            raise


def named(path: str | os.PathLike[str], what: str = "the name of a file or folder") -> Path:
    """The path of a file or folder, as a person names it; nothing need be there. `what` is what messages call it.

    Raises:
        FolderError: no file could have this name: it is empty, too long, not UTF-8, or has a NUL in it.
    """
    text = os.fspath(path)
    if not text:
        raise FolderError(f"{what} is empty", "name one; a variable of the shell may be unset")
    try:
        text.encode("utf-8")
        Path(text).lstat()
    except UnicodeEncodeError:
        raise FolderError(f"{what} {text!a} is not valid UTF-8", "rename it") from None
    except ValueError:
        raise FolderError(f"{what} {text!a} has a NUL in it", "name another") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise FolderError(f"{what} {given(text)} is not possible: {error.strerror}", "name another") from None
    return Path(text)


def identity(place: Path | int) -> tuple[int, int]:
    """What a file or folder is, whatever it is called: (device, inode)."""
    found = os.fstat(place) if isinstance(place, int) else place.stat()
    return found.st_dev, found.st_ino


def is_at(file: int, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return identity(file) == identity(path)
    except FileNotFoundError:
        return False


def taken(file: int) -> bool:
    """Whether another process holds this open file; if not, it is held from now on until it is closed."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock: two trainings into one folder are not noticed there
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError as error:  # some network file systems
        why = error.strerror or error
        warnings.warn(f"no lock is to be had here ({why}): let only one process write to this place", stacklevel=2)
    return False


def lock(path: Path) -> int:
    """Hold a lock file, made for it, that tells others who holds it; returns what `unlock` wants.

    Raises:
        FolderError: another process holds it, or it cannot be written.
    """
    with failing(path):
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            if taken(file):
                who = os.read(file, 200).decode("utf-8", "replace") or "another process"
                os.close(file)
                raise FolderError(
                    f"{who} is training into this folder",
                    "wait until it has ended, or stop it, or choose another --out",
                    file=path.parent,
                )
            if is_at(file, path):
                break
            os.close(file)  # who held it has removed it since it was opened: once more
    with suppress(OSError):  # on a full disk the lock holds without a name in it
        os.truncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}".encode())
    return file


def unlock(path: Path, file: int) -> None:
    """Give a lock back and take its file away."""
    with suppress(OSError):
        if is_at(file, path):
            path.unlink()
    os.close(file)


def _words(error: OSError, path: Path, wanted: int | None) -> tuple[str, str]:
    """(problem, fix)."""
    if error.errno in _FULL:
        full = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        sizes = [f"{_size(wanted)} wanted"] if wanted is not None else []
        with suppress(OSError):
            sizes += [f"{_size(shutil.disk_usage(path.parent).free)} free"] if error.errno == errno.ENOSPC else []
        return (
            f"cannot be written: {full} ({', '.join(sizes) or 'no more is known'}); what stood there is as it was",
            "free some space, then give the same command again, a training with --resume",
        )
    if error.errno in _GONE and path.resolve().is_relative_to("/proc"):
        return "cannot be written: this place takes no files", "choose a folder on a disk"
    if error.errno in _GONE:
        return (
            "the folder was removed or moved while it was written to",
            "put it back under this name, then give the same command again, a training with --resume",
        )
    return f"cannot be written: {error.strerror or error}", "check the place, its rights and its free space"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"


def _sync_folder(path: Path) -> None:
    """So that a power cut does not take a rename back."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _last_line_end(file: FileIO, block: int = 1 << 16) -> int:
    """The position after the last line end of a file."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - block)
        file.seek(start)
        if (found := file.read(end - start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0
