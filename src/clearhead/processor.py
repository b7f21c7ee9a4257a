"""What this machine is quick at, found by measuring and never assumed.

A processor without instructions for bfloat16 multiplies it up to 50 times slower than float32, without a word. What a
processor calls itself does not tell how a library will use it; one small product does, in milliseconds.

Threads that share a product wait for the slowest. Where other programs keep the processor busy, one of them is often
not running, the others spin, and two threads are several times slower than one.
"""

from __future__ import annotations

import os
import time
from functools import cache

import torch

__all__ = ["bfloat16_cost", "bfloat16_note", "free_threads", "quick_threads"]

_SIDE, _TRIES = 128, 6  # a product of this size takes a tenth of a millisecond in float32
_WORTH, _LOOK = 0.8, 0.15  # of the time with half the threads: what more of them must bring; seconds of a look
_HOPELESS = 12.0  # times as long, twice: more than a first product's warm-up explains


@cache
def bfloat16_cost(device: str) -> float:
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


def bfloat16_note(device: str = "cpu") -> str:
    """What is to be said where products are slower in bfloat16 than in float32; "" elsewhere."""
    cost = bfloat16_cost(device)
    return (
        f"on this machine a matrix product takes {cost:.2g} times as long in bfloat16 as in float32" if cost > 1 else ""
    )


def _seconds(dtype: torch.dtype, device: str) -> float:
    """The time of one product: of this thread on a CPU, so that nothing beside it counts."""
    clock = time.thread_time if device == "cpu" else time.perf_counter
    x = torch.ones(_SIDE, _SIDE, dtype=dtype, device=device)
    float(x[0, 0])  # reading a number waits for the device
    start = clock()
    float((x @ x)[0, 0])
    return clock() - start


def free_threads() -> int:
    """How many threads may be chosen among: those of torch, or 0 where a person has fixed their number."""
    return 0 if "OMP_NUM_THREADS" in os.environ else torch.get_num_threads()


def quick_threads(most: int) -> int:
    """With how many threads, at most so many, products are quick at this moment; takes some tenths of a second.

    The most, unless half as many are clearly faster: on a quiet machine the answer does not depend on chance. Torch's
    own number is left as it was.
    """
    before = torch.get_num_threads()
    try:
        threads, seconds = most, _shared_seconds(most)
        while threads > 1:
            fewer = threads // 2
            alone = _shared_seconds(fewer)
            if _WORTH * seconds <= alone:
                break
            threads, seconds = fewer, alone
        return threads
    finally:
        torch.set_num_threads(before)


def _shared_seconds(threads: int) -> float:
    """The usual time of a few products with so many threads, each an equal part of the same work."""
    torch.set_num_threads(threads)
    x = torch.ones(64, _SIDE, _SIDE)
    times: list[float] = []
    end = time.perf_counter() + _LOOK
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 9):
        start = time.perf_counter()
        torch.bmm(x, x)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
