"""Weights that know how much is taken home: attention by the norm of what moves (Kobayashi et al., 2020).

    || w_ij f(x_j) ||,   f(x) = (x W_v^h + b_v^h) W_o^h

A key with a large weight and a small value moves little; sinks are often such keys.

Axes: batch, heads, rows, keys.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from clearhead.attention import Attention
from clearhead.insight.looks import Weigh

__all__ = ["by_norm", "norms"]


def norms(act: Attention, attention: Any) -> Float[Tensor, "batch heads rows keys"]:
    """||w_ij f(x_j)|| of each head, in the units of the attention's output.

    Args:
        act: what was seen.
        attention: the `MultiHead` that showed it; without an output projection the values themselves are moved.
    """
    heads = act.q.size(1)
    values = act.v.repeat_interleave(heads // act.v.size(1), dim=1)  # [B, H, keys, v_head_dim]
    if attention.o_proj is not None:
        out = attention.o_proj.weight.detach().unflatten(1, (heads, -1))  # [d_model, H, v_head_dim]
        values = torch.einsum("bhkv,dhv->bhkd", values, out)
    moved: Tensor = act.weights() * values.norm(dim=-1)[:, :, None]
    return moved


def by_norm(module: nn.Module) -> Weigh:
    """These as weights for `roles`: of each row the share of all that its head moves."""

    def weigh(path: str, act: Attention) -> Tensor:
        moved = norms(act, module.get_submodule(path.removesuffix(".attention")))
        return moved / moved.sum(-1, keepdim=True).clamp(min=1e-12)

    return weigh
