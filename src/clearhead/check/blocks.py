"""Exercises of whole blocks and a whole decoder (Vaswani et al., 2017).

    post-norm:  x = norm(x + part(x)), for self-attention [, cross-attention], feed-forward

Axes: tokens, keys, d_model, d_ff, vocab.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clearhead.attention import Causal
from clearhead.check.cases import CAUSAL, GO, POEM, WIDE, matrix, table
from clearhead.check.exercise import Case, exercise
from clearhead.check.learner_models import attention_tables, feed_forward_tables, norm_tables
from clearhead.check.weights import (
    AttentionWeights,
    DecoderBlockWeights,
    DecoderWeights,
    EncoderBlockWeights,
    FeedForwardWeights,
    NormWeights,
    block_of,
    stack_of,
)
from clearhead.models.block import Block, Surroundings
from clearhead.models.layers import TokenEmbedding
from clearhead.models.stack import Memory
from clearhead.worksheet.copies import Picked
from clearhead.worksheet.operations import Plus, Product, Times, Waves
from clearhead.worksheet.tables import NumberTable

__all__ = ["decoder", "decoder_block", "encoder_block"]


# The tables of their arithmetic --------------------------------------------------------------------------------------


def _added(part: NumberTable, x: NumberTable, name: str, norm: NormWeights) -> list[NumberTable]:
    """What a part gives, with the residual, normed."""
    added = NumberTable(name.replace("%", "added"), x.rows, x.columns, Plus(part, x))
    return [added, *norm_tables(name.replace("%", "normed"), added, *norm)]


def _block_tables(
    x: NumberTable,
    w: EncoderBlockWeights | DecoderBlockWeights,
    n_heads: int,
    *,
    memory: tuple[tuple[str, ...], Tensor] | None = None,
    tail: str = "",
) -> list[NumberTable]:
    """All steps of a block; `tail` tells its tables from those of other blocks."""
    mask = CAUSAL[: len(x.rows), : len(x.rows)] if isinstance(w, DecoderBlockWeights) else None
    made = [_attended(x, w.self_attention, n_heads, f"self{tail}", mask=mask)]
    made += _added(made[-1], x, f"self_%{tail}", w.self_attention_norm)
    if isinstance(w, DecoderBlockWeights):
        x = made[-1]
        made.append(_attended(x, w.cross_attention, n_heads, f"cross{tail}", memory=memory))
        made += _added(made[-1], x, f"cross_%{tail}", w.cross_attention_norm)
    x = made[-1]
    made += feed_forward_tables(x, *w.feed_forward, tail=tail)
    return [*made, *_added(made[-1], x, f"forward_%{tail}", w.feed_forward_norm)]


def _attended(
    x: NumberTable,
    w: AttentionWeights,
    n_heads: int,
    name: str,
    *,
    memory: tuple[tuple[str, ...], Tensor] | None = None,
    mask: Tensor | None = None,
) -> NumberTable:
    """The output of an attention, under another name."""
    out = attention_tables(x.rows, torch.from_numpy(x.values), w, memory=memory, mask=mask, n_heads=n_heads)[-1]
    return NumberTable(name, x.rows, x.columns, out.op)


# The exercises -------------------------------------------------------------------------------------------------------


def _heads(seed: int) -> AttentionWeights:
    return AttentionWeights(*(matrix(4, 4, seed + i) for i in (1, 2, 5, 8)))


def _norm(seed: int) -> NormWeights:
    return NormWeights(matrix(1, 4, seed)[0] + 1.5, matrix(1, 4, seed + 1)[0])


def _forward(seed: int) -> FeedForwardWeights:
    return FeedForwardWeights(matrix(4, 3, seed), matrix(1, 3, seed)[0], matrix(3, 4, seed + 5), matrix(1, 4, seed)[0])


def _encoder_weights() -> EncoderBlockWeights:
    return EncoderBlockWeights(_heads(0), _norm(1), _forward(2), _norm(3))


def _decoder_weights(seed: int) -> DecoderBlockWeights:
    self_attention, cross_attention = _heads(seed), _heads(seed + 3)
    norms = [_norm(seed + i) for i in (1, 2, 4)]
    return DecoderBlockWeights(self_attention, norms[0], cross_attention, norms[1], _forward(seed + 2), norms[2])


_MEMORY = torch.tensor([[1.0, -1.0, 0.5, 2.0], [-2.0, 0.0, 1.0, 0.5]])  # [2, 4]


def _run(block: Block, x: Tensor, memory: Tensor | None = None, *, causal: bool) -> Tensor:
    asked = None if memory is None else memory[None]
    found: Tensor = block(x[None], Surroundings(mask=Causal() if causal else None, memory=asked))
    return found[0]


def _without_residuals(block: Block, x: Tensor, memory: Tensor | None = None) -> Tensor:
    """A block as one usual mistake does it."""
    x = block.self_attention_norm(block.self_attention(x[None], mask=None if memory is None else Causal()))
    if memory is not None and block.cross_attention is not None and block.cross_attention_norm is not None:
        x = block.cross_attention_norm(block.cross_attention(x, memory[None]))
    found: Tensor = block.feed_forward_norm(block.feed_forward(x))
    return found[0]


@exercise(
    "tokens d_model",
    [
        Case("two heads", (WIDE, _encoder_weights(), 2), POEM),
        Case("one head, two tokens", (_MEMORY, _encoder_weights(), 1), GO),
    ],
    lambda case: _block_tables(table("x", case.tokens, case.args[0]), *case.args[1:]),
    {
        "of norms before the parts; here each stands after its residual": lambda x, w, n: _run(
            block_of(w, n, "pre"), x, causal=False
        ),
        "without the residuals: x + part(x)": lambda x, w, n: _without_residuals(block_of(w, n), x),
        "of a norm without its weight and bias": lambda x, w, n: _run(
            block_of(w._replace(feed_forward_norm=NormWeights(torch.ones(4), torch.zeros(4))), n), x, causal=False
        ),
        "of a block that sees no future; an encoder looks everywhere": lambda x, w, n: _run(
            block_of(w, n), x, causal=True
        ),
    },
)
def encoder_block(x: Tensor, w: EncoderBlockWeights, n_heads: int) -> Tensor:
    """Self-attention, then feed-forward, each with a residual and a norm behind it (Vaswani et al., 2017).

    Shapes: x [tokens, d_model], w as in `clearhead.check.weights.EncoderBlockWeights` -> [tokens, d_model].
    """
    return _run(block_of(w, n_heads), x, causal=False)


@exercise(
    "tokens d_model",
    [
        Case("two heads", (WIDE, _MEMORY, _decoder_weights(0), 2), POEM, GO),
        Case("one head, two tokens", (WIDE[:2], _MEMORY, _decoder_weights(1), 1), POEM[:2], GO),
    ],
    lambda case: _block_tables(table("x", case.tokens, case.args[0]), *case.args[2:], memory=(case.keys, case.args[1])),
    {
        "of tokens that see their future; mask the self-attention": lambda x, m, w, n: _run(
            block_of(w, n), x, m, causal=False
        ),
        "of norms before the parts; here each stands after its residual": lambda x, m, w, n: _run(
            block_of(w, n, "pre"), x, m, causal=True
        ),
        "without the residuals: x + part(x)": lambda x, m, w, n: _without_residuals(block_of(w, n), x, m),
        "of a block that never asks the memory": lambda x, m, w, n: _run(
            block_of(EncoderBlockWeights(*w[:2], *w[4:]), n), x, causal=True
        ),
    },
)
def decoder_block(x: Tensor, memory: Tensor, w: DecoderBlockWeights, n_heads: int) -> Tensor:
    """Self-attention that sees no future, cross-attention to the memory, feed-forward, each with a residual and a norm
    behind it (Vaswani et al., 2017).

    Shapes: x [tokens, d_model], memory [keys, d_model], w as in `clearhead.check.weights.DecoderBlockWeights` ->
    [tokens, d_model].
    """
    return _run(block_of(w, n_heads), x, memory, causal=True)


_WORDS = ("<EOS>", "ir", "vamos", "y")
_ALL = DecoderWeights(matrix(4, 4, 3), (_decoder_weights(0), _decoder_weights(1)), matrix(4, 4, 6))


def _logits(
    token_ids: Tensor,
    memory: Tensor,
    w: DecoderWeights,
    n_heads: int,
    *,
    positions: str = "sinusoidal",
    root: bool = True,
    causal: bool = True,
) -> Tensor:
    """The decoder by clearhead's own embedding and stack; or as usual mistakes do it."""
    embedding, stack = TokenEmbedding(*w.embedding.shape), stack_of(w.blocks, n_heads, positions)
    embedding.load_state_dict({"weight": w.embedding if root else w.embedding / w.embedding.size(1) ** 0.5})
    asked = Memory(memory[None], None)
    out: Tensor = stack(embedding(token_ids[None]), mask=Causal() if causal else None, memory=asked)[0]
    return out @ w.output


def _decoder_tables(case: Case) -> list[NumberTable]:
    token_ids, memory, w, n_heads = case.args
    embedding = table("embedding", _WORDS, w.embedding)
    columns = embedding.columns
    picked = NumberTable("embedded", case.tokens, columns, Picked(embedding, tuple(token_ids.tolist())))
    grown = NumberTable("grown", case.tokens, columns, Times(picked, len(columns) ** 0.5, root=True))
    waves = NumberTable("positions", case.tokens, columns, Waves(len(case.tokens), len(columns)))
    made = [picked, grown, waves, NumberTable("x", case.tokens, columns, Plus(grown, waves))]
    for number, block in enumerate(w.blocks, 1):
        steps = _block_tables(made[-1], block, n_heads, memory=(case.keys, memory), tail=f"_{number}")
        made += [step for step in steps if "normed" in step.name]
    output = table("W_output", columns, w.output, _WORDS)
    return [*made, NumberTable("logits", case.tokens, _WORDS, Product(made[-1], output))]


@exercise(
    "tokens vocab",
    [
        Case("two blocks", (torch.tensor([0, 2, 3]), _MEMORY, _ALL, 2), ("<EOS>", "vamos", "y"), GO),
        Case(
            "one block, one word", (torch.tensor([1]), _MEMORY, _ALL._replace(blocks=_ALL.blocks[:1]), 2), ("ir",), GO
        ),
    ],
    _decoder_tables,
    {
        "without positions": lambda ids, m, w, n: _logits(ids, m, w, n, positions="none"),
        "of an embedding that was not multiplied by √d_model": lambda ids, m, w, n: _logits(ids, m, w, n, root=False),
        "of tokens that see their future; mask the self-attention": lambda ids, m, w, n: _logits(
            ids, m, w, n, causal=False
        ),
        "of the first block alone; go through all of them": lambda ids, m, w, n: _logits(
            ids, m, w._replace(blocks=w.blocks[:1]), n
        ),
        "of the vectors, before the output's matrix": lambda ids, m, w, n: _logits(
            ids, m, w._replace(output=torch.eye(w.output.size(0))), n
        ),
    },
)
def decoder(token_ids: Tensor, memory: Tensor, w: DecoderWeights, n_heads: int) -> Tensor:
    """Token ids in, a score for each next word out: embedding * √d_model + positions, blocks, output (Vaswani et al.,
    2017).

    Shapes: token_ids [tokens] of integers, memory [keys, d_model], w as in `clearhead.check.weights.DecoderWeights` ->
    [tokens, vocab].
    """
    return _logits(token_ids, memory, w, n_heads)
