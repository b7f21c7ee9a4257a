"""The stack: positions, blocks and the last norm, which every transformer here is made of. Vectors in, vectors out.

Axes: batch, tokens, src_tokens, d_model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from clearhead.attention import (
    Cache,
    FirstValues,
    Mask,
    MemoryCache,
    Where,
    Window,
)
from clearhead.attention.cache import join_memories
from clearhead.attention.dropout import dropout
from clearhead.formula import Formula, Place, Value, copy, norm
from clearhead.look import goes_on, see
from clearhead.models.architecture import TransformerConfig
from clearhead.models.block import Block, Surroundings

__all__ = ["DecoderCache", "Memory", "Stack"]


@dataclass(frozen=True, eq=False)
class Memory:
    """What the encoder leaves for the decoder: its output and how much of each row is real (None = all)."""

    states: Float[Tensor, "batch src_tokens d_model"]
    lengths: Int[Tensor, " batch"] | None
    _asked: dict[int, Where] = field(default_factory=dict, init=False, repr=False)

    def asked_by(self, where: Where) -> Where:
        """Where it stands for queries that stand so; for as many branches of a tree, the same at each step."""
        n, m, device = where.n, self.states.size(1), self.states.device
        if where.kin is None:
            return Where.across(n, m, self.lengths, row=where.row, device=device)
        if n not in self._asked:
            self._asked[n] = Where.across(n, m, self.lengths, device=device)
        return self._asked[n]

    def select(self, rows: Tensor) -> Memory:
        """The memory of these sentences only."""
        rows = rows.to(self.states.device)
        lengths = None if self.lengths is None else self.lengths.index_select(0, rows)
        return Memory(self.states.index_select(0, rows), lengths)

    def join(self, other: Memory) -> Memory:
        """These sentences and others."""
        return Memory(*join_memories(self.states, self.lengths, other.states, other.lengths))


class DecoderCache:
    """One cache of each kind for every block of a decoder.

    Args:
        windows: for each block, how many tokens a token sees; None: all.
    """

    def __init__(self, windows: Sequence[int | None]):
        self.tokens, self.keeps_all = [Cache(window) for window in windows], not any(windows)
        self.memory = [MemoryCache() for _ in windows]

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

    def join(self, other: DecoderCache) -> None:
        """Go on with other rows too, ended alike: what shorter ones lack at their beginning is padding."""
        for one, more in zip(self.tokens, other.tokens, strict=True):
            one.join(more)
        for memory, others in zip(self.memory, other.memory, strict=True):
            memory.join(others)


class Stack(nn.Module):
    """An encoder; with `cross` a decoder that reads a memory; with `causal` one that reads nothing but its own text.

    Args:
        config: sizes and choices.
        layers: how many blocks.
        cross: whether its blocks attend to a memory too.
        causal: whether no token ever sees one after it: no distance ahead needs a bias of its own.
        windows: for each block, how many tokens a token sees, itself the last (None: all); default: all.
        x0_shortcut: whether each block is also given the embeddings, in a learned mix.
        value_residual: whether later blocks mix the first one's values into theirs.
    """

    def __init__(
        self,
        config: TransformerConfig,
        layers: int,
        *,
        cross: bool,
        causal: bool = False,
        windows: Sequence[int | None] = (),
        x0_shortcut: bool = False,
        value_residual: bool = False,
    ):
        super().__init__()
        self.dropout, d = config.dropout, config.d_model
        titles = {
            "token_embeddings": "token embeddings",
            **({"placed": "token embeddings with their positions"} if config.embedded_norm else {}),
            "embedded": "embedded: what the first block reads",
            "out": "out",
        }
        self.sees = {name: ("batch tokens d_model", title) for name, title in titles.items()}
        self.positions = config.positions.build(d, config.max_len)
        self.embedded_norm = config.norm.build(d) if config.embedded_norm else None
        self.rotary = config.positions.rotation(config.attention.widths(d)[0])
        own = config.positions.near_base is not None
        self.near_rotary = config.positions.rotation(config.attention.widths(d)[0], near=True) if own else None
        self.bias = config.positions.bias(config.attention.heads, ahead=not (cross or causal))
        self.windows = list(windows) or [None] * layers
        self.blocks = nn.ModuleList(
            Block(config, cross=cross, value_residual=value_residual and i > 0, first=i == 0) for i in range(layers)
        )
        self.mix = nn.Parameter(torch.tensor([[1.0, 0.0]] * layers)) if x0_shortcut else None
        self.value_residual = value_residual
        self.checkpointing = False  # compute activations again in the backward pass instead of keeping them
        # A post-norm block ends with a norm of its own.
        self.norm = config.norm.build(d) if config.wiring == "pre" else nn.Identity()

    def forward(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        *,
        mask: Mask | None,
        memory: Memory | None = None,
        cache: DecoderCache | None = None,
        where: Where | None = None,
    ) -> Float[Tensor, "batch tokens d_model"]:
        """x through all blocks; with a cache, x holds only the new tokens.

        Args:
            where: where they stand, and what the cache holds; None: one text a row, from its beginning.
        """
        if where is None:
            where = Where.line(x.size(1), start=0 if cache is None else cache.length, device=x.device)
        with goes_on(None if cache is None or where.kin is not None else cache.length):
            return self._through(x, mask, memory, cache, where)

    def _through(
        self, x: Tensor, mask: Mask | None, memory: Memory | None, cache: DecoderCache | None, where: Where
    ) -> Tensor:
        x = see("token_embeddings", x)
        if self.positions is not None:
            x = self.positions(x, where)
        if self.embedded_norm is not None:
            x = self.embedded_norm(see("placed", x))
        x = see("embedded", dropout(x, self.dropout, self.training))
        whole = Surroundings(
            where,
            mask,
            self.bias,
            None if self.rotary is None else self.rotary(where),
            FirstValues() if self.value_residual else None,
            memory=None if memory is None else memory.states,
            memory_where=None if memory is None else memory.asked_by(where),
        )
        around: dict[int | None, Surroundings] = {None: whole}
        for window in set(self.windows):
            if window is None:
                continue
            near = Window(window) if mask is None else mask & Window(window)
            held = where if cache is None or cache.keeps_all else where.since(max(0, where.row + 1 - window))
            rotation = whole.rotation if self.near_rotary is None else self.near_rotary(where)
            around[window] = replace(whole, where=held, mask=near, rotation=rotation)
        first = x
        for i, (block, window) in enumerate(zip(self.blocks, self.windows, strict=True)):
            if self.mix is not None:
                own, shortcut = self.mix[i].to(x.dtype)
                x = own * x + shortcut * first
            if cache is not None:
                x = block(x, around[window], cache=cache.tokens[i], memory_cache=cache.memory[i])
            elif self.checkpointing and self.training:
                x = checkpoint(block, x, around[window], use_reentrant=False)
            else:
                x = block(x, around[window])
        return see("out", self.norm(x))

    def formulas(self, place: Place, x: Value, memory: Value | None = None) -> Value:
        """How what it shows comes about."""
        first = x = self._embedded(place, place.see("token_embeddings", copy("the token embeddings", x), text=x.text))
        for i, block in enumerate(self.blocks):
            if self.mix is not None:
                text = "own · what comes before it + shortcut · the embeddings"
                mix = Formula("mix", text, [x.path, first.path], {"mix": place.name("mix")}, {"row": i})
                x = Value(text=x.text, formula=mix)
            x = place.under(f"blocks.{i}", block=i).state(block, x, memory)
        if isinstance(self.norm, nn.Identity):
            return place.see("out", copy("the last block's residual stream", x), text=x.text)
        return place.see("out", norm(place, "norm", self.norm, [x]), text=x.text)

    def _embedded(self, place: Place, x: Value) -> Value:
        placed = copy("the token embeddings: positions enter elsewhere", x)
        if self.positions is not None:
            table, offset = {"P": place.name(f"positions.{self.positions.numbers}")}, self.positions.offset
            text = "token embedding + the vector of its position"
            placed = Formula("positions", text, [x.path], table, {"offset": offset} if offset else {})
        if self.embedded_norm is None:
            return place.see("embedded", placed, text=x.text)
        x = place.see("placed", placed, text=x.text)
        return place.see("embedded", norm(place, "embedded_norm", self.embedded_norm, [x]), text=x.text)
