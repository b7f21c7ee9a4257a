"""Tokenizers: text -> ids -> text is the identity, up to NFC and single spaces; no text becomes a special token."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clearhead.data.pairs import clean
from clearhead.data.samples.english_spanish import sentences
from clearhead.data.tokenizer_training import (
    _learnable,
    text_tokenizer,
    train_tokenizer,
    train_tokenizers,
    word_tokenizer,
)
from clearhead.data.tokenizers import TextTokenizerConfig, Tokenizer, TokenizerConfig
from clearhead.errors import DataError, FolderError

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # as tokenizers that are trained here number them
TEXTS = [
    "The white cats do not see the small red house.",
    "¿Dónde está la niña? El niño come una manzana.",
    "Did the girl buy the new shoes? ¡Sí, señora!",
    "ends <eos> and <pad> like special tokens <bos>",
] * 3
SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]
EXACT = ["bpe", "unigram", "wordpiece"]
KINDS = [*EXACT, "word", "character"]


@pytest.fixture(scope="module")
def made() -> dict[str, Tokenizer]:
    return {kind: train_tokenizer(TEXTS, TokenizerConfig(kind=kind)) for kind in KINDS}


# For every kind without unknown tokens: small, so that most words are made of several pieces
SMALL = {kind: train_tokenizer(TEXTS, TokenizerConfig(kind=kind, vocab_size=320)) for kind in EXACT}
BPE = SMALL["bpe"]


@pytest.mark.parametrize("kind", EXACT)
@settings(max_examples=200)
@given(text=st.text())
@example("")
@example(" \t\n ")
@example("e\u0301 \u212b ﬁ")  # composed, a singleton, a ligature that NFC leaves alone
@example("a\x1cb\x1f c\x85d\u2028e\u00a0f")  # all that Python or the tokenizer takes for white space
@example("<eos><pad> <bos>\u200b\ufeff\x00")
@example("👩‍👩‍👧 नमस्ते \U0010fffd")
def test_every_text_is_given_back(kind: str, text: str) -> None:
    (ids,) = SMALL[kind].encode([text])
    assert SMALL[kind].decode([ids]) == [clean(text)]
    assert not {PAD, BOS, EOS, UNK} & set(ids)
    assert ids or not clean(text)


@pytest.mark.parametrize("kind", EXACT)
def test_every_character_is_given_back(kind: str) -> None:
    codes = [*range(0x3000), *range(0x3000, 0xD800, 7), *range(0xE000, 0x110000, 61)]
    texts = [f"a{chr(code)}b" for code in codes]
    assert SMALL[kind].decode(SMALL[kind].encode(texts)) == [clean(text) for text in texts]


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("word", ["a" * 5000, "猫" * 2000, "-" * 101])
def test_words_without_end(kind: str, word: str) -> None:
    """No word is too long to be known, and none takes longer than the blink of an eye."""
    (ids,) = SMALL[kind].encode([f"see {word}"])
    assert UNK not in ids
    assert SMALL[kind].decode([ids]) == [f"see {word}"]


@settings(max_examples=200)
@given(st.text())
@example("\ufeff")
@example(" \ufeffe\u0301 ")
def test_what_is_cleaned_is_encoded_alike(text: str) -> None:
    """The corpus is cleaned by one rule, the tokenizer normalises by another: they must not disagree.

    Byte order marks at the ends are the corpus's matter alone: they are of files and not of texts.
    """
    assert BPE.encode([" ".join(text.strip("\ufeff").split())]) == BPE.encode([clean(text)])


@settings(max_examples=100)
@given(st.lists(st.sampled_from(sorted({w for t in TEXTS for w in t.split()})), max_size=9).map(" ".join))
def test_words_and_characters_give_back_what_they_know(text: str) -> None:
    for kind in ("word", "character"):
        tokenizer = _known(kind)
        (ids,) = tokenizer.encode([text])
        assert tokenizer.decode([ids]) == [text]
        assert UNK not in ids


_MADE: dict[str, Tokenizer] = {}


def _known(kind: str) -> Tokenizer:
    """With an entry for each word at the beginning of a text and after a space, for each character."""
    if kind not in _MADE:
        _MADE[kind] = train_tokenizer(TEXTS, TokenizerConfig(kind=kind, min_count=1))
    return _MADE[kind]


def test_what_words_and_characters_do_not_know_is_unknown(made: dict[str, Tokenizer]) -> None:
    assert UNK in made["word"].encode(["The zebra."])[0]
    assert UNK in made["character"].encode(["The 猫."])[0]
    assert made["word"].decode(made["word"].encode(["The zebra cats."])) == ["The cats."]  # an unknown word is left out
    assert UNK not in made["bpe"].encode(["The zebra, 猫."])[0]
    assert made["word"].unknown("The zebra Zebra zebra.") == ["zebra", "Zebra"]
    assert made["character"].unknown("The 猫 猫.") == ["猫"]
    assert made["word"].unknown("") == made["bpe"].unknown("The zebra, 猫.") == []
    assert made["word"].unknown("The ze\u0301bra") == ["z\u00e9bra"], "an accent of its own belongs to its letter"
    for kind, texts in itertools.product(("word", "bpe", "character"), (["The zebra.", "", "ze\u0301bra"],)):
        tokenizer = made[kind]
        assert tokenizer.read(texts) == [(tokenizer.encode([t])[0], tokenizer.unknown(t)) for t in texts]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", SPECIALS)
def test_a_text_never_becomes_a_special_token(made: dict[str, Tokenizer], kind: str, special: str) -> None:
    for text in (special, f"a {special} b", f"{special}{special}", f"x{special}"):
        ids = made[kind].encode([text])[0]
        assert not {PAD, BOS, EOS} & set(ids)
        assert ids == made[kind].tokens(text)[0]
        assert ids


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_and_are_not_written(made: dict[str, Tokenizer], kind: str) -> None:
    tokenizer = made[kind]
    assert [tokenizer.backend.id_to_token(i) for i in (PAD, BOS, EOS, UNK)] == SPECIALS
    ids = tokenizer.encode(["the girl"])[0]
    assert tokenizer.decode([[BOS, *ids, EOS, PAD, PAD]]) == ["the girl"]
    assert tokenizer.decode([[]]) == [""]


def test_whatever_a_model_writes_is_one_line() -> None:
    """Each byte is a token of its own, line breaks too: a model may write them, a line of output must stay one."""
    newline, tab = (next(i for i in range(BPE.vocab_size) if BPE.backend.id_to_token(i) == t) for t in "Ċĉ")
    word = BPE.encode(["red"])[0]
    assert BPE.decode([[newline, *word, newline, tab, *word, tab]]) == ["red red"]


# tokens(): pieces and their words


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    [
        "The white cats.",
        "¿Dónde está la niña?",
        "  ¡Sí,   señora!\t(bien) ",
        "uncharacteristically houses",
        "cafe\u0301 e\u0301xito",  # accents of their own
        "你好 世界",
        "a\u00a0b c",
        "¿",
        "",
    ],
)
def test_each_piece_knows_its_word(made: dict[str, Tokenizer], kind: str, text: str) -> None:
    ids, pieces, words = made[kind].tokens(text)
    assert ids == made[kind].encode([text])[0]
    assert len(ids) == len(pieces) == len(words)
    assert words == sorted(words)
    assert set(words) == set(range(len(text.split())))
    for number, word in enumerate(clean(text).split()):
        mine = [p for p, w in zip(pieces, words, strict=True) if w == number]
        assert all(p.strip() in word for p in mine)
        if kind not in EXACT:  # bytes of one character are pieces of their own, each shown as the whole character
            assert "".join(mine).strip() == word


def test_words_by_hand(made: dict[str, Tokenizer]) -> None:
    _, pieces, words = made["word"].tokens("¿Dónde  está la niña?")
    assert pieces == ["¿", "Dónde", "está", "la", "niña", "?"]
    assert words == [0, 0, 1, 2, 3, 3]
    _, pieces, words = made["character"].tokens("la niña")
    assert pieces == ["l", "a", " ", "n", "i", "ñ", "a"]
    assert words == [0, 0, 1, 1, 1, 1, 1]  # a space belongs to the word it begins


def test_a_space_of_its_own_is_shown(made: dict[str, Tokenizer]) -> None:
    """The space that begins a text is not in the text, the one that begins a word is: both look alike."""
    for kind in EXACT:
        assert made[kind].tokens("猫 猫")[1] == [" ", "猫", "猫", "猫", " ", "猫", "猫", "猫"]


@pytest.mark.parametrize("kind", EXACT)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_word_has_a_piece(kind: str, text: str) -> None:
    _, _, words = SMALL[kind].tokens(text)
    assert set(words) == set(range(len(text.split())))


# How each kind cuts


def letters(text: str) -> list[str]:
    """The byte-level words of a text, as the library spells them."""
    return [word for word, _ in BPE.backend.pre_tokenizer.pre_tokenize_str(text)]


def test_wordpiece_takes_the_longest_piece_first() -> None:
    tokenizer = SMALL["wordpiece"]
    vocab = tokenizer.backend.get_vocab()
    for text in TEXTS:
        for word in letters(text):
            pieces, rest = [], word
            while rest:
                pieces.append(next(rest[:n] for n in range(len(rest), 0, -1) if rest[:n] in vocab))
                rest = rest[len(pieces[-1]) :]
            assert [tokenizer.backend.id_to_token(t.id) for t in tokenizer.backend.model.tokenize(word)] == pieces


def test_half_a_character_is_no_text() -> None:
    """Through whatever door it comes: no tokenizer could take it."""
    tokenizer = train_tokenizer(["a text"], TokenizerConfig(min_count=1))
    for act in (lambda text: tokenizer.encode(["a", text]), tokenizer.tokens, tokenizer.unknown, tokenizer.normalized):
        with pytest.raises(DataError, match="holds half a character"):
            act("hi \ud83d")


def test_unigram_takes_the_likeliest_cut() -> None:
    tokenizer = SMALL["unigram"]
    score = dict(json.loads(tokenizer.to_json())["model"]["vocab"])
    for word in {w for t in TEXTS for w in letters(t) if len(w) <= 9}:
        cuts = [
            [word[i:j] for i, j in zip((0, *at), (*at, len(word)), strict=True)]
            for n in range(len(word))
            for at in combinations(range(1, len(word)), n)
        ]
        best = max(sum(score[p] for p in cut) for cut in cuts if all(p in score for p in cut))
        taken = sum(score[t.value] for t in tokenizer.backend.model.tokenize(word))
        assert taken == pytest.approx(best, abs=1e-9)


# Small letters


@pytest.mark.parametrize("kind", KINDS)
def test_small_letters(kind: str) -> None:
    small = train_tokenizer(TEXTS, TokenizerConfig(kind=kind, lowercase=True, min_count=1))
    (ids,) = small.encode(["¿DÓNDE está LA Niña?"])
    assert small.encode(["¿dónde está la niña?"]) == [ids]
    assert small.decode([ids]) == ["¿dónde está la niña?"]
    _, pieces, words = small.tokens("The WHITE cats")
    assert "".join(pieces).replace(" ", "") == "thewhitecats"
    assert set(words) == {0, 1, 2}


def test_small_letters_are_told_by_the_file(made: dict[str, Tokenizer]) -> None:
    small = train_tokenizer(TEXTS, TokenizerConfig(lowercase=True))
    assert small.lowercase
    assert Tokenizer.from_json(small.to_json()).lowercase
    assert not any(tokenizer.lowercase for tokenizer in made.values())
    assert made["bpe"].decode(made["bpe"].encode(["The CATS"])) == ["The CATS"]


SMALL_LETTERS = train_tokenizer(TEXTS, TokenizerConfig(lowercase=True, vocab_size=320))


@settings(max_examples=200)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"])))
@example("ΑΣ İ ẞ \u212a Ǆ")
@example("H\u0331")  # has one character only when it is small
def test_small_letters_of_every_text(text: str) -> None:
    """Letter by letter, then composed; and what is shown is what is encoded."""
    small = clean("".join(char.lower() for char in text))
    assert SMALL_LETTERS.decode(SMALL_LETTERS.encode([text])) == [small]
    assert SMALL_LETTERS.normalized(text) == SMALL_LETTERS.normalized(small)
    assert SMALL_LETTERS.tokens(text) == SMALL_LETTERS.tokens(small)


def test_small_letters_by_hand() -> None:
    tokenizer = train_tokenizer(["\u1e96 \u00e9"], TokenizerConfig(kind="character", lowercase=True, min_count=1))
    assert tokenizer.tokens("H\u0331 E\u0301")[1] == ["\u1e96", " ", "\u00e9"]


# Both sides


def test_joint_and_separate_vocabularies() -> None:
    sources, targets = zip(*((s.english, s.spanish) for s in sentences("train", 200)), strict=True)
    joint = train_tokenizers(sources, targets, TokenizerConfig(kind="word", min_count=1))
    assert joint[0] is joint[1]
    assert (
        joint[0].to_json() == train_tokenizer([*sources, *targets], TokenizerConfig(kind="word", min_count=1)).to_json()
    )
    separate = TokenizerConfig(kind="word", min_count=1, vocabularies="separate")
    english, spanish = train_tokenizers(sources, targets, separate)
    assert english.to_json() == train_tokenizer(sources, separate).to_json()
    assert spanish.to_json() == train_tokenizer(targets, separate).to_json()
    assert UNK in english.encode([targets[0]])[0] and UNK not in spanish.encode([targets[0]])[0]
    for tokenizer in (english, spanish):
        assert [tokenizer.backend.id_to_token(i) for i in range(4)] == SPECIALS
    sizes = TokenizerConfig(vocab_size=400, vocabularies="separate")
    assert [t.vocab_size for t in train_tokenizers(sources, targets, sizes)] == [400, 400]


# What is not a configuration


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bpe"])
def test_only_merges_can_be_skipped(kind: str) -> None:
    with pytest.raises(
        ValidationError, match=rf"dropout 0\.1 skips merges, {kind} has none; take kind bpe or dropout 0"
    ):
        TokenizerConfig(kind=kind, dropout=0.1)
    assert TokenizerConfig(kind="bpe", dropout=0.1).dropout == 0.1


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_shares_of_merges(dropout: float) -> None:
    with pytest.raises(ValidationError, match="dropout"):
        TokenizerConfig(dropout=dropout)


# Files


@pytest.mark.parametrize("kind", KINDS)
def test_json_there_and_back(made: dict[str, Tokenizer], kind: str) -> None:
    again = Tokenizer.from_json(made[kind].to_json())
    assert again.to_json() == made[kind].to_json()
    texts = [*TEXTS, "<eos> zebra ñ 猫"]
    assert again.encode(texts) == made[kind].encode(texts)
    assert again.vocab_size == made[kind].vocab_size


TRAINED = """
import hashlib
from clearhead.data.samples.english_spanish import sentences
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import TokenizerConfig
texts = [text for s in sentences("train", 400) for text in (s.english, s.spanish)]
for kind in ("bpe", "unigram", "wordpiece", "word", "character"):
    made = train_tokenizer(texts, TokenizerConfig(kind=kind, vocab_size=600))
    print(kind, made.vocab_size, hashlib.sha256(made.to_json().encode()).hexdigest())
"""


def test_training_is_repeatable() -> None:
    """In every process: the library keeps words in hash tables, whose order is another one in each."""
    here, *others = [
        subprocess.run([sys.executable, "-c", TRAINED], capture_output=True, text=True, check=True).stdout
        for _ in range(4)
    ]
    assert here.count("\n") == len(KINDS)
    assert others == [here] * 3


def test_unigram_scores_without_chance() -> None:
    """Bytes that stand in no text all have the lowest score; equal scores stand in the order of the alphabet."""
    vocab = json.loads(SMALL["unigram"].to_json())["model"]["vocab"]
    assert [piece for piece, _ in vocab[:4]] == SPECIALS
    pieces = [(piece, score) for piece, score in vocab[4:]]
    assert pieces == sorted(pieces, key=lambda p: (-p[1], p[0]))
    assert all(score == round(score, 4) for _, score in pieces)
    seen = {letter for text in TEXTS for word in letters(text) for letter in word}
    lowest = min(score for _, score in pieces)
    unseen = [score for piece, score in pieces if len(piece) == 1 and piece not in seen]
    assert set(unseen) == {lowest}
    assert len(unseen) == 256 - len(seen)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("texts", [[], [""], ["a"]])
def test_next_to_nothing_to_learn_from(kind: str, texts: list[str]) -> None:
    """The 256 bytes are always there."""
    tokenizer = train_tokenizer(texts, TokenizerConfig(kind=kind))
    assert tokenizer.vocab_size == 260
    assert tokenizer.decode(tokenizer.encode(["The zebra, 猫."])) == ["The zebra, 猫."]


def test_sizes() -> None:
    assert all(tokenizer.vocab_size <= 320 for tokenizer in SMALL.values())
    frequent = train_tokenizer(TEXTS, TokenizerConfig(kind="word", min_count=4))
    assert 4 < frequent.vocab_size < train_tokenizer(TEXTS, TokenizerConfig(kind="word")).vocab_size


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"no word stands in the 1 texts 5 times\n  fix: .*min-count 1"):
        train_tokenizer(["once only"], TokenizerConfig(kind="word", min_count=5))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": null}'])
def test_what_is_no_tokenizer(text: str) -> None:
    with pytest.raises(FolderError, match=r"here\.json: not a tokenizer"):
        Tokenizer.from_json(text, file="here.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
        ("می\u200c خواهم", ["می", "خواهم"]),
        ("ക\u0d4d\u200d അവന\u0d4d\u200d", ["ക\u0d4d\u200d", "അവന\u0d4d\u200d"]),
        ("e\u0301te\u0301 हिन्दी", ["\u00e9t\u00e9", "हिन्दी"]),
        ("Zu\u00adsam\u00admen\u2060hang", ["Zusammenhang"]),
        (
            "don't don\u2019t 'tis o\u02bcclock ג\u05f3ירפה",
            ["don't", "don\u2019t", "tis", "o\u02bcclock", "ג\u05f3ירפה"],
        ),
        ("a\u200bb, c-d", ["a", "b", "c", "d"]),
    ],
)
def test_words_are_what_scripts_take_for_one(text: str, words: list[str]) -> None:
    tokenizer = word_tokenizer([text], vocab_size=99, min_count=1, lowercase=False)
    assert [str(tokenizer.backend.id_to_token(i)) for i in tokenizer.encode([text])[0]] == words


RUNS = ["acgt" * 50_000, "7" * 50_000, " " * 50_000, "-" * 50_000]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece", "word", "character"])
def test_a_run_without_a_break_is_learned_in_parts(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearhead.data.tokenizer_training._FROM_RUNS", 20_000)
    with pytest.warns(UserWarning, match="350,000 characters stand in runs of 1,000 and more without a break"):
        tokenizer = train_tokenizer(["one two", *RUNS, "one two"], TokenizerConfig(kind=kind))
    assert tokenizer.decode(tokenizer.encode(["one two"])) == ["one two"]


def test_long_runs_of_running_text_are_learned_in_parts() -> None:
    with pytest.warns(UserWarning, match="350,004 characters"):
        tokenizer = text_tokenizer(["one two\n".join([*RUNS, ""])], TextTokenizerConfig())
    assert tokenizer.exactly(tokenizer.encode(["one  acgt"])[0]) == "one  acgt"


def test_ordinary_text_is_learned_as_it_is() -> None:
    texts = [f"{'x' * 999} {'y' * 999}-{'7' * 999}\n" * 2, "the house, the tree " * 300]
    assert list(_learnable(texts)) == texts
    cut = ["a " + "b" * 2500 + " c", "d"]
    with pytest.warns(UserWarning, match="2,500 characters"):
        assert list(_learnable(cut)) == ["a ", "b" * 1000, "b" * 1000, "b" * 500, " c", "d"]


# What was changed in a file


def _changed(change: Callable[[dict[str, Any]], Any]) -> str:
    made = train_tokenizer(["the white cats see the red house"] * 3, TokenizerConfig(vocab_size=300))
    data = json.loads(made.to_json())
    change(data)
    return json.dumps(data)


_CATS = {"content": "cats", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
_CUT = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}
_LONG = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["model"]["vocab"].update(a=d["model"]["vocab"]["b"]), "gives an id to two entries"),
        (lambda d: d["model"]["vocab"].update(a=10**6), "gives an id to two entries, or leaves one out"),
        (lambda d: d["model"]["vocab"].update(new=len(d["model"]["vocab"]) + 1), ".* leaves one out"),
        (lambda d: d["added_tokens"].append({**_CATS, "id": 270, "special": False}), "adds the tokens .* cats"),
        (lambda d: d["added_tokens"].append({**_CATS, "id": 9999, "special": True}), "two entries|adds the tokens"),
        (lambda d: d["added_tokens"][3].update(lstrip=True), "takes marks for words"),
        (lambda d: d.update(truncation=_CUT), "cuts texts"),
        (lambda d: d.update(padding={**_LONG, "pad_token": "<pad>"}), "lengthens texts"),
        (lambda d: d["model"].update(dropout=0.5), "cuts words otherwise each time"),
    ],
)
def test_what_would_change_texts_in_silence_is_refused(change: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(FolderError, match=rf"here\.json: this tokenizer {message}"):
        Tokenizer.from_json(_changed(change), file="here.json")
