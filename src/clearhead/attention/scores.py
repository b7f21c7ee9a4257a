"""Scores: how a query and a key are compared.

    dot         q . k                       (Luong et al., 2015, "dot")
    scaled dot  q . k / sqrt(head_dim)      (Vaswani et al., 2017)
    cosine      q . k / (|q| |k|)           (Graves et al., 2014), times a temperature's inverse
    bilinear    q W k                       (Luong et al., 2015, "general")
    additive    v . tanh(W_q q + W_k k)     (Bahdanau et al., 2015)

The first four are dot products in disguise: they `fold` into one and take the fused kernel. Axes as in act.py.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.attention.positions import check_table
from clearhead.errors import ConfigError, given
from clearhead.ranges import Divisor, Width, check

__all__ = ["Additive", "Bilinear", "Cosine", "Dot", "ScaledDot", "Score", "by_group", "make_score"]


class Score:
    """What a score must answer; a score with parameters is also an `nn.Module`.

    To add a score: subclass, and give either `fold` (it is a dot product after all) or `similarities` and `cost`.
    """

    def fold(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float] | None:
        """(q', k', scale) such that score(q, k) = scale * q' . k', or None if there is no such form."""
        return None

    def similarities(self, q: Tensor, k: Tensor) -> Tensor:
        """[batch, heads, queries, keys], unscaled."""
        folded = self.fold(q, k)
        assert folded is not None, "a score without fold defines its own similarities"
        return by_group(folded[0], folded[1].transpose(-2, -1))

    def scale(self, head_dim: int) -> float:
        """What the similarities are multiplied with."""
        return 1.0

    def cost(self, q: Tensor, k: Tensor) -> int:
        """How many numbers one similarity needs at once (the additive score holds a hidden vector for each)."""
        return 1

    def letters(self) -> dict[str, str]:
        """Its own weights by the letters of its formula: {"W": "weight"}."""
        return {}

    def kept(self) -> Score:
        """A copy that later optimizer steps cannot change."""
        if not isinstance(self, nn.Module):
            return self
        return copy.deepcopy(self).requires_grad_(False)


@dataclass(frozen=True)
class Dot(Score):
    """q . k"""

    def fold(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float]:
        return (*_same_width(q, k, "dot"), 1.0)


@dataclass(frozen=True)
class ScaledDot(Score):
    """q . k / sqrt(head_dim): keeps the variance of a similarity at 1 whatever the width (Vaswani et al., 2017)."""

    def fold(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float]:
        return (*_same_width(q, k, "scaled dot"), self.scale(q.size(-1)))

    def scale(self, head_dim: int) -> float:
        return float(max(1, head_dim) ** -0.5)


@dataclass(frozen=True)
class Cosine(Score):
    """The cosine of the angle between q and k, over `temperature` (1.0: the textbook's)."""

    temperature: float = 1.0

    def __post_init__(self) -> None:
        check(Divisor, "temperature", self.temperature)

    def fold(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float]:
        q, k = _same_width(q, k, "cosine")
        return F.normalize(q, dim=-1), F.normalize(k, dim=-1), 1.0 / self.temperature

    def scale(self, head_dim: int) -> float:
        return 1.0 / self.temperature


class Bilinear(Score, nn.Module):
    """q W k with a learned W of [q_dim, k_dim], shared by the heads; the widths may differ (Luong et al., 2015)."""

    def __init__(self, q_dim: int, k_dim: int):
        nn.Module.__init__(self)
        check(Width, "q_dim", q_dim)
        check(Width, "k_dim", k_dim)
        check_table("q_dim times k_dim", q_dim * k_dim)
        self.weight = nn.Parameter(torch.empty(q_dim, k_dim))
        nn.init.xavier_uniform_(self.weight)

    def fold(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, float]:
        return q @ self.weight, k, 1.0

    def letters(self) -> dict[str, str]:
        return {"W": "weight"}


class Additive(Score, nn.Module):
    """v . tanh(W_q q + W_k k): a small network compares the two; the widths may differ (Bahdanau et al., 2015).

    Without `hidden` there are no W_q and W_k: q and k, of one width, come projected (for a recurrent decoder, which
    asks the same keys at every step).
    """

    def __init__(self, q_dim: int, k_dim: int, hidden: int | None = None):
        nn.Module.__init__(self)
        for name, width in {"q_dim": q_dim, "k_dim": k_dim, "hidden": q_dim if hidden is None else hidden}.items():
            check(Width, name, width)
            check_table(f"{name} times hidden", width * (hidden or 1))
        self.q_weight = None if hidden is None else nn.Parameter(torch.empty(q_dim, hidden))
        self.k_weight = None if hidden is None else nn.Parameter(torch.empty(k_dim, hidden))
        self.v_weight = nn.Parameter(torch.empty(hidden or q_dim, 1))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def similarities(self, q: Tensor, k: Tensor) -> Tensor:
        if self.q_weight is not None and self.k_weight is not None:
            q, k = q @ self.q_weight, k @ self.k_weight
        q, k = _same_width(q, k, "plain additive")
        groups = q.size(1) // max(1, k.size(1))
        hidden_q = q.unflatten(1, (k.size(1), groups)).unsqueeze(-2)  # [B, KV, G, Q, 1, hidden]
        hidden_k = k[:, :, None, None]  # [B, KV, 1, 1, K, hidden]
        return ((hidden_q + hidden_k).tanh() @ self.v_weight).squeeze(-1).flatten(1, 2)

    def letters(self) -> dict[str, str]:
        own = {"W_q": "q_weight", "W_k": "k_weight", "v": "v_weight"}
        return {"v": own["v"]} if self.q_weight is None else own

    def cost(self, q: Tensor, k: Tensor) -> int:
        return self.v_weight.size(0)


def make_score(name: str, q_dim: int, k_dim: int) -> Score:
    """`scaled-dot`, `dot`, `cosine`, `bilinear` or `additive` (compared in q_dim numbers) for these widths."""
    if name == "bilinear":
        return Bilinear(q_dim, k_dim)
    if name == "additive":
        return Additive(q_dim, k_dim, q_dim)
    plain: dict[str, type[Score]] = {"scaled-dot": ScaledDot, "dot": Dot, "cosine": Cosine}
    if name not in plain:
        raise ConfigError(
            f"there is no score {given(name)}", f"take one of {', '.join([*plain, 'bilinear', 'additive'])}"
        )
    return plain[name]()


def by_group(x: Tensor, y: Tensor) -> Tensor:
    """The matrix product of x [batch, heads, rows, a] with y [batch, kv_heads, a, b].

    Each kv head serves its group of heads: the group's rows are laid one below the other, nothing of y is repeated.
    """
    if x.size(1) == y.size(1):
        return x @ y
    batch, heads, rows, _ = x.shape
    stacked = x.reshape(batch, y.size(1), heads // y.size(1) * rows, x.size(-1))  # [batch, kv_heads, group * rows, a]
    return (stacked @ y).reshape(batch, heads, rows, y.size(-1))


def _same_width(q: Tensor, k: Tensor, name: str) -> tuple[Tensor, Tensor]:
    if q.size(-1) != k.size(-1):
        raise ConfigError(
            f"a {name} score compares vectors of one width; queries have {q.size(-1)}, keys {k.size(-1)}",
            "project both to one width, or take the bilinear or the additive score",
        )
    return q, k
