"""The part that is held out is never larger than was asked for; digests are those that existing folders hold."""

from __future__ import annotations

import hashlib

import pytest

from clearhead.data.chat.chats import Chat, Message, chat_digest
from clearhead.data.pairs import Pair, pair_digest
from clearhead.data.parts import hold_out_text, survey
from clearhead.data.text import Piece
from clearhead.data.word_corpus import split_lines


@pytest.mark.parametrize("share", [0.4, 0.3, 0.15, 0.02, 0.6, 1e-3, 1e-320])
def test_of_documents_and_lines(share: float) -> None:
    pieces = [Piece(f"document {i}\n", True) for i in range(1200)]
    parts = [part for part, _ in hold_out_text(pieces, survey(pieces), share)]
    train, valid = split_lines([piece.text for piece in pieces], share)
    assert 0.5 * share - 1e-3 <= parts.count("valid") / 1200 <= share
    assert len(valid) == max(1, parts.count("valid")) and len(train) == parts.count("train")


def test_what_digests_are_made_of() -> None:
    """Folders hold them: a training goes on with the same data only."""

    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert pair_digest([Pair("a", "b"), Pair("c", "d")], [Pair("é", "f")]) == sha256("a\tb\nc\td\n\né\tf\n\n")
    chat = Chat((Message("user", "a"), Message("assistant", "b", False)))
    assert chat_digest([chat], []) == sha256("[('user', 'a'), ('assistant', 'b', 0)]\n\n")
    assert survey([Piece("one\n", True), Piece("two", False)]).digest == sha256("one\n\0two")
