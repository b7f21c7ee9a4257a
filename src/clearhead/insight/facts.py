"""What is known of a text beside the text: links to its translation, dependencies between its words, parts of speech.

A source names words by their number in the text split at spaces, from 0. Sides are those of `Trace.labels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from clearhead.insight.alignment import Gold

__all__ = ["Arc", "Facts"]


class Arc(NamedTuple):
    """A dependency: of which kind, the dependent word and its head."""

    kind: str
    dependent: int
    head: int


@dataclass(frozen=True)
class Facts:
    """What is known of one text.

    Args:
        links: which source word belongs to which target word.
        arcs: side -> dependencies between its words.
        tags: side -> the part of speech of each of its words ("" where it is not known).
    """

    links: Gold | None = None
    arcs: Mapping[str, Sequence[Arc]] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
