"""Special tokens are the tokenizer's own: those of other libraries are found by how the field spells them."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from clearhead.data.batches import PairSet
from clearhead.data.tokenizer_training import text_tokenizer, train_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, Tokenizer, TokenizerConfig
from clearhead.data.vocabulary import IGNORED, Specials
from clearhead.errors import ConfigError

TEXTS = ["the red house is big", "a dog sees the red house"] * 3


def opened(*names: str) -> Tokenizer:
    """A word tokenizer of another library, with these special tokens before its words."""
    words = dict.fromkeys([*names, *" ".join(TEXTS).split(), "other"])
    backend = Backend(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="other"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens(list(names))
    backend.enable_truncation(3)
    backend.enable_padding()
    return Tokenizer.from_json(backend.to_str())


def test_those_that_are_trained_here_begin_the_vocabulary() -> None:
    for tokenizer in (train_tokenizer(TEXTS, TokenizerConfig()), text_tokenizer(TEXTS, TextTokenizerConfig())):
        assert tokenizer.specials == Specials(pad=0, bos=1, eos=2, unk=3)
        assert 2 not in tokenizer.unwritten() and {0, 1, 3} <= set(tokenizer.unwritten())


@pytest.mark.parametrize(
    ("names", "specials"),
    [
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], Specials(pad=0, unk=1, cls=2, sep=3, mask=4)),
        (["<s>", "<pad>", "</s>", "<unk>", "<mask>"], Specials(bos=0, pad=1, eos=2, unk=3, mask=4)),
        (["<|endoftext|>"], Specials(eos=0)),
    ],
    ids=["bert", "roberta", "gpt2"],
)
def test_a_tokenizer_of_another_library_opens(names: list[str], specials: Specials) -> None:
    tokenizer = opened(*names)
    assert tokenizer.specials == specials and tokenizer.vocab_size == tokenizer.backend.get_vocab_size()
    assert [len(ids) for ids in tokenizer.encode([TEXTS[0], "dog"])] == [5, 1], "it neither cuts nor pads"
    assert tokenizer.decode(tokenizer.encode([TEXTS[1]])) == [TEXTS[1]]
    said = tokenizer.encode([f"{names[0]} dog"])[0]
    assert not set(said) & set(tokenizer.marks.values()), "what a text says is no special token"


def test_what_ends_begins_and_fills_where_nothing_else_does() -> None:
    gpt2, bert = Specials(eos=7), Specials(pad=0, cls=2, sep=3)
    assert (gpt2.begin, gpt2.end, gpt2.fill) == (7, 7, 7)
    assert (bert.begin, bert.end, bert.fill) == (2, 3, 0)
    with pytest.raises(ConfigError, match="no token that ends a text"):
        _ = Specials(pad=0, unk=1).end


def test_a_vocabulary_whose_padding_is_its_end_learns_the_end() -> None:
    """Padding is known by its label, not by a token: with one token for both, every end is still predicted."""
    one = Specials(eos=0)
    batch = PairSet([[5], [6, 7]], [[5], [6, 7]], 8, (one, one)).batch(torch.arange(2).numpy())
    assert batch.labels.tolist() == [[5, 0, IGNORED], [6, 7, 0]]
    assert batch.tgt.tolist() == [[0, 5, 0], [0, 6, 7]]
