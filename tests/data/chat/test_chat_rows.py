"""Packed conversations: each once an epoch, only answers predicted, and none of them sees another."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from clearhead.data.chat.chat_rows import ChatRows, ChatTokens
from clearhead.data.vocabulary import IGNORED
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder

EOS = 2  # as tokenizers that are trained here number it

chats = st.lists(
    st.lists(st.tuples(st.integers(4, 30), st.booleans()), min_size=1, max_size=14).map(
        lambda pairs: ChatTokens([i for i, _ in pairs], [own for _, own in pairs])
    ),
    min_size=1,
    max_size=12,
)


def pieces(rows: ChatRows, epoch: int) -> list[tuple[list[int], list[int]]]:
    """(ids, labels) of every conversation of an epoch, cut out of its rows."""
    found = []
    for key in rows.epoch(epoch):
        batch = rows.batch(key)
        assert batch.documents is not None and batch.at is not None and batch.ids.size(1) <= rows.length
        for row in range(len(batch.ids)):
            for number in batch.documents[row].unique().tolist():
                here = batch.documents[row] == number
                if number:
                    assert batch.at[row][here].tolist() == list(range(int(here.sum())))
                    found.append((batch.ids[row][here].tolist(), batch.labels[row][here].tolist()))
    return found


@given(chats, st.integers(0, 3))
def test_each_chat_stands_once_in_an_epoch_and_only_answers_are_predicted(some: list[ChatTokens], epoch: int) -> None:
    rows = ChatRows(some, length=10, rows=2, eos=EOS, seed=1)
    wanted = []
    for chat in some:
        ids, learned = chat.ids[:10], chat.learned[:10]
        if any(learned):
            labels = [token if own else IGNORED for token, own in zip(ids, learned, strict=True)]
            wanted.append(([EOS, *chat.ids][: len(ids)], labels))
    assert len(rows) == len(wanted) and rows.dropped == len(some) - len(wanted)
    if wanted:
        assert sorted(pieces(rows, epoch)) == sorted(wanted)
        assert rows.predicted == sum(label != IGNORED for _, labels in wanted for label in labels)


def test_no_chat_sees_another() -> None:
    """The outputs of a packed row are those of each conversation alone."""
    torch.manual_seed(0)
    model = Decoder(DecoderConfig(d_model=16, d_ff=32, heads=2, layers=2, max_len=32, dropout=0.0), 40).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.3)  # zero outputs would agree with everything
    random = torch.Generator().manual_seed(1)
    some = [ChatTokens(torch.randint(4, 40, (n,), generator=random).tolist(), [True] * n) for n in (5, 9, 7, 3, 4)]
    rows = ChatRows(some, length=32, rows=1, eos=EOS)
    assert len(rows.epoch(0)) == 1, "all of them share one row"
    batch = rows.batch((0, 0))
    assert batch.documents is not None
    with torch.inference_mode():
        packed = model.decode(batch.ids, where=batch.where())[0]
        for number in range(1, 6):
            here = batch.documents[0] == number
            alone = model.decode(batch.ids[:, here])[0]
            torch.testing.assert_close(packed[here], alone, atol=1e-5, rtol=1e-5)
        blind = model.decode(batch.ids)[0]
    assert not torch.allclose(blind, packed, atol=1e-2), "without the numbers of documents they do see each other"


def test_epochs_differ_and_repeat() -> None:
    some = [ChatTokens([4 + i, 5], [False, True]) for i in range(20)]
    rows = ChatRows(some, length=8, rows=2, eos=EOS, seed=3)
    first = pieces(rows, 0)
    assert first != pieces(rows, 1)
    assert first == pieces(ChatRows(some, length=8, rows=2, eos=EOS, seed=3), 0)
