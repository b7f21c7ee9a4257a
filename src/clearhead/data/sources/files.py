"""Files -> lines: how a file is opened and unpacked, and its text cut into numbered lines.

`.gz` and `.xz` say how a file is packed. Text is UTF-8, with or without byte order marks (several where files were put
together), and only "\\n" ends a line (a "\\r" before it belongs to the end): U+0085 and U+2028 stand inside real
sentences, so `str.splitlines` would tear those apart. A file that begins with lines that end in "\\r" alone, as some
programs write them, is read so; elsewhere a "\\r" may stand within a sentence, and what cuts lines into columns looks
whether it seems to end a line (see `mixed_ends`).
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import IO, TypeAlias, cast

from clearhead.errors import DataError, nearest

__all__ = [
    "DAMAGED",
    "Line",
    "damaged",
    "extra",
    "form_of",
    "is_packed",
    "mixed_ends",
    "open_file",
    "raw_lines",
    "read_lines",
    "refuse_devices",
    "unreadable",
]

Line: TypeAlias = tuple[int, str]

_PACKINGS = (".gz", ".xz")
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)  # what unpacking raises of damaged data
_AHEAD = 1 << 16  # bytes that tell how the lines of a file end
_LONGEST = 1 << 28  # bytes of a line
_STRETCH = 1 << 22  # bytes of running text that are given at once, where no line ends


def is_packed(path: Path) -> bool:
    """Whether the name says that the file is packed."""
    return path.suffix.lower() in _PACKINGS


def form_of(path: Path) -> str:
    """The suffix that names the form, in lower case, that of the packing left out: ".tsv" of "A.TSV.gz"."""
    return (Path(path.stem) if is_packed(path) else path).suffix.lower()


def open_file(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked.

    Raises:
        DataError: there is no such file, it is a folder, or it cannot be read.
    """
    try:
        refuse_devices(path)
        match path.suffix.lower():
            case ".gz":
                return cast("IO[bytes]", gzip.open(path, "rb"))
            case ".xz":
                return lzma.open(path, "rb")
            case _:
                return _pipe(path) if path.is_fifo() else path.open("rb", _AHEAD)
    except FileNotFoundError:
        raise DataError("there is no such file", _near(path), file=path) from None
    except IsADirectoryError:
        raise DataError("a file was wanted, this is a folder", "name the files in it", file=path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(path, error) from None


def refuse_devices(path: Path) -> None:
    """See that a file is none whose reading need not come to an end.

    Raises:
        DataError: it is one.
    """
    if path.is_block_device() or (path.is_char_device() and path.resolve() != Path(os.devnull)):
        raise DataError("a file was wanted, this is a device", "name a file", file=path)


def read_lines(stream: IO[bytes], path: Path, *, ends: bool = False) -> Iterator[Line]:
    """(number, text) of each line, without its end.

    Args:
        ends: as running text: each line end as "\\n", which a last line may lack; a very long line comes in stretches.

    Raises:
        DataError: while iterating: damaged packing, bytes that are not UTF-8, a line without end.
    """
    number = 0
    try:
        for number, raw in raw_lines(stream, path, _STRETCH if ends else None):
            text = _text(raw, path, number)
            yield number, text.replace("\r\n", "\n").replace("\r", "\n") if ends else text.rstrip("\r\n")
    except DAMAGED as error:
        raise damaged(path, error, number + 1) from None
    except OSError as error:
        raise unreadable(path, error) from None


def raw_lines(stream: IO[bytes], path: Path | str, stretch: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of each line with its end.

    Args:
        path: the name of the file, for messages.
        stretch: a longer line comes in parts of about so many bytes, never within a character (default: it is refused).

    Raises:
        DataError: while iterating: a line without end.
    """
    ahead = stream.peek(_AHEAD)[:_AHEAD] if hasattr(stream, "peek") else b""
    _check_bytes(ahead, path)
    if b"\n" not in ahead and re.search(rb"\r.", ahead, re.DOTALL):
        lines = _ended_by_any(stream)
    elif stretch:
        lines = _stretches(stream, stretch)
    else:
        lines = iter(partial(stream.readline, _LONGEST + 1), b"")
    number, begins = 0, True
    for raw in lines:
        number += begins
        begins = raw.endswith(b"\n")
        if len(raw) > _LONGEST:
            fix = "write one record a line, each line ended by LF"
            raise DataError(f"the line has more than {_LONGEST:,} bytes", fix, file=path, line=number)
        yield number, raw


def mixed_ends(path: Path, line: int) -> DataError:
    """The error of a line that seems to be several, with "\\r" between them."""
    fix = f"make all line ends alike: `sed 's/\\r$//' {path.name} | tr '\\r' '\\n' > new-{path.name}`"
    return DataError("carriage returns (CR) within the line seem to end lines, others end in LF", fix, file=path,
                     line=line)  # fmt: skip


def damaged(path: Path, error: Exception, line: int) -> DataError:
    """The error of a packed file that cannot be unpacked from this line on."""
    fix = f"fetch or pack it again; `{'xz' if path.suffix.lower() == '.xz' else 'gzip'} -t` tests it"
    return DataError(f"the packed data are damaged or cut off ({error})", fix, file=path, line=line)


def unreadable(path: Path, error: Exception) -> DataError:
    """The error of a file that the system does not let us read."""
    reason = getattr(error, "strerror", None) or error
    return DataError(f"the file cannot be read ({reason})", "check its name and your permissions", file=path)


def extra(library: str, what: str, file: str | Path) -> ModuleType:
    """A library of the extra `data`, imported now.

    Raises:
        DataError: it is not installed.
    """
    try:
        return import_module(library)
    except ImportError as error:
        problem = f"reading {what} needs {library.partition('.')[0]}, which cannot be imported ({error})"
        raise DataError(problem, 'pip install "clearhead[data]"', file=file) from error


def _near(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"the folder {str(path.parent)!r} cannot be read either: check the path"
    return nearest(path.name, names) or "check the name and the folder"


def _pipe(path: Path) -> IO[bytes]:
    """A named pipe; one that nobody writes to is empty, where opening it would wait for ever."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(file, True)
    return os.fdopen(file, "rb", _AHEAD)


def _stretches(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Lines, longer ones in parts of about so many bytes."""
    while raw := stream.readline(size):
        yield raw if raw.endswith(b"\n") else _whole(raw, stream)


def _ended_by_any(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines that "\\r", "\\n" or both end, each with "\\n"."""
    text = TextIOWrapper(stream, "latin1", newline=None)
    try:
        yield from (line.encode("latin1") for line in iter(partial(text.readline, _LONGEST + 1), ""))
    finally:
        with suppress(ValueError):  # closed already
            text.detach()


def _check_bytes(ahead: bytes, path: Path | str) -> None:
    """Whether a file begins as text in UTF-8 may begin."""
    marked = ahead.startswith((b"\xff\xfe", b"\xfe\xff"))
    small, big = ahead[1:2] == b"\0" and b"\n\0" in ahead, ahead[:1] == b"\0" and b"\0\n" in ahead
    if marked or small or big:
        form = "utf-16" if marked else "utf-16le" if small else "utf-16be"
        fix = f"save the file as UTF-8, e.g. `iconv -f {form} -t utf-8 {Path(path).name} > utf8-{Path(path).name}`"
        raise DataError("this is not UTF-8: it is written as UTF-16", fix, file=path, line=1)


def _whole(raw: bytes, stream: IO[bytes]) -> bytes:
    """Bytes with the rest of the character that they end in, and of a line end."""
    lead = next((place for place in range(1, min(4, len(raw)) + 1) if raw[-place] & 0xC0 != 0x80), 1)
    size = next((size for size, low in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if raw[-lead] >= low), 1)
    return raw + stream.read(max(0, size - lead) or raw.endswith(b"\r"))


def _text(raw: bytes, path: Path, line: int) -> str:
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8"
        raise DataError(problem, _encoding_fix(raw, path), file=path, line=line) from None


def _encoding_fix(raw: bytes, path: Path) -> str:
    if raw.startswith((b"\x1f\x8b", b"\xfd7zXZ")):
        return f"it is packed: let its name end in {'.gz' if raw[0] == 0x1F else '.xz'}"
    return f"save the file as UTF-8, e.g. `iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}`"
