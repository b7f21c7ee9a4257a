"""Plain decoder-only transformers to measure against, written in PyTorch as simply as it can be, and sizes of GPTs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The sizes of a GPT: `context` tokens of `vocab` kinds."""

    layers: int
    d_model: int
    heads: int
    context: int
    vocab: int


SMALL = Shape(6, 384, 6, 256, 8000)
GPT2 = Shape(12, 768, 12, 1024, 50_257)


class PlainBlock(nn.Module):
    """Pre-norm, PyTorch's fused attention, GELU (by the error function: on CPUs the faster of its two forms)."""

    def __init__(self, shape: Shape, biases: bool):
        super().__init__()
        d = shape.d_model
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.LayerNorm(d, bias=biases), nn.LayerNorm(d, bias=biases)
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=biases), nn.Linear(d, d, bias=biases)
        self.up, self.down = nn.Linear(d, 4 * d, bias=biases), nn.Linear(4 * d, d, bias=biases)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class PlainGPT(nn.Module):
    """The simplest good PyTorch code: learned positions, tied embeddings, weights of 0.02."""

    def __init__(self, shape: Shape, *, biases: bool = True):
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab, shape.d_model)
        self.positions = nn.Embedding(shape.context, shape.d_model)
        self.blocks = nn.ModuleList(PlainBlock(shape, biases) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.d_model, bias=biases)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch."""
        x = self.embedding(ids) + self.positions.weight[: ids.size(1)]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def adamw(module: nn.Module, lr: float, *, beta2: float = 0.99, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """Matrices decayed, vectors not; fused."""
    groups = [
        {"params": [w for w in module.parameters() if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in module.parameters() if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)
