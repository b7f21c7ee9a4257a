"""BPE dropout: without it the library's ids, with all of it bytes, between them the probabilities of Algorithm 1."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers

from clearhead.data.pairs import clean
from clearhead.data.samples.english_spanish import sentences
from clearhead.data.subword_dropout import SubwordDropout, recut_pairs
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import Tokenizer, TokenizerConfig
from clearhead.errors import ConfigError

ENGLISH, SPANISH = ([getattr(s, side) for s in sentences("train", 400)] for side in ("english", "spanish"))
TRAINED = train_tokenizer([*ENGLISH, *SPANISH], TokenizerConfig(vocab_size=600))


def by_hand(merges: list[tuple[str, str]]) -> Tokenizer:
    """A tokenizer of these merges, the first learnt first; Ġ is the space before a word."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<pad>", "<bos>", "<eos>", "<unk>", *letters, *dict.fromkeys(a + b for a, b in merges)]
    backend = Backend(models.BPE({name: i for i, name in enumerate(names)}, merges))
    backend.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
    return Tokenizer.from_json(backend.to_str())


def cuts(tokenizer: Tokenizer, text: str, p: float, count: int, seed: int = 0) -> Counter[tuple[str, ...]]:
    """How often each cut comes among `count` of the text."""
    rows = SubwordDropout(tokenizer, [text] * count, p).cut(np.random.default_rng(seed))
    return Counter(tuple(tokenizer.backend.id_to_token(i) for i in row.tolist()) for row in rows)


# The ends: p = 0 and p = 1


@settings(max_examples=200)
@given(st.lists(st.text(), max_size=4))
def test_without_dropout_the_ids_are_the_library_s(texts: list[str]) -> None:
    rows = SubwordDropout(TRAINED, texts, 0.0).cut(np.random.default_rng(0))
    assert [row.tolist() for row in rows] == TRAINED.encode(texts)


@settings(max_examples=50)
@given(st.lists(st.text("abc ", max_size=40), min_size=1, max_size=4), st.data())
def test_without_dropout_whatever_the_merges(texts: list[str], data: st.DataObject) -> None:
    """Merges that nobody would learn: of pieces learnt before, in any order, several of which make the same piece."""
    known, merges = ["Ġ", "a", "b", "c"], list[tuple[str, str]]()
    for _ in range(data.draw(st.integers(0, 12))):
        pair = data.draw(st.tuples(st.sampled_from(known), st.sampled_from(known)))
        if pair not in merges:
            merges.append(pair)
            known.append("".join(pair))
    tokenizer = by_hand(merges)
    rows = SubwordDropout(tokenizer, texts, 0.0).cut(np.random.default_rng(0))
    assert [row.tolist() for row in rows] == tokenizer.encode(texts)


def test_without_dropout_on_real_text() -> None:
    texts = [*ENGLISH, "", "a", *SPANISH, "x" * 3000, "ab" * 500]
    rows = SubwordDropout(TRAINED, texts, 0.0).cut(np.random.default_rng(0))
    assert [row.tolist() for row in rows] == TRAINED.encode(texts)
    hardly = SubwordDropout(TRAINED, texts, 1e-12).cut(np.random.default_rng(0))
    assert [row.tolist() for row in hardly] == TRAINED.encode(texts)


def test_with_nothing_but_dropout_every_byte_stands_alone() -> None:
    (row,) = SubwordDropout(TRAINED, ["the niño 猫"], 1.0).cut(np.random.default_rng(0))
    assert len(row) == len(" the niño 猫".encode())
    assert TRAINED.decode([row.tolist()]) == ["the niño 猫"]
    nearly = SubwordDropout(TRAINED, ENGLISH, 0.999).cut(np.random.default_rng(0))
    assert sum(map(len, nearly)) > 0.99 * sum(len(f" {text}".encode()) for text in ENGLISH)


@given(st.lists(st.text(), max_size=3), st.floats(0, 1), st.integers(0, 9))
def test_every_cut_is_the_same_text(texts: list[str], p: float, seed: int) -> None:
    rows = SubwordDropout(TRAINED, texts, p).cut(np.random.default_rng(seed))
    assert TRAINED.decode(row.tolist() for row in rows) == [clean(text) for text in texts]


# Between them


def chi_square(counts: Counter[tuple[str, ...]], chances: dict[tuple[str, ...], float]) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; cuts expected fewer than 5 times are one class, as it wants."""
    assert set(counts) <= set(chances)
    total = counts.total()
    rare = {cut for cut, chance in chances.items() if total * chance < 5}
    classes = [(counts[cut], total * chance) for cut, chance in chances.items() if cut not in rare]
    if rare:
        classes.append((sum(counts[cut] for cut in rare), total * sum(chances[cut] for cut in rare)))
    return sum((seen - expected) ** 2 / expected for seen, expected in classes), len(classes) - 1


def likely(counts: Counter[tuple[str, ...]], chances: dict[tuple[str, ...], float]) -> bool:
    """Whether the statistic lies below its mean and four standard deviations."""
    statistic, freedom = chi_square(counts, chances)
    return statistic < freedom + 4 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_probabilities_of_a_word_by_hand(p: float) -> None:
    """Ġab, merges a+b, Ġ+a, Ġ+ab. First round: a+b taken (1-p), else Ġ+a p(1-p), else neither p². After a+b the second
    round takes Ġ+ab (1-p) or ends; after Ġ+a there is nothing to merge.
    """
    tokenizer = by_hand([("a", "b"), ("Ġ", "a"), ("Ġ", "ab")])
    chances = {
        ("Ġab",): (1 - p) ** 2,
        ("Ġ", "ab"): (1 - p) * p,
        ("Ġa", "b"): p * (1 - p),
        ("Ġ", "a", "b"): p**2,
    }
    statistic, freedom = chi_square(cuts(tokenizer, "ab", p, 20_000), chances)
    assert freedom == 3
    assert statistic < 16.27  # exceeded once in 1,000


def algorithm_1(word: str, ranks: dict[tuple[str, str], int], p: float) -> dict[tuple[str, ...], float]:
    """The probability of each cut, by going through all that can be passed over in each round."""

    @cache
    def ends(pieces: tuple[str, ...]) -> Counter[tuple[str, ...]]:
        open_ = [i for i in range(len(pieces) - 1) if pieces[i : i + 2] in ranks]
        found: Counter[tuple[str, ...]] = Counter()
        for passed in product([False, True], repeat=len(open_)):
            chance = p ** sum(passed) * (1 - p) ** (len(passed) - sum(passed))
            left = [i for i, gone in zip(open_, passed, strict=True) if not gone]
            if not left:
                found[pieces] += chance
                continue
            i = min(left, key=lambda i: (ranks[pieces[i : i + 2]], i))
            for cut, share in ends((*pieces[:i], pieces[i] + pieces[i + 1], *pieces[i + 2 :])).items():
                found[cut] += chance * share
        return found

    return dict(ends(tuple(word)))


@pytest.mark.parametrize("p", [0.1, 0.4])
@pytest.mark.parametrize("word", ["aab", "aaaa", "abab"])
def test_the_probabilities_of_other_words(word: str, p: float) -> None:
    """A pair twice in a word, and a piece made in two ways."""
    merges = [("a", "a"), ("Ġ", "a"), ("a", "b"), ("aa", "a"), ("Ġa", "a"), ("aa", "b"), ("ab", "ab"), ("Ġ", "aa")]
    chances = algorithm_1(f"Ġ{word}", {pair: rank for rank, pair in enumerate(merges)}, p)
    assert sum(chances.values()) == pytest.approx(1)
    assert likely(cuts(by_hand(merges), word, p, 20_000), chances)
    assert not likely(cuts(by_hand(merges), word, p + 0.03, 20_000), chances)  # the test can fail


# Chance comes from the generator alone


def test_a_cut_is_a_function_of_seed_and_epoch() -> None:
    def rows(seed: int, epoch: int, *, before: int = 0) -> list[list[list[int]]]:
        recut = recut_pairs(ENGLISH, SPANISH, (TRAINED, TRAINED), 0.2, seed)
        for earlier in range(before):
            recut(earlier)
        return [[row.tolist() for row in side] for side in recut(epoch)]

    assert rows(0, 3) == rows(0, 3, before=3)  # a resumed run asks at once, another has been through the epochs before
    assert rows(0, 3) != rows(0, 2)
    assert rows(0, 3) != rows(1, 3)
    src, tgt = rows(0, 3)
    assert TRAINED.decode(src) == ENGLISH
    assert TRAINED.decode(tgt) == SPANISH


def test_equal_texts_are_cut_apart() -> None:
    src, tgt = recut_pairs(ENGLISH, ENGLISH, (TRAINED, TRAINED), 0.2, 0)(0)
    assert [row.tolist() for row in src] != [row.tolist() for row in tgt]


def test_each_side_by_its_own_tokenizer() -> None:
    own = train_tokenizer(SPANISH, TokenizerConfig(vocab_size=500))
    src, tgt = recut_pairs(ENGLISH, SPANISH, (TRAINED, own), 0.3, 0)(1)
    assert TRAINED.decode(src) == ENGLISH
    assert own.decode(tgt) == SPANISH


def test_nothing_to_cut() -> None:
    assert SubwordDropout(TRAINED, [], 0.5).cut(np.random.default_rng(0)) == []
    rows = SubwordDropout(by_hand([]), ["", "ab", ""], 0.5).cut(np.random.default_rng(0))  # no merges either
    assert [len(row) for row in rows] == [0, 3, 0]


@pytest.mark.parametrize("kind", ["unigram", "word"])
def test_other_kinds_have_no_merges(kind: str) -> None:
    other = train_tokenizer(ENGLISH, TokenizerConfig(kind=kind, vocab_size=400))
    with pytest.raises(ConfigError, match=r"tokenizer has none\n  fix: train with --tokenizer\.kind bpe"):
        SubwordDropout(other, ENGLISH, 0.1)
