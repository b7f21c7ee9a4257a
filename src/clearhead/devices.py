"""Where numbers are computed."""

from __future__ import annotations

import torch

from clearhead.errors import ConfigError

__all__ = ["find_device"]


def find_device(wanted: str) -> torch.device:
    """The device that was asked for: `auto` is a GPU where there is one, else the CPU.

    Raises:
        ConfigError: there is no such device.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise ConfigError("PyTorch finds no NVIDIA GPU", "leave --device out, or install PyTorch for CUDA")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")
