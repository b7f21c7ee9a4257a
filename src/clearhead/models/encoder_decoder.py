"""The encoder-decoder transformer: one sentence in, another out (Vaswani et al., 2017).

    memory = encode(src);   logits[t] = decode(tgt[:t + 1], memory)

Token ids in, logits out; never text. Axes: batch, src_tokens, tgt_tokens, d_model, vocab.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention import (
    ALiBi,
    Bias,
    Cache,
    Causal,
    Learned,
    Mask,
    MemoryCache,
    MultiHead,
    OfPass,
    Padding,
    Relative,
    Rotary,
    Sinusoidal,
    Tree,
)
from clearhead.attention.dropout import dropout
from clearhead.look import see
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block, Surroundings
from clearhead.models.layers import TokenEmbedding, make_norm

__all__ = ["DecoderCache", "EncoderDecoder", "Memory", "Stack"]


@dataclass(frozen=True, eq=False)
class Memory:
    """What the encoder leaves for the decoder: its output and which of it is real (None = all)."""

    states: Float[Tensor, "batch src_tokens d_model"]
    mask: Padding | None

    def select(self, rows: Tensor) -> Memory:
        """The memory of these sentences only."""
        mask = None if self.mask is None else self.mask.select(rows)
        return Memory(self.states.index_select(0, rows), mask)


class DecoderCache:
    """One cache of each kind for every block of a decoder."""

    def __init__(self, layers: int):
        self.tokens = [Cache() for _ in range(layers)]
        self.memory = [MemoryCache() for _ in range(layers)]

    @property
    def length(self) -> int:
        """How many tokens a row holds so far."""
        return self.tokens[0].length

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order."""
        for tokens, memory in zip(self.tokens, self.memory, strict=True):
            tokens.select(rows)
            memory.select(rows)

    def keep(self, places: Tensor) -> None:
        """Go on with these of each row's tokens [batch, kept], in this order."""
        for tokens in self.tokens:
            tokens.keep(places)


class Stack(nn.Module):
    """Positions, blocks and the last norm: an encoder, or with `cross` a decoder. Vectors in, vectors out."""

    sees = {"embedded": "batch tokens d_model", "out": "batch tokens d_model"}

    def __init__(self, config: EncoderDecoderConfig, layers: int, *, cross: bool):
        super().__init__()
        self.dropout, d = config.dropout, config.d_model
        kinds = {"sinusoidal": Sinusoidal, "learned": Learned}
        self.positions = kinds[config.positions](d, config.max_len) if config.positions in kinds else None
        self.rotary = Rotary(config.head_widths[0]) if config.positions == "rotary" else None
        self.bias = _distances(config, ahead=not cross)
        self.blocks = nn.ModuleList(Block(config, cross=cross) for _ in range(layers))
        # A post-norm block ends with a norm of its own.
        self.norm = make_norm(config.norm, d) if config.norm_order == "pre" else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        *,
        mask: Mask | None,
        memory: Memory | None = None,
        cache: DecoderCache | None = None,
    ) -> Float[Tensor, "batch tokens d_model"]:
        """x through all blocks; with a cache, x holds only the new tokens (of a tree: all at its depth)."""
        start, together = 0 if cache is None else cache.length, x.size(1)
        if isinstance(mask, Tree):
            start, together = mask.depth, 1
        if self.positions is not None:
            x = self.positions(x.reshape(-1, together, x.size(2)), start=start).view_as(x)
        x = see("embedded", dropout(x, self.dropout, self.training))
        rotation = None if self.rotary is None else self.rotary(together, start=start)
        states, memory_mask = (None, None) if memory is None else (memory.states, memory.mask)
        bias = None if self.bias is None else OfPass(self.bias, mask if isinstance(mask, Tree) else None)
        around = Surroundings(mask=mask, bias=bias, rotation=rotation, memory=states, memory_mask=memory_mask)
        for i, block in enumerate(self.blocks):
            if cache is None:
                x = block(x, around)
            else:
                x = block(x, around, cache=cache.tokens[i], memory_cache=cache.memory[i])
        return see("out", self.norm(x))


def _distances(config: EncoderDecoderConfig, *, ahead: bool) -> Bias | None:
    """The bias of positions that are told by distances."""
    if config.positions == "alibi":
        return ALiBi(config.heads)
    return Relative(config.heads, ahead=ahead) if config.positions == "relative" else None


class EncoderDecoder(nn.Module):
    """Encoder, decoder and the embeddings and output matrix between tokens and vectors.

    Args:
        config: sizes and choices.
        src_vocab_size, tgt_vocab_size: sizes of the vocabularies (equal where all matrices are tied).
    """

    sees = {"logits": "batch tgt_tokens vocab"}

    def __init__(self, config: EncoderDecoderConfig, src_vocab_size: int, tgt_vocab_size: int):
        super().__init__()
        self.config = config
        self.tgt_embedding = TokenEmbedding(tgt_vocab_size, config.d_model)
        self.src_embedding = (
            self.tgt_embedding if config.tied == "all" else TokenEmbedding(src_vocab_size, config.d_model)
        )
        self.encoder = Stack(config, config.layers, cross=False)
        self.decoder = Stack(config, config.decoder_layers or config.layers, cross=True)
        self.head = nn.Linear(config.d_model, tgt_vocab_size, bias=False)
        _initialise(self)
        if config.tied != "none":
            self.head.weight = self.tgt_embedding.weight

    @property
    def cross_attentions(self) -> list[MultiHead]:
        """The decoder's attentions to the source, the first block's first."""
        return [m for block in self.decoder.blocks if isinstance(m := block.cross_attention, MultiHead)]

    @property
    def remembered(self) -> tuple[int, int]:
        """How many numbers decoding keeps for each token written, and for each token of the source."""
        config = self.config
        kv = sum(config.head_widths) * (config.kv_heads or config.heads) * len(self.decoder.blocks)
        return kv, kv

    def encode(self, src: Int[Tensor, "batch src_tokens"], lengths: Int[Tensor, " batch"] | None = None) -> Memory:
        """The memory of source sentences; `lengths` where they are padded (behind)."""
        mask = None if lengths is None else Padding(lengths)
        return Memory(self.encoder(self.src_embedding(src), mask=mask), mask)

    def decode(
        self,
        tgt: Int[Tensor, "rows tgt_tokens"],
        memory: Memory,
        *,
        cache: DecoderCache | None = None,
        tree: Tree | None = None,
    ) -> Float[Tensor, "rows tgt_tokens d_model"]:
        """The decoder's output for target tokens, before the head.

        With a cache, for the new tokens only; with a tree, these are its newest, one on each branch.
        """
        out: Tensor = self.decoder(self.tgt_embedding(tgt), mask=tree or Causal(), memory=memory, cache=cache)
        return out

    def logits(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Scores of the next token."""
        return see("logits", self.head(x))

    def forward(
        self,
        src: Int[Tensor, "batch src_tokens"],
        tgt: Int[Tensor, "batch tgt_tokens"],
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch tgt_tokens vocab"]:
        """Teacher forcing: logits[b, t] scores the token that follows tgt[b, : t + 1]."""
        return self.logits(self.decode(tgt, self.encode(src, lengths)))

    def new_cache(self) -> DecoderCache:
        """An empty cache for `decode`."""
        return DecoderCache(len(self.decoder.blocks))


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
