"""What a command that writes asks of this machine before it begins."""

from __future__ import annotations

import sys
from typing import Literal, TypeAlias

__all__ = ["Precision", "settle"]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]  # as in generation.precision, which needs torch


def settle(precision: str = "float32") -> None:
    """Use fewer threads where other programs keep the processor busy, and note a precision that is slow here."""
    import torch

    from clearhead.processor import bfloat16_note, free_threads, quick_threads

    most = free_threads()
    if most > 1:
        torch.set_num_threads(quick_threads(most))
    if precision == "bfloat16" and (said := bfloat16_note()):
        print(f"note: {said}; float32 and int8 are faster", file=sys.stderr)
