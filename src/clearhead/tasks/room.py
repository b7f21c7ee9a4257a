"""Whether a model fits into this machine, known before its weights are made."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import nn

from clearhead.errors import ConfigError

__all__ = ["check_room"]


def check_room(make: Callable[[], nn.Module]) -> None:
    """Count the parameters of the model that `make` makes, without making them.

    Raises:
        ConfigError: this machine has no memory for so many.
    """
    with torch.device("meta"):
        count = sum(p.numel() for p in make().parameters())
    needed, there = 4 * count, _memory()
    if needed > there:
        raise ConfigError(
            f"the model does not fit into memory: its {count:,} parameters take about {needed / 1e9:,.0f} GB before "
            f"anything is learned, and this machine has {there / 1e9:,.0f} GB",
            "make it smaller, above all --arch.d-model",
        )


def _memory() -> float:
    """Bytes of this machine's memory; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows, some others
        return float("inf")
