"""The bricks that are not attention: feed-forward, and token embeddings.

Axes: batch, tokens, d_model.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention.dropout import dropout
from clearhead.formula import Formula, Place, Value, linear, lookup, weights
from clearhead.look import see

__all__ = ["LOGITS", "FeedForward", "TokenEmbedding", "read_off"]

LOGITS = "logits: a score for every entry of the vocabulary"


class FeedForward(nn.Module):
    """Two projections with something bent between them, for each token alone.

    `relu`, `gelu`: down(f(up(x))); `relu2`: the square of relu (So et al., 2021); `swiglu`: down(silu(gate(x)) * up(x))
    (Shazeer, 2020); `gelu-tanh` is GELU by the formula with a tanh, as GPT-2 has it.
    """

    sees = {
        "hidden": ("batch tokens d_ff", "hidden layer"),
        "out": ("batch tokens d_model", "what feed-forward adds"),
    }

    def __init__(self, d_model: int, d_ff: int, activation: str = "relu", dropout: float = 0.0, *, biases: bool = True):
        super().__init__()
        self.activation, self.dropout = activation, dropout
        self.up = nn.Linear(d_model, d_ff, bias=biases)
        self.down = nn.Linear(d_ff, d_model, bias=biases)
        self.gate = nn.Linear(d_model, d_ff, bias=biases) if activation == "swiglu" else None

    def forward(self, x: Float[Tensor, "batch tokens d_model"]) -> Float[Tensor, "batch tokens d_model"]:
        hidden = self.up(x)
        if self.gate is not None:
            hidden = F.silu(self.gate(x)) * hidden
        elif self.activation.startswith("gelu"):
            hidden = F.gelu(hidden, approximate="tanh" if self.activation == "gelu-tanh" else "none")
        else:
            hidden = F.relu(hidden).square() if self.activation == "relu2" else F.relu(hidden)
        return see("out", self.down(dropout(see("hidden", hidden), self.dropout, self.training)))

    def formulas(self, place: Place, x: Value) -> Value:
        """How what it shows comes about."""
        up = weights(place, "up", self.up)
        gate = {} if self.gate is None else weights(place, "gate", self.gate)
        letters = {**up, **{f"{letter}_gate": name for letter, name in gate.items()}}
        text = f"{self.activation}(x W{' + b' if 'b' in up else ''})"
        hidden = Formula("hidden", text, [x.path], letters, {"activation": self.activation})
        inner = place.see("hidden", hidden, text=x.text)
        return place.see("out", linear(place, "down", self.down, [inner], "hidden · W"), text=x.text)


class TokenEmbedding(nn.Embedding):
    """Token ids -> vectors, times sqrt(d_model) so that they weigh as much as the positions (Vaswani et al., 2017)."""

    def __init__(self, vocab_size: int, d_model: int):
        super().__init__(vocab_size, d_model)
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, token_ids: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens d_model"]:
        return super().forward(token_ids) * self.embedding_dim**0.5

    def formulas(self, place: Place, token_ids: Value) -> Value:
        """How its vectors come about; it shows none itself."""
        return lookup(place.name("weight"), token_ids, scale=self.embedding_dim**0.5)


def read_off(place: Place, head: nn.Linear, x: Value, **options: Any) -> Value:
    """State the logits that the output matrix makes of x."""
    text = "out · W, a row of W for every entry of the vocabulary"
    if "cap" in options:
        text += f", capped at ±{options['cap']:g}"
    formula = linear(place, "head", head, [x], text, **options)
    return place.see("logits", formula, text=x.text, columns="vocabulary")
