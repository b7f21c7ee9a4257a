"""What this machine is quick at, found by measuring and never assumed.

A processor without instructions for bfloat16 multiplies it up to 50 times slower than float32, without a word. What a
processor calls itself does not tell how a library will use it; one small product does, in milliseconds.
"""

from __future__ import annotations

import time
from functools import cache

import torch

__all__ = ["bfloat16_cost"]

_SIDE, _TRIES = 128, 6  # a product of this size takes a tenth of a millisecond in float32
_HOPELESS = 12.0  # times as long, twice: more than a first product's warm-up explains


@cache
def bfloat16_cost(device: str = "cpu") -> float:
    """How long a matrix product takes in bfloat16 as a share of the time in float32: 0.3 is quick, 20 is hopeless.

    The measurement ends at once where bfloat16 cannot win. A process measures once: it never contradicts itself.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine several threads wait for each other: that would be what is measured
    try:
        full = min(_seconds(torch.float32, device) for _ in range(_TRIES))
        half = min(_seconds(torch.bfloat16, device) for _ in range(2))
        if half < _HOPELESS * full:
            half = min(half, *(_seconds(torch.bfloat16, device) for _ in range(_TRIES)))
        return half / full
    finally:
        torch.set_num_threads(threads)


def _seconds(dtype: torch.dtype, device: str) -> float:
    """The time of one product: of this thread on a CPU, so that nothing beside it counts."""
    clock = time.thread_time if device == "cpu" else time.perf_counter
    x = torch.ones(_SIDE, _SIDE, dtype=dtype, device=device)
    float(x[0, 0])  # reading a number waits for the device
    start = clock()
    float((x @ x)[0, 0])
    return clock() - start
