"""Word vectors from text to neighbours: what a batch holds, what the loss is, trained, saved, asked, measured."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import clearhead
from clearhead.data.word_corpus import WordSet
from clearhead.errors import ConfigError, DataError, FolderError
from clearhead.models.architecture import WordVectorsConfig
from clearhead.models.word_vectors import WordVectors
from clearhead.tasks.word_model import Words
from clearhead.tasks.word_training import WordJob

LINES = ["the cat sat on the mat", "the dog sat on the rug", "a dog and a cat", "don't, said the KING; don't!"] * 3
SMALL = {"vocabulary": {"min_count": 1, "sample": 0.0}, "quiet": True}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "text.txt"
    file.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(text: Path) -> Words:
    torch.set_num_threads(1)
    return clearhead.train("words", text, valid=text, out=text.parent / "m", max_steps=20, arch={"d_model": 8}, **SMALL)


# Stretches


def rows(*texts: str) -> tuple[list[np.ndarray], list[str]]:
    names = sorted({word for line in texts for word in line.split()})
    return [np.array([names.index(w) for w in line.split()], dtype=np.int32) for line in texts], names


def pairs_of(words: WordSet, size: int = 100) -> list[tuple[str, str]]:
    found = []
    for key in words.in_order(size):
        stretch = words.stretch(key, size)
        block, word, other = stretch.pairs.nonzero().T
        found += list(zip(stretch.words[block, word].tolist(), stretch.around[block, other].tolist(), strict=True))
    return found


def test_the_pairs_of_a_window() -> None:
    """With window 1 the reach is always 1: each word pairs with both neighbours, never over the end of a line."""
    ids, names = rows("a b c", "d e")
    words = WordSet(ids, 5, window=1, sample=0.0, drawn=3, seed=0)
    found = sorted(names[i] + names[j] for i, j in pairs_of(words))
    assert found == ["ab", "ba", "bc", "cb", "de", "ed"]


def test_the_next_word() -> None:
    ids, names = rows("a b c", "d e")
    words = WordSet(ids, 5, window=0, sample=0.0, drawn=3, seed=0)
    assert sorted(names[i] + names[j] for i, j in pairs_of(words)) == ["ab", "bc", "de"]


def test_the_reach_is_drawn_evenly_and_no_pair_is_lost_between_blocks() -> None:
    """One line of 700 words: a pair d apart is within a reach drawn from 1..4 with probability (5 - d) / 4."""
    words = WordSet([np.arange(700, dtype=np.int32)], 700, window=4, sample=0.0, drawn=3, seed=0)
    found = np.array(pairs_of(words, size=1000))
    assert len({tuple(pair) for pair in found.tolist()}) == len(found)
    away = np.abs(found[:, 0] - found[:, 1])
    assert away.min() == 1 and away.max() == 4
    for d in (1, 2, 3, 4):
        share = (away == d).sum() / (2 * (700 - d))
        assert share == pytest.approx((5 - d) / 4, abs=0.05)


def test_frequent_words_are_dropped_anew_in_every_epoch() -> None:
    """90 % of the words are one word: with t = 0.01 it stays with sqrt(t / f) + t / f = 0.117."""
    ids = [np.array([0] * 9 + [i], dtype=np.int32) for i in range(1, 201)]
    words = WordSet(ids, 201, window=2, sample=0.01, drawn=3, seed=0)
    kept = []
    for epoch in (0, 1):
        stretches = [words.stretch(key, 10_000) for key in words.epoch(epoch, 10_000)]
        real = torch.cat([s.words[s.pairs.any(-1)] for s in stretches])
        kept.append(int((real == 0).sum()))
    assert kept[0] != kept[1]
    assert all(0.05 < count / 1800 < 0.15 for count in kept)


def test_a_stretch_is_the_same_whenever_asked_for() -> None:
    ids, _ = rows(*LINES)
    words = WordSet(ids, 60, window=3, sample=0.1, drawn=5, seed=3)
    keys = [*words.epoch(0, 20), *words.epoch(4, 20)]
    first = [words.stretch(key, 20) for key in keys]
    for key, before in zip(reversed(keys), reversed(first), strict=True):
        again = words.stretch(key, 20)
        assert all(torch.equal(getattr(again, n), getattr(before, n)) for n in ("words", "around", "pairs", "drawn"))
    assert words.epoch(0, 20) != words.epoch(1, 20)


def test_words_are_drawn_by_their_counts_to_three_quarters() -> None:
    counts = [81, 16, 1]
    words = WordSet([np.repeat(np.arange(3, dtype=np.int32), counts)], 3, window=2, sample=0.0, drawn=20_000, seed=0)
    drawn = words.stretch((0, 0), 1000).drawn
    expected = np.array([27, 8, 1]) / 36  # 81^(3/4) = 27, 16^(3/4) = 8
    assert np.bincount(drawn.numpy(), minlength=3) / 20_000 == pytest.approx(expected, abs=0.01)


# The loss


def job(objective: str, negatives: int) -> tuple[WordJob, WordVectors, WordSet]:
    torch.manual_seed(0)
    module = WordVectors(WordVectorsConfig(objective=objective, d_model=6, window=2), 16).double()  # type: ignore[arg-type]
    torch.nn.init.normal_(module.writes.weight)
    torch.nn.init.normal_(module.reads.weight)
    ids, _ = rows(*LINES[:4])
    words = WordSet(ids, 16, window=0 if objective == "next" else 2, sample=0.0, drawn=7, seed=0)
    return WordJob(module, words, words, negatives=negatives, size=1000), module, words


@pytest.mark.parametrize("negatives", [0, 3])
@pytest.mark.parametrize("objective", ["skip-gram", "cbow", "next"])
def test_the_loss_is_the_textbooks(objective: str, negatives: int) -> None:
    """Pair by pair (cbow: window by window), as it is written in the papers."""
    work, module, words = job(objective, negatives)
    batch = words.stretch((0, 0), 1000)
    found, count = work.loss(module, batch)
    read, write, wanted, n = module.reads.weight, module.writes.weight, torch.zeros((), dtype=torch.double), 0
    for b, i in batch.pairs.any(-1).nonzero().tolist():
        others = batch.around[b][batch.pairs[b, i]].tolist()
        tasks = (
            [(read[others].mean(0), int(batch.words[b, i]))]
            if objective == "cbow"
            else [(read[int(batch.words[b, i])], other) for other in others]
        )
        for hidden, target in tasks:
            n += 1
            if negatives:
                chance = F.logsigmoid(-(write[batch.drawn] @ hidden)).mean()
                wanted = wanted - F.logsigmoid(write[target] @ hidden) - negatives * chance
            else:
                wanted = (
                    wanted
                    - module(torch.tensor([others if objective == "cbow" else [int(batch.words[b, i])]]))[
                        0
                    ].log_softmax(-1)[target]
                )
    assert count == n
    tolerance = 1e-4 if not negatives else 1e-9  # the softmax's loss is summed in float32
    assert found.item() == pytest.approx(wanted.item(), rel=tolerance)


@pytest.mark.parametrize("objective", ["skip-gram", "cbow", "next"])
def test_a_sparse_gradient_is_the_gradient(objective: str) -> None:
    """It holds the rows of the words of a batch alone."""
    work, module, words = job(objective, 3)
    batch, found = words.stretch((0, 0), 1000), []
    for sparse in (False, True):
        work = WordJob(module, words, words, negatives=3, size=1000, sparse=sparse)
        module.zero_grad()
        work.loss(module, batch)[0].backward()
        grads = [module.reads.weight.grad, module.writes.weight.grad]
        assert all(g is not None and g.is_sparse == sparse for g in grads)
        found.append([g.to_dense() for g in grads if g is not None])
    for dense, rows in zip(*found, strict=True):
        torch.testing.assert_close(rows, dense, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("objective", ["skip-gram", "cbow", "next"])
@pytest.mark.parametrize("negatives", [0, 2])
def test_words_in_the_same_places_come_together(objective: str, negatives: int, tmp_path: Path) -> None:
    """Drinks follow "drink" and food follows "eat": each is nearer to its own kind, whichever way it was learned."""
    random = np.random.default_rng(0)
    kinds = {"drink": ["water", "milk", "tea", "juice"], "eat": ["bread", "rice", "soup", "cake"]}
    lines = []
    for _ in range(400):
        verb = str(random.choice(list(kinds)))
        who, when = random.choice(["we", "they", "people"]), random.choice(["now", "today", "often"])
        lines.append(f"{who} {verb} {random.choice(kinds[verb])} {'cold' if verb == 'drink' else 'slowly'} {when}")
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    model = clearhead.train(
        "words",
        tmp_path / "text.txt",
        out=tmp_path / "m",
        arch={"objective": objective, "d_model": 12, "window": 2},
        negatives=negatives,
        training={"epochs": 60, "batch_tokens": 512, "evaluations": 2},
        optimizer={"kind": "adamw", "lr": 0.01, "clip": 1.0},
        **SMALL,
    )
    things = [word for words in kinds.values() for word in words]
    for words in kinds.values():
        for word in words:
            near = [found.word for found in model.nearest([word], n=20)[0] if found.word in things]
            assert set(near[:3]) == {*words} - {word}, (word, near)


# Trained, saved, asked


def test_its_words(trained: Words) -> None:
    assert trained.words[0] == "the"
    assert {"don't", "king", "said"} <= set(trained.words)
    assert not {",", ";", "!"} & set(trained.words)


def test_the_loaded_one_is_the_trained_one(trained: Words) -> None:
    assert trained.folder is not None
    loaded = clearhead.load(trained.folder.path)
    assert loaded.words == trained.words
    assert torch.equal(loaded.vectors, trained.vectors)
    assert loaded.describe()["words"] == len(trained.words)


def test_nearest(trained: Words) -> None:
    unit = F.normalize(trained.vectors, dim=-1)
    place = trained.words.index
    wanted = F.normalize(unit[place("king")] - unit[place("cat")] + unit[place("dog")], dim=-1)
    found = trained.nearest(["KING - cat + dog", "cat"], n=3)
    assert [len(row) for row in found] == [3, 3]
    for near in found[0]:
        assert near.word not in ("king", "cat", "dog")
        assert near.cosine == pytest.approx(float(unit[place(near.word)] @ wanted), abs=1e-6)
    assert found[0] == sorted(found[0], key=lambda near: -near.cosine)
    assert len(trained.nearest(["cat"], n=1000)[0]) == len(trained.words) - 1
    with pytest.raises(ConfigError, match=r"no vector of 'catt'.*\n.*'cat'"):
        trained.nearest(["catt"])
    with pytest.raises(ConfigError, match="list of queries"):
        trained.nearest("cat")


def test_a_stopped_run_goes_on_to_the_same_bits(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {**SMALL, "vocabulary": {"min_count": 1, "sample": 0.01}, "max_steps": 9}
    options |= {"training": {"batch_tokens": 16}}
    whole = clearhead.train("words", text, out=tmp_path / "whole", **options)
    monkeypatch.setattr("clearhead.training.loop.Loop._look", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clearhead.train("words", text, out=tmp_path / "cut", **options)
    monkeypatch.undo()
    again = clearhead.train("words", text, out=tmp_path / "cut", resume=True, **options)
    assert torch.equal(whole.vectors, again.vectors)
    with pytest.raises(ConfigError, match="options differ"):
        clearhead.train("words", text, out=tmp_path / "cut", resume=True, **{**options, "seed": 1})
    with pytest.raises(FolderError, match="add --resume"):
        clearhead.train("words", text, out=tmp_path / "cut", **options)


def test_word2vecs_text_goes_round(trained: Words, tmp_path: Path) -> None:
    from gensim.models import KeyedVectors  # the library whose form this is

    from clearhead.exchange.word2vec import write_vectors

    write_vectors(tmp_path / "v.txt", trained.words, trained.vectors)
    again = clearhead.load(tmp_path / "v.txt")
    assert again.words == trained.words
    assert torch.equal(again.vectors, trained.vectors)
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    assert [(w, pytest.approx(c, abs=1e-5)) for w, c in theirs.most_similar("cat", topn=3)] == [
        (near.word, near.cosine) for near in again.nearest(["cat"], n=3)[0]
    ]
    theirs.save_word2vec_format(str(tmp_path / "theirs.txt"))
    with gzip.open(tmp_path / "theirs.txt.gz", "wb") as packed:
        packed.write((tmp_path / "theirs.txt").read_bytes())
    torch.testing.assert_close(clearhead.load(tmp_path / "theirs.txt.gz").vectors, trained.vectors)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("2 3\na 1 2 3\n", "1 vectors stand in the file, 2 were announced"),
        ("a 1 2\nc 3 4\nb 1\n", "line 3.*1 numbers after 'b', not 2"),
        ("a 1 2\nb 1\n", "line 1.*2 numbers after 'a', not 1"),  # of two widths the smaller: words may have spaces
        ("a 1 2\nb 1 x\n", "line 2.*not a number"),
        ("a 1 2\na 2 1\n", "twice"),
        ("", "0 vectors"),
    ],
)
def test_files_of_vectors_that_are_none(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        clearhead.load(tmp_path / "v.txt")


# Measured


def test_agreement_with_people_and_analogies(
    trained: Words, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scipy.stats import spearmanr

    pairs = [("cat", "dog", 9.0), ("cat", "king", 2.5), ("mat", "rug", 8.0), ("the", "a", 8.0), ("cat", "unseen", 1.0)]
    lines = ["# people", *(f"{a}\t{b}\t{v}" for a, b, v in pairs)]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    score = trained.evaluate([str(tmp_path / "pairs.tsv")])["pairs.tsv: rank correlation"]
    vectors = dict(zip(trained.words, F.normalize(trained.vectors, dim=-1), strict=True))
    ours = [float(vectors[a] @ vectors[b]) for a, b, _ in pairs[:4]]
    assert score.value == pytest.approx(100 * spearmanr(ours, [v for *_, v in pairs[:4]]).statistic)
    assert "4 of 5 pairs" in score.signature
    assert capsys.readouterr().err == f"{tmp_path / 'pairs.tsv'}: 1 pair is not scored: a word has no vector\n"
    best = trained.nearest(["dog - cat + mat"], n=1)[0][0].word
    lines = [": family", f"cat dog mat {best}", "cat dog mat cat", "no such word here"]
    (tmp_path / "four.txt").write_text("\n".join(lines), encoding="utf-8")
    solved = trained.evaluate([str(tmp_path / "four.txt")])["four.txt: analogies"]
    assert (solved.value, solved.signature[:6]) == (50.0, "2 of 3")
    assert capsys.readouterr().err.endswith("1 analogy is not scored: a word has no vector\n")
    (tmp_path / "bad.tsv").write_text("cat\tdog\tmuch\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.tsv, line 1.*'much' is not a number"):
        trained.evaluate([str(tmp_path / "bad.tsv")])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocabulary": {"min_count": 99}}, "no word stands in the text 99 times"),
        ({"arch": {"objective": "skipgram"}}, "arch.objective = 'skipgram'"),
        ({"training": {"label_smoothing": 0.1}}, "smooths a softmax"),
        ({"negatives": 0}, "takes optimizer.kind adamw"),
    ],
)
def test_wrong_options(text: Path, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        clearhead.train("words", text, out=tmp_path / "m", quiet=True, **options)


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n\n", encoding="utf-8")
    with pytest.raises(DataError, match="no text"):
        clearhead.train("words", tmp_path / "empty.txt", out=tmp_path / "m", quiet=True)


def test_rows_alone_have_gradients_nowhere_else(text: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sgd is for word vectors"):
        clearhead.train("language", text, out=tmp_path / "m", quiet=True, optimizer={"kind": "sgd"})
