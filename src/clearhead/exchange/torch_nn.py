"""PyTorch's own attention modules, seen inside: the same weights, calls and outputs; and back.

    inside = from_torch(nn.TransformerEncoder(...))     with watch(inside) as trace: inside(x, src_key_padding_mask=m)
    drop_in(model)                                      every such module of any model, replaced where it stands
    to_torch(inside)                                    PyTorch's module again

What is shared stays shared, what is frozen stays frozen, each part is in training or not as it was, and hooks on a
module go with it. `in_proj_weight` becomes three: an optimizer is made after `drop_in`.

A row of attention that may look nowhere gives zeros here and NaN there; weights that are asked for are those before
dropout; what stands at padded places after an encoder is computed as PyTorch does in training (in eval mode and
without gradients its encoder may write zeros there; real tokens are the same).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from clearhead.errors import ConfigError
from clearhead.exchange.torch_from_ours import from_ours
from clearhead.exchange.torch_modules import (
    MultiheadAttention,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from clearhead.exchange.torch_parts import ModuleParts
from clearhead.exchange.torch_to_ours import THEIRS, to_ours

__all__ = [
    "MultiheadAttention",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "drop_in",
    "from_torch",
    "to_torch",
]


def from_torch(module: nn.Module) -> nn.Module:
    """A module that is called as PyTorch's is, with a copy of its weights.

    Raises:
        ConfigError: it is none of PyTorch's attention modules, or has a part that ours have not.
    """
    return to_ours(module, ModuleParts(copied=True))


def drop_in(model: nn.Module) -> int:
    """Replace every attention module of PyTorch in `model` by ours, wherever it stands; returns how many modules.

    Other people's subclasses of them stay as they are: what these do with their parts, only they know.

    Raises:
        ConfigError: `model` is such a module itself, or one in it has a part that ours have not, or shares one with a
            module that stays. Nothing is replaced then.
    """
    if isinstance(model, THEIRS):
        raise ConfigError(f"a {type(model).__name__} cannot be replaced where it stands", "take from_torch(model)")
    parts, seen = ModuleParts(copied=False), dict[nn.Module, None]()
    places = list(_places(model, seen))
    made = {child: to_ours(child, parts) for child in dict.fromkeys(child for *_, child in places)}
    for module in seen:
        for name, weight in module.named_parameters(recurse=False):
            if parts.was_cut(weight):
                raise ConfigError(
                    f"{name} of a {type(module).__name__} is an attention's in_proj too, which becomes three",
                    "untie them, or replace the module by from_torch yourself",
                )
    for parent, name, child in places:
        setattr(parent, name, made[child])
    return len(made)


def to_torch(module: nn.Module) -> nn.Module:
    """PyTorch's module with a copy of the weights, called as `module` is.

    Raises:
        ConfigError: `module` is none of this file's, or PyTorch's has no such part; the message names it.
    """
    return from_ours(module, ModuleParts(copied=True))


def _places(
    model: nn.Module, seen: dict[nn.Module, None], *, inside: bool = False
) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """(parent, name, child) of each attention module; `seen` holds every module that stays.

    Args:
        inside: whether `model` is a part of somebody's own attention module, which stays as a whole.
    """
    if model in seen:
        return
    seen[model] = None
    for name, child in model._modules.items():
        if child is None:
            continue
        if type(child) in THEIRS and not inside and "forward" not in vars(child):
            yield model, name, child
        else:
            yield from _places(child, seen, inside=inside or isinstance(child, THEIRS))
