"""Where numbers are computed: models and batches are moved here and by nobody else."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from clearhead.errors import ConfigError

__all__ = ["find_device", "move"]

T = TypeVar("T")

_MISSING = {
    "cuda": ("PyTorch finds no NVIDIA GPU", "leave --device out, or install PyTorch for CUDA"),
    "mps": ("PyTorch finds no GPU of Apple's", "leave --device out: it is for Macs with Apple silicon"),
}


def find_device(wanted: str) -> torch.device:
    """The device that was asked for: `auto` is an NVIDIA GPU where there is one, else the CPU.

    Raises:
        ConfigError: there is no such device.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(wanted, True):
        raise ConfigError(*_MISSING[wanted])
    if wanted == "auto":
        wanted = "cuda" if there["cuda"] else "cpu"
    return torch.device(wanted)


def move(batch: T, device: torch.device) -> T:
    """A batch, made on the CPU, with all of its tensors on a device: a tensor, or a dataclass, tuple, list or dict."""
    return batch if device.type == "cpu" else _moved(batch, device)


def _moved(x: Any, device: torch.device) -> Any:
    if isinstance(x, Tensor):
        return x.to(device, non_blocking=True)
    if is_dataclass(x) and not isinstance(x, type):
        return replace(x, **{f.name: _moved(getattr(x, f.name), device) for f in fields(x) if f.init})
    if isinstance(x, dict):
        return {name: _moved(value, device) for name, value in x.items()}
    if isinstance(x, list | tuple):
        made = [_moved(value, device) for value in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return x
