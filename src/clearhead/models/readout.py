"""What is read off an encoder: of each token, or of a text in one vector, a small network and scores.

Axes: batch, tokens, d_model, entries (of a vocabulary, or classes).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.formula import Formula, Place, Value, norm, weights
from clearhead.look import see
from clearhead.models.layers import bend

__all__ = ["Readout", "pool"]


class Readout(nn.Module):
    """What is read off the vectors of an encoder: norm(f(dense(x))), and scores of it by an output matrix.

    Args:
        d_model: width of the vectors.
        entries: how many scores; 0: none, the vector itself is the answer.
        activation: the f.
        norm: after it, if any.
        bias: whether `dense` adds one.
        pooling: how a text becomes one vector before; "": every token is read by itself.
    """

    sees = {
        "pooled": ("batch texts d_model", "pooled: the text in one vector"),
        "hidden": ("batch tokens d_model", "what is read off"),
        "normed": ("batch tokens d_model", "what is read off, normed"),
    }

    def __init__(
        self,
        d_model: int,
        entries: int,
        *,
        activation: str = "gelu",
        norm: nn.Module | None = None,
        bias: bool = True,
        pooling: str = "",
    ):
        super().__init__()
        self.activation, self.pooling = activation, pooling
        self.dense = nn.Linear(d_model, d_model, bias=bias)
        self.norm = norm
        self.head = nn.Linear(d_model, entries) if entries else None

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch rows entries"]:
        """Scores [batch, tokens, entries], or without them the vectors; of pooled texts one row each, not one a token.

        Args:
            lengths: how many tokens of each row are real (None: all).
        """
        if self.pooling:
            x = see("pooled", pool(x, self.pooling, lengths)[:, None])
        x = see("hidden", bend(self.activation, self.dense(x)))
        x = x if self.norm is None else see("normed", self.norm(x))
        return x if self.head is None else self.head(x)

    def formulas(self, place: Place, x: Value) -> Value:
        """How what it shows comes about; its last value is shown by the model."""
        if self.pooling:
            x = place.see("pooled", None, text="")
        dense = weights(place, "dense", self.dense)
        text = f"{self.activation}(x W{' + b' * ('b' in dense)})"
        hidden = Formula("hidden", text, [x.path], dense, {"activation": self.activation, "gated": False})
        x = place.see("hidden", hidden, text=x.text)
        return x if self.norm is None else place.see("normed", norm(place, "norm", self.norm, [x]), text=x.text)


def pool(
    x: Float[Tensor, "batch tokens d_model"], pooling: str, lengths: Int[Tensor, " batch"] | None = None
) -> Float[Tensor, "batch d_model"]:
    """One vector of each text: that of its first token, of its last (`last`), their mean, or their largest numbers
    (`max`); padding at the end is left out. `sqrt-mean`: their sum over the root of their number.
    """
    batch, tokens = x.shape[:2]
    if pooling == "first":
        return x[:, 0]
    counts = torch.full((batch,), tokens, device=x.device) if lengths is None else lengths
    if pooling == "last":
        return x[torch.arange(batch, device=x.device), counts - 1]
    real = (torch.arange(tokens, device=x.device) < counts[:, None])[..., None]
    if pooling == "max":
        return x.masked_fill(~real, -torch.inf).amax(1)
    total = (x * real).sum(1)
    return total / (counts[:, None].sqrt() if pooling == "sqrt-mean" else counts[:, None])
