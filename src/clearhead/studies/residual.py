"""What residual connections and norms do: for gradients in deep models, and for numbers of any size.

plain   x -> f(x)         norm  x -> f(norm(x))        residual  x -> x + f(x)
post    x -> norm(x + f(x))  (Vaswani et al., 2017)    pre       x -> x + f(norm(x))  (Xiong et al., 2020)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from clearhead.attention import MultiHead
from clearhead.insight.findings import Cell, Chart, Curve, Findings, Table
from clearhead.models.bricks import NormConfig
from clearhead.models.layers import FeedForward

__all__ = ["run"]

_KINDS = {
    "plain": "f(x)",
    "norm": "f(norm(x))",
    "residual": "x + f(x)",
    "post": "norm(x + f(x))",
    "pre": "x + f(norm(x))",
}
_DEPTH, _WIDTH, _TOKENS, _SEEDS = 24, 64, 16, (0, 1, 2)
_ROWS = {
    "0.001, 0.002, 0.003, 0.004": [0.001, 0.002, 0.003, 0.004],
    "1000, 2000, 3000, 4000": [1000.0, 2000.0, 3000.0, 4000.0],
    "0.001, 1, 1000, -1000": [0.001, 1.0, 1000.0, -1000.0],
}


def run(say: Callable[[str], None]) -> Findings:
    """The norm of each block's gradient for each way to connect; rows of any size through a norm."""
    norms: dict[str, Tensor] = {}
    for kind in _KINDS:
        say(f"{_DEPTH} blocks, each {_KINDS[kind]}")
        norms[kind] = torch.stack([_gradients(kind, seed) for seed in _SEEDS])  # [seeds, blocks]
    middle = {kind: values.median(0).values for kind, values in norms.items()}
    blocks = [float(i) for i in range(1, _DEPTH + 1)]
    curves = [
        Curve(
            f"{kind}: {_KINDS[kind]}",
            blocks,
            middle[kind].tolist(),
            spread=[(float(a), float(b)) for a, b in zip(values.amin(0), values.amax(0), strict=True)],
        )
        for kind, values in norms.items()
    ]
    gradients = Table(
        f"Norm of the gradient of a block's weights, median of {len(_SEEDS)} seeds",
        ["connection", "block 1", f"block {_DEPTH // 2}", f"block {_DEPTH}", f"block 1 / block {_DEPTH}"],
        [
            [f"{kind}: {_KINDS[kind]}", *(float(x) for x in (m[0], m[_DEPTH // 2 - 1], m[-1], m[0] / m[-1]))]
            for kind, m in middle.items()
        ],
    )
    layer, rms = _normed()
    ratio = {kind: float(m[0] / m[-1]) for kind, m in middle.items()}
    return Findings(
        "residual",
        "What do residual connections and norms do?",
        f"{_DEPTH} blocks of self-attention (4 heads) and feed-forward (relu), d_model {_WIDTH}, {_TOKENS} random "
        f"tokens, seeds {', '.join(map(str, _SEEDS))}, float64; the gradient is that of the output's mean, weighed at "
        "random",
        [gradients, layer, rms],
        [
            Chart(
                "Which blocks are told what to change",
                f"block (1 is the first of {_DEPTH})",
                "norm of the gradient of its weights",
                curves,
                log_y=True,
            )
        ],
        [
            f"Without residual connections the first of {_DEPTH} blocks gets {ratio['plain']:.0e} (norm: "
            f"{ratio['norm']:.0e}) "
            "of the last one's gradient.",
            f"With them and a norm it gets {ratio['pre']:.2g} (pre) and {ratio['post']:.2g} (post) of it.",
            f"A residual connection without a norm lets the numbers grow: its gradients are {_times(middle):.0e} "
            "times those of pre-norm in the first block.",
            f"A norm makes rows of thousands small: {layer.rows[1][0]} becomes {_list(layer.rows[1])}. The same row "
            f"in thousandths becomes {_list(layer.rows[0])} and not the same again, because its variance is less than "
            "the 1e-05 that is added to it against a division by zero.",
        ],
    )


def _gradients(kind: str, seed: int) -> Tensor:
    """[blocks]: the norm of the gradient of each block's weights."""
    torch.manual_seed(seed)
    norm = NormConfig(kind="layer").build(_WIDTH).double()
    parts: list[list[nn.Module]] = []
    for _ in range(_DEPTH):
        block: list[nn.Module] = [MultiHead(_WIDTH, 4), FeedForward(_WIDTH, 4 * _WIDTH)]
        for part in block:
            part.double()
            for weight in part.parameters():
                (nn.init.xavier_uniform_ if weight.ndim == 2 else nn.init.zeros_)(weight)
        parts.append(block)
    x = torch.randn(1, _TOKENS, _WIDTH, dtype=torch.float64)
    for block in parts:
        for part in block:
            x = _connected(kind, x, part, norm)
    (x * torch.randn_like(x)).mean().backward()  # the mean of squares is all but constant after a norm
    return torch.stack(
        [
            torch.stack([w.grad.norm() for part in block for w in part.parameters() if w.grad is not None]).norm()
            for block in parts
        ]
    )


def _connected(kind: str, x: Tensor, part: nn.Module, norm: nn.Module) -> Tensor:
    inner: Tensor = part(norm(x) if kind in ("norm", "pre") else x)
    out = x + inner if kind in ("residual", "post", "pre") else inner
    return norm(out) if kind == "post" else out


@torch.no_grad()
def _normed() -> list[Table]:
    """Rows of any size before and after a norm."""
    tables = []
    for kind, name in (
        ("layer", "layer norm: (x - mean) / deviation"),
        ("rms", "RMS norm: x / root of the mean square"),
    ):
        norm = NormConfig(kind=kind).build(4).double()
        rows = [[text, *norm(torch.tensor(row, dtype=torch.float64)).tolist()] for text, row in _ROWS.items()]
        tables.append(Table(name, ["row", "number 1", "number 2", "number 3", "number 4"], rows))
    return tables


def _list(row: Sequence[Cell]) -> str:
    return ", ".join(f"{x:.2f}" for x in row if isinstance(x, float))


def _times(middle: dict[str, Tensor]) -> float:
    return float(middle["residual"][0] / middle["pre"][0])
