"""Parts of modules that become parts of others: each once, with its hooks; and what of a module would be lost.

What is shared there is shared here. A module is refused where it has a part that its counterpart has not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from clearhead.errors import ConfigError

__all__ = ["CALLED", "ModuleParts", "check_nothing_more", "plain", "set_linear", "weight_and_bias", "with_hooks"]

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)

CALLED = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_ABOUT = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
_STATE = ("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks")


class ModuleParts:
    """What becomes of the parts of other modules, each once: what is shared there is shared here.

    Args:
        copied: whether they are copied, or go on as they are.
    """

    def __init__(self, *, copied: bool):
        self.copied = copied
        self._memo: dict[int, object] = {}
        self._made: dict[Hashable, object] = {}
        self._joined: dict[int, Hashable] = {}

    def of(self, part: T) -> T:
        """A whole module or weight."""
        return copy.deepcopy(part, self._memo) if self.copied else part

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gave the first time that this was asked for."""
        if key not in self._made:
            self._made[key] = make()
        return cast(T, self._made[key])

    def thirds(self, weight: nn.Parameter) -> list[nn.Parameter]:
        """A weight of queries, keys and values, cut."""
        _without_hooks(weight)
        return self.once(("thirds", id(weight)), lambda: [_weight([x], weight) for x in weight.chunk(3)])

    def was_cut(self, weight: nn.Parameter) -> bool:
        """Whether there are thirds of it."""
        return ("thirds", id(weight)) in self._made

    def joined(self, weights: Sequence[nn.Parameter]) -> nn.Parameter:
        """Weights of queries, keys and values as one.

        Raises:
            ConfigError: some are frozen and some not, or one is also a part of another.
        """
        if len({weight.requires_grad for weight in weights}) > 1:
            raise ConfigError("PyTorch's in_proj is frozen as a whole or not", "freeze q_proj, k_proj and v_proj alike")
        key = tuple(map(id, weights))
        for place, weight in enumerate(weights):
            _without_hooks(weight)
            if self._joined.setdefault(id(weight), (key, place)) != (key, place):
                raise ConfigError(
                    "one of q_proj, k_proj and v_proj is shared alone, and PyTorch's in_proj has all three",
                    "share all three, or none",
                )
        return self.once(key, lambda: _weight(weights, weights[0]))


def _weight(parts: Sequence[Tensor], like: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(torch.cat([part.detach() for part in parts]), requires_grad=like.requires_grad)


def _without_hooks(weight: Tensor) -> None:
    if weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None):
        raise ConfigError("a weight with hooks of its own is cut or joined", "register the hooks on the new weights")


def plain(linear: nn.Module | None) -> nn.Linear:
    """A linear layer that is what it looks like: its weight and its bias are all.

    Raises:
        ConfigError: it is something else, or a linear layer with more to it.
    """
    if not isinstance(linear, nn.Linear) or type(linear) not in (nn.Linear, NonDynamicallyQuantizableLinear):
        raise ConfigError(
            f"a projection is a {type(linear).__name__}, of which the weight alone would be taken",
            "merge what was added to it, or remove its parametrization, first",
        )
    return linear


def weight_and_bias(linear: nn.Linear) -> tuple[nn.Parameter, nn.Parameter | None]:
    """The two parameters of a linear layer."""
    return linear.get_parameter("weight"), linear._parameters["bias"]


def set_linear(linear: nn.Linear, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
    """Give a linear layer its weight and its bias."""
    linear.register_parameter("weight", weight)
    linear.register_parameter("bias", bias)


def with_hooks(made: Module, module: nn.Module, parts: ModuleParts) -> Module:
    """`made` with the hooks of `module`, which is called alike."""
    if any(getattr(module, name) for name in _STATE):
        raise ConfigError(f"a {type(module).__name__} has hooks on its state", "register them on the new module")
    for name in (*CALLED, *_ABOUT):
        setattr(made, name, copy.copy(getattr(module, name)) if parts.copied else getattr(module, name))
    made._is_full_backward_hook = module._is_full_backward_hook
    return made


def check_nothing_more(module: nn.Module, known: str, *, called: bool) -> None:
    """That a module is made of these parts alone and, unless it is called as before, has no hooks.

    Raises:
        ConfigError: it has more.
    """
    kind = type(module).__name__
    held = {**module._parameters, **module._buffers, **module._modules}
    more = sorted({name for name, part in held.items() if part is not None} - set(known.split()))
    if more or "forward" in vars(module):
        found = ", ".join(more) or "a forward of its own"
        raise ConfigError(f"a {kind} holds {found}, which has no counterpart here", "keep it as it is")
    if not called and any(getattr(module, name) for name in (*CALLED, *_STATE)):
        raise ConfigError(f"a {kind} has hooks, and is called otherwise here", "remove them; watch() sees its parts")
