"""Multi-head attention: projections around the act.

    head_h = Attention(x W_q^h, m W_k^h, m W_v^h),   out = [head_1 ... head_H] W_o        (Vaswani et al., 2017)

Self-attention where m = x, cross-attention where a `memory` is given. Grouped and multi-query attention (Ainslie et
al., 2023; Shazeer, 2019) are `n_kv_heads` below `n_heads`; heads that each see the whole embedding are a `head_dim` of
d_model. Axes as in act.py.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from clearhead.attention.act import Attention
from clearhead.attention.biases import Bias
from clearhead.attention.cache import Cache, MemoryCache
from clearhead.attention.masks import Mask
from clearhead.attention.positions import Rotation
from clearhead.attention.scores import ScaledDot, Score
from clearhead.attention.where import Where
from clearhead.errors import ConfigError
from clearhead.formula import Formula, Place, Value, copy, linear, norm_options, side_by_side
from clearhead.look import see
from clearhead.ranges import Factor, Heads, Part, Width, check

__all__ = ["FirstValues", "MultiHead"]


class MultiHead(nn.Module):
    """Several heads of attention side by side.

    Args:
        d_model: width of x and of the output.
        n_heads: how many heads ask.
        n_kv_heads: how many heads are asked (default: as many); n_heads must be a multiple of it.
        head_dim: width of a query and a key (default: d_model / n_heads).
        v_head_dim: width of a value (default: head_dim).
        memory_dim: width of the memory in cross-attention (default: d_model).
        values_dim: width of what the memory answers with, where that is something else (default: memory_dim).
        projections_bias: whether the projections add a bias; "qkv": those of queries, keys and values alone.
        o_proj: whether the joined heads are projected; without it they simply stand side by side.
        qk_norm: whether each head's queries and keys are normalised (by their root mean square) before positions turn
            them (Henry et al., 2020).
        norm_eps: what these norms add below their root.
        value_residual: whether the values are mixed with an earlier layer's, in a share that is learned.
        score: how queries and keys are compared.
        dropout: share of the weights dropped in training.

    Raises:
        ConfigError: the sizes do not divide, or a number is impossible.
    """

    sees = {
        "q": ("batch heads queries head_dim", "queries: what each token asks"),
        "k": ("batch kv_heads keys head_dim", "keys: what each token offers"),
        "v": ("batch kv_heads keys v_head_dim", "values: what each token answers"),
        "attention": ("batch heads queries keys", "the act of attention"),
        "context": ("batch heads queries v_head_dim", "context: values averaged by the weights"),
        "out": ("batch queries d_model", "what attention adds"),
    }

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        head_dim: int | None = None,
        v_head_dim: int | None = None,
        memory_dim: int | None = None,
        values_dim: int | None = None,
        projections_bias: bool | Literal["qkv"] = True,
        o_proj: bool = True,
        qk_norm: bool = False,
        norm_eps: float = 1e-6,
        value_residual: bool = False,
        score: Score | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        check(Width, "d_model", d_model)
        check(Heads, "n_heads", n_heads)
        check(Part, "dropout", dropout)
        check(Factor, "norm_eps", norm_eps)
        for name, size in {
            "n_kv_heads": n_kv_heads,
            "head_dim": head_dim,
            "v_head_dim": v_head_dim,
            "memory_dim": memory_dim,
            "values_dim": values_dim,
        }.items():
            if size is not None:
                check(Width, name, size)
        if head_dim is None and d_model % n_heads:
            raise ConfigError(
                f"d_model {d_model} does not divide into {n_heads} heads",
                f"choose {_divisors(d_model)} heads, or give head_dim",
            )
        n_kv_heads = n_kv_heads or n_heads
        if n_heads % n_kv_heads:
            raise ConfigError(
                f"{n_heads} heads do not divide into groups for {n_kv_heads} key/value heads",
                f"choose {_divisors(n_heads)} key/value heads",
            )
        head_dim = head_dim or d_model // n_heads
        v_head_dim, memory_dim = v_head_dim or head_dim, memory_dim or d_model
        self.n_heads, self.n_kv_heads, self.dropout = n_heads, n_kv_heads, dropout
        bias, o_bias = bool(projections_bias), projections_bias is True
        self.q_proj = nn.Linear(d_model, n_heads * head_dim, bias=bias)
        self.k_proj = nn.Linear(memory_dim, n_kv_heads * head_dim, bias=bias)
        self.v_proj = nn.Linear(values_dim or memory_dim, n_kv_heads * v_head_dim, bias=bias)
        self.o_proj = nn.Linear(n_heads * v_head_dim, d_model, bias=o_bias) if o_proj else None
        self.q_norm = nn.RMSNorm(head_dim, eps=norm_eps) if qk_norm else None
        self.k_norm = nn.RMSNorm(head_dim, eps=norm_eps) if qk_norm else None
        self.value_share = nn.Parameter(torch.tensor(0.5)) if value_residual else None
        self.score = score or ScaledDot()
        self.joint: nn.Module | None = None  # q_proj, k_proj and v_proj as one product: copies made ready for writing

    def forward(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        memory: Float[Tensor, "batch keys memory_dim"] | None = None,
        *,
        mask: Mask | None = None,
        bias: Bias | None = None,
        rotation: Rotation | None = None,
        cache: Cache | MemoryCache | None = None,
        values: FirstValues | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "batch tokens out"]:
        """x attends to itself, or to `memory`; `values` are an earlier layer's, for a layer with a value residual."""
        act = self.act(
            x, memory, mask=mask, bias=bias, rotation=rotation, cache=cache, first_values=values, where=where
        )
        return self.join(act)

    def act(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        memory: Float[Tensor, "batch keys memory_dim"] | None = None,
        values: Float[Tensor, "batch keys values_dim"] | None = None,
        *,
        mask: Mask | None = None,
        bias: Bias | None = None,
        rotation: Rotation | None = None,
        cache: Cache | MemoryCache | None = None,
        first_values: FirstValues | None = None,
        where: Where | None = None,
    ) -> Attention:
        """The act of x attending to itself, or to `memory`, which may answer with other `values`."""
        if memory is None:
            q, k, v = self._of_itself(x)
            if first_values is not None:
                v = first_values.mixed(v, self.value_share)
            if rotation is not None:
                q, k = rotation(q), rotation(k)
            if isinstance(cache, Cache):
                start = cache.length
                k, v = cache.update(k, v)
                first = start + x.size(1) - k.size(2)
                where = where or Where.line(x.size(1), start=start, first=first, device=x.device)
        else:
            q = self._queries(x)
            if isinstance(cache, MemoryCache):
                k, v = cache.once(lambda: self._keys_values(memory, memory))
            else:
                k, v = self._keys_values(memory, memory if values is None else values)
        where = where or Where.across(q.size(2), k.size(2), device=q.device)
        dropout = self.dropout if self.training else 0.0
        act = Attention(q, k, v, mask=mask, bias=bias, score=self.score, dropout=dropout, where=where)
        return see("attention", act)

    def join(self, act: Attention) -> Float[Tensor, "batch tokens out"]:
        """The heads' contexts side by side, projected."""
        joined = see("context", act.context()).transpose(1, 2).flatten(2)
        return see("out", joined if self.o_proj is None else self.o_proj(joined))

    def formulas(self, place: Place, x: Value, memory: Value | None = None) -> Value:
        """How what it shows comes about; the steps between q, k, v and context are the act's own."""
        asked = x if memory is None else memory
        place.see("q", self._projection(place, "q", x), text=x.text)
        place.see("k", self._projection(place, "k", asked), text=asked.text)
        place.see("v", self._projection(place, "v", asked), text=asked.text)
        letters = {letter: place.name(f"score.{name}") for letter, name in self.score.letters().items()}
        act = Formula("act", "softmax(scale · similarity(q, k) + mask) · v", [], letters)
        read = place.see("attention", act, text=x.text, columns=asked.text)
        context = place.see("context", copy("weights · v, as the model used it", read), text=x.text)
        if self.o_proj is None:
            return place.see("out", side_by_side("the heads' contexts side by side", [context]), text=x.text)
        out = linear(place, "o_proj", self.o_proj, [context], "the heads side by side · W")
        return place.see("out", out, text=x.text)

    def _projection(self, place: Place, name: str, x: Value) -> Formula:
        """The formula of q, k or v before positions."""
        norm = getattr(self, f"{name}_norm", None)
        then = {} if norm is None else {"then": norm_options(place, f"{name}_norm", norm)}
        text = f"{name} = {x.called} W{', normed' if then else ''}"
        return linear(place, f"{name}_proj", getattr(self, f"{name}_proj"), [x], text, **then)

    def _of_itself(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.joint is None:
            return self._queries(x), *self._keys_values(x, x)
        heads = self._heads(self.joint(x), self.n_heads + 2 * self.n_kv_heads)
        q, k, v = heads.split((self.n_heads, self.n_kv_heads, self.n_kv_heads), dim=1)
        return see("q", self._normed(q, self.q_norm)), see("k", self._normed(k, self.k_norm)), see("v", v)

    def _queries(self, x: Tensor) -> Tensor:
        return see("q", self._normed(self._heads(self.q_proj(x), self.n_heads), self.q_norm))

    def _keys_values(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        k = see("k", self._normed(self._heads(self.k_proj(keys), self.n_kv_heads), self.k_norm))
        return k, see("v", self._heads(self.v_proj(values), self.n_kv_heads))

    @staticmethod
    def _normed(x: Tensor, norm: nn.Module | None) -> Tensor:
        return x if norm is None else norm(x)

    @staticmethod
    def _heads(x: Tensor, n: int) -> Tensor:
        return x.unflatten(-1, (n, -1)).transpose(1, 2)  # [B, H, T, D]


class FirstValues:
    """One pass's values of the first layer, which later layers mix into theirs: the value residual (Zhou et al., 2024).

    v_l <- (1 - share_l) v_l + share_l v_1
    """

    def __init__(self) -> None:
        self._v: Tensor | None = None

    def mixed(self, v: Tensor, share: Tensor | None) -> Tensor:
        """The values of a layer; one without a share is the first."""
        if share is None:
            self._v = v
            return v
        assert self._v is not None, "a layer with a value residual comes after one without"
        return torch.lerp(v, self._v, share.to(v.dtype))


def _divisors(n: int) -> str:
    return ", ".join(str(i) for i in range(1, min(n, 64) + 1) if n % i == 0)
