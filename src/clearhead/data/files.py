"""Files -> lines: how a file is opened and unpacked, and its text cut into numbered lines.

`.gz` and `.xz` say how a file is packed. Text is UTF-8, with or without a byte order mark, and only "\\n" ends a line
(a "\\r" before it belongs to the end): U+0085 and U+2028 stand inside real sentences, so `str.splitlines` would tear
those apart.
"""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from clearhead.errors import DataError, nearest

__all__ = ["DAMAGED", "Line", "damaged", "extra", "form_of", "is_packed", "open_file", "read_lines", "unreadable"]

Line: TypeAlias = tuple[int, str]

_PACKINGS = (".gz", ".xz")
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)  # what unpacking raises of damaged data


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
        match path.suffix.lower():
            case ".gz":
                return cast("IO[bytes]", gzip.open(path, "rb"))
            case ".xz":
                return lzma.open(path, "rb")
            case _:
                return path.open("rb")
    except FileNotFoundError:
        raise DataError("there is no such file", _near(path), file=path) from None
    except IsADirectoryError:
        raise DataError("a file was wanted, this is a folder", "name the files in it", file=path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise unreadable(path, error) from None


def read_lines(stream: IO[bytes], path: Path, *, ends: bool = False) -> Iterator[Line]:
    """(number, text) of each line, without its end; `ends`: with it, as "\\n", which a last line may lack.

    Raises:
        DataError: while iterating: damaged packing, or bytes that are not UTF-8.
    """
    number = 0
    try:
        for number, raw in enumerate(stream, 1):
            text = _text(raw, path, number)
            yield number, f"{text}\n" if ends and raw.endswith(b"\n") else text
    except DAMAGED as error:
        raise damaged(path, error, number + 1) from None
    except OSError as error:
        raise unreadable(path, error) from None


def damaged(path: Path, error: Exception, line: int) -> DataError:
    """The error of a packed file that cannot be unpacked from this line on."""
    mend = f"fetch or pack it anew; `{'xz' if path.suffix.lower() == '.xz' else 'gzip'} -t` tests it"
    return DataError(f"the packed data are damaged or cut off ({error})", mend, file=path, line=line)


def unreadable(path: Path, error: Exception) -> DataError:
    """The error of a file that the system does not let us read."""
    reason = getattr(error, "strerror", None) or error
    return DataError(f"the file cannot be read ({reason})", "check its name and your permissions", file=path)


def extra(library: str, what: str, file: str | Path) -> Any:
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


def _text(raw: bytes, path: Path, line: int) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8"
        raise DataError(problem, _encoding_mend(raw, path), file=path, line=line) from None
    text = text.removesuffix("\n").removesuffix("\r")
    return text.removeprefix("\ufeff") if line == 1 else text


def _encoding_mend(raw: bytes, path: Path) -> str:
    if raw.startswith((b"\x1f\x8b", b"\xfd7zXZ")):
        return f"it is packed: let its name end in {'.gz' if raw[0] == 0x1F else '.xz'}"
    was = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin1"
    return f"save the file as UTF-8, e.g. `iconv -f {was} -t utf-8 {path.name} > utf8-{path.name}`"
