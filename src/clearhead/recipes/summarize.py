"""Recipes for summarizers."""

from __future__ import annotations

from clearhead.tasks.config import SummarizeConfig

__all__ = ["summarizer"]


def summarizer() -> SummarizeConfig:
    """A summarizer on some 10,000 to 500,000 texts of one's own, each of at most 512 tokens, on a few CPU cores."""
    return SummarizeConfig()
