"""Word vectors of texts of any size and form: what is read, what cannot be learned, and when it goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import clearhead
from clearhead.data.word_corpus import read_text
from clearhead.errors import ConfigError, DataError

SMALL = {"arch": {"d_model": 4}, "quiet": True}


@pytest.mark.parametrize("lines", [1, 2, 20])
@pytest.mark.parametrize("negatives", [5, 0])
def test_a_tiny_text_is_learned(lines: int, negatives: int, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * lines)
    how = {"kind": "sgd"} if negatives else {"kind": "adamw", "lr": 0.01}
    model = clearhead.train(
        "words",
        tmp_path / "a.txt",
        out=tmp_path / "m",
        max_steps=4,
        negatives=negatives,
        vocabulary={"min_count": 1},
        optimizer=how,
        **SMALL,
    )
    assert sorted(model.words) == ["cat", "mat", "on", "sat", "the"]
    lost = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").read_text().splitlines()]
    assert not [line for line in lost if "remark" in line]


@pytest.mark.parametrize(("text", "said"), [("one\ntwo\n", "no line has two words"), ("one two\n", "no word stands")])
def test_a_text_without_neighbours_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        least = 1 if "\nt" in text else 2
        clearhead.train("words", tmp_path / "a.txt", out=tmp_path / "m", vocabulary={"min_count": least}, **SMALL)


def test_the_text_of_tables_is_read(tmp_path: Path) -> None:
    rows = [{"id": str(i), "body": "x", "text": "das Schiff fährt zum Hafen"} for i in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.csv").write_text("id,text\n" + '1,"das Schiff, es fährt"\n' * 9, encoding="utf-8")
    for file, words in (
        ("a.jsonl", {"das", "fährt", "hafen", "schiff", "zum"}),
        ("a.csv", {"das", "es", "fährt", "schiff"}),
    ):
        model = clearhead.train("words", tmp_path / file, out=tmp_path / f"m-{file}", max_steps=1, **SMALL)
        assert set(model.words) == words
    model = clearhead.train(
        "words", tmp_path / "a.jsonl", out=tmp_path / "b", max_steps=1, data={"text": "text"}, **SMALL
    )
    assert "hafen" in model.words
    (tmp_path / "a.tmx").write_text("<tmx>the words of marks</tmx>")
    with pytest.raises(DataError, match=r"a \.tmx file holds names and marks"):
        clearhead.train("words", tmp_path / "a.tmx", out=tmp_path / "c", **SMALL)


def test_a_training_that_diverges_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("the cat sat on the mat\n" * 20)
    SGD = {"kind": "sgd", "lr": 1e6}
    files = tmp_path / "a.txt", tmp_path / "m"
    with pytest.raises(ConfigError, match=r"10 steps in a row.*the loss is far above that of an untrained model"):
        clearhead.train("words", files[0], out=files[1], max_steps=40, optimizer=SGD, **SMALL)
    clearhead.train("words", files[0], out=tmp_path / "n", max_steps=2, optimizer=SGD, **SMALL)
    assert "the training has diverged" in (tmp_path / "n" / "metrics.jsonl").read_text()


def test_a_line_without_end_is_read_in_parts_between_words(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("house tree " * 20_000 + "\n\nend\n")
    lines = read_text([str(tmp_path / "a.txt")])
    assert max(map(len, lines)) <= 2**16 and lines[-1] == "end"
    assert {word for line in lines for word in line.split()} == {"house", "tree", "end"}
    assert "".join(lines[:-1]) == ("house tree " * 20_000)
