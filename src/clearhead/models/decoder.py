"""The decoder-only transformer: it continues a text (Radford et al., 2018).

    logits[t] = decode(tokens[: t + 1])

Token ids in, logits out; never text. Axes: batch, tokens, d_model, vocab.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention import Causal, Learned, Where
from clearhead.formula import Place, Value, lookup, norm_options
from clearhead.look import see
from clearhead.models.architecture import DecoderConfig
from clearhead.models.layers import LOGITS, read_off
from clearhead.models.stack import DecoderCache, Stack

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Embeddings, a causal stack, and the output matrix.

    Args:
        config: sizes and choices.
        vocab_size: size of the vocabulary.
    """

    sees = {"logits": ("batch tokens vocab", LOGITS)}

    def __init__(self, config: DecoderConfig, vocab_size: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(vocab_size, config.d_model)
        self.embedding_norm = config.norm.build(config.d_model) if config.embedding_norm else None
        self.decoder = Stack(
            config,
            config.layers,
            cross=False,
            causal=True,
            windows=[config.window_of(i) for i in range(config.layers)],
            x0_shortcut=config.x0_shortcut,
            value_residual=config.value_residual,
        )
        self.head = nn.Linear(config.d_model, vocab_size, bias=False)
        _initialise(self)
        if config.tied:
            self.head.weight = self.embedding.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    @property
    def remembered(self) -> int:
        """How many numbers generation keeps for each token."""
        config = self.config
        return config.attention.remembered(config.d_model) * config.layers

    def decode(
        self,
        token_ids: Int[Tensor, "rows tokens"],
        memory: None = None,
        *,
        cache: DecoderCache | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "rows tokens d_model"]:
        """The stack's output for each token, before the head.

        Args:
            memory: nothing is read beside the text.
            cache: what came before; `token_ids` are the new tokens only.
            where: where they stand in their texts, and what the cache holds; None: one text a row.
        """
        x = self.embedding(token_ids)
        x = x if self.embedding_norm is None else self.embedding_norm(x)
        out: Tensor = self.decoder(x, mask=Causal(), cache=cache, where=where)
        return out

    def logits(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Scores of the next token."""
        logits, cap = self.head(x), self.config.soft_cap
        return see("logits", logits if cap is None else cap * (logits / cap).tanh())

    def read_out(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """The logits of vectors of the decoder's residual stream, as if it ended there."""
        return self.logits(self.decoder.norm(x))

    def forward(
        self,
        token_ids: Int[Tensor, "batch tokens"],
        where: Where | None = None,
    ) -> Float[Tensor, "batch tokens vocab"]:
        """logits[b, t] scores the token that follows token_ids[b, : t + 1]."""
        return self.logits(self.decode(token_ids, where=where))

    def formulas(self, place: Place, token_ids: Value) -> Value:
        """How what it shows comes about."""
        norm = None if self.embedding_norm is None else norm_options(place, "embedding_norm", self.embedding_norm)
        x = lookup("embedding.weight", token_ids, norm=norm)
        out = place.under("decoder", stack="decoder").state(self.decoder, x)
        cap = {} if self.config.soft_cap is None else {"cap": self.config.soft_cap}
        return read_off(place, self.head, out, **cap)

    def new_cache(self, *, forgets: bool = True) -> DecoderCache:
        """An empty cache for `decode`; unless it `forgets`, also what layers with a window no longer see is kept."""
        return DecoderCache(self.decoder.windows if forgets else [None] * self.config.layers)


def _initialise(model: Decoder) -> None:
    """Normal weights of 0.02, residual outputs scaled down by depth (Radford et al., 2019).

    With `zero_init` residual outputs and an untied head are zero: a block begins by passing on what it is given; what
    feeds it is uniform, with the variance that keeps its inputs' (He et al., 2015).
    """
    config = model.config
    wide = (3 / config.d_model) ** 0.5
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding | Learned):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear):
            outward = name.endswith(("o_proj", "down"))
            if config.zero_init and (outward or module is model.head):
                nn.init.zeros_(module.weight)
            elif config.zero_init:
                nn.init.uniform_(module.weight, -wide, wide)
            else:
                nn.init.normal_(module.weight, std=0.02 / (2 * config.layers) ** 0.5 if outward else 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
