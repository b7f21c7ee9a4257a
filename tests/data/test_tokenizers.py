"""Tokenizers: text -> ids -> text is the identity, up to NFC and single spaces; no text becomes a special token."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clearhead.data.pairs import clean
from clearhead.data.tokenizers import BOS, EOS, PAD, UNK, Tokenizer, TokenizerConfig, train_tokenizer
from clearhead.errors import DataError, FolderError

TEXTS = [
    "The white cats do not see the small red house.",
    "¿Dónde está la niña? El niño come una manzana.",
    "Did the girl buy the new shoes? ¡Sí, señora!",
    "ends <eos> and <pad> like special tokens <bos>",
] * 3
SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]
KINDS = ["bpe", "word", "character"]


@pytest.fixture(scope="module")
def made() -> dict[str, Tokenizer]:
    return {kind: train_tokenizer(TEXTS, TokenizerConfig(kind=kind)) for kind in KINDS}


def bpe() -> Tokenizer:
    return train_tokenizer(TEXTS, TokenizerConfig(vocab_size=320))


BPE = bpe()


@settings(max_examples=400)
@given(st.text())
@example("")
@example(" \t\n ")
@example("e\u0301 \u212b ﬁ")  # composed, a singleton, a ligature that NFC leaves alone
@example("a\x1cb\x1f c\x85d\u2028e\u00a0f")  # all that Python or the tokenizer takes for white space
@example("<eos><pad> <bos>\u200b\ufeff\x00")
@example("👩‍👩‍👧 नमस्ते \U0010fffd")
def test_bpe_gives_every_text_back(text: str) -> None:
    (ids,) = BPE.encode([text])
    assert BPE.decode([ids]) == [clean(text)]
    assert not {PAD, BOS, EOS, UNK} & set(ids)
    assert ids or not clean(text)


def test_bpe_gives_every_character_back() -> None:
    codes = [*range(0x3000), *range(0x3000, 0xD800, 7), *range(0xE000, 0x110000, 61)]
    texts = [f"a{chr(code)}b" for code in codes]
    assert BPE.decode(BPE.encode(texts)) == [clean(text) for text in texts]


@settings(max_examples=200)
@given(st.text())
def test_what_is_cleaned_is_encoded_alike(text: str) -> None:
    """The corpus is cleaned by one rule, the tokenizer normalises by another: they must not disagree."""
    assert BPE.encode([" ".join(text.split())]) == BPE.encode([clean(text)])


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
        if kind != "bpe":  # bytes of one character are pieces of their own, each shown as the whole character
            assert "".join(mine).strip() == word


def test_words_by_hand(made: dict[str, Tokenizer]) -> None:
    _, pieces, words = made["word"].tokens("¿Dónde  está la niña?")
    assert pieces == ["¿", "Dónde", "está", "la", "niña", "?"]
    assert words == [0, 0, 1, 2, 3, 3]
    _, pieces, words = made["character"].tokens("la niña")
    assert pieces == ["l", "a", " ", "n", "i", "ñ", "a"]
    assert words == [0, 0, 1, 1, 1, 1, 1]  # a space belongs to the word it begins


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_word_has_a_piece(text: str) -> None:
    _, _, words = BPE.tokens(text)
    assert set(words) == set(range(len(text.split())))


# Files


@pytest.mark.parametrize("kind", KINDS)
def test_json_there_and_back(made: dict[str, Tokenizer], kind: str) -> None:
    again = Tokenizer.from_json(made[kind].to_json())
    assert again.to_json() == made[kind].to_json()
    texts = [*TEXTS, "<eos> zebra ñ 猫"]
    assert again.encode(texts) == made[kind].encode(texts)
    assert again.vocab_size == made[kind].vocab_size


def test_training_is_repeatable() -> None:
    assert bpe().to_json() == BPE.to_json()


def test_sizes() -> None:
    assert BPE.vocab_size <= 320
    frequent = train_tokenizer(TEXTS, TokenizerConfig(kind="word", min_count=4))
    assert 4 < frequent.vocab_size < train_tokenizer(TEXTS, TokenizerConfig(kind="word")).vocab_size


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"no word stands in the 1 texts 5 times\n  mend: .*min-count 1"):
        train_tokenizer(["once only"], TokenizerConfig(kind="word", min_count=5))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": null}'])
def test_what_is_no_tokenizer(text: str) -> None:
    with pytest.raises(FolderError, match=r"here\.json: not a tokenizer"):
        Tokenizer.from_json(text, file="here.json")
