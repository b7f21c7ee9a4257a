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
from torch.nn.utils.parametrizations import weight_norm

from clearhead import watch
from clearhead.attention import Cosine, MultiHead
from clearhead.errors import ConfigError
from clearhead.exchange.torch_nn import MultiheadAttention, TransformerEncoder, drop_in, from_torch, to_torch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block
from clearhead.models.lora import LoRALinear
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
        (lambda: from_torch(nn.Linear(2, 2)), "a Linear is not an attention module of PyTorch"),
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


# What is shared, frozen or hooked stays so


class Model(nn.Module):
    """Any parts, under the names they are given."""

    def __init__(self, **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def layer_of(**options: Any) -> Any:
    return shaken(nn.TransformerEncoderLayer(D, HEADS, 10, batch_first=True, **options), torch.float64)


def attention_of(**options: Any) -> Any:
    return shaken(nn.MultiheadAttention(D, HEADS, batch_first=True, **options), torch.float64)


def size_of(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_a_layer_used_three_times_is_one() -> None:
    layer = layer_of()
    model, x = Model(layers=nn.ModuleList([layer] * 3)), numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    size, wanted = size_of(model), layer(layer(layer(x)))
    assert drop_in(model) == 1 and size_of(model) == size
    first, second, third = model.layers
    assert first is second is third and type(first).__module__.startswith("clearhead")
    with watch(model) as trace:
        torch.testing.assert_close(third(second(first(x))), wanted, **TOLERANCE[torch.float64])
    assert len(trace.calls("layers.0.blocks.0.self_attention.attention")) == 3


def test_a_stack_of_one_layer_goes_there_and_back() -> None:
    stack: Any = nn.TransformerEncoder(layer_of(), 1, enable_nested_tensor=False)
    stack.layers = nn.ModuleList([stack.layers[0]] * 3)
    ours: Any = from_torch(stack)
    back: Any = to_torch(ours)
    assert ours.blocks[0] is ours.blocks[2] and back.layers[0] is back.layers[2] and back.num_layers == 3
    assert size_of(ours) == size_of(stack) == size_of(back)
    x = numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    torch.testing.assert_close(back(x), ours(x), **TOLERANCE[torch.float64])
    assert ours.blocks[0].feed_forward.up.weight is not stack.layers[0].linear1.weight  # a copy


def test_what_stands_under_two_parents_is_one() -> None:
    heads, layer = attention_of(), layer_of()
    model: Any = Model(
        a=heads, b=Model(x=heads, y=layer.self_attn), stack=nn.ModuleDict({"in": layer}), lin=layer.linear1
    )
    size = size_of(model)
    assert drop_in(model) == 3 and size_of(model) == size
    assert model.a is model.b.x
    block = model.stack["in"].blocks[0]
    assert block.self_attention.k_proj.weight is model.b.y.k_proj.weight
    assert block.feed_forward.up is model.lin


def test_tied_weights_stay_tied_both_ways() -> None:
    one, other = attention_of(), attention_of()
    other.in_proj_weight, other.out_proj.bias = one.in_proj_weight, one.out_proj.bias
    model: Any = Model(one=one, other=other, out=nn.Linear(D, D).double())
    model.out.weight = one.out_proj.weight
    size = size_of(model)
    drop_in(model)
    assert size_of(model) == size
    assert model.one.v_proj.weight is model.other.v_proj.weight
    assert model.one.o_proj.weight is model.out.weight and model.one.o_proj.bias is model.other.o_proj.bias
    stack: Any = nn.TransformerEncoder(layer_of(), 2, enable_nested_tensor=False)
    stack.layers[1].self_attn.in_proj_weight = stack.layers[0].self_attn.in_proj_weight
    stack.layers[1].linear2.weight = stack.layers[0].linear2.weight
    back: Any = to_torch(from_torch(stack))
    assert back.layers[1].self_attn.in_proj_weight is back.layers[0].self_attn.in_proj_weight
    assert back.layers[1].linear2.weight is back.layers[0].linear2.weight and size_of(back) == size_of(stack)


def test_each_weight_is_frozen_as_it_was() -> None:
    theirs = layer_of()
    for number, weight in enumerate(theirs.parameters()):
        weight.requires_grad_(number % 2 == 0)
    ours: Any = from_torch(theirs)
    heads = ours.blocks[0].self_attention
    assert heads.q_proj.weight.requires_grad and not heads.v_proj.bias.requires_grad
    back = to_torch(ours)
    assert [w.requires_grad for w in back.parameters()] == [w.requires_grad for w in theirs.parameters()]
    assert not any(w.requires_grad for w in from_torch(attention_of().requires_grad_(False)).parameters())


def test_each_part_is_in_training_or_not_as_it_was() -> None:
    stack: Any = nn.TransformerEncoder(layer_of(), 2, nn.LayerNorm(D), enable_nested_tensor=False).train()
    stack.layers[0].eval()
    stack.layers[1].self_attn.eval()
    stack.norm.eval()
    ours: Any = from_torch(stack)
    assert ours.training and not ours.blocks[0].training and ours.blocks[1].training
    assert not ours.blocks[1].self_attention.training and not ours.norm.training
    back: Any = to_torch(ours)
    assert {n: m.training for n, m in back.named_modules()} == {n: m.training for n, m in stack.named_modules()}
    assert not any(module.training for module in from_torch(layer_of()).modules())


def test_kinds_of_numbers_stay_and_nothing_is_drawn() -> None:
    theirs = layer_of().bfloat16()
    theirs.norm1.float()
    before = torch.get_rng_state()
    ours: Any = from_torch(theirs)
    back: Any = to_torch(ours)
    assert torch.get_rng_state().equal(before)
    assert ours.blocks[0].self_attention.q_proj.weight.dtype == torch.bfloat16
    assert ours.blocks[0].self_attention_norm.weight.dtype == back.norm1.weight.dtype == torch.float32


def test_hooks_go_with_a_module() -> None:
    called: list[str] = []
    theirs, x = attention_of(), numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    model: Any = Model(heads=theirs)
    handle = theirs.register_forward_hook(lambda module, given, out: called.append(type(module).__module__))
    drop_in(model)
    model.heads(x, x, x)
    to_torch(model.heads)(x, x, x)
    handle.remove()
    model.heads(x, x, x)
    assert called == ["clearhead.exchange.torch_modules", "torch.nn.modules.activation"]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_what_a_persons_code_reads_is_there() -> None:
    heads, x = attention_of(kdim=5, vdim=7), numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    ours: Any = from_torch(heads)
    for name in (
        "num_heads",
        "embed_dim",
        "head_dim",
        "kdim",
        "vdim",
        "batch_first",
        "dropout",
        "add_zero_attn",
        "bias_k",
    ):
        assert getattr(ours, name) == getattr(heads, name), name
    assert ours.q_proj_weight.equal(heads.q_proj_weight) and ours.out_proj.weight.equal(heads.out_proj.weight)
    assert from_torch(attention_of()).q_proj_weight is None  # type: ignore[union-attr]
    with pytest.raises(AttributeError, match=r"in_proj_weight is q_proj\.weight, k_proj\.weight and v_proj\.weight"):
        from_torch(attention_of()).in_proj_weight  # noqa: B018

    both: Any = nn.Transformer(D, HEADS, 2, 1, 10, batch_first=True, norm_first=True).double().eval()
    model: Any = Model(both=both)
    wanted = both.encoder(x), both.decoder.layers[0](x, x), both.encoder.layers[1].self_attn(x, x, x)[0]
    drop_in(model)
    found = model.both
    assert (found.d_model, found.nhead, found.batch_first) == (D, HEADS, True)
    assert found.generate_square_subsequent_mask(3).equal(nn.Transformer.generate_square_subsequent_mask(3))
    layer, last = found.encoder.layers[0], found.decoder.layers[0]
    assert found.encoder.num_layers == len(found.encoder.layers) == 2 and layer.norm_first
    assert layer.linear1 is both.encoder.layers[0].linear1 and last.norm3 is both.decoder.layers[0].norm3
    assert layer.linear2.out_features == last.multihead_attn.embed_dim == D and layer.activation(x).equal(x.relu())
    assert layer.norm1 is both.encoder.layers[0].norm1 and layer.norm2 is both.encoder.layers[0].norm2
    for layer in found.encoder.layers:
        x = layer(x)
    x, again = numbers(BATCH, 5, D, seed=0, dtype=torch.float64), found.encoder.norm(x)
    torch.testing.assert_close(again, wanted[0], **TOLERANCE[torch.float64])
    torch.testing.assert_close(last(x, x), wanted[1], **TOLERANCE[torch.float64])
    torch.testing.assert_close(found.encoder.layers[1].self_attn(x, x, x)[0], wanted[2], **TOLERANCE[torch.float64])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attn_mask": torch.ones(5, 5, dtype=torch.uint8).triu(1)}, "neither obeyed nor added"),
        ({"key_padding_mask": torch.zeros(BATCH, 5, dtype=torch.long)}, "neither obeyed nor added"),
        ({"attn_mask": torch.ones(9, 9, dtype=torch.bool)}, r"shape \(9, 9\) does not fit"),
        ({"attn_mask": torch.ones(BATCH, 5, 5)}, r"its shape is \(5, 5\) or \(6, 5, 5\)"),
        ({"key_padding_mask": torch.zeros(BATCH, 9, dtype=torch.bool)}, r"its shape is \(2, 5\)"),
    ],
)
def test_masks_of_other_kinds_and_shapes_are_refused(options: dict[str, Any], words: str) -> None:
    ours, x = from_torch(attention_of()), numbers(BATCH, 5, D, seed=0, dtype=torch.float64)
    with pytest.raises(ConfigError, match=words):
        ours(x, x, x, **options)


def own_forward(module: Any) -> Any:
    module.forward = lambda *given: given
    return module


def held(**parts: Any) -> Any:
    module = attention_of()
    for name, part in parts.items():
        module.register_buffer(name, part)
    return module


def with_inside(change: Any) -> Any:
    layer = layer_of()
    change(layer)
    return layer


def half_frozen() -> Any:
    ours: Any = from_torch(attention_of())
    ours.k_proj.weight.requires_grad_(False)
    return ours


def with_lora() -> Any:
    ours: Any = from_torch(layer_of())
    ours.blocks[0].self_attention.q_proj = LoRALinear(ours.blocks[0].self_attention.q_proj, 2, 4.0)
    return ours


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: from_torch(held(age=torch.zeros(2))), "holds age"),
        (lambda: from_torch(own_forward(attention_of())), "a forward of its own"),
        (lambda: from_torch(with_inside(lambda x: weight_norm(x.self_attn.out_proj))), "remove its param"),
        (lambda: from_torch(with_inside(lambda x: setattr(x, "self_attn", OwnHeads(D, HEADS)))), "is a OwnHeads"),
        (lambda: from_torch(with_inside(lambda x: setattr(x.dropout2, "p", 0.7))), "dropout1, dropout2"),
        (lambda: from_torch(with_inside(lambda x: setattr(x, "dropout1", nn.AlphaDropout()))), "is a AlphaDropout"),
        (lambda: from_torch(with_inside(lambda x: x.self_attn.register_forward_hook(print))), "has hooks"),
        (
            lambda: from_torch(nn.Transformer(4, 2, 1, 1, 4, custom_encoder=from_torch(layer_of()))),
            "not an attention module",
        ),
        (lambda: to_torch(half_frozen()), "freeze q_proj, k_proj and v_proj alike"),
        (lambda: to_torch(with_lora()), "a projection is a LoRALinear"),
        (lambda: to_torch(MultiheadAttention(4, 2, qk_norm=True)), "norms of queries and keys"),
        (lambda: TransformerEncoder([], None, batch_first=True), "without a layer"),
    ],
)
def test_what_would_be_lost_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


class OwnHeads(nn.MultiheadAttention):
    """Another attention under PyTorch's name."""


def test_nothing_is_replaced_where_something_cannot_be() -> None:
    one, own = attention_of(), OwnLayer(D, HEADS, 10, batch_first=True).double()
    own.self_attn.in_proj_weight = one.in_proj_weight
    models = [Model(one=one, own=own), Model(one=one, two=nn.MultiheadAttention(D, HEADS, add_bias_kv=True))]
    for model, words in zip(models, ("which becomes three", "without them"), strict=True):
        with pytest.raises(ConfigError, match=words):
            drop_in(model)
        assert model.one is one
    own = own_forward(attention_of())
    model = Model(own=own)
    assert drop_in(model) == 0 and model.own is own
