"""A corpus on disk: what is held out, resuming after a kill, and damage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clearhead.data import parts as splitting
from clearhead.data import shards as module
from clearhead.data.parts import Survey, hold_out_text, survey
from clearhead.data.shards import Tokens, open_tokens, write_tokens
from clearhead.data.text import Piece
from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, Tokenizer
from clearhead.data.vocabulary import IGNORED
from clearhead.data.windows import Windows
from clearhead.errors import FolderError

EOS = 2  # as tokenizers that are trained here number it

PIECES = [Piece(f"piece {i} of a text about {'ships' if i % 3 else 'kings'}\n" * 3, i % 4 == 3) for i in range(60)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return text_tokenizer([p.text for p in PIECES], TextTokenizerConfig(vocab_size=300))


def write(folder: Path, tokenizer: Tokenizer, pieces: list[Piece] = PIECES, shard: int = 200) -> dict[str, Tokens]:
    about = survey(pieces)
    write_tokens(folder, hold_out_text(pieces, about, 0.2), tokenizer, about.digest, shard=shard)
    found = open_tokens(folder, about.digest)
    assert found is not None
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_the_tokens_are_those_of_the_text(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 300)
    parts = write(tmp_path / "tokens", tokenizer)
    whole = "".join(p.text for p in PIECES)
    assert len(parts["train"].about.shards) > 3
    texts = [tokenizer.exactly(parts[name][:].tolist()) for name in ("train", "valid")]
    assert "".join(texts) == whole
    assert len(texts[1]) == len(whole) - int(0.8 * len(whole)), "the last fifth, to the character"
    for name, text in zip(("train", "valid"), texts, strict=True):
        assert parts[name].about.bytes == len(text.encode())
        assert int((parts[name][:] == EOS).sum()) == parts[name].about.documents
    assert sum(p.ends for p in PIECES) + 1 == parts["train"].about.documents + parts["valid"].about.documents


def test_of_many_documents_some_are_held_out_whole() -> None:
    pieces = [Piece(f"{i}", i % 2 == 1) for i in range(400)]
    parted = list(hold_out_text(pieces, survey(pieces), 0.1))
    held = [piece.text for part, piece in parted if part == "valid"]
    assert held == [str(i) for document in range(9, 200, 10) for i in (2 * document, 2 * document + 1)]


def test_slices_across_shards(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH", 100)
    train = write(tmp_path / "tokens", tokenizer)["train"]
    whole = train[:]
    assert len(whole) == len(train)
    for start, stop in ((0, 10), (150, 700), (len(train) - 5, len(train) + 50), (3, 3), (len(train), len(train) + 1)):
        assert np.array_equal(train[start:stop], whole[start:stop])


def test_a_killed_run_goes_on_to_the_same_bytes(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after any number of pieces, in the middle of any file."""
    monkeypatch.setattr(module, "_BATCH", 300)
    write(tmp_path / "whole", tokenizer)
    about = survey(PIECES)

    class KilledError(Exception):
        pass

    def until(count: int) -> Iterator[tuple[str, Piece]]:
        for number, piece in enumerate(hold_out_text(PIECES, about, 0.2)):
            if number == count:
                raise KilledError
            yield piece

    place = tmp_path / "killed"
    for count in (5, 17, 18, 33, 50):
        with pytest.raises(KilledError):
            write_tokens(place, until(count), tokenizer, about.digest, shard=200)
        assert open_tokens(place, about.digest) is None
    (place / ".train-00009.bin.1.aside").write_bytes(b"half")
    write_tokens(place, hold_out_text(PIECES, about, 0.2), tokenizer, about.digest, shard=200)
    (place / ".train-00009.bin.1.aside").unlink()
    assert contents(place) == contents(tmp_path / "whole")


def test_another_text_is_tokenised_anew(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write(tmp_path / "tokens", tokenizer)
    other = [Piece("quite another text\n", True)] * 3
    assert open_tokens(tmp_path / "tokens", survey(other).digest) is None
    assert tokenizer.exactly(write(tmp_path / "tokens", tokenizer, other)["train"][:].tolist()).startswith("quite")


def test_damage_is_found(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = tmp_path / "tokens"
    write(folder, tokenizer)
    digest = json.loads((folder / "index.json").read_text())["digest"]
    shard = folder / "train-00000.bin"
    whole = shard.read_bytes()
    shard.write_bytes(bytes(len(whole)))  # zeros, as a disk may give them back: no id is too large
    with pytest.raises(FolderError, match="checksum differs"):
        open_tokens(folder, digest)
    shard.write_bytes(whole[:-2])
    with pytest.raises(FolderError, match="bytes and not those of"):
        open_tokens(folder, digest)
    shard.unlink()
    with pytest.raises(FolderError, match="missing"):
        open_tokens(folder, digest)
    (folder / "index.json").write_text("[]")
    with pytest.raises(FolderError, match="not an index"):
        open_tokens(folder, digest)


def test_a_survey_samples_all_of_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_SAMPLE", 100)
    about: Survey = survey([Piece(f"{i:010d}", False) for i in range(200)])
    assert about.characters == 2000
    assert sum(map(len, about.sample)) <= 110
    assert int(about.sample[-1]) > 150


# Windows of a corpus


@pytest.fixture
def tokens(tmp_path: Path, tokenizer: Tokenizer) -> Tokens:
    return write(tmp_path / "tokens", tokenizer)["train"]


def test_in_order_each_token_is_predicted_once(tokens: Tokens) -> None:
    windows = Windows(tokens, length=7, rows=4, eos=EOS)
    found = np.concatenate([b.labels[b.labels != IGNORED].numpy() for b in map(windows.whole, windows.in_order())])
    assert np.array_equal(found, tokens[:])
    first = windows.whole(0)
    assert first.ids[0, 0] == EOS, "a text is read as if an EOS stood before it"
    assert np.array_equal(first.ids[0, 1:], tokens[:6])


def test_an_epoch_is_a_function_of_seed_and_number(tokens: Tokens) -> None:
    def labels(seed: int, epoch: int) -> list[list[int]]:
        windows = Windows(tokens, length=7, rows=4, eos=EOS, seed=seed)
        return [row for key in windows.epoch(epoch) for row in windows.batch(key).labels.tolist()]

    assert labels(0, 1) == labels(0, 1)
    assert labels(0, 1) != labels(0, 0)
    assert labels(0, 1) != labels(1, 1)
    whole = tokens[:].tolist()
    for row in labels(3, 2):
        assert any(whole[i : i + 7] == row for i in range(len(whole)))
    assert len(labels(0, 0)) >= len(whole) // 7 - 4


def test_a_text_shorter_than_a_window_is_one(tmp_path: Path, tokenizer: Tokenizer) -> None:
    short = [Piece("a king\n", True), Piece("a ship\n", True)]
    train = write(tmp_path / "short", tokenizer, short)["train"]
    windows = Windows(train, length=500, rows=4, eos=EOS)
    (key,) = windows.epoch(0)
    assert windows.batch(key).labels.tolist() == [train[:].tolist()]


def test_documents_are_told_apart(tokens: Tokens) -> None:
    batch = Windows(tokens, length=120, rows=2, eos=EOS, apart=True).whole(0)
    assert batch.documents is not None
    assert batch.at is not None
    for ids, documents, at in zip(batch.ids.tolist(), batch.documents.tolist(), batch.at.tolist(), strict=True):
        number, place = 0, -1
        for token, document, where in zip(ids, documents, at, strict=True):
            number, place = (number + 1, 0) if token == EOS else (number, place + 1)
            assert (document, where) == (number, place)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dtype", "O"),
        ("dtype", "evil"),
        ("dtype", "<i8"),
        ("dtype", ">u2"),
        ("dtype", 7),
        ("pieces", "x"),
        ("pieces", -1),
        ("done", "perhaps"),
        ("digest", None),
        ("parts", {}),
        ("parts", []),
        ("parts", {"train": {}, "valid": {}, "test": {}}),
        ("parts.train.shards", [["../../../../../etc/passwd", 3]]),
        ("parts.train.shards", [["/etc/passwd", 3]]),
        ("parts.train.shards", [["train-00001.bin", 3]]),
        ("parts.train.shards", [["train-00000.bin", -3]]),
        ("parts.train.shards", [["train-00000.bin", 2**70]]),
        ("parts.train.shards", [["train-00000.bin"]]),
        ("parts.train.shards", [7]),
        ("parts.train.tokens", 1),
        ("parts.train.bytes", None),
        ("parts.train.sums", [1, 2, 3]),
        ("parts.valid", None),
        ("more", 1),
    ],
)
def test_a_field_of_the_index_that_cannot_be_is_named(
    tmp_path: Path, tokenizer: Tokenizer, name: str, value: object
) -> None:
    folder = tmp_path / "tokens"
    write(folder, tokenizer)
    index = json.loads((folder / "index.json").read_text())
    digest, inner = index["digest"], index
    *outer, last = name.split(".")
    for part in outer:
        inner = inner[part]
    inner[last] = value
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(FolderError, match=r"index\.json: .*\n  fix: delete .* it is made again"):
        open_tokens(folder, digest)


@pytest.mark.parametrize("text", ["[" * 5000, '{"pieces": ' + "9" * 5000 + "}"], ids=["deep", "digits"])
def test_an_index_beyond_bounds_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(FolderError, match="not valid JSON"):
        open_tokens(tmp_path, "")


def test_ids_beyond_the_vocabulary_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = tmp_path / "tokens"
    write(folder, tokenizer)
    digest = json.loads((folder / "index.json").read_text())["digest"]
    assert open_tokens(folder, digest, tokenizer.vocab_size) is not None
    shard = folder / "train-00000.bin"
    shard.write_bytes(b"\xff\xff" + shard.read_bytes()[2:])
    with pytest.raises(FolderError, match=r"train-00000\.bin: a token has the id 65,535, and the vocabulary"):
        open_tokens(folder, digest, tokenizer.vocab_size)


def test_an_index_that_says_more_than_the_text_has_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    folder = tmp_path / "tokens"
    write(folder, tokenizer)
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**index, "pieces": 10**9, "done": False}))
    with pytest.raises(FolderError, match="this is of another text or vocabulary"):
        write(folder, tokenizer)
