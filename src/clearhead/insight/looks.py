"""One attention of one text, opened: who asks, who is asked, with which weights, and who could have been asked.

Rows of a recurrent decoder's steps stand one after the other, as if they had been one act. Weights may be those of
the softmax or others made of them (see `norms.py`). Of a batch the first text is read.

Axes: heads, rows, keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clearhead.attention import Attention
from clearhead.look import Trace

__all__ = ["Look", "Weigh", "attentions", "kind_of", "layer_of", "look_at", "sides", "softmax_weights"]

Weigh: TypeAlias = Callable[[str, Attention], Tensor]
"""(path, act) -> weights [batch, heads, rows, keys] whose rows sum to 1."""


@dataclass(frozen=True, eq=False)
class Look:
    """The weights of one attention in one text.

    Args:
        path: of the act in the trace.
        asks, asked: the sides of the rows and of the keys: `source`, `target` or `tokens`, as in `trace.labels`.
        weights: those of all heads.
        allowed: which keys a row may look at.
    """

    path: str
    asks: str
    asked: str
    weights: Float[Tensor, "heads rows keys"]
    allowed: Bool[Tensor, "rows keys"]

    @property
    def itself(self) -> bool:
        """Whether a text looks at itself."""
        return self.asks == self.asked


def attentions(trace: Trace) -> list[str]:
    """The paths of all acts of attention, in the order of the pass."""
    return [path for path in trace if isinstance(trace.calls(path)[0], Attention)]


def look_at(trace: Trace, path: str, weigh: Weigh | None = None) -> Look:
    """The weights of the act (or of a decoder's acts, one a step) under a path."""
    acts = trace.calls(path)
    weigh = weigh or softmax_weights
    weights = torch.cat([weigh(path, act)[0].detach().float() for act in acts], dim=1)
    allowed = torch.cat([act.masked()[0].detach() > float("-inf") for act in acts], dim=1).any(0)
    return Look(path, *sides(trace, path), weights, allowed)


def softmax_weights(path: str, act: Attention) -> Tensor:
    """The act's own weights."""
    return act.weights()


def sides(trace: Trace, path: str) -> tuple[str, str]:
    """(side of the rows, side of the keys) of an attention."""
    if "tokens" in trace.labels:
        return "tokens", "tokens"
    if kind_of(path) == "cross":
        return "target", "source"
    side = "source" if kind_of(path) == "encoder" else "target"
    return side, side


def kind_of(path: str) -> str:
    """encoder, decoder or cross."""
    return "cross" if "cross_attention" in path else path.partition(".")[0]


def layer_of(path: str) -> int:
    """The number of the block, 0 where there is none."""
    found = re.search(r"\.(\d+)\.", path)
    return int(found[1]) if found else 0
