"""The part that is held out is never larger than was asked for, whatever stands in rows."""

from __future__ import annotations

import pytest

from clearhead.data.shards import held_out, survey
from clearhead.data.text import Piece
from clearhead.data.words import split_lines


@pytest.mark.parametrize("share", [0.4, 0.3, 0.15, 0.02, 0.6, 1e-3, 1e-320])
def test_of_documents_and_lines(share: float) -> None:
    pieces = [Piece(f"document {i}\n", True) for i in range(1200)]
    parts = [part for part, _ in held_out(pieces, survey(pieces), share)]
    train, valid = split_lines([piece.text for piece in pieces], share)
    assert 0.5 * share - 1e-3 <= parts.count("valid") / 1200 <= share
    assert len(valid) == max(1, parts.count("valid")) and len(train) == parts.count("train")
