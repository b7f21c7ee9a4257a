"""Encoder-decoders of every family: what can be seen of them, and what must not move their output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.functional import cross_entropy

from clearhead.atlas import atlas
from clearhead.attention import Causal
from clearhead.edits import Edit
from clearhead.generation.branches import Branches
from clearhead.look import watch
from clearhead.models.architecture import SEQ2SEQ, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.seq2seq import Seq2Seq, make_seq2seq
from clearhead.models.stack import Memory, Stack

TRANSFORMER: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 16}
RECURRENT: dict[str, Any] = {"d_model": 16, "max_len": 16}

# Every option appears with every value at least once, beside different others.
CONFIGS: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "norm_order": "post", "norm": "rms", "activation": "swiglu", "kv_heads": 2},
    {"positions": "rotary", "norm": "rms", "activation": "gelu", "kv_heads": 1, "tied": "target"},
    {"positions": "none", "norm_order": "post", "activation": "relu2", "tied": "none", "decoder_layers": 1},
    {"positions": "rotary", "norm_order": "post", "activation": "swiglu", "tied": "none", "layers": 1},
    {"positions": "learned", "activation": "relu2", "kv_heads": 2, "tied": "target", "decoder_layers": 3},
    {"positions": "relative", "norm": "rms", "kv_heads": 2, "tied": "none", "score": "additive"},
    {"positions": "alibi", "activation": "swiglu", "norm_order": "post", "score": "bilinear"},
    {"positions": "rotary", "score": "cosine", "decoder_layers": 1},
    {"score": "dot", "kv_heads": 1},
    {"head_dim": 16, "heads": 3, "positions": "rotary"},
    {"head_dim": 8, "v_head_dim": 4, "o_proj": False, "kv_heads": 2},
    {"family": "lstm"},
    {"family": "gru", "layers": 2, "heads": 2, "tied": "target"},
    {"family": "lstm", "attention": "none", "layers": 2},
    {"family": "gru", "attention": "none", "tied": "none"},
    {"family": "lstm", "attention": "luong", "layers": 2},
    {"family": "gru", "attention": "luong", "score": "additive", "heads": 4},
    {"family": "lstm", "attention": "luong", "input_feeding": False, "score": "dot", "layers": 2},
    {"family": "gru", "attention": "luong", "input_feeding": False, "score": "cosine"},
]
every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda c: "-".join(str(v) for v in c.values()) or "plain")

GENERATOR = torch.Generator().manual_seed(0)
SRC, TGT = torch.randint(3, 20, (3, 7), generator=GENERATOR), torch.randint(3, 20, (3, 6), generator=GENERATOR)
LENGTHS = torch.tensor([7, 4, 1])


def make(config: dict[str, Any], vocab: int = 20) -> Any:
    torch.manual_seed(0)
    kind = SEQ2SEQ[config.get("family", "encoder-decoder")]
    small = TRANSFORMER if kind is EncoderDecoderConfig else RECURRENT
    return make_seq2seq(kind(**{**small, **config}), vocab, vocab).double().eval()


def assert_same(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9)


# What can be seen

HEADS = {
    "q": "batch heads queries head_dim",
    "k": "batch kv_heads keys head_dim",
    "v": "batch kv_heads keys v_head_dim",
    "attention": "batch heads queries keys",
    "context": "batch heads queries v_head_dim",
    "out": "batch queries d_model",
}
FEED_FORWARD = {"hidden": "batch tokens d_ff", "out": "batch tokens d_model"}
ATLAS = {  # public: a name that changes here breaks what people have written
    "encoder.token_embeddings": "batch tokens d_model",
    "encoder.embedded": "batch tokens d_model",
    "encoder.blocks.0.resid_in": "batch tokens d_model",
    "encoder.blocks.0.self_attention_normed": "batch tokens d_model",
    **{f"encoder.blocks.0.self_attention.{name}": axes for name, axes in HEADS.items()},
    "encoder.blocks.0.resid_mid": "batch tokens d_model",
    "encoder.blocks.0.feed_forward_normed": "batch tokens d_model",
    **{f"encoder.blocks.0.feed_forward.{name}": axes for name, axes in FEED_FORWARD.items()},
    "encoder.blocks.0.resid_out": "batch tokens d_model",
    "encoder.out": "batch tokens d_model",
    "decoder.token_embeddings": "batch tokens d_model",
    "decoder.embedded": "batch tokens d_model",
    "decoder.blocks.0.resid_in": "batch tokens d_model",
    "decoder.blocks.0.self_attention_normed": "batch tokens d_model",
    **{f"decoder.blocks.0.self_attention.{name}": axes for name, axes in HEADS.items()},
    "decoder.blocks.0.resid_mid": "batch tokens d_model",
    "decoder.blocks.0.cross_attention_normed": "batch tokens d_model",
    **{f"decoder.blocks.0.cross_attention.{name}": axes for name, axes in HEADS.items()},
    "decoder.blocks.0.resid_cross": "batch tokens d_model",
    "decoder.blocks.0.feed_forward_normed": "batch tokens d_model",
    **{f"decoder.blocks.0.feed_forward.{name}": axes for name, axes in FEED_FORWARD.items()},
    "decoder.blocks.0.resid_out": "batch tokens d_model",
    "decoder.out": "batch tokens d_model",
    "logits": "batch tgt_tokens vocab",
}


STEPS = ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "state")  # of an LSTM
RECURRENT_ATLAS = {
    "encoder.embedded": "batch tokens d_model",
    **{f"encoder.blocks.0.forwards.{name}": "batch tokens d_model" for name in STEPS},
    **{f"encoder.blocks.0.backwards.{name}": "batch tokens d_model" for name in STEPS},
    "encoder.blocks.0.states": "batch tokens d_memory",
    "decoder.embedded": "batch tokens d_model",
    "decoder.begin": "batch layers d_model",
    **{f"decoder.cross_attention.{name}": axes for name, axes in HEADS.items()},
    **{f"decoder.layers.0.{name}": "batch tokens d_model" for name in STEPS},
    "decoder.states": "batch tokens d_model",
    "decoder.readout": "batch tokens d_model",
    "decoder.out": "batch tokens d_model",
    "logits": "batch tgt_tokens vocab",
}


@pytest.mark.parametrize(("config", "wanted"), [({"layers": 1}, ATLAS), ({"family": "lstm"}, RECURRENT_ATLAS)])
def test_the_frozen_atlas(config: dict[str, Any], wanted: dict[str, str]) -> None:
    model = make(config)
    assert {path: " ".join(axes) for path, axes in atlas(model).items()} == wanted
    with watch(model) as trace:
        model(SRC, TGT)
    assert list(trace) == list(wanted)  # in the order of the pass


@every_config
def test_what_is_seen_is_the_atlas(config: dict[str, Any]) -> None:
    model = make(config)
    before = model(SRC, TGT, LENGTHS)
    with watch(model) as trace:
        assert torch.equal(model(SRC, TGT, LENGTHS), before)
    assert {path: trace.axes(path) for path in trace} == atlas(model)
    for path in trace:
        assert len(trace.axes(path)) == len(trace.calls(path)[0].shape), path
    for path in trace.find("attention"):
        for act, context in zip(
            trace.calls(path), trace.calls(path.removesuffix("attention") + "context"), strict=True
        ):
            assert act.gap(context) < 1e-12


# What must not move the output


@every_config
@pytest.mark.parametrize("chunks", [[1] * 6, [3, 1, 2]], ids=str)
@torch.no_grad()
def test_cached_is_uncached(config: dict[str, Any], chunks: list[int]) -> None:
    model = make(config)
    memory, cache = model.encode(SRC, LENGTHS), model.new_cache()
    steps = []
    for chunk in TGT.split(chunks, dim=1):
        steps.append(model.logits(model.decode(chunk, memory, cache=cache)))
    assert cache.length == 6
    assert_same(torch.cat(steps, dim=1), model(SRC, TGT, LENGTHS))


@every_config
@torch.no_grad()
def test_padding_is_nothing_and_sentences_are_alone(config: dict[str, Any]) -> None:
    model, other = make(config), SRC.clone()
    other[torch.arange(7) >= LENGTHS[:, None]] = 0
    together = model(SRC, TGT, LENGTHS)
    assert_same(model(other, TGT, LENGTHS), together)
    for i, length in enumerate(LENGTHS):
        assert_same(model(SRC[i : i + 1, :length], TGT[i : i + 1]), together[i : i + 1])
    assert not torch.allclose(model(SRC, TGT), together)


@every_config
@torch.no_grad()
def test_the_future_cannot_move_the_past(config: dict[str, Any]) -> None:
    model, other = make(config), TGT.clone()
    other[:, 4:] = 19 - other[:, 4:]
    one, two = model(SRC, TGT), model(SRC, other)
    assert_same(two[:, :4], one[:, :4])
    assert not torch.allclose(two[:, 4:], one[:, 4:])


@every_config
@torch.no_grad()
def test_a_tree_is_its_lines(config: dict[str, Any]) -> None:
    """Each row grows three branches, which give way to one another and are cut off; then the first sentence leaves."""
    model, random = make(config), torch.Generator().manual_seed(1)
    memory, cache, tree = model.encode(SRC, LENGTHS), model.new_cache(), Branches.root(3)
    lines = torch.full((3, 1, 1), 1)
    model.decode(lines[:, :, -1], memory, cache=cache, where=tree.where())
    for _ in range(4):
        parents = torch.randint(0, lines.size(1), (3, 3), generator=random)
        tokens = torch.randint(3, 20, (3, 3, 1), generator=random)
        lines = torch.cat([lines.gather(1, parents[:, :, None].expand(-1, -1, lines.size(2))), tokens], dim=2)
        tree = tree.grown(parents)
        cut = tree.pruned()
        if cut is not None:
            tree, places = cut
            cache.keep(places)
        found = model.decode(tokens[:, :, 0], memory, cache=cache, where=tree.where())
        assert_same(found, last_of(model, lines, range(3)))
    assert tree.ancestors.size(2) < 1 + 4 * 3
    rows = torch.tensor([2, 1])
    cache.select(rows)
    tree, tokens = tree.select(rows).grown(torch.tensor([[1, 1], [2, 0]])), torch.tensor([[5, 6], [7, 8]])
    lines = torch.cat([lines[rows[:, None], torch.tensor([[1, 1], [2, 0]])], tokens[:, :, None]], dim=2)
    found = model.decode(tokens, memory.select(rows), cache=cache, where=tree.where())
    assert_same(found, last_of(model, lines, rows.tolist()))


def last_of(model: Any, lines: Tensor, sentences: Iterable[int]) -> Tensor:
    """The decoder's output for the last token of each line, every line decoded by itself without a cache."""
    rows = []
    for i, row in zip(sentences, lines, strict=True):
        src = SRC[i : i + 1, : LENGTHS[i]]
        rows.append(torch.cat([model.decode(line[None], model.encode(src))[:, -1:] for line in row], dim=1))
    return torch.cat(rows)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "alibi"])
@torch.no_grad()
def test_an_encoder_with_a_causal_mask_is_a_decoder_without_cross_attention(positions: str) -> None:
    config = EncoderDecoderConfig(**{**TRANSFORMER, "positions": positions})
    torch.manual_seed(0)
    decoder = Stack(config, 2, cross=True).double().eval()
    encoder = Stack(config, 2, cross=False).double().eval()
    encoder.load_state_dict({n: w for n, w in decoder.state_dict().items() if "cross_attention" not in n})
    for block in decoder.blocks:  # nothing is brought home from the memory
        block.cross_attention.o_proj.weight.zero_()
        block.cross_attention.o_proj.bias.zero_()
    x, memory = torch.randn(2, 5, 16, dtype=torch.double), Memory(torch.randn(2, 3, 16, dtype=torch.double), None)
    found = encoder(x, mask=Causal())
    assert_same(found, decoder(x, mask=Causal(), memory=memory))
    other = x.clone()
    other[:, 3:] *= -1  # a norm would not notice a number added to all
    assert_same(encoder(other, mask=Causal())[:, :3], found[:, :3])
    assert not torch.allclose(encoder(other, mask=None)[:, :3], encoder(x, mask=None)[:, :3])


# Weights


@pytest.mark.parametrize(("tied", "matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_tied_matrices_are_one(tied: str, matrices: int) -> None:
    model = make({"tied": tied})
    weights = [model.src_embedding.weight, model.tgt_embedding.weight, model.head.weight]
    assert len({w.data_ptr() for w in weights}) == matrices
    model(SRC, TGT).sum().backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert len({w.data_ptr() for w in weights}) == matrices
    assert torch.equal(model.head.weight, model.tgt_embedding.weight) == (tied != "none")


@every_config
def test_a_state_dict_goes_round(config: dict[str, Any]) -> None:
    model, fresh = make(config), make(config)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(SRC, TGT), model(SRC, TGT))


@pytest.mark.parametrize(
    "config",
    [
        EncoderDecoderConfig(d_model=32, d_ff=64, heads=2, layers=1, dropout=0.0),
        RecurrentConfig(family="gru", d_model=32, dropout=0.0),
        RecurrentConfig(family="lstm", d_model=32, dropout=0.0, attention="luong"),
    ],
    ids=lambda c: c.family,
)
def test_it_learns_to_copy(config: Any) -> None:
    torch.manual_seed(0)
    model: Seq2Seq = make_seq2seq(config, 12, 12)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    src = torch.randint(3, 12, (8, 5))
    tgt = torch.cat([torch.ones(8, 1, dtype=torch.long), src], dim=1)
    for _ in range(60):
        loss = cross_entropy(model(src, tgt[:, :-1]).flatten(0, 1), src.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert torch.equal(model(src, tgt[:, :-1]).argmax(-1), src)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"d_model": 10, "heads": 4}, "take 1, 2, 5, 10"),
        ({"v_head_dim": 8, "o_proj": False}, "4 of 8 are not d_model 16; take v_head_dim 4"),
        ({"kv_heads": 3}, "4 heads do not divide into groups for 3"),
        ({"positions": "rotary", "d_model": 12}, "even head width, not 3"),
        ({"layer": 2}, "layer"),
        ({"family": "lstm", "heads": 3}, "take 1, 2, 4, 8, 16"),
        ({"family": "gru", "attention": "none", "score": "dot"}, "attention none has no score"),
        ({"family": "gru", "positions": "rotary"}, "positions"),
    ],
)
def test_nonsense_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        make(config)


@pytest.mark.parametrize("sizes", [(0, 4, 3), (2, 0, 3), (2, 4, 0)])
def test_no_tokens_have_logits_too(sizes: tuple[int, int, int]) -> None:
    batch, source, target = sizes
    model = make_seq2seq(EncoderDecoderConfig(d_model=8, d_ff=8, heads=4, kv_heads=2, layers=1), 11, 11).eval()
    src, tgt = torch.zeros(batch, source, dtype=torch.long), torch.zeros(batch, target, dtype=torch.long)
    assert model(src, tgt).shape == model(src, tgt, torch.full((batch,), source)).shape == (batch, target, 11)


def test_an_edit_of_a_cross_attention_names_the_same_row_with_a_cache_and_without() -> None:
    torch.manual_seed(0)
    model = make_seq2seq(EncoderDecoderConfig(d_model=8, d_ff=8, heads=4, layers=1), 11, 11).double().eval()
    src, tgt = torch.tensor([[4, 5, 6]]), torch.tensor([[1, 7, 8, 9, 3]])
    edit = Edit("decoder.blocks.0.cross_attention.attention", (None, 1, 3, 2), "set", 3.0, step="scaled")
    with torch.no_grad(), watch(model, edits=[edit]):
        memory, cache = model.encode(src), model.new_cache()
        whole = model.decode(tgt, memory)
        parts = [model.decode(part, memory, cache=cache) for part in tgt.split([2, 1, 1, 1], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert not torch.allclose(whole, model.decode(tgt, memory))
