"""Beside the modules of torch.nn: equal outputs and weights for every mask, layout and order of norms; and back."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearhead import watch
from clearhead.attention import Cosine, MultiHead
from clearhead.errors import ConfigError
from clearhead.exchange.torch_nn import MultiheadAttention, TransformerEncoder, drop_in, from_torch, to_torch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block
from clearhead.models.stack import Stack

D, HEADS, BATCH = 12, 3, 2
TOLERANCE = {torch.float64: {"atol": 1e-10, "rtol": 1e-10}, torch.float32: {"atol": 1e-5, "rtol": 1e-5}}


def numbers(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def shaken(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """With every weight drawn, biases and norms too."""
    with torch.no_grad():
        for seed, weight in enumerate(module.parameters()):
            weight.copy_(0.3 * numbers(*weight.shape, seed=seed, dtype=dtype) + (1 if weight.dim() == 1 else 0))
    return module.to(dtype).eval()


@st.composite
def masks(draw: st.DrawFn, queries: int, keys: int, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
    """A mask and a padding as PyTorch takes them, every key 0 allowed so that no row is closed."""
    kind = draw(st.sampled_from(["none", "bool", "number", "bool per head", "causal"]))
    shape = (BATCH * HEADS, queries, keys) if "head" in kind else (queries, keys)
    seed = draw(st.integers(0, 99))
    mask: Tensor | None = None
    if kind.startswith("bool"):
        mask = numbers(*shape, seed=seed, dtype=dtype) > 0
        mask[..., 0] = False
    elif kind == "number":
        mask = numbers(*shape, seed=seed, dtype=dtype)
        mask[:, -1] = float("-inf") if keys > 1 else 0.0
    elif kind == "causal":
        mask = torch.ones(queries, keys, dtype=torch.bool).triu(1)
    padding: Tensor | None = None
    ragged = torch.arange(keys)[None] >= torch.tensor([[keys], [draw(st.integers(1, keys))]])
    if (kind := draw(st.sampled_from(["none", "bool", "number"]))) == "bool":
        padding = ragged
    elif kind == "number":
        padding = torch.zeros(BATCH, keys, dtype=dtype).masked_fill(ragged, float("-inf"))
    return mask, padding


def same(theirs: nn.Module, dtype: torch.dtype, *given: Any, **options: Any) -> None:
    """Theirs, ours and theirs back from ours answer alike; and the way back leaves no weight changed."""
    ours = from_torch(theirs)
    back = to_torch(ours)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # PyTorch wants both masks of one kind some day
        wanted = theirs(*given, **options)
        for module in (ours, back):
            found = module(*given, **options)
            for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, wanted)), strict=True):
                assert (one is None) == (other is None)
                if one is not None:
                    torch.testing.assert_close(one, other, **TOLERANCE[dtype])
    state, again = theirs.state_dict(), back.state_dict()
    assert list(state) == list(again)
    assert all(value.equal(again[name]) for name, value in state.items())


def laid(x: Tensor, batch_first: bool) -> Tensor:
    return x if batch_first else x.transpose(0, 1)


DTYPES = st.sampled_from([torch.float64, torch.float32])
LENGTHS = st.integers(1, 6)


@settings(max_examples=150)
@given(data=st.data(), dtype=DTYPES, queries=LENGTHS, keys=LENGTHS, batch_first=st.booleans(), bias=st.booleans())
def test_multihead_attention(
    data: st.DataObject, dtype: torch.dtype, queries: int, keys: int, batch_first: bool, bias: bool
) -> None:
    widths = data.draw(st.sampled_from([{}, {"kdim": 5, "vdim": 7}]))
    theirs = shaken(nn.MultiheadAttention(D, HEADS, bias=bias, batch_first=batch_first, **widths), dtype)
    mask, padding = data.draw(masks(queries, keys, dtype))
    given = [
        laid(numbers(BATCH, n, width, seed=n + width, dtype=dtype), batch_first)
        for n, width in ((queries, D), (keys, widths.get("kdim", D)), (keys, widths.get("vdim", D)))
    ]
    options = {"need_weights": data.draw(st.booleans()), "average_attn_weights": data.draw(st.booleans())}
    same(theirs, dtype, *given, key_padding_mask=padding, attn_mask=mask, **options)


@settings(max_examples=150)
@given(
    data=st.data(),
    dtype=DTYPES,
    src=LENGTHS,
    tgt=LENGTHS,
    kind=st.sampled_from(["encoder layer", "encoder", "decoder layer", "decoder", "both"]),
    batch_first=st.booleans(),
    norm_first=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", nn.GELU()]),
    bias=st.booleans(),
    norm=st.booleans(),
)
def test_layers_and_stacks(
    data: st.DataObject,
    dtype: torch.dtype,
    src: int,
    tgt: int,
    kind: str,
    batch_first: bool,
    norm_first: bool,
    activation: Any,
    bias: bool,
    norm: bool,
) -> None:
    options: dict[str, Any] = {"batch_first": batch_first, "norm_first": norm_first, "activation": activation}
    options |= {"dim_feedforward": 10, "bias": bias, "layer_norm_eps": 1e-3}
    encoder: Any = nn.TransformerEncoderLayer(D, HEADS, **options)
    decoder: Any = nn.TransformerDecoderLayer(D, HEADS, **options)
    if "layer" not in kind:
        last = nn.LayerNorm(D) if norm else None
        encoder = nn.TransformerEncoder(encoder, 2, last, enable_nested_tensor=False)
        decoder = nn.TransformerDecoder(decoder, 2, copy.deepcopy(last))
    x, y = (laid(numbers(BATCH, n, D, seed=n, dtype=dtype), batch_first) for n in (src, tgt + 6))
    y = y[:, :tgt] if batch_first else y[:tgt]
    of_src, of_tgt, across = (data.draw(masks(a, b, dtype)) for a, b in ((src, src), (tgt, tgt), (tgt, src)))
    on_tgt = {"tgt_mask": of_tgt[0], "tgt_key_padding_mask": of_tgt[1]}
    on_memory = {"memory_mask": across[0], "memory_key_padding_mask": across[1]}
    if kind == "encoder layer":
        same(shaken(encoder, dtype), dtype, x, src_mask=of_src[0], src_key_padding_mask=of_src[1])
    elif kind == "encoder":
        same(shaken(encoder, dtype), dtype, x, mask=of_src[0], src_key_padding_mask=of_src[1])
    elif kind.startswith("decoder"):
        same(shaken(decoder, dtype), dtype, y, x, **on_tgt, **on_memory)
    else:
        both = nn.Transformer(D, HEADS, custom_encoder=encoder, custom_decoder=decoder, batch_first=batch_first)
        on_src = {"src_mask": of_src[0], "src_key_padding_mask": of_src[1]}
        same(shaken(both, dtype), dtype, x, y, **on_src, **on_tgt, **on_memory)


def test_a_text_alone() -> None:
    layer = shaken(nn.TransformerEncoderLayer(D, HEADS, 10), torch.float64)
    x = numbers(4, D, seed=0, dtype=torch.float64)
    same(layer, torch.float64, x, src_key_padding_mask=torch.tensor([False, False, False, True]))
    attention = shaken(nn.MultiheadAttention(D, HEADS), torch.float64)
    same(attention, torch.float64, x, x, x, key_padding_mask=torch.tensor([False, False, False, True]))


def test_causal_flags_alone_are_enough_and_closed_rows_are_zeros() -> None:
    layer = shaken(nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True), torch.float64)
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    wanted = layer(x, src_mask=torch.ones(5, 5, dtype=torch.bool).triu(1))
    torch.testing.assert_close(from_torch(layer)(x, is_causal=True), wanted, **TOLERANCE[torch.float64])
    attention = from_torch(shaken(nn.MultiheadAttention(D, HEADS, batch_first=True), torch.float64))
    out, weights = attention(x, x, x, attn_mask=torch.ones(5, 5, dtype=torch.bool))
    assert not weights.any()
    torch.testing.assert_close(out, attention.o_proj.bias.expand_as(out))


def test_gradients_are_theirs() -> None:
    theirs: Any = shaken(nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True), torch.float64).train()
    theirs = copy.deepcopy(theirs)
    for part in theirs.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    theirs.self_attn.dropout = 0.0
    ours = from_torch(theirs)
    assert ours.training
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    for module in (theirs, ours):
        module(x).square().sum().backward()
    torch.testing.assert_close(ours.blocks[0].feed_forward.up.weight.grad, theirs.linear1.weight.grad)
    torch.testing.assert_close(
        ours.blocks[0].self_attention.k_proj.weight.grad, theirs.self_attn.in_proj_weight.grad[D : 2 * D]
    )


def test_a_model_of_others_is_looked_into() -> None:
    """Every attention module of a model is replaced where it stands; it answers as before, and can be watched."""

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.parts = nn.ModuleDict({"pool": nn.MultiheadAttention(D, HEADS, batch_first=True)})
            self.out = nn.Linear(D, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.encoder(x)
            pooled, _ = self.parts["pool"](x[:, :1], x, x)
            out: Tensor = self.out(pooled)
            return out

    model = shaken(Tagger(), torch.float64)
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    wanted = model(x)
    assert drop_in(model) == 2
    with watch(model) as trace:
        torch.testing.assert_close(model(x), wanted, **TOLERANCE[torch.float64])
    assert trace["encoder.blocks.1.self_attention.attention"].weights().shape == (BATCH, HEADS, 5, 5)
    assert trace["parts.pool.attention"].weights().shape == (BATCH, HEADS, 1, 5)
    assert drop_in(model) == 0


class OwnLayer(nn.TransformerEncoderLayer):
    """Another layer under PyTorch's name: twice as much comes out."""

    def forward(self, *given: Any, **options: Any) -> Tensor:
        return 2 * super().forward(*given, **options)


def test_layers_of_others_are_never_taken_for_pytorchs() -> None:
    own = OwnLayer(D, HEADS, 10, batch_first=True).eval()
    model = nn.Sequential(own)
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float32)
    wanted = model(x)
    assert drop_in(model) == 0
    assert model(x).equal(wanted)
    with pytest.raises(ConfigError, match="a layer is a OwnLayer"):
        from_torch(nn.TransformerEncoder(own, 2, enable_nested_tensor=False))


def test_what_stands_alone_is_not_replaced_in_parts() -> None:
    layer = nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True)
    with pytest.raises(ConfigError, match=r"take from_torch\(model\)"):
        drop_in(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))


def test_our_own_stack_becomes_theirs() -> None:
    stack = Stack(EncoderDecoderConfig(d_model=D, heads=HEADS, d_ff=10, layers=2, positions="none"), 2, cross=False)
    ours = TransformerEncoder(stack.blocks, stack.norm, batch_first=True).eval()  # type: ignore[arg-type]
    theirs = to_torch(ours)
    assert isinstance(theirs, nn.TransformerEncoder)
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float32)
    torch.testing.assert_close(theirs(x), stack.eval()(x, mask=None), **TOLERANCE[torch.float32])


def test_an_encoder_that_cannot_see_ahead_is_a_decoder_without_cross_attention() -> None:
    """What stands behind a token changes nothing of its output, and a text may be fed token by token."""
    layer = nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True)
    encoder = from_torch(shaken(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), torch.float64))
    x = numbers(BATCH, 6, D, seed=0, dtype=torch.float64)
    whole = encoder(x, is_causal=True)
    for n in range(1, 6):
        torch.testing.assert_close(encoder(x[:, :n], is_causal=True), whole[:, :n], **TOLERANCE[torch.float64])
    decoder = Stack(
        EncoderDecoderConfig(d_model=D, heads=HEADS, d_ff=10, norm_order="post", positions="none"), 2, cross=False
    )
    decoder = decoder.double().eval()
    decoder.blocks.load_state_dict(encoder.blocks.state_dict())
    from clearhead.attention import Causal

    torch.testing.assert_close(decoder(x, mask=Causal()), whole, **TOLERANCE[torch.float64])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: from_torch(nn.Linear(2, 2)), "a Linear is no attention module of PyTorch"),
        (lambda: from_torch(nn.MultiheadAttention(4, 2, add_bias_kv=True)), "make the module without them"),
        (lambda: from_torch(nn.MultiheadAttention(4, 2, add_zero_attn=True)), "make the module without them"),
        (
            lambda: from_torch(nn.TransformerEncoderLayer(4, 2, activation=nn.SiLU())),
            "the activations are relu and gelu",
        ),
        (lambda: to_torch(nn.Linear(2, 2)), "a Linear has no counterpart in torch.nn"),
        (lambda: to_torch(MultiheadAttention(4, 2, n_kv_heads=1)), "fewer heads of keys and values"),
        (lambda: to_torch(MultiheadAttention(4, 2, score=Cosine())), "the score Cosine"),
        (lambda: to_torch(MultiheadAttention(4, 2, o_proj=False)), "without an output projection"),
        (lambda: to_torch(MultiheadAttention(4, 2, head_dim=4)), "heads that do not share d_model"),
        (lambda: to_torch(encoder_of(activation="swiglu")), "LayerNorm and swiglu"),
        (lambda: to_torch(encoder_of(norm="rms")), "RMSNorm and relu"),
    ],
)
def test_what_has_no_counterpart_is_named(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def encoder_of(**config: Any) -> TransformerEncoder:
    return TransformerEncoder(
        [Block(EncoderDecoderConfig(d_model=4, heads=2, **config), cross=False)], None, batch_first=True
    )


def test_sizes_of_values_of_their_own() -> None:
    heads = MultiHead(4, 2, memory_dim=3, values_dim=5)
    act = heads.act(torch.ones(1, 2, 4), torch.ones(1, 3, 3), torch.ones(1, 3, 5))
    assert heads.join(act).shape == (1, 2, 4)
