"""How values are shown in messages: whole where they can be read, cut where not, and never a failure of its own."""

from __future__ import annotations

from typing import Any

import pytest

from clearhead.errors import given


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("word", "'word'"),
        ([1, None], "[1, None]"),
        ("x" * 500, f"'{'x' * 199}..."),
        (10**400, "with about 400 digits"),
        (nested(5000), "[[[[[[[...]]]]]]]"),
    ],
    ids=["text", "list", "long", "digits", "deep"],
)
def test_a_value_is_shown_as_far_as_it_can_be_read(value: object, shown: str) -> None:
    assert given(value) == shown
