"""Any other model, watched: a model of `transformers` that has no family here, or a module of a person's own.

    with watch_foreign(model) as trace:
        model(ids)
    clearhead.show(trace)

What each module gives is seen under its path (`model.layers.0.mlp.out`). Models of transformers send their queries,
keys and values through a function that can be registered: there the act of attention is made, seen and, where it is
edited, changed. What cannot be known of a stranger's model is said in the trace's notes: formulas, logits, words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.attention import Added, Attention, Bias, Mask, Matrix, MultiHead
from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.look import Trace, see, watch

__all__ = ["watch_foreign"]

_NAME = "clearhead"
_AXES = {2: "batch width", 3: "batch tokens width", 4: "batch heads tokens width"}


@contextmanager
def watch_foreign(model: nn.Module, *, edits: Sequence[Edit] = ()) -> Iterator[Trace]:
    """Watch a model that shows nothing of itself: what each module gives, and acts of attention of `transformers`.

    Args:
        edits: changes to make on the way (see `clearhead.Edit`).

    Raises:
        ConfigError: its attention is of a kind that has no such act.
    """
    hooks = [module.register_forward_hook(_show) for path, module in model.named_modules() if path]
    stating = {module for module in model.modules() if "sees" in module.__dict__}
    before = _set_attention(model, _NAME) if _is_theirs(model) else None
    try:
        with watch(model, edits=edits) as trace:
            yield trace
        trace.notes.append(
            "a model of another library: formulas, logits and words are not known, only what modules give"
        )
        if not any(isinstance(trace.calls(path)[0], Attention) for path in trace):
            trace.notes.append("its attention does not go through a function that can be opened: no weights are seen")
    finally:
        for hook in hooks:
            hook.remove()
        for module in set(model.modules()) - stating:
            module.__dict__.pop("sees", None)
        if before is not None:
            _set_attention(model, before)


def _show(module: nn.Module, _: object, given: object) -> object:
    """Show what a module gives: the first tensor of it."""
    first = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(first, Tensor) or not first.is_floating_point() or first.ndim not in _AXES:
        return given
    if "out" not in getattr(module, "sees", {}):
        module.__dict__["sees"] = {**getattr(module, "sees", {}), "out": _AXES[first.ndim]}
    seen = see("out", first)
    if seen is first:
        return given
    return (seen, *given[1:]) if isinstance(given, tuple) else seen


def _is_theirs(model: nn.Module) -> bool:
    if find_spec("transformers") is None:
        return False
    from transformers import PreTrainedModel

    return isinstance(model, PreTrainedModel)


def _set_attention(model: Any, name: str) -> str:
    """Choose the function of attention; returns the one before."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

    AttentionInterface.register(_NAME, _attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, eager_mask)
    before = str(model.config._attn_implementation)
    model.set_attn_implementation(name)
    return before


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **more: object,
) -> tuple[Tensor, Tensor]:
    """What a model of theirs calls for its attention: (context [batch, queries, heads, width], weights)."""
    for name in ("softcap", "s_aux", "position_bias"):
        if more.get(name) is not None:
            raise ConfigError(f"the attention of {type(module).__name__} has {name}", "watch another model")
    width = query.size(-1)
    if scaling is not None and scaling != width**-0.5:
        query = query * (scaling * width**0.5)
    mask, bias = _split(attention_mask, key.size(2))
    if "attention" not in getattr(module, "sees", {}):
        module.__dict__["sees"] = {**getattr(module, "sees", {}), **MultiHead.sees}
    q, k, v = see("q", query), see("k", key), see("v", value)
    act = see("attention", Attention(q, k, v, mask=mask, bias=bias))
    return see("context", act.context()).transpose(1, 2).contiguous(), act.weights()


def _split(added: Tensor | None, keys: int) -> tuple[Mask | None, Bias | None]:
    """Their added numbers as who may look where, and what is left to add."""
    if added is None:
        return None, None
    added = added[..., :keys]
    if added.dtype == torch.bool:
        return Matrix(added), None
    allowed = added > torch.finfo(added.dtype).min / 2
    rest = added.masked_fill(~allowed, 0.0)
    return Matrix(allowed), Added(rest) if rest.any() else None
