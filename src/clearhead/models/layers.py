"""The bricks that are not attention: feed-forward, and token embeddings.

Axes: batch, tokens, d_model.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention.dropout import dropout
from clearhead.formula import Formula, Place, Value, linear, lookup, weights
from clearhead.look import see

__all__ = ["LOGITS", "FeedForward", "TokenEmbedding", "bend", "read_off"]

LOGITS = "logits: a score for every entry of the vocabulary"


_GATED = {"reglu": "relu", "geglu": "gelu", "geglu-tanh": "gelu-tanh", "swiglu": "silu"}


def bend(activation: str, x: Tensor) -> Tensor:
    """The activation of this name, of each number."""
    if activation.startswith("gelu"):
        return F.gelu(x, approximate="tanh" if activation == "gelu-tanh" else "none")
    if activation == "relu2":
        return F.relu(x).square()
    if activation == "silu":
        return F.silu(x)
    return x.tanh() if activation == "tanh" else F.relu(x)


class FeedForward(nn.Module):
    """Two projections with something bent between them, for each token alone.

    `relu`, `gelu`, `silu`: down(f(up(x))); `relu2`: the square of relu (So et al., 2021); `reglu`, `geglu`, `swiglu`:
    down(f(gate(x)) * up(x)) with relu, gelu or silu (Shazeer, 2020); `-tanh` is GELU by the formula with a tanh, as
    GPT-2 has it.
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
        self.gate = nn.Linear(d_model, d_ff, bias=biases) if activation in _GATED else None

    def forward(self, x: Float[Tensor, "batch tokens d_model"]) -> Float[Tensor, "batch tokens d_model"]:
        hidden = self.up(x)
        if self.gate is not None:
            hidden = bend(_GATED[self.activation], self.gate(x)) * hidden
        else:
            hidden = bend(self.activation, hidden)
        return see("out", self.down(dropout(see("hidden", hidden), self.dropout, self.training)))

    def formulas(self, place: Place, x: Value) -> Value:
        """How what it shows comes about."""
        up = weights(place, "up", self.up)
        gate = {} if self.gate is None else weights(place, "gate", self.gate)
        letters = {**up, **{f"{letter}_gate": name for letter, name in gate.items()}}
        bias, bends = " + b" * ("b" in up), _GATED.get(self.activation, self.activation)
        text = f"{bends}(x W_gate{bias and ' + b_gate'}) · (x W{bias})" if gate else f"{bends}(x W{bias})"
        hidden = Formula("hidden", text, [x.path], letters, {"activation": bends, "gated": bool(gate)})
        inner = place.see("hidden", hidden, text=x.text)
        return place.see("out", linear(place, "down", self.down, [inner], "hidden · W"), text=x.text)


class TokenEmbedding(nn.Embedding):
    """Token ids -> vectors, times sqrt(d_model) so that they weigh as much as the positions (Vaswani et al., 2017).

    Args:
        scaled: whether they are multiplied so.
    """

    def __init__(self, vocab_size: int, d_model: int, *, scaled: bool = True):
        super().__init__(vocab_size, d_model)
        self.scale = d_model**0.5 if scaled else 1.0
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, token_ids: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens d_model"]:
        x = super().forward(token_ids)
        return x if self.scale == 1 else x * self.scale

    def formulas(self, place: Place, token_ids: Value) -> Value:
        """How its vectors come about; it shows none itself."""
        return lookup(place.name("weight"), token_ids, scale=self.scale)


def read_off(place: Place, head: nn.Linear, x: Value, **options: object) -> Value:
    """State the logits that the output matrix makes of x."""
    text = f"out{' / √d_model' * ('scale' in options)} · W, a row of W for every entry of the vocabulary"
    if "cap" in options:
        text += f", capped at ±{options['cap']:g}"
    formula = linear(place, "head", head, [x], text, **options)
    return place.see("logits", formula, text=x.text, columns="vocabulary")
