"""What each part of a model adds to the logit of a token: the residual stream taken apart.

    logit = W_t . (g * (x - mean(x)) / size + b),    x = embeddings + what every head and feed-forward network adds

With the last norm's size taken as it was, the logit is a sum with one term for each part: exact, nothing is estimated
(Elhage et al., 2021, "direct logit attribution"). It holds where blocks only add to the stream: in pre-norm models.

Axes: d_model, vocab.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from clearhead.errors import NotSeenError
from clearhead.look import Trace

__all__ = ["Contribution", "contributions"]

_ROUNDING = 1e-3  # of the largest term: sums of float32
_Term: TypeAlias = tuple[str, str, int | None, Tensor]  # its name, path, head, and the vector it adds


@dataclass(frozen=True)
class Contribution:
    """What one part adds to a logit.

    `path` is where the trace has it, `head` the head where it is one; `name` says it in words.
    """

    name: str
    path: str
    head: int | None
    value: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


@torch.no_grad()
def contributions(trace: Trace, row: int, token: int) -> list[Contribution]:
    """The terms whose sum is the logit of `token` after the token at `row`, in the order of the pass.

    Empty where the model's logit is no such sum: blocks with norms after them or a mix of the stream, a cap on the
    logits, recurrent networks; also where values of the stream, or after the blocks, were edited.

    Raises:
        NotSeenError: the text has no such row, or the vocabulary no such token.
    """
    calls: list[Tensor] = trace.calls("logits")
    logits = calls[0][0] if len(calls) == 1 else torch.cat(calls, dim=1)[0]
    for name, index, count in (("row", row, logits.size(0)), ("token", token, logits.size(1))):
        if not 0 <= index < count:
            raise NotSeenError(f"there is no {name} {index}", f"choose one from 0 to {count - 1}")
    module: Any = trace.module
    stack: Any = getattr(module, "decoder", None)
    norm = getattr(stack, "norm", None)
    capped = getattr(getattr(module, "config", None), "soft_cap", None) is not None
    if norm is None or isinstance(norm, nn.Identity) or getattr(stack, "mix", None) is not None or capped:
        return []
    last = trace[f"decoder.blocks.{len(stack.blocks) - 1}.resid_out"][0, row]
    weight, added, size, centred = _direction(norm, last, module.head.weight[token])
    terms: list[_Term] = [("the embeddings", "decoder.embedded", None, trace["decoder.embedded"][0, row])]
    for number, block in enumerate(stack.blocks):
        terms += _of_block(trace, f"decoder.blocks.{number}", block, row)
    found = [
        Contribution(name, path, head, float((x - x.mean() if centred else x) @ weight / size))
        for name, path, head, x in terms
    ]
    if added:
        found.append(Contribution("the last norm's bias", "decoder.out", None, added))
    return found if _sums_to(float(logits[row, token]), [one.value for one in found]) else []


def _sums_to(logit: float, values: list[float]) -> bool:
    """Whether the terms make the logit, but for rounding."""
    return abs(sum(values) - logit) <= _ROUNDING * max(1.0, *map(abs, values))


def _direction(norm: Any, x: Tensor, row: Tensor) -> tuple[Tensor, float, Tensor, bool]:
    """(what a term is multiplied with, what the norm's bias adds, the norm's size, whether it takes the mean off)."""
    centred = isinstance(norm, nn.LayerNorm)
    size = ((x - x.mean() if centred else x).square().mean() + (norm.eps or 0.0)).sqrt()
    bias = getattr(norm, "bias", None)
    return norm.weight * row, 0.0 if bias is None else float(bias @ row), size, centred


def _of_block(trace: Trace, path: str, block: nn.Module, row: int) -> list[_Term]:
    number = path.rpartition(".")[2]
    terms: list[_Term] = []
    for kind in ("self_attention", "cross_attention"):
        attention = getattr(block, kind, None)
        if attention is None:
            continue
        name, words = f"{path}.{kind}", f"block {number}, {kind.replace('_', '-')}"
        context = trace[f"{name}.context"][0, :, row]  # [heads, v_head_dim]
        if attention.o_proj is None:
            terms.append((words, f"{name}.out", None, trace[f"{name}.out"][0, row]))
            continue
        matrices = attention.o_proj.weight.unflatten(1, context.shape)  # [d_model, heads, v_head_dim]
        terms += [
            (f"{words}, head {head}", f"{name}.attention", head, matrices[:, head] @ context[head])
            for head in range(len(context))
        ]
        if attention.o_proj.bias is not None:
            terms.append((f"{words}, bias", f"{name}.out", None, attention.o_proj.bias))
    terms.append(
        (f"block {number}, feed-forward", f"{path}.feed_forward.out", None, trace[f"{path}.feed_forward.out"][0, row])
    )
    return terms
