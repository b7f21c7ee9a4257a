"""Writing in less precision: a copy of a model with bfloat16 weights, or with int8 matrix products.

    int8:  W ~ diag(s) W8, a scale for each output;  x ~ t (x8 - z), one for the whole tensor, at every call
           x W^T ~ t diag(s) (x8 - z) W8^T, summed in int32                                       (Jacob et al., 2018)

The products take a quarter of the memory and, where the processor multiplies bytes, a fraction of the time
(benchmarks/decoding.py); embeddings, norms and attention stay in float32. What is looked at is always the model itself.
"""

from __future__ import annotations

import copy
import warnings
from typing import Literal, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from clearhead.errors import ConfigError

__all__ = ["Precision", "reduced"]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]

M = TypeVar("M", bound=nn.Module)


def reduced(module: M, precision: Precision) -> M:
    """A copy of `module`, which is in float32, that computes in `precision`; the module itself for float32.

    Raises:
        ConfigError: int8 is asked for on a device that is no CPU, or of a PyTorch without its int8 products.
    """
    if precision == "float32":
        return module
    small = copy.deepcopy(module).requires_grad_(False)
    if precision == "int8":
        _replace_linear(small)
        return small
    for weight in small.parameters():  # parameters only: tables of positions stay exact
        weight.data = weight.data.bfloat16()
    return small


class _Int8Linear(nn.Module):
    """`nn.Linear` for float32 on a CPU with an int8 weight."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach()
        if weight.device.type != "cpu" or not hasattr(torch, "quantize_per_channel"):
            raise ConfigError(
                f"int8 needs PyTorch's products of bytes for CPUs, which are not there on {weight.device}",
                "move the model to the CPU, or write in bfloat16",
            )
        scales = weight.abs().amax(1).clamp(min=1e-12) / 127
        zeros = torch.zeros(len(scales), dtype=torch.long)
        with warnings.catch_warnings():
            # Announced to go some day; of all products of bytes this one is the fastest, and packs no other tensor.
            warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
            rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, linear.bias)
        # Older processors add two products in 16 bits, which only 7 bits of x never overflow.
        self.narrow = not torch.cpu._is_vnni_supported()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, self.narrow)
        return out


def _replace_linear(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, _Int8Linear(child))
        else:
            _replace_linear(child)
