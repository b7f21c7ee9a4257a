"""A model made ready for writing: packed weights, if asked for in less precision.

    int8:  W ~ diag(s) W8, a scale for each output;  x ~ low + span x8 / 255, both for each row, at every call
           x W^T ~ span/255 (x8 W8^T) diag(s) + low (sum W8) diag(s), summed in int32             (Jacob et al., 2018)

A product of few rows with a large matrix spends much of its time on laying the matrix out as the processor wants it.
Here that is done once; in int8 the products take a quarter of the memory and, where the processor multiplies bytes, a
fraction of the time (benchmark `decoding`); embeddings, norms and attention stay in float32 there. A row has a range
of its own, so that what is written for a text does not depend on the texts beside it. What is looked at is always the
model itself.

Processors without VNNI add the products of two neighbouring columns in 16 bits, where 255 (127 + 127) has no room. x8
keeps its 8 bits there, and s is chosen so that what two neighbours of one sign add to stays within 128: of normal
weights a step becomes 1.3 times as large. A matrix of few columns has zeros between them instead, and loses nothing.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Generic, Literal, TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.attention import MultiHead
from clearhead.devices import find_device
from clearhead.errors import ConfigError

__all__ = ["Precision", "Ready", "fingerprint", "prepared"]

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]

M = TypeVar("M", bound=nn.Module)

_CPU = torch.device("cpu")
_ROWS = 64  # that packed weights are laid out for: hypotheses of a batch
_FEW = 64  # columns: twice as many take hardly longer


def prepared(module: M, precision: Precision, device: torch.device = _CPU) -> M:
    """A copy of `module`, which is in float32, that writes in `precision` on a device.

    What need not differ is shared with it.

    Raises:
        ConfigError: int8 is asked for on a device that is no CPU, or of a PyTorch without its int8 products, or of
            weights that are not finite.
    """
    elsewhere = device.type != "cpu"
    if precision == "int8":
        for place in {device, *(weight.device for weight in module.parameters())} - {_CPU}:
            problem = f"int8 needs PyTorch's products of bytes for CPUs, which are not there on {place}"
            raise ConfigError(problem, "write on the CPU, or in bfloat16")
    shared = {id(x): x for x in [*module.parameters(), *module.buffers()]}
    if precision == "bfloat16" or elsewhere:
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        for weight in module.parameters():
            shared[id(weight)] = nn.Parameter(weight.detach().to(device, dtype), requires_grad=False)
    for buffer in module.buffers() if elsewhere else ():  # tables of positions stay exact
        shared[id(buffer)] = buffer.to(device)
    ready = copy.deepcopy(module, shared)
    if precision == "int8":
        if not all(weight.is_meta or weight.isfinite().all() for weight in module.parameters()):
            problem = "not every weight is a finite number: there are no bytes for it"
            raise ConfigError(problem, "take an intact copy of the model, or train again")
        _replace_linear(ready, _Int8Linear)
    elif _packs(ready):
        _replace_linear(ready, _PackedLinear)
    return ready


class Ready(Generic[M]):
    """The copies of a model that were made ready, each for as long as the weights stay the same.

    Args:
        device: where it writes; `auto` is an NVIDIA GPU where there is one, but the CPU for int8.

    Raises:
        ConfigError: there is no such device.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        find_device(device)
        self._copies: dict[Precision, tuple[object, M]] = {}

    def __call__(self, module: M, precision: Precision) -> M:
        """`module` made ready for a precision; itself while hooks look at it.

        Raises:
            ConfigError: see `prepared`.
        """
        if any(part._forward_hooks or part._forward_pre_hooks for part in module.modules()):
            return module
        now = fingerprint(module)
        if precision not in self._copies or self._copies[precision][0] != now:
            device = find_device("cpu" if precision == "int8" and self.device == "auto" else self.device)
            self._copies[precision] = now, prepared(module, precision, device)
        return self._copies[precision][1]


@torch.no_grad()
def fingerprint(module: nn.Module) -> object:
    """Equal as long as the weights are: where they lie, how often they were written to, and sums that places weigh.

    PyTorch does not count what is written through `.data`; such changes the sums tell.
    """

    def weighed(x: Tensor) -> float:
        for size in reversed(x.shape):
            x = x @ torch.linspace(1, 2, size, dtype=x.dtype, device=x.device)
        return float(x)

    return tuple((w.data_ptr(), 0 if w.is_inference() else w._version, weighed(w)) for w in module.parameters())


def _packs(module: nn.Module) -> bool:
    """Whether PyTorch can pack these weights here."""
    ops = torch.ops.mkldnn
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(ops, "_reorder_linear_weight")
        and hasattr(ops, "_linear_pointwise")
        and all(w.device.type == "cpu" and w.dtype in (torch.float32, torch.bfloat16) for w in module.parameters())
        and (ops._is_mkldnn_bf16_supported() or all(w.dtype == torch.float32 for w in module.parameters()))
    )


class _PackedLinear(nn.Module):
    """`nn.Linear` for CPUs whose weight lies as products of few rows read it."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.bias = linear.bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _ROWS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return out


class _Int8Linear(nn.Module):
    """`nn.Linear` for float32 on a CPU with an int8 weight."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach()
        if not hasattr(torch, "quantize_per_channel"):
            problem = f"int8 needs PyTorch's products of bytes, which are not there in PyTorch {torch.__version__}"
            raise ConfigError(problem, "write in float32 or bfloat16")
        wide = has_vnni()
        self.spread = not wide and weight.size(1) <= _FEW
        if self.spread:
            weight = torch.stack([weight, torch.zeros_like(weight)], dim=2).flatten(1)
        rounded = _rounded(weight, _largest(weight) if wide else _largest_pair(weight))
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)
        self.sums = rounded.dequantize().sum(1)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        low = x.amin(-1, keepdim=True)  # aminmax would take ten times as long
        span = x.amax(-1, keepdim=True).sub_(low)
        # From 0 to 1 in every row: the one range of the tensor is that of each row. Where all are equal it has none.
        x = (x - low).div_(span).nan_to_num_(0.0)
        if self.spread:
            x = torch.stack([x, x], dim=-1).flatten(-2)
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed, False)
        if self.bias is None:
            return out.mul_(span).addcmul_(low, self.sums)
        return torch.addcmul(self.bias, low, self.sums).addcmul_(out, span)


def has_vnni() -> bool:
    """Whether products of bytes are summed in 32 bits here.

    Asked of the products themselves: what PyTorch multiplies bytes with is chosen by more than the processor.
    """
    packed = torch.ops.quantized.linear_prepack(_rounded(torch.full((1, 4), 127.0), torch.tensor([127.0])), None)
    return float(torch.ops.quantized.linear_dynamic(torch.tensor([[255.0, 255.0, 0.0, 0.0]]), packed, False)) > 2**15


def _largest(weight: Tensor) -> Tensor:
    """The largest number of each row."""
    return weight.abs().amax(1)


def _largest_pair(weight: Tensor) -> Tensor:
    """The most that two neighbours of one sign add to, in each row."""
    pairs = F.pad(weight, (0, weight.size(1) % 2)).unflatten(1, (-1, 2))
    return torch.maximum(pairs.clamp(min=0).sum(2), pairs.clamp(max=0).sum(2).neg()).amax(1)


def _rounded(weight: Tensor, largest: Tensor) -> Tensor:
    """Rows in steps of which 127 make what is largest in them."""
    scales, zeros = largest.clamp(min=1e-12) / 127, torch.zeros(len(largest), dtype=torch.long)
    with warnings.catch_warnings():
        # Announced to go some day; of all products of bytes this one is the fastest, and packs no other tensor.
        warnings.filterwarnings("ignore", "torch.quantize_per_tensor", UserWarning)
        return torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)


def _replace_linear(module: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> None:
    for name, child in list(module.named_children()):
        if name == "self_attention" and isinstance(child, MultiHead) and (joined := _joined(child)) is not None:
            child.joint = make(joined)
            del child.q_proj, child.k_proj, child.v_proj
        if isinstance(child, nn.Linear):
            setattr(module, name, make(child))
        else:
            _replace_linear(child, make)


def _joined(heads: MultiHead) -> nn.Linear | None:
    """Queries, keys and values of self-attention as one matrix; None where they are not of one width."""
    parts = (heads.q_proj, heads.k_proj, heads.v_proj)
    widths = [part.out_features // n for part, n in zip(parts, (heads.n_heads, *[heads.n_kv_heads] * 2), strict=True)]
    if len(set(widths)) > 1:
        return None
    biased = parts[0].bias is not None
    joined = nn.Linear(parts[0].in_features, sum(part.out_features for part in parts), biased, device="meta")
    joined.weight = nn.Parameter(torch.cat([part.weight.detach() for part in parts]), requires_grad=False)
    if biased:
        joined.bias = nn.Parameter(torch.cat([part.bias.detach() for part in parts]), requires_grad=False)
    return joined
