"""What a preview says of pairs: lengths, buckets and shares by hand; the loss's view of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clearhead.data.batches import PairSet
from clearhead.data.config import DataConfig
from clearhead.data.pair_preview import describe_pairs
from clearhead.data.pairs import Pair, Report, read_pairs
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.data.vocabulary import Specials

BOTH = (Specials(eos=2), Specials(bos=1, eos=2))


class Letters:
    """A token a character."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(char) for char in text] for text in texts]

    def tokens(self, text: str) -> tuple[list[int], list[str], list[int]]:
        return [ord(char) for char in text], list(text), [0] * len(text)


def report(count: int) -> Report:
    return Report(max_chars=1000, read=count, kept=count)


def test_numbers_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("abc\tx\nab\txyz\nab\txyz\n\tx\nabcdefg\tx\n", encoding="utf-8")
    pairs, read = read_pairs([path], DataConfig())
    preview = describe_pairs(pairs, read, Letters(), Letters(), 7)
    assert preview.first == (Pair("abc", "x"), Pair("ab", "xyz"), Pair("abcdefg", "x"))
    assert (preview.read, preview.kept, preview.over, preview.share_over) == (5, 3, 1, 1 / 3)
    assert preview.notes == (
        f"1 pair dropped: the same pair stood earlier (first: {path}, line 3)",
        f"1 pair dropped: a side is empty (first: {path}, line 4)",
    )
    # With the special token the sources have 4, 3, 8 tokens and the targets 2, 4, 2; 99 in 100 have 4 or fewer.
    assert preview.source.edges == preview.target.edges == (0, 1, 2, 3, 4, 5, 9)
    assert preview.source.counts == (0, 0, 0, 1, 1, 1)
    assert preview.target.counts == (0, 0, 2, 0, 1, 0)
    assert (preview.source.mean, preview.source.median, preview.source.longest, preview.source.over) == (5, 4, 8, 1)
    assert (preview.target.median, preview.target.longest, preview.target.over) == (2, 4, 0)


def test_the_loss_sees_each_token_one_place_later() -> None:
    pairs = [Pair("abcdef", "x"), Pair("ab", "xyz")]
    seen = describe_pairs(pairs, report(2), Letters(), Letters(), 5).seen
    assert seen is not None  # the first pair is too long to be trained on, so the second is shown
    assert seen.source == ("a", "b", "<eos>")
    assert seen.decoder == ("<bos>", "x", "y", "z")
    assert seen.labels == ("x", "y", "z", "<eos>")
    assert describe_pairs(pairs, report(2), Letters(), Letters(), 2).seen is None


texts = st.text("ab", min_size=1, max_size=300)


@given(st.lists(st.tuples(texts, texts), min_size=1), st.integers(2, 300))
def test_counts_are_those_of_the_training(rows: list[tuple[str, str]], max_len: int) -> None:
    pairs = [Pair(*row) for row in rows]
    preview = describe_pairs(pairs, report(len(rows)), Letters(), Letters(), max_len)
    src, tgt = zip(*rows, strict=True)
    assert preview.over == PairSet(Letters().encode(src), Letters().encode(tgt), max_len, BOTH).dropped
    for side, lengths in ((preview.source, [len(t) + 1 for t in src]), (preview.target, [len(t) + 1 for t in tgt])):
        edges = list(side.edges)
        assert edges == sorted(set(edges)) and len(edges) <= 12 and len(edges) == len(side.counts) + 1
        expected = [sum(low <= n < high for n in lengths) for low, high in pairwise(edges)]
        assert list(side.counts) == expected and sum(side.counts) == len(rows)


def test_with_a_tokenizer_of_ours() -> None:
    tokenizer = train_tokenizer(["a red house"] * 3, TokenizerConfig(kind="word", min_count=1))
    seen = describe_pairs([Pair("a house", "a red house")], report(1), tokenizer, tokenizer, 9).seen
    assert seen is not None
    assert (seen.source, seen.decoder) == (("a", "house", "<eos>"), ("<bos>", "a", "red", "house"))
    assert [tokenizer.backend.id_to_token(i) for i in (tokenizer.specials.bos, tokenizer.specials.eos)] == [
        seen.decoder[0],
        seen.labels[-1],
    ]
