"""The act of attention: one small immutable value, and the steps that define it.

    similarities -> scaled -> biased -> masked -> weights -> context
    context = softmax(scale * sim(q, k) + bias, where the mask allows) v        (Vaswani et al., 2017)

The steps are the definition, a few rows at a time; `context()` takes a faster way to the same result where the score is
a dot product in disguise and nothing was edited. Keeping an act keeps q, k and v - O(tokens) - never the weights.

Axes: batch, heads (of queries), kv_heads (heads = groups * kv_heads), queries, keys, head_dim, v_head_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clearhead.attention.biases import Bias
from clearhead.attention.dropout import dropout
from clearhead.attention.masks import Anywhere, Mask
from clearhead.attention.scores import ScaledDot, Score, by_group
from clearhead.attention.where import Where
from clearhead.edits import Edit
from clearhead.errors import ConfigError, EditError, nearest
from clearhead.look import begun
from clearhead.processor import bfloat16_cost

__all__ = ["STEPS", "Attention"]

STEPS = ("q", "k", "v", "similarities", "scaled", "biased", "masked", "weights", "context")

_NOTHING = {"masked": float("-inf"), "weights": 0.0}  # what a key that may not be seen has in these steps

# On a CPU, plain steps beat the fused kernel for a few queries, in bfloat16 for short texts too (benchmark `parts`);
# but for a text or two written token by token it is the number of steps that costs, and the kernel is one.
_FEW, _SHORT, _ALONE = 8, 256, 32  # queries; keys; rows times heads
_BLOCK = 2**24  # numbers an opened act may hold at once when it walks its rows in blocks (64 MB in float32)
_ANYWHERE = Anywhere()
_NEAR = 2**19  # and where a block is used at once: so many stay in a processor's cache


@dataclass(frozen=True, eq=False)
class Attention:
    """Who asks, who is asked, what they answer, who may look where, and how similarity is scored.

    Args:
        q: what each query asks, positions applied; [batch, heads, queries, head_dim].
        k: what each key offers, positions applied; [batch, kv_heads, keys, head_dim].
        v: what each key answers; [batch, kv_heads, keys, v_head_dim].
        mask: who may look where (True = may look), over positions; None = everybody everywhere.
        bias: what is added to the scaled similarities (ALiBi, T5); None = nothing.
        score: how a query and a key are compared.
        dropout: share of the weights that `context()` drops; the steps show the weights before it.
        where: where the queries and the keys stand; None: both at 0, 1, 2, ...
        edits: changes of single steps; see `clearhead.edits.Edit`.

    Raises:
        ConfigError: `where` is of other sizes than q and k.
    """

    q: Float[Tensor, "batch heads queries q_dim"]
    k: Float[Tensor, "batch kv_heads keys k_dim"]
    v: Float[Tensor, "batch kv_heads keys v_dim"]
    mask: Mask | None = None
    bias: Bias | None = None
    score: Score = field(default_factory=ScaledDot)
    dropout: float = 0.0
    where: Where = field(default=cast("Where", None))
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        if self.where is None:
            usual = Where.across(self.q.size(2), self.k.size(2), device=self.q.device)
            object.__setattr__(self, "where", usual)
        elif not torch.compiler.is_compiling() and not self.where.fits(len(self.q), self.q.size(2), self.k.size(2)):
            raise ConfigError(
                f"queries [{self.q.size(0)}, {self.q.size(2)}] and keys [{self.k.size(0)}, {self.k.size(2)}] stand at "
                f"positions {list(self.where.queries.shape)} and {list(self.where.keys.shape)}",
                "give positions [rows or 1, queries] and [rows or 1, keys]",
            )

    def __repr__(self) -> str:
        """Its sizes and what it is made of; the numbers are in its steps."""
        sizes = zip(("batch", "heads", "queries", "keys"), self.shape, strict=True)
        parts = [self.score, *(part for part in (self.mask, self.bias) if part is not None)]
        told = [f"{name}={size}" for name, size in sizes] + [type(part).__name__ for part in parts]
        edits = f", {len(self.edits)} edits" if self.edits else ""
        return f"Attention({', '.join(told)}{edits}): .{'(), .'.join(STEPS[3:])}(); .q, .k, .v"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(batch, heads, queries, keys): the shape of the weights."""
        return (*self.q.shape[:3], self.k.size(2))

    def allowed(self, rows: slice = slice(None)) -> Bool[Tensor, ...] | None:
        """Who may look where, broadcastable to [batch, heads, rows, keys]; None where everybody may look anywhere."""
        mask = self._closing()
        return None if mask is None else mask.dense(self.where.of(rows))

    # The steps -------------------------------------------------------------------------------------------------------

    def similarities(self, rows: slice = slice(None)) -> Float[Tensor, "batch heads rows keys"]:
        """How alike each query (of `rows`) and each key are, before any scaling."""
        return self._step("similarities", self.score.similarities(self.q[:, :, rows], self.k), rows)

    def scaled(self, rows: slice = slice(None)) -> Float[Tensor, "batch heads rows keys"]:
        """The similarities times the score's scale, in at least float32."""
        x = self.similarities(rows)
        return self._step("scaled", x.to(_at_least_float32(x)) * self.score.scale(self.q.size(-1)), rows)

    def biased(self, rows: slice = slice(None)) -> Float[Tensor, "batch heads rows keys"]:
        """The scaled similarities plus the bias."""
        x = self.scaled(rows)
        if self.bias is not None:
            x = x + self.bias.dense(self.where.of(rows)).to(x.dtype)
        return self._step("biased", x, rows)

    def masked(self, rows: slice = slice(None)) -> Float[Tensor, "batch heads rows keys"]:
        """The biased similarities, -inf where a query may not look (the textbook's 0 / -inf added)."""
        x = self.biased(rows)
        if (allowed := self.allowed(rows)) is not None:
            x = x.masked_fill(~allowed, float("-inf"))
        return self._step("masked", x, rows)

    def weights(self, rows: slice = slice(None)) -> Float[Tensor, "batch heads rows keys"]:
        """The softmax of the masked similarities: each row sums to 1, or is all 0 if it may look nowhere."""
        x = self.masked(rows)
        nowhere = (x == float("-inf")).all(-1, keepdim=True)
        w = x.masked_fill(nowhere, 0.0).softmax(-1).masked_fill(nowhere, 0.0)
        return self._step("weights", w.to(self.v.dtype), rows)

    def context(self) -> Float[Tensor, "batch heads queries v_dim"]:
        """What each query takes home: the values averaged by its weights, the fastest way that applies."""
        folded = None if self.edits else self.score.fold(self.q, self.k)
        if folded is None:
            return self._context_by_rows()
        q, k, scale = folded
        half = q.dtype == torch.bfloat16
        short = q.size(2) <= _FEW or (half and k.size(2) <= _SHORT)
        alone = q.size(2) == 1 and q.size(0) * q.size(1) <= _ALONE and not half
        if q.device.type == "cpu" and short and not alone and not (half and _slow_in_half()):
            return self._context_short(q, k, scale)
        return self._context_fused(q, k, scale)

    # Ways to the context ---------------------------------------------------------------------------------------------

    def _context_by_rows(self) -> Tensor:
        """The definition itself, in blocks of rows, so that long or additive acts need no square of memory."""
        cost = self.score.cost(self.q, self.k)
        block = max(1, min(self.q.size(2), _BLOCK // max(1, self.q.size(0) * self.q.size(1) * self.k.size(2) * cost)))
        blocks = [slice(i, min(i + block, self.q.size(2))) for i in range(0, max(1, self.q.size(2)), block)]
        if len(blocks) == 1:
            return self._context_of(blocks[0])
        if torch.is_grad_enabled():
            return torch.cat([checkpoint(self._context_of, rows, use_reentrant=False) for rows in blocks], dim=2)
        return torch.cat([self._context_of(rows) for rows in blocks], dim=2)

    def _context_of(self, rows: slice) -> Tensor:
        weights = dropout(self.weights(rows), self.dropout)
        return self._step("context", by_group(weights, self.v), rows)

    def _context_fused(self, q: Tensor, k: Tensor, scale: float) -> Tensor:
        """PyTorch's kernel: the one fused shortcut."""
        grouped = q.size(1) != k.size(1)
        if self.bias is None and self.mask is not None and self.mask.is_causal(self.where):
            return F.scaled_dot_product_attention(
                q, k, self.v, dropout_p=self.dropout, is_causal=True, scale=scale, enable_gqa=grouped
            )
        added, nowhere = self._added(q.dtype, boolean=True)
        context = F.scaled_dot_product_attention(
            q, k, self.v, attn_mask=added, dropout_p=self.dropout, scale=scale, enable_gqa=grouped
        )
        return context if nowhere is None else context.masked_fill(nowhere, 0.0)

    def _context_short(self, q: Tensor, k: Tensor, scale: float) -> Tensor:
        """The steps without their names: where there is little to compute, no kernel is faster on a CPU."""
        scores = by_group(q * scale, k.transpose(-2, -1))
        added, nowhere = self._added(q.dtype, boolean=False)
        weights = (scores if added is None else scores + added).softmax(-1)
        weights = dropout(weights, self.dropout)
        context = by_group(weights, self.v)
        return context if nowhere is None else context.masked_fill(nowhere, 0.0)

    def _added(self, dtype: torch.dtype, *, boolean: bool) -> tuple[Tensor | None, Tensor | None]:
        """Bias and mask merged into the kernel's one argument, and the rows that may look nowhere.

        Such rows are opened for the kernel and set to zero after it: a softmax over nothing is NaN, also backward.
        """
        where, mask = self.where, self._closing()
        if self.bias is None:
            return (None, None) if mask is None else mask.opened(where) if boolean else mask.added(where, dtype)
        added = self.bias.dense(where).to(dtype)
        if mask is not None:
            added = added.masked_fill(~mask.dense(where), float("-inf"))
        nowhere = (added == float("-inf")).all(-1, keepdim=True)  # a bias of -inf may close rows too
        return added.masked_fill(nowhere, 0.0), nowhere

    # Seen: how a trace keeps, edits and writes an act ----------------------------------------------------------------

    def kept(self, *, grad: bool) -> Attention:
        """The act with detached tensors and a copy of its score's and bias's parameters."""
        if grad:
            return self
        bias = None if self.bias is None else self.bias.kept()
        q, k, v = self.q.detach(), self.k.detach(), self.v.detach()
        return replace(self, q=q, k=k, v=v, where=self.where.kept(), bias=bias, score=self.score.kept())

    def touches(self, edit: Edit) -> bool:
        """Whether the edit's rows are among ours.

        Raises:
            EditError: there is no such step or no such place in it, or a window has forgotten it.
        """
        if edit.step not in STEPS:
            raise EditError(
                f"an act of attention has no step {edit.step!r}",
                nearest(edit.step, STEPS) or f"its steps are {', '.join(STEPS)}",
            )
        shapes = {"q": self.q.shape, "k": self.k.shape, "v": self.v.shape, "context": (*self.shape[:3], self.v.size(3))}
        start = self.where.column if edit.step in ("k", "v") else self.where.row
        columns, grows = None if edit.step in shapes else self.where.column, begun() is not None
        self._holds(edit, grows=grows)
        return edit.touches(shapes.get(edit.step, self.shape), start=start, columns=columns, grows=grows)

    def _holds(self, edit: Edit, *, grows: bool) -> None:
        """A key that a window has forgotten or that is still to come can be given no weight: its value is not here."""
        if edit.step not in _NOTHING or not (self.where.column or grows):
            return
        first = self.where.column
        last, rows = first + self.k.size(2), replace(edit, where=edit.where[:3])
        missing = any(edit.fills(_NOTHING[edit.step], *keys) for keys in ((0, self.where.column), (last, None)))
        if missing and rows.touches(self.shape, start=self.where.row, grows=grows):
            raise EditError(
                f"the edit of {edit.path!r} gives weight to keys that are not here, but {first} to {last - 1}",
                "name rows that see these keys, take new_cache(forgets=False), or a pass without a cache",
            )

    def edited(self, edits: Sequence[Edit]) -> Attention:
        """The act with edits: of q, k and v at once, of its steps whenever they are derived."""
        act = self
        for edit in edits:
            if edit.step == "q":
                act = replace(act, q=edit.apply(act.q, first=self.where.row))
            elif edit.step == "k":
                act = replace(act, k=edit.apply(act.k, first=self.where.column))
            elif edit.step == "v":
                act = replace(act, v=edit.apply(act.v, first=self.where.column))
        return replace(act, edits=(*act.edits, *edits))

    def of_head(self, number: int) -> Attention:
        """The act as one head performs it, with the keys and values of its group: every axis of heads has one entry."""
        served = number // (self.q.size(1) // self.k.size(1))
        here = [edit.of_head(number) for edit in self.edits if edit.step not in ("k", "v")]  # those are in k and v
        return replace(
            self,
            q=self.q[:, number, None],
            k=self.k[:, served, None],
            v=self.v[:, served, None],
            mask=None if self.mask is None else self.mask.of_head(number),
            bias=None if self.bias is None else self.bias.of_head(number),
            edits=tuple(edit for edit in here if edit is not None),
        )

    def to_json(self) -> dict[str, object]:
        """q, k, v as numbers, the mask as booleans, the bias as numbers, and the score's scale."""
        mask = None if (allowed := self.allowed()) is None else allowed.tolist()
        bias = None if self.bias is None else self.bias.dense(self.where).tolist()
        tensors = {name: getattr(self, name).float().tolist() for name in ("q", "k", "v")}
        score = {"name": type(self.score).__name__, "scale": self.score.scale(self.q.size(-1))}
        edits = [e.to_json() for e in self.edits]
        return {**tensors, "mask": mask, "bias": bias, "score": score, "start": self.where.row, "edits": edits}

    @torch.no_grad()
    def gap(self, context: Tensor) -> float:
        """The proof a person sees: max |weights . v - context|, the context being the one the model went on with.

        Our side is summed in float64, in blocks of rows, so that the number is the fast way's own error: for values of
        about 1 up to some 2e-6 in float32 and 2e-2 in bfloat16; 0 where the context has no numbers.
        """
        if not context.numel():
            return 0.0
        block = max(1, _NEAR // max(1, self.q.size(0) * self.q.size(1) * self.k.size(2)))
        gaps = []
        for i in range(0, self.q.size(2), block):
            rows = slice(i, i + block)
            ours = self._step("context", by_group(self.weights(rows).double(), self.v.double()), rows)
            gaps.append((ours - context[:, :, rows]).abs().max())
        return float(torch.stack(gaps).max())

    # ------------------------------------------------------------------------------------------------------------------

    def _step(self, name: str, x: Tensor, rows: slice) -> Tensor:
        for edit in self.edits:
            if edit.step == name:
                columns = 0 if name == "context" else self.where.column
                x = edit.apply(x, first=self.where.row + (rows.start or 0), columns=columns)
        return x

    def _closing(self) -> Mask | None:
        """The mask, or who is there; None where it is known without looking that everybody may look anywhere."""
        where, mask = self.where, self.mask
        if mask is None:
            return None if where.whole else _ANYWHERE
        return None if mask.allows_all(where) else mask


def _slow_in_half() -> bool:
    """Whether this processor has no instructions for bfloat16: the kernel then computes in float32 inside."""
    return not torch.compiler.is_compiling() and bfloat16_cost("cpu") > 1


def _at_least_float32(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
