"""A corpus tokenised once: files of token ids that are mapped into memory, so that it may be larger than that.

    tokens/train-00000.bin ...   token ids, little-endian, of 16 bits (or 32); EOS ends a document
    tokens/index.json            the shards of each part; how many pieces of the text stand in them, and whether all do

The index is written after the shards that it names, whole: a killed run goes on after them, and its shards are those
of one that was not killed, byte for byte.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from clearhead.data.text import Piece
from clearhead.data.tokenizers import Tokenizer
from clearhead.disk import replacing, write_text
from clearhead.errors import FolderError, given
from clearhead.fields import checked
from clearhead.parsing import parse_json, read_file
from clearhead.ranges import Amount

__all__ = ["Part", "Tokens", "open_tokens", "write_tokens"]

PARTS = ("train", "valid")
_SHARD = 2**24  # tokens of a shard, about
_BATCH = 2**22  # characters that are tokenised at once
_STRETCH = 2**22  # ids that are looked at together
_ANEW = "delete {} and give the same command again: it is made again"


@dataclass
class Part:
    """What is known of one part; `shards` are (file, tokens), `sums` the CRC-32 of each, in folders that have them."""

    shards: list[tuple[str, Amount]] = field(default_factory=list)
    sums: list[Amount] = field(default_factory=list)
    tokens: Amount = 0
    documents: Amount = 0
    bytes: Amount = 0  # of the text in UTF-8


@dataclass
class _Index:
    digest: str
    dtype: Literal["<u2", "<u4"]
    pieces: Amount = 0
    done: bool = False
    parts: dict[str, Part] = field(default_factory=lambda: {name: Part() for name in PARTS})


class Tokens:
    """The token ids of one part, wherever the shards begin and end.

    Args:
        folder: where the shards lie.
        part: what is known of it.
        dtype: of the ids.
        entries: of the vocabulary that they are of; None: nobody knows.

    Raises:
        FolderError: a shard is missing or cut short, or holds other ids.
    """

    def __init__(self, folder: Path, part: Part, dtype: str, entries: int | None = None):
        self.about, self._shards = part, []
        for number, (name, count) in enumerate(part.shards):
            path = folder / name
            size = path.stat().st_size if path.is_file() else -1
            if size != count * np.dtype(dtype).itemsize:
                raise FolderError(
                    "the shard is missing" if size < 0 else f"it has {size:,} bytes and not those of {count:,} tokens",
                    _ANEW.format(folder),
                    file=path,
                )
            ids = np.memmap(path, dtype=dtype, mode="r") if count else np.zeros(0, dtype=dtype)
            most = max((int(ids[at : at + _STRETCH].max()) for at in range(0, count, _STRETCH)), default=0)
            if entries is not None and most >= entries:
                problem = f"a token has the id {most:,}, and the vocabulary {entries:,} entries"
                raise FolderError(problem, _ANEW.format(folder), file=path)
            if part.sums and _sum(ids) != part.sums[number]:
                raise FolderError("the shard is damaged: its checksum differs", _ANEW.format(folder), file=path)
            self._shards.append(ids)
        self._starts = np.concatenate([[0], np.cumsum([count for _, count in part.shards])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, where: slice) -> np.ndarray:
        """The ids of a stretch, as int64; what lies after the end is not there."""
        start, stop, _ = where.indices(len(self))
        found = []
        while start < stop:
            shard = int(np.searchsorted(self._starts, start, side="right")) - 1
            first, last = int(self._starts[shard]), int(self._starts[shard + 1])
            found.append(self._shards[shard][start - first : min(stop, last) - first])
            start = min(stop, last)
        return np.concatenate(found).astype(np.int64) if found else np.zeros(0, dtype=np.int64)


def open_tokens(folder: Path, digest: str, entries: int | None = None) -> dict[str, Tokens] | None:
    """The parts of a corpus, or None if it is not (all) there, or of another text; `entries`: see `Tokens`.

    Raises:
        FolderError: a shard or the index is missing or damaged.
    """
    index = _read_index(folder)
    if index is None or index.digest != digest or not index.done:
        return None
    return {name: Tokens(folder, part, index.dtype, entries) for name, part in index.parts.items()}


def write_tokens(
    folder: Path,
    pieces: Iterable[tuple[str, Piece]],
    tokenizer: Tokenizer,
    digest: str,
    *,
    told: Callable[[int], None] = lambda characters: None,
    shard: int = _SHARD,
) -> None:
    """Tokenise a corpus, or go on where a killed run of the same `digest` stopped.

    Args:
        pieces: (part, piece), the same at every call.
        told: called with the characters of each stretch that is done, those of a former run with them.
        shard: tokens of a shard, about.

    Raises:
        FolderError: the folder cannot be written.
    """
    dtype: Literal["<u2", "<u4"] = "<u2" if tokenizer.vocab_size <= 2**16 else "<u4"
    index = _read_index(folder)
    if index is None or index.digest != digest:
        index = _Index(digest, dtype)
    following = iter(pieces)
    done = [len(piece.text) for _, piece in islice(following, index.pieces)]
    if len(done) < index.pieces or index.dtype != dtype:
        problem = f"pieces = {index.pieces}, dtype = {index.dtype!r}: this is of another text or vocabulary"
        raise FolderError(problem, _ANEW.format(folder), file=folder / "index.json")
    told(sum(done))
    held: dict[str, list[np.ndarray]] = {name: [] for name in PARTS}
    count = 0
    while batch := _batch(following):
        encoded = tokenizer.encode([piece.text for _, piece in batch])
        for (name, piece), ids in zip(batch, encoded, strict=True):
            held[name].append(np.array([*ids, tokenizer.specials.end] if piece.ends else ids, dtype=dtype))
            part = index.parts[name]
            part.documents += piece.ends
            part.bytes += len(piece.text.encode("utf-8"))
            count += len(held[name][-1])
        index.pieces += len(batch)
        told(sum(len(piece.text) for _, piece in batch))
        if count >= shard:
            _flush(folder, index, held)
            count = 0
    index.done = True
    _flush(folder, index, held)


def _sum(ids: np.ndarray) -> int:
    """The CRC-32 of a shard's bytes, walked through in stretches."""
    total = 0
    for at in range(0, len(ids), _STRETCH):
        total = zlib.crc32(ids[at : at + _STRETCH].tobytes(), total)
    return total


def shard_file(part: str, number: int) -> str:
    """The name of a shard of a part, counted from 0."""
    return f"{part}-{number:05d}.bin"


def _batch(pieces: Iterator[tuple[str, Piece]]) -> list[tuple[str, Piece]]:
    batch: list[tuple[str, Piece]] = []
    size = 0
    for part, piece in pieces:
        batch.append((part, piece))
        size += len(piece.text)
        if size >= _BATCH:
            break
    return batch


def _flush(folder: Path, index: _Index, held: dict[str, list[np.ndarray]]) -> None:
    """Write what is held of each part as its next shard, then the index."""
    for name, stretches in held.items():
        ids = np.concatenate(stretches) if stretches else np.zeros(0)
        if not len(ids):
            continue
        part = index.parts[name]
        file = shard_file(name, len(part.shards))
        with replacing(folder / file, wanted=ids.nbytes) as aside:
            ids.tofile(aside)
        part.shards.append((file, len(ids)))
        part.sums.append(_sum(ids))
        part.tokens += len(ids)
        stretches.clear()
    write_text(folder / "index.json", json.dumps(asdict(index), indent=1) + "\n")


def _read_index(folder: Path) -> _Index | None:
    """What index.json says, every field of the type that it must have.

    Raises:
        FolderError: it is not an index of token shards.
    """
    path = folder / "index.json"
    if not path.exists():
        return None
    fix = _ANEW.format(folder)
    text = read_file(path, error=FolderError, fix=fix)
    data, about = parse_json(text, file=path, error=FolderError, fix=fix), "this is not an index of token shards: "
    index: _Index = checked(_Index, data, file=path, about=about, fix=fix)
    if set(index.parts) != set(PARTS):
        raise FolderError(f"its parts are {given(sorted(index.parts))}, not {' and '.join(PARTS)}", fix, file=path)
    for name, part in index.parts.items():
        for number, (file, _) in enumerate(part.shards):
            if file != shard_file(name, number):
                raise FolderError(
                    f"parts.{name}.shards.{number}: {given(file)} is not a name of a shard", fix, file=path
                )
        if len(part.sums) not in (0, len(part.shards)):
            raise FolderError(f"parts.{name}.sums: there are not as many as shards", fix, file=path)
        if part.tokens != sum(count for _, count in part.shards):
            raise FolderError(f"parts.{name}.tokens = {part.tokens:,} are not those of its shards", fix, file=path)
    return index
