"""Parquet: columns by name, position and dotted name; nulls, other types and damage are named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from clearhead.data.sources.readers import Column, Record, read_records
from clearhead.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PAIR: list[Column | None] = [None, None]
WANTED = ("source", "target")


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def values(path: Path, columns: list[Column | None] = PAIR) -> list[tuple[str, ...]]:
    return [record.values for record in read_records(path, columns, wanted=WANTED)]


def error(path: Path, columns: list[Column | None] = PAIR) -> DataError:
    with pytest.raises(DataError) as caught:
        values(path, columns)
    assert caught.value.fix and str(path) in str(caught.value)
    return caught.value


def test_rows_are_numbered_over_row_groups_and_batches(tmp_path: Path) -> None:
    rows = [(f"s{n}", f"t{n}\n\u2028") for n in range(2500)]
    path = write(tmp_path / "a.PARQUET", {"tgt": [t for _, t in rows], "n": range(2500), "src": [s for s, _ in rows]},
                 row_group_size=1500)  # fmt: skip
    records = list(read_records(path, PAIR, wanted=WANTED))
    assert records == [Record(str(path), n, row) for n, row in enumerate(rows, 1)]


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        (PAIR, ("Hund", "dog")),
        (["translation.en", "translation.de"], ("literal", "Hund")),
        ([4, 2], ("x", "literal")),
        (["large", "dictionary"], ("x", "y")),
    ],
)
def test_columns(tmp_path: Path, columns: list[Column | None], read: tuple[str, str]) -> None:
    struct = pa.array([{"de": "Hund", "other": "dog"}])
    path = write(
        tmp_path / "a.parquet",
        {
            "translation": struct,
            "translation.en": ["literal"],
            "id": [1],
            "large": pa.array(["x"], pa.large_string()),
            "dictionary": pa.array(["y"]).dictionary_encode(),
        },
    )
    assert values(path, columns) == [read]


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"a": ["x" * 1000], "s": [{"b": "y", "c": "z" * 1000}]}, compression="none")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"x" * 1000, bytes([255]) * 1000).replace(b"z" * 1000, bytes([255]) * 1000))
    assert values(path, ["s.b", "s.b"]) == [("y", "y")]
    assert "damaged from this row on" in str(error(path, ["a", "s.b"]))


STRUCT = {"t": pa.array([{"en": "a", "de": "b"}, None]), "n": pa.array([1.5, 2.5]), "s": ["x", None]}


@pytest.mark.parametrize(
    ("columns", "line", "said"),
    [
        (
            ["t.en", "t.fr"],
            None,
            "there is no column 't.fr'; the file has 't.en', 't.de', 'n', 's'\n  fix: did you mean",
        ),
        (["t", "s"], None, "the column 't' is a struct, strings are wanted\n  fix: ask for 't.en' or 't.de'"),
        (["n", "s"], None, "the column 'n' is of type double, strings are wanted"),
        (["s", "s"], 2, "the value of 's' is null"),
        (["t.en", "t.de"], 2, "the value of 't.en' is null"),
        (PAIR, 1, "no telling which keys hold source and target; this object has 't.en', 't.de', 'n', 's'"),
        ([9, 1], 1, "there is no column 9"),
    ],
)
def test_bad_columns(tmp_path: Path, columns: list[Column | None], line: int | None, said: str) -> None:
    caught = error(write(tmp_path / "a.parquet", STRUCT), columns)
    assert caught.line == line
    assert said in str(caught)


def test_damage(tmp_path: Path) -> None:
    rows = [f"sentence {n} {n * 7919 % 1000}" for n in range(3000)]
    path = write(tmp_path / "a.parquet", {"source": rows, "target": rows}, row_group_size=1500)
    data = path.read_bytes()
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    path.write_bytes(data[: start - 200] + bytes(400) + data[start + 200 :])
    records = read_records(path, PAIR, wanted=WANTED)
    assert next(records).values == (rows[0], rows[0])  # the first group is whole: reading streams
    caught = error(path)
    assert "damaged from this row on" in caught.problem and "fetch or write it again" in caught.fix
    assert caught.line is not None and 1025 <= caught.line <= 1501
    path.write_bytes(data[:-1000])
    assert "not a Parquet file, or a damaged one" in str(error(path))
    path.write_bytes(b"a\tb\n")
    assert "not a Parquet file" in str(error(path))


def test_empty_and_packed(tmp_path: Path) -> None:
    assert "no record" in str(error(write(tmp_path / "a.parquet", {"source": pa.array([], pa.string())})))
    write(tmp_path / "a.parquet", {"a": ["x"]}).rename(tmp_path / "a.parquet.gz")
    assert "packed inside already" in str(error(tmp_path / "a.parquet.gz"))


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", {"a": ["x"], "b": ["y"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    caught = error(path)
    assert caught.fix == 'pip install "clearhead[data]"'
    assert "reading Parquet needs pyarrow" in caught.problem
