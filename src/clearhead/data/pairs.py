"""Sentence pairs for the tasks that read one text and write another: read, cleaned, counted, held out.

A side is NFC-normalised, and each run of white space in it is one space. Word links are gold alignments in the
Pharaoh format ("0-0 1-2": source word 0 with target word 0, ...; Och and Ney 2003 tell sure from possible links, the
latter written "1?2" here); words are what white space separates, counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Literal, TypeAlias
from unicodedata import category, normalize

from clearhead.data.config import DataConfig
from clearhead.data.parts import digest_of, hold_out_alike
from clearhead.data.sources.parallel import read_parallel
from clearhead.data.sources.readers import has_form, read_records
from clearhead.data.sources.records import Dropped, Record
from clearhead.errors import DataError, nearest

__all__ = ["Pair", "Report", "format_links", "hold_out", "overlap", "pair_digest", "parse_links", "read_pairs"]

Links: TypeAlias = frozenset[tuple[int, int]]
File: TypeAlias = str | PathLike[str]
Split: TypeAlias = Literal["train", "valid", "test"]

_LINK = re.compile(r"([0-9]{1,9})([-?])([0-9]{1,9})")
_SAMPLE = re.compile(r"sample:(?P<name>[^/:]*)(/(?P<split>[^:]*))?(:(?P<count>.*))?")
_SAMPLE_SIZES: dict[Split, int] = {"train": 40_000, "valid": 1_000, "test": 1_000}


@dataclass(frozen=True)
class Pair:
    """A sentence and its counterpart; `possible` includes `sure`, both are None where nobody gave links."""

    source: str
    target: str
    sure: Links | None = None
    possible: Links | None = None


@dataclass
class Report:
    """What became of the pairs that were read."""

    max_chars: int
    read: int = 0
    kept: int = 0
    duplicates: Dropped = field(default_factory=Dropped)
    empty: Dropped = field(default_factory=Dropped)
    over_long: Dropped = field(default_factory=Dropped)

    def lines(self) -> list[str]:
        """One line for the whole, and one for each rule that dropped anything."""
        rules = (
            (self.duplicates, "the same pair stood earlier"),
            (self.empty, "a side is empty"),
            (self.over_long, f"a side is longer than {self.max_chars:,} characters (max_chars)"),
        )
        dropped = [
            f"{_pairs(drop.count)} dropped: {rule} (first: {drop.first})" for drop, rule in rules if drop.count > 0
        ]
        return [f"{_pairs(self.read)} read, {self.kept:,} kept", *dropped]


def read_pairs(
    files: Sequence[File], config: DataConfig, *, keep_duplicates: bool = False
) -> tuple[list[Pair], Report]:
    """The pairs of all files in order, without duplicates, empty and over-long sides, and what was dropped.

    Files whose names end in no known suffix, `train.en train.de`, are taken two by two, the source first, line by line
    (`config.parallel` says otherwise). A file may also be `hub:NAME`, a data set of the hub (see `data.hub`), or
    `sample:english-spanish[/train|valid|test][:COUNT]`, the built-in sentences: column 1 or `english`, column 2 or
    `spanish`, and always their links.

    Raises:
        DataError: a file cannot be read, or no pair is left.
    """
    files = [files] if isinstance(files, str | PathLike) else files
    report, pairs = Report(config.max_chars), list[Pair]()
    seen: set[tuple[str, str]] = set()
    for record in _records(files, config):
        report.read += 1
        source, target = sides = clean(record.values[0]), clean(record.values[1])
        if not source or not target:
            report.empty.add(record)
        elif len(source) > config.max_chars or len(target) > config.max_chars:
            report.over_long.add(record)
        elif sides in seen and not keep_duplicates:
            report.duplicates.add(record)
        else:
            seen.add(sides)
            pairs.append(_pair(source, target, record))
    report.kept = len(pairs)
    if not pairs:
        raise DataError(f"no pair is left: {'; '.join(report.lines())}", "check the files and their columns")
    return pairs, report


def clean(text: str) -> str:
    """NFC, no white space or byte order mark at the ends, one space for each run of white space elsewhere."""
    return " ".join(normalize("NFC", text).strip("\ufeff").split())


def _pair(source: str, target: str, record: Record) -> Pair:
    if len(record.values) == 2:
        return Pair(source, target)
    sizes = source.count(" ") + 1, target.count(" ") + 1
    return Pair(source, target, *parse_links(record.values[2], *sizes, file=record.file, line=record.line))


def _records(files: Sequence[File], config: DataConfig) -> Iterator[Record]:
    columns = [config.source, config.target] + ([] if config.links is None else [config.links])
    if _are_parallel(files, config):
        for first, second in zip(files[::2], files[1::2], strict=True):
            yield from read_parallel(first, second, columns, header=config.header, comment=config.comment)
        return
    wanted = ("source", "target", "links")
    for file in files:
        if (name := fspath(file)).startswith("sample:"):
            yield from _sample(name, config)
        else:
            yield from read_records(
                file, columns, header=config.header, wanted=wanted, quoted=config.quoted, comment=config.comment
            )


def _are_parallel(files: Sequence[File], config: DataConfig) -> bool:
    """Whether the files are to be taken two by two."""
    parallel = config.parallel
    if parallel is None:
        parallel = len(files) > 1 and not any(map(has_form, files))
    if parallel and len(files) % 2:
        problem = f"parallel files come two by two, the source first; {len(files)} given, and this one stands alone"
        raise DataError(problem, "give its counterpart after it: train.en train.de", file=files[-1])
    for file in files if parallel else ():
        if fspath(file).startswith(("sample:", "hub:")):
            raise DataError("this is not a file of lines", "give it without parallel (no --data.parallel)", file=file)
    return parallel


def parse_links(
    text: str, source_words: int, target_words: int, *, file: File | None = None, line: int | None = None
) -> tuple[Links, Links]:
    """The (sure, possible) links that `text` writes between sentences of so many words; possible includes sure."""
    sure, possible = set[tuple[int, int]](), set[tuple[int, int]]()
    for word in text.split():
        match = _LINK.fullmatch(word)
        if match is None:
            fix = "write links as 0-0 1-2 (sure) or 1?2 (possible), words counted from 0"
            raise DataError(f"{word!r} is not a word link", fix, file=file, line=line)
        link = int(match[1]), int(match[3])
        if link[0] >= source_words or link[1] >= target_words:
            problem = f"the link {word!r} points outside: {source_words} source and {target_words} target words"
            raise DataError(problem, "count words from 0, as white space separates them", file=file, line=line)
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return frozenset(sure), frozenset(possible)


def format_links(links: Iterable[tuple[int, int]], possible: Iterable[tuple[int, int]] = ()) -> str:
    """Links in the Pharaoh format, sorted; those only in `possible` as i?j."""
    sure = frozenset(links)
    return " ".join(f"{i}-{j}" if (i, j) in sure else f"{i}?{j}" for i, j in sorted(sure.union(possible)))


# The built-in sentences, read like a file whose columns are english, spanish and links


def _sample(spec: str, config: DataConfig) -> Iterator[Record]:
    name, split, count = _sample_spec(spec)
    forward = _sample_direction(spec, config)
    from clearhead.data.samples import english_spanish  # it makes its sentences: imported only if asked for

    for line, made in enumerate(english_spanish.sentences(split, count), 1):
        if forward:
            values = made.english, made.spanish, format_links(made.sure, made.possible)
        else:
            values = made.spanish, made.english, format_links(_turned(made.sure), _turned(made.possible))
        yield Record(f"sample:{name}/{split}", line, values)


def _sample_spec(spec: str) -> tuple[str, Split, int]:
    """(name, split, count) of `sample:NAME[/SPLIT][:COUNT]`."""
    parts = _SAMPLE.fullmatch(spec)
    name, split, count = parts.group("name", "split", "count") if parts else (spec, None, None)
    split = "train" if split is None else split
    if name != "english-spanish":
        fix = nearest(name, ["english-spanish"]) or "there is one: sample:english-spanish"
        raise DataError(f"there is no built-in sample {name!r}", fix, file=spec)
    if split not in _SAMPLE_SIZES:
        fix = nearest(split, _SAMPLE_SIZES) or "its parts are train, valid and test"
        raise DataError(f"the sample has no part {split!r}", fix, file=spec)
    if count is not None and not re.fullmatch("[1-9][0-9]{0,8}", count):
        raise DataError(
            f"{count!r} is not a number of sentences", "write e.g. sample:english-spanish/train:30000", file=spec
        )
    return name, split, _SAMPLE_SIZES[split] if count is None else int(count)


def _sample_direction(spec: str, config: DataConfig) -> bool:
    """True from English to Spanish, False the other way."""
    names = {1: 1, 2: 2, "english": 1, "spanish": 2}
    direction = names.get(config.source or 1), names.get(config.target or 2)
    if direction not in ((1, 2), (2, 1)):
        problem = f"the sample cannot be read from column {config.source or 1!r} to column {config.target or 2!r}"
        raise DataError(problem, "its columns are 1 or 'english' and 2 or 'spanish': name both, or none", file=spec)
    return direction == (1, 2)


def _turned(links: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(j, i) for i, j in links]


# Parts


def hold_out(pairs: Sequence[Pair], share: float, rows: int) -> tuple[list[Pair], list[Pair]]:
    """(train, valid): `share` of the pairs, at most `rows`, are held out, all pairs with a source at a time.

    Sources are alike that differ in case and punctuation only. See `hold_out_alike`.

    Raises:
        DataError: with fewer than two different source sentences.
    """
    return hold_out_alike(pairs, share, rows, lambda pair: _key(pair.source), "different source sentences")


def pair_digest(*parts: Sequence[Pair]) -> str:
    """What tells these pairs from others."""
    return digest_of(*((f"{pair.source}\t{pair.target}\n" for pair in part) for part in parts), end="\n")


def overlap(train: Iterable[Pair], valid: Iterable[Pair]) -> int:
    """How many pairs of `valid` have a source that, without case and punctuation, also stands in `train`."""
    known = {_key(pair.source) for pair in train}
    return sum(_key(pair.source) in known for pair in valid)


class _Bare(dict[int, int | None]):
    """For `str.translate`: takes punctuation out, each character being looked up in Unicode's tables once."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if category(chr(code)).startswith("P") else code
        return self[code]


_bare = _Bare()


def _key(source: str) -> str:
    folded = source.casefold()
    bare = " ".join(folded.translate(_bare).split())
    return bare or folded


def _pairs(count: int) -> str:
    return f"{count:,} pair{'s' * (count != 1)}"
