"""Data sets of the Hugging Face hub, by name, streamed: nothing is stored but what the `datasets` library caches.

    hub:NAME[,config=CONFIG][,split=SPLIT][,rows=COUNT]     e.g. hub:Helsinki-NLP/opus_books,config=de-en

(nothing in it means anything to a shell). NAME may also be a local folder of data files, `hub:./folder`. Without a
split it is "train", or the only one there is; `rows` ends the reading early. A null is an empty text.
HF_HUB_OFFLINE, HF_TOKEN and HF_HOME are the library's own switches.

No code of a data set is ever run and nothing is unpickled: only the library's readers of plain data are taken, and
only files of the data set itself. The library gives the names of its readers ("csv") a meaning of their own, so that
a folder is handed to it by its absolute path alone, and a name only if it is one of the hub.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os.path import normpath
from pathlib import Path
from types import ModuleType
from typing import Any

from clearhead.data.sources.files import extra
from clearhead.data.sources.keys import choose_keys, look_up, text_under
from clearhead.data.sources.records import Column, Record, listed
from clearhead.errors import DataError, nearest

__all__ = ["hub_records", "hub_rows"]

_FORM = "write hub:NAME,config=CONFIG,split=SPLIT,rows=COUNT; all but the name may be left out"
_OPTIONS = ("config", "split", "rows")
_LOGGERS = ("datasets", "huggingface_hub", "fsspec", "httpx")
_READERS = ("arrow", "cache", "csv", "json", "parquet", "text")  # of the library; "cache": what it once fetched
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_NET = ("hf://", "https://", "http://")
_OLDEST = 5  # earlier versions of the library run code that stands in a folder


@dataclass(frozen=True)
class _Spec:
    text: str
    name: str
    config: str | None = None
    split: str | None = None
    rows: int | None = None


def hub_records(spec: str, columns: Sequence[Column | None], wanted: Sequence[str]) -> Iterator[Record]:
    """The rows of a data set; which keys are meant is told from the first row (see `choose_keys`).

    Raises:
        DataError: no such data set, config, split or key, no network, a value that is no string, or no `datasets`.
    """
    keys: list[str] | None = None
    for line, row in enumerate(hub_rows(spec), 1):
        if keys is None:
            keys = choose_keys(row, columns, wanted, spec, line)
        yield Record(spec, line, tuple([_text(row, key, spec, line) for key in keys]))


def hub_rows(spec: str) -> Iterator[Mapping[str, object]]:
    """The rows of a data set, with all that stands in them.

    Raises:
        DataError: no such data set, config or split, no network, or no `datasets`.
    """
    library = extra("datasets", "data sets of the hub", spec)
    if int(library.__version__.partition(".")[0]) < _OLDEST:
        problem = f"data sets of the hub need version {_OLDEST} of the library datasets, this is {library.__version__}"
        raise DataError(problem, 'pip install --upgrade "clearhead[data]"', file=spec)
    asked = _parsed(spec)
    with _quiet(library):
        yield from _rows(asked, library)


def _text(row: Mapping[str, object], key: str, spec: str, line: int) -> str:
    # Nobody can fix the nulls of a data set on the hub: they are empty, as an empty cell of a CSV file is a null here.
    return "" if look_up(row, key, row) is None else text_under(row, key, spec, line)


def _parsed(spec: str) -> _Spec:
    name, *options = spec.removeprefix("hub:").split(",")
    if not name:
        raise DataError("the data set has no name", _FORM, file=spec)
    given: dict[str, str] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key not in _OPTIONS or not value or key in given:
            fix = nearest(key, [o for o in _OPTIONS if o not in given]) or _FORM
            raise DataError(f"{option!r} is nothing that can be said of a data set", fix, file=spec)
        given[key] = value
    rows = given.get("rows")
    if rows is not None and not re.fullmatch("[1-9][0-9]{0,11}", rows):
        raise DataError(f"{rows!r} is not a number of rows", "write e.g. rows=100000", file=spec)
    name = _hub_name(name, spec) if _HUB_NAME.fullmatch(name) else str(_folder(name, spec))
    return _Spec(spec, name, given.get("config"), given.get("split"), int(rows) if rows else None)


def _hub_name(name: str, spec: str) -> str:
    """The name of a data set of the hub, which is nothing else to the library."""
    if name.isidentifier() and find_spec(f"datasets.packaged_modules.{name.lower()}"):
        raise DataError(f"{name!r} is a form of files, no data set", "give a folder of files: hub:./folder", file=spec)
    if Path(name).is_dir():
        fix = f"write hub:./{name} for the folder, or give the command in another one for the data set of the hub"
        raise DataError(f"{name!r} is a folder here too", fix, file=spec)
    return name


def _folder(name: str, spec: str) -> Path:
    try:
        folder = Path(name).expanduser()
        if folder.is_dir():
            return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # no such home, links in a circle, a NUL in it
        raise DataError(f"the folder cannot be found ({error})", "check its name", file=spec) from None
    problem, fix = (
        ("this is a file, a folder was wanted", "give the file by its name, without hub:")
        if folder.exists()
        else ("there is no such folder", "check its name; a data set of the hub has a name like owner/name")
    )
    raise DataError(problem, fix, file=spec)


def _rows(asked: _Spec, library: ModuleType) -> Iterator[Mapping[str, object]]:
    # Whatever the library, the network and the data set's own files can raise here is for the person to fix.
    try:
        builder = library.load_dataset_builder(asked.name, asked.config)
    except Exception as error:
        raise _not_loaded(asked, library, error) from error
    _check_plain(builder, asked)
    try:
        parts = builder.as_streaming_dataset()
    except Exception as error:
        raise _not_loaded(asked, library, error) from error
    rows = iter(parts[_split(asked, list(parts))])
    line = 0
    while asked.rows is None or line < asked.rows:
        line += 1
        try:
            row = next(rows, None)
        except Exception as error:
            problem = f"the data set cannot be read on from this row ({_said(error)})"
            raise DataError(
                problem, "try again; if it stays so, its files are damaged", file=asked.text, line=line
            ) from error
        if row is None:
            return
        yield row


def _check_plain(builder: Any, asked: _Spec) -> None:
    """Whether the library would read plain data with it, of the data set's own files alone."""
    reader = type(builder).__module__.rpartition(".")[2]
    if reader not in _READERS:
        fix = "give a data set of JSON lines, CSV, Parquet or text"
        raise DataError(f"its files would be read as {reader!r}, which is not done here", fix, file=asked.text)
    for file in (file for files in (builder.config.data_files or {}).values() for file in files):
        if not _is_own(str(file), asked.name):
            fix = "copy the file into the folder, and name it so in README.md"
            raise DataError(f"it names a file from outside, {str(file)!r}", fix, file=asked.text)


def _is_own(file: str, name: str) -> bool:
    """Whether a file stands within the folder, or is one of the net where a data set of the hub is."""
    return Path(normpath(file)).is_relative_to(name) if Path(name).is_absolute() else file.startswith(_NET)


def _split(asked: _Spec, splits: list[str]) -> str:
    if asked.split in splits:
        return asked.split
    if asked.split is None and ("train" in splits or len(splits) == 1):
        return "train" if "train" in splits else splits[0]
    wrong = "it does not say which split is meant" if asked.split is None else f"there is no split {asked.split!r}"
    fix = nearest(asked.split or "", splits) or f"add e.g. ,split={splits[0]}"
    raise DataError(f"{wrong}; there are {listed(splits)}", fix, file=asked.text)


def _not_loaded(asked: _Spec, library: ModuleType, error: Exception) -> DataError:
    """What went wrong, told from the error, and for a config from a second question to the library."""
    if isinstance(error, ConnectionError | TimeoutError):
        offline = "OfflineMode" in str(error)
        problem = "the hub is switched off (HF_HUB_OFFLINE)" if offline else f"the hub is not reached ({_said(error)})"
        fix = "unset HF_HUB_OFFLINE" if offline else "check the network"
        return DataError(problem, f"{fix}, or give a folder with its files: hub:./folder", file=asked.text)
    if isinstance(error, library.exceptions.DatasetNotFoundError):
        fix = "check the name (owner/name) at huggingface.co/datasets; a gated one wants `hf auth login`"
        return DataError("there is no such data set, or you may not read it", fix, file=asked.text)
    if isinstance(error, FileNotFoundError):
        fix = "give files as JSON lines, CSV, Parquet or text, or another folder"
        return DataError(f"no data files are there ({_said(error)})", fix, file=asked.text)
    configs = _configs(asked, library) if isinstance(error, ValueError) else []
    if configs and asked.config not in configs:
        wrong = "it does not say which config is meant" if asked.config is None else f"no config {asked.config!r}"
        fix = nearest(asked.config or "", configs) or f"add e.g. ,config={configs[0]}"
        return DataError(f"{wrong}; there are {listed(configs)}", fix, file=asked.text)
    fix = "a data set must be files as JSON lines, CSV or Parquet; one that needs its own code is not read"
    return DataError(f"the data set cannot be opened ({_said(error)})", fix, file=asked.text)


def _configs(asked: _Spec, library: ModuleType) -> list[str]:
    try:
        return list(library.get_dataset_config_names(asked.name))
    except Exception:  # the first error is then told as it is
        return []


def _said(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """The library's progress bars and log lines are off: standard error belongs to our own progress."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    bars = not library.utils.are_progress_bars_disabled()
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if bars:
        library.utils.disable_progress_bars()
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if bars:
            library.utils.enable_progress_bars()
