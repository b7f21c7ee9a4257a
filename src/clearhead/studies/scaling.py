"""Why similarities are divided by sqrt(head_dim): their variance grows with it, and the softmax saturates.

q, k ~ N(0, 1) independent:   Var(q . k) = head_dim      (Vaswani et al., 2017, section 3.2.1, footnote 4)
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from clearhead.attention import Attention, Dot, ScaledDot, Score
from clearhead.insight.findings import Chart, Curve, Findings, Table

__all__ = ["run"]

_WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_QUERIES, _KEYS, _SEED = 256, 32, 0


def run(say: Callable[[str], None]) -> Findings:
    """Variance, peak of the softmax and gradient for each width, with and without the division."""
    generator, rows = torch.Generator().manual_seed(_SEED), []
    for width in _WIDTHS:
        say(f"head_dim {width}")
        q, k = (torch.randn(1, 1, n, width, generator=generator) for n in (_QUERIES, _KEYS))
        v = torch.eye(_KEYS)[None, None]  # so that the context is the weights
        rows.append([width, *_measured(q, k, v, Dot()), *_measured(q, k, v, ScaledDot())])
    kinds = ("q . k", "q . k / sqrt(head_dim)")
    names = ("variance of a similarity", "largest weight, mean over queries", "norm of the softmax's Jacobian, median")
    table = Table(
        "Random queries and keys of head_dim numbers each",
        ["head_dim", *(f"{name}: {kind}" for kind in kinds for name in names)],
        rows,
    )
    widths = [float(row[0]) for row in rows]

    def chart(column: int, title: str, y: str, extra: tuple[Curve, ...] = ()) -> Chart:
        curves = [Curve(kind, widths, [row[column + 3 * i] for row in rows]) for i, kind in enumerate(kinds)]
        return Chart(title, "head_dim (numbers of a query)", y, [*curves, *extra], log_x=True, log_y=True)

    even = Curve(f"even: 1 / {_KEYS} keys", widths, [1 / _KEYS] * len(widths))
    first, last = rows[0], rows[-1]
    return Findings(
        "scaling",
        "Why are similarities divided by the square root of head_dim?",
        f"{_QUERIES} queries and {_KEYS} keys drawn from N(0, 1), seed {_SEED}; the Jacobian is that of a query's "
        "weights w by its similarities, diag(w) - w w'",
        [table],
        [
            chart(1, "The variance grows with the width", "variance of a similarity"),
            chart(2, "The softmax takes one key and forgets the others", "largest weight of a query (mean)", (even,)),
            chart(
                3,
                "Nothing flows back through a saturated softmax",
                "norm of the Jacobian of a query's weights (median)",
            ),
        ],
        [
            f"Undivided, the variance of a similarity is {first[1]:.1f} at head_dim {first[0]} and {last[1]:.0f} at "
            f"{last[0]}: it is about head_dim. Divided, it stays near 1 ({last[4]:.2f} at {last[0]}).",
            f"At head_dim {last[0]} the largest of {_KEYS} weights is {last[2]:.2f} on average undivided, "
            f"{last[5]:.2f} "
            "divided: undivided, each query sees one key only.",
            f"What half of the queries pass back to their similarities at head_dim {last[0]} is at most "
            f"{last[3]:.0e} undivided"
            f" and {last[6]:.2f} divided: undivided, most of them learn nothing.",
        ],
    )


def _measured(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, score: Score) -> list[float]:
    """[variance of the scaled similarities, mean of the largest weights, median norm of the softmax's Jacobian]."""
    act = Attention(q.double(), k.double(), v.double(), score=score)
    weights = act.weights()[0, 0]
    jacobian = weights.diag_embed() - weights[:, :, None] * weights[:, None, :]
    return [float(x) for x in (act.scaled().var(), weights.amax(-1).mean(), jacobian.norm(dim=(1, 2)).median())]
