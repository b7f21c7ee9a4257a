"""Packing: arrays as one small run of bytes, and a description of where each one lies in it.

    bytes = deflate(planes of all float64 | planes of all float32 | ...)      planes: all first bytes, all second, ...

So the bytes that say little (sign and exponent of weights) stand together, and deflate finds them; fractions are chance
and stay as large as they are. Each number keeps its exact value, in the narrowest kind that holds it. `unpack.js` is
the inverse.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["packed"]

KINDS = {"float64": "<f8", "float32": "<f4", "int32": "<i4", "uint8": "|u1"}  # little-endian, as in a browser


def packed(arrays: Mapping[str, Tensor]) -> tuple[dict[str, object], bytes]:
    """(plain JSON, bytes) of arrays of numbers or truths.

    The JSON: `counts`, how many numbers of each kind there are in the bytes, in this order; `arrays`, for each name its
    kind, its shape and which number of this kind is its first.

    Raises:
        ValueError: whole numbers beyond 32 bits.
    """
    parts: dict[str, list[NDArray[np.generic]]] = {kind: [] for kind in KINDS}
    counts, described = dict.fromkeys(KINDS, 0), {}
    for name, tensor in arrays.items():
        array = _exact(tensor.detach().cpu()).numpy()
        kind = _kind(array)
        described[name] = [kind, list(array.shape), counts[kind]]
        parts[kind].append(array.astype(KINDS[kind]).ravel())
        counts[kind] += array.size
    held = {kind: count for kind, count in counts.items() if count}
    planes = b"".join(_planes(np.concatenate(parts[kind])) for kind in held)
    return {"counts": held, "arrays": described}, zlib.compress(planes)


def _exact(x: Tensor) -> Tensor:
    """numpy has no bfloat16."""
    return x.float() if x.dtype == torch.bfloat16 else x


def _kind(array: NDArray[np.generic]) -> str:
    """The narrowest kind that holds every number as it is."""
    if array.dtype == bool:
        return "uint8"
    if np.issubdtype(array.dtype, np.integer):
        if array.size and (array.min() < -(2**31) or array.max() >= 2**31):
            raise ValueError("whole numbers beyond 32 bits cannot be packed")
        return "int32"
    with np.errstate(over="ignore"):
        return "float32" if np.array_equal(array.astype(np.float32), array, equal_nan=True) else "float64"


def _planes(array: NDArray[np.generic]) -> bytes:
    """All first bytes, all second bytes, ..."""
    return array.view(np.uint8).reshape(array.size, array.itemsize).T.tobytes()
