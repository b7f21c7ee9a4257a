"""The encoder-decoder transformer: one sentence in, another out (Vaswani et al., 2017).

    memory = encode(src);   logits[t] = decode(tgt[:t + 1], memory)

Token ids in, logits out; never text. Axes: batch, src_tokens, tgt_tokens, d_model, vocab.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention import Causal, MultiHead, Where
from clearhead.formula import Place, Value
from clearhead.look import see
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.layers import LOGITS, TokenEmbedding, read_off
from clearhead.models.stack import DecoderCache, Memory, Stack

__all__ = ["EncoderDecoder"]


class EncoderDecoder(nn.Module):
    """Encoder, decoder and the embeddings and output matrix between tokens and vectors.

    Args:
        config: sizes and choices.
        src_vocab_size, tgt_vocab_size: sizes of the vocabularies (equal where all matrices are tied).
    """

    sees = {"logits": ("batch tgt_tokens vocab", LOGITS)}

    def __init__(self, config: EncoderDecoderConfig, src_vocab_size: int, tgt_vocab_size: int):
        super().__init__()
        self.config = config
        scaled = config.embedding_scale
        self.tgt_embedding = TokenEmbedding(tgt_vocab_size, config.d_model, scaled=scaled)
        self.src_embedding = (
            self.tgt_embedding
            if config.tied in ("all", "embeddings")
            else TokenEmbedding(src_vocab_size, config.d_model, scaled=scaled)
        )
        self.encoder = Stack(config, config.layers, cross=False)
        self.decoder = Stack(config, config.decoder_layers or config.layers, cross=True)
        self.head = nn.Linear(config.d_model, tgt_vocab_size, bias=config.output_bias)
        _initialise(self)
        if config.tied in ("all", "target"):
            self.head.weight = self.tgt_embedding.weight

    @property
    def cross_attentions(self) -> list[MultiHead]:
        """The decoder's attentions to the source, the first block's first."""
        return [m for block in self.decoder.blocks if isinstance(m := block.cross_attention, MultiHead)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tgt_embedding.weight.device

    @property
    def remembered(self) -> tuple[int, int]:
        """How many numbers decoding keeps for each token written, and for each token of the source."""
        config = self.config
        kv = config.attention.remembered(config.d_model) * len(self.decoder.blocks)
        return kv, kv

    def encode(self, src: Int[Tensor, "batch src_tokens"], lengths: Int[Tensor, " batch"] | None = None) -> Memory:
        """The memory of source sentences; `lengths` where they are padded (at the end)."""
        where = None if lengths is None else Where.texts(lengths, src.size(1))
        return Memory(self.encoder(self.src_embedding(src), mask=None, where=where), lengths)

    def decode(
        self,
        tgt: Int[Tensor, "rows tgt_tokens"],
        memory: Memory,
        *,
        cache: DecoderCache | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "rows tgt_tokens d_model"]:
        """The decoder's output for target tokens, before the head.

        With a cache, for the new tokens only, which stand as `where` says (None: one text a row).
        """
        out: Tensor = self.decoder(self.tgt_embedding(tgt), mask=Causal(), memory=memory, cache=cache, where=where)
        return out

    def logits(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Scores of the next token."""
        return see("logits", self.head(x * self.config.d_model**-0.5 if self.config.output_scale else x))

    def read_out(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """The logits of vectors of the decoder's residual stream, as if it ended there."""
        return self.logits(self.decoder.norm(x))

    def forward(
        self,
        src: Int[Tensor, "batch src_tokens"],
        tgt: Int[Tensor, "batch tgt_tokens"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch tgt_tokens vocab"]:
        """Teacher forcing: logits[b, t] scores the token that follows tgt[b, : t + 1]."""
        return self.logits(self.decode(tgt, self.encode(src, lengths)))

    def formulas(self, place: Place, src: Value, tgt: Value) -> Value:
        """How what it shows comes about."""
        x = place.under("src_embedding").state(self.src_embedding, src)
        y = place.under("tgt_embedding").state(self.tgt_embedding, tgt)
        memory = place.under("encoder", stack="encoder").state(self.encoder, x)
        out = place.under("decoder", stack="decoder").state(self.decoder, y, memory)
        return read_off(
            place, self.head, out, **({"scale": self.config.d_model**-0.5} if self.config.output_scale else {})
        )

    def new_cache(self, *, forgets: bool = True) -> DecoderCache:
        """An empty cache for `decode`; no layer has a window, so nothing is ever forgotten."""
        return DecoderCache(self.decoder.windows)


def _initialise(model: nn.Module) -> None:
    """Xavier-uniform projections (Glorot and Bengio, 2010), zero biases; residual outputs scaled down by depth."""
    stacks: Sequence[Stack] = [m for m in model.modules() if isinstance(m, Stack)]
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for stack in stacks:
        for name, weight in stack.named_parameters():
            if name.endswith(("o_proj.weight", "down.weight")):
                with torch.no_grad():
                    weight.mul_((2 * len(stack.blocks)) ** -0.5)
