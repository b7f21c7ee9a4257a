"""What is read as JSON, TOML and YAML, and what is refused, with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from clearhead.errors import ConfigError, DataError, FolderError
from clearhead.parsing import DEPTH, DIGITS, parse_json, parse_toml, parse_yaml, read_file

YAML = """
title: Write a poem   # a remark
tokens: [Write, a, "5", 2020-99-99, yes, 0x1F, 1:30, !!str 6]
rows: &rows [[1, -2.5, 1e5], [.5, +3, 1.5E-3]]
again: *rows
known: [true, False, null, ~]
"""


def test_plain_values() -> None:
    assert parse_json('{"a": [1, 2.5, "\\ud83d\\ude00", null, true]}') == {"a": [1, 2.5, "\U0001f600", None, True]}
    assert parse_toml('a = 1\n[b]\nc = [1.5, "d"]') == {"a": 1, "b": {"c": [1.5, "d"]}}
    rows = [[1, -2.5, 1e5], [0.5, 3, 1.5e-3]]
    assert parse_yaml(YAML) == {
        "title": "Write a poem",
        "tokens": ["Write", "a", "5", "2020-99-99", "yes", "0x1F", "1:30", "6"],
        "rows": rows,
        "again": rows,
        "known": [True, False, None, None],
    }
    assert parse_yaml("") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{"a": 1,\n"a": 2}', None, "the key 'a' stands twice"),
        ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), None, f"more than {DEPTH} lists or objects within one another"),
        ('{"a":' * 100_000, None, f"more than {DEPTH} lists"),
        ("[" + "9" * (DIGITS + 1) + "]", None, "a number has 1,001 characters"),
        ("9" * 5000, None, "a number has 5,000 characters"),
        ("[1e999]", None, "the number 1e999 is too large"),
        ('["\\ud83d"]', None, "holds half a character"),
        ('{"\\ud83d": 1}', None, "holds half a character"),
        ('["a\nb"]', 1, "not valid JSON (Invalid control character at character 4)"),
        ("[1,\n2,\n}", 3, "not valid JSON (Expecting value at character 1)"),
        ("", 1, "not valid JSON"),
    ],
)
def test_json_is_refused(text: str, line: int | None, said: str) -> None:
    check(parse_json, text, line, said)
    with pytest.raises(FolderError, match=r"x\.json, line 7: [^\n]*\n  fix: "):
        parse_json(text, file="x.json", line=7, error=FolderError, fix="take another")


def test_depth_and_digits_at_the_bound_are_read() -> None:
    assert parse_json("[" * DEPTH + "]" * DEPTH)
    assert parse_json("9" * DIGITS) == int("9" * DIGITS)
    assert parse_json('["' + "[" * 1000 + '"]') == ["[" * 1000]
    assert parse_json('["\\ud83d"]', halves=True) == ["\ud83d"]
    assert parse_json('["\\\\ud83d"]') == ["\\ud83d"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a = 1\nb = ", 2, "not valid TOML"),
        ("a = 1\na = 2", 2, "not valid TOML"),
        ("a = " + "[" * 200 + "]" * 200, None, f"more than {DEPTH} lists"),
        ("a = " + "[" * 100_000, None, f"more than {DEPTH} lists"),
        ("a = " + "9" * 5000, None, f"a number has more than {DIGITS} characters"),
        ("a = 1e999", None, "the number 1e999 is too large"),
        ("d = 2020-99-99", 1, "not valid TOML"),
        ("a = 'b\0'", 1, "not valid TOML"),
    ],
)
def test_toml_is_refused(text: str, line: int | None, said: str) -> None:
    check(parse_toml, text, line, said)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: \x07", 2, "the control character U+0007"),
        ("a: 1\nb: \0", 2, "the control character U+0000"),
        ("a: 1\nb: !!int x", 2, "the tag !!int is not read here"),
        ("a: !!float x", 1, "the tag !!float is not read here"),
        ("a: !!timestamp x", 1, "the tag !!timestamp is not read here"),
        ("a: !!binary x", 1, "the tag !!binary is not read here"),
        ("a: !!set {b, c}", 1, "the tag !!set is not read here"),
        ("a: !!python/object:os.system x", 1, "the tag !!python/object:os.system is not read here"),
        ("a: !mine 1", 1, "the tag !mine is not read here"),
        ("a: 1\na: 2", 2, "the key 'a' stands twice"),
        ("[a]: 1", 1, "a key is a text"),
        ("a:\n- " + "9" * 5000, 2, "a number has 5,000 characters"),
        ("a:\n- 1.0e999", 2, "the number 1.0e999 is too large"),
        ("a: " + "[" * 101 + "]" * 101, 1, f"more than {DEPTH} lists"),
        ("a: " + "[" * 500 + "]" * 500, None, f"more than {DEPTH} lists"),
        ("a: &a [*a]", 1, f"more than {DEPTH} lists"),
        ("tokens: [a\nb: 1", 2, "not valid YAML"),
        ("a: *b", 1, "not valid YAML: found undefined alias 'b'"),
        ("--- 1\n--- 2", 2, "not valid YAML"),
        ("a: %b", 1, "not valid YAML"),
        ('a: "\\ud83d"', None, "holds half a character"),
    ],
)
def test_yaml_is_refused(text: str, line: int | None, said: str) -> None:
    check(parse_yaml, text, line, said)


def test_aliases_do_not_multiply_without_bound() -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    check(parse_yaml, bomb, None, "more than 1,000,000 values")


def check(parse: Any, text: str, line: int | None, said: str) -> None:
    with pytest.raises(DataError) as caught:
        parse(text, file="file")
    assert said in caught.value.problem
    assert line is None or caught.value.line == line
    assert caught.value.fix and str(caught.value).startswith("file")


def test_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_file(path) == "one\ntwo\nthree\n"
    with pytest.raises(ConfigError, match=r"a\.json: cannot be read: it has 18 bytes, at most 10 are read"):
        read_file(path, error=ConfigError, most=10)
    path.write_bytes(b"one\ntw\xff")
    with pytest.raises(DataError, match=r"a\.json, line 2: cannot be read: byte 0xff is not UTF-8"):
        read_file(path)
    path.unlink()
    with pytest.raises(FolderError, match="the file is missing\n  fix: train one"):
        read_file(path, error=FolderError, missing="train one")
    os.mkfifo(path)
    for place, what in (
        (path, "a pipe or a device"),
        (Path("/dev/zero"), "a pipe or a device"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(DataError, match=f"a file was wanted, this is {what}"):
            read_file(place)
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path / "a\0b")
