"""Decoder-only models of every kind: cached is uncached, padding and packing leak nothing, beams are plain texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from clearhead.atlas import atlas
from clearhead.attention import Where
from clearhead.data.windows import told_apart
from clearhead.edits import Edit
from clearhead.errors import EditError
from clearhead.generation.branches import Branches
from clearhead.look import watch
from clearhead.models.architecture import PRESETS, DecoderConfig
from clearhead.models.decoder import Decoder

VOCAB, LAYERS = 23, 3

configs = st.fixed_dictionaries(
    {
        "preset": st.sampled_from(sorted(PRESETS)),
        "positions": st.sampled_from(["sinusoidal", "learned", "rotary", "alibi", "relative", "none"]),
        "score": st.sampled_from(["scaled-dot", "dot", "cosine", "bilinear", "additive"]),
        "kv_heads": st.sampled_from([None, 1, 2]),
        "qk_norm": st.booleans(),
        "window": st.sampled_from([None, 1, 3, 8]),
        "x0_shortcut": st.booleans(),
        "value_residual": st.booleans(),
        "norm_order": st.sampled_from(["pre", "post"]),
    }
)

EOS = 2  # as tokenizers that are trained here number it


def make(**config: Any) -> Decoder:
    """A small model in float64 with weights large enough that everything in it is felt."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": LAYERS, "max_len": 64, "dropout": 0.0}
    if config.get("window"):
        config.setdefault("full_every", 3)
    module = Decoder(DecoderConfig.model_validate({**sizes, **config}), VOCAB).double().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(std=0.4)
    return module


def texts(*lengths: int) -> list[Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randint(4, VOCAB, (length,), generator=random) for length in lengths]


def assert_same(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


@given(config=configs, chunks=st.lists(st.sampled_from([1, 1, 1, 2, 5]), min_size=3, max_size=12))
@example(config={"preset": "modern", "window": 3}, chunks=[1] * 40)
@settings(max_examples=60)
@torch.no_grad()
def test_cached_is_uncached(config: dict[str, Any], chunks: list[int]) -> None:
    """Whatever the kind of attention, positions and window, and however many tokens come at once."""
    model = make(**config)
    ids = torch.stack(texts(*[sum(chunks)] * 2))
    cache = model.new_cache()
    found = [model.logits(model.decode(part, cache=cache)) for part in ids.split(chunks, dim=1)]
    assert_same(torch.cat(found, dim=1), model(ids))


@given(config=configs, lengths=st.lists(st.integers(1, 7), min_size=2, max_size=4), left=st.booleans())
@settings(max_examples=60)
@torch.no_grad()
def test_padded_rows_are_rows_alone(config: dict[str, Any], lengths: list[int], left: bool) -> None:
    """Texts of unequal length in one batch, padded at the beginning or the end, cached: each as if it were alone."""
    model, more = make(**config), 5
    rows = texts(*[length + more for length in lengths])
    width = max(lengths)
    ids = torch.full((len(rows), width), 0)
    for row, text, length in zip(ids, rows, lengths, strict=True):
        row[width - length :] = text[:length]
    grown, cache = Branches.of_texts(lengths), model.new_cache()
    found = [model.logits(model.decode(ids, cache=cache, where=grown.whole()))[:, -1]]
    for step in range(more):
        new = torch.stack([text[length + step] for text, length in zip(rows, lengths, strict=True)])[:, None]
        grown = grown.grown(torch.zeros(len(rows), 1, dtype=torch.long))
        found.append(model.logits(model.decode(new, cache=cache, where=grown.where()))[:, -1])
    for number, (text, length) in enumerate(zip(rows, lengths, strict=True)):
        assert_same(torch.stack(found)[:, number], model(text[None])[0, length - 1 :])
    if not left:  # padding at the end, in one pass
        together = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        real = torch.tensor([len(text) for text in rows])
        out = model.logits(model.decode(together, where=Where.texts(real, together.size(1))))
        for row, text in zip(out, rows, strict=True):
            assert_same(row[: len(text)], model(text[None])[0])


@given(config=configs)
@settings(max_examples=40)
@torch.no_grad()
def test_packed_documents_leak_nothing(config: dict[str, Any]) -> None:
    """Told apart, a document in a row of several is what it is alone, wherever it stands."""
    model = make(**config)
    documents = [torch.cat([torch.tensor([EOS]), text]) for text in texts(6, 1, 9)]
    row = torch.cat(documents)[None]
    ids, at = told_apart(row, EOS)
    packed = model(row, Where.packed(at, ids))[0].split([len(d) for d in documents])
    for found, document in zip(packed, documents, strict=True):
        assert_same(found, model(document[None])[0])


def test_documents_see_each_other_unless_told_apart() -> None:
    model = make(preset="llama")
    first, second = (torch.cat([torch.tensor([EOS]), text]) for text in texts(6, 5))
    with torch.no_grad():
        together = model(torch.cat([first, second])[None])[0, len(first) :]
        assert (together - model(second[None])[0]).abs().max() > 1e-3


@pytest.mark.parametrize("positions", ["rotary", "learned", "alibi", "relative"])
@pytest.mark.parametrize("window", [None, 3])
@torch.no_grad()
def test_a_tree_of_unequal_prompts_is_plain_texts(positions: str, window: int | None) -> None:
    """Two branches after each of two prompts of unequal length, in one row a prompt."""
    model = make(preset="llama", positions=positions, window=window, kv_heads=2)
    prompts, branches = texts(6, 3), torch.tensor([[[5, 6], [7, 8]], [[9, 10], [11, 12]]])
    lengths, width = torch.tensor([6, 3]), 6
    ids = torch.stack([torch.cat([torch.zeros(width - len(p), dtype=torch.long), p]) for p in prompts])
    tree, cache = Branches.of_texts(lengths.tolist()), model.new_cache(forgets=False)
    model.decode(ids[:, :-1], cache=cache, where=Branches.of_texts((lengths - 1).tolist()).whole())
    model.decode(ids[:, -1:], cache=cache, where=tree.where())
    tree = tree.grown(torch.zeros(2, 2, dtype=torch.long))
    model.decode(branches[:, :, 0], cache=cache, where=tree.where())
    tree = tree.grown(torch.tensor([[1, 0], [0, 1]]))  # crossed over in the first row
    out = model.logits(model.decode(branches[:, :, 1], cache=cache, where=tree.where()))
    for row, parents in enumerate([[1, 0], [0, 1]]):
        for branch, parent in enumerate(parents):
            text = torch.cat([prompts[row], branches[row, parent, :1], branches[row, branch, 1:]])
            assert_same(out[row, branch], model(text[None])[0, -1])


def test_what_can_be_seen() -> None:
    """The names are public: each is shown, with the axes that are stated."""
    model = make(preset="modern")
    with watch(model) as trace:
        model(torch.stack(texts(5)))
    assert set(trace) == set(atlas(model))
    act = trace["decoder.blocks.1.self_attention.attention"]
    context = trace["decoder.blocks.1.self_attention.context"]
    assert act.gap(context) < 1e-12
    assert trace["decoder.blocks.1.self_attention.k"].shape == (1, 4, 5, 4)


def test_a_value_residual_mixes_the_first_values() -> None:
    model = make(preset="modern")
    with watch(model) as trace:
        model(torch.stack(texts(5)))
    share = model.decoder.blocks[2].self_attention.value_share
    first, own = (trace[f"decoder.blocks.{i}.self_attention.v"] for i in (0, 2))
    assert_same(trace["decoder.blocks.2.self_attention.attention"].v, (1 - share) * own + share * first)


def test_checkpointing_changes_no_gradient() -> None:
    model = make(preset="modern", window=3).train()
    ids, grads = torch.stack(texts(8)), []
    for checkpointing in (False, True):
        model.decoder.checkpointing = checkpointing
        model.zero_grad()
        model(ids).square().sum().backward()
        grads.append([w.grad.clone() for w in model.parameters() if w.grad is not None])
    assert len(grads[0]) == len(list(model.parameters()))
    for one, other in zip(*grads, strict=True):
        assert_same(one, other)


def test_presets_choose_and_sizes_do_not() -> None:
    llama = DecoderConfig(preset="llama", d_model=64)
    kinds = (llama.norm.kind, llama.feed_forward.kind, llama.positions.kind)
    assert kinds == ("rms", "swiglu", "rotary") and not llama.attention.biases and llama.d_model == 64
    assert DecoderConfig(preset="llama", norm="layer").norm.kind == "layer"
    assert DecoderConfig.model_validate(llama.model_dump()) == llama
    with pytest.raises(ValidationError, match="give window too"):
        DecoderConfig(full_every=2)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi", "relative"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_tokens_have_logits_too(positions: str, shape: tuple[int, int]) -> None:
    sizes = {"d_model": 8, "d_ff": 8, "heads": 4, "kv_heads": 2, "layers": 2, "max_len": 16, "window": 2}
    model = Decoder(DecoderConfig.model_validate({**sizes, "positions": positions}), 11).eval()
    ids = torch.zeros(shape, dtype=torch.long)
    assert model(ids).shape == model(ids, Where.packed(ids, ids)).shape == (*shape, 11)
    cache = model.new_cache()
    model.decode(ids, cache=cache)
    assert model.decode(ids.new_zeros(shape[0], 1), cache=cache).shape == (shape[0], 1, 8)


# Edits of a text that is being written


def small(window: int | None, **config: Any) -> Decoder:
    torch.manual_seed(0)
    sizes = {"preset": "gpt2", "d_model": 8, "d_ff": 8, "heads": 2, "layers": 2, "max_len": 16, "window": window}
    model = Decoder(DecoderConfig.model_validate({**sizes, **config}), 11).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def written(model: Decoder, ids: Tensor, edit: Edit, chunks: list[int], *, forgets: bool = True) -> Tensor:
    """The logits of a text fed in chunks, edited on the way; of one chunk: without a cache."""
    with torch.no_grad(), watch(model, edits=[edit]):
        if len(chunks) == 1:
            return model(ids)
        cache = model.new_cache(forgets=forgets)
        return torch.cat([model.logits(model.decode(part, cache=cache)) for part in ids.split(chunks, dim=1)], dim=1)


ACT, STEPS = "decoder.blocks.0.self_attention.attention", ("similarities", "scaled", "biased", "masked", "weights")


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize(
    ("name", "where", "step"),
    [
        *(("self_attention.attention", (None, 1, 6, 5), step) for step in STEPS),
        *(("self_attention.attention", (None, None, (5, 8), 5), step) for step in STEPS[:3]),
        ("self_attention.attention", (None, 1, 5), "q"),
        ("self_attention.attention", (None, 1, 5), "k"),
        ("self_attention.attention", (None, None, (4, 6)), "v"),
        ("self_attention.attention", (None, 0, (5, 7)), "context"),
        ("self_attention.k", (None, 1, 2), ""),
        ("self_attention.out", (None, 5, 2), ""),
        ("resid_mid", (None, (0, 2), 1), ""),
        ("feed_forward.hidden", (0, (3, 7), 2), ""),
    ],
)
def test_an_edit_names_the_same_place_with_a_cache_and_without(
    window: int | None, name: str, where: tuple[Any, ...], step: str
) -> None:
    model, ids = small(window), torch.randint(3, 11, (1, 9), generator=torch.Generator().manual_seed(1))
    for op, value in (("add", 2.0), ("multiply", 0.5)):
        edit = Edit(f"decoder.blocks.0.{name}", where, op, value, step=step)  # type: ignore[arg-type]
        whole = written(model, ids, edit, [9])
        assert not torch.allclose(whole, model(ids))
        for chunks in ([4, 1, 1, 1, 1, 1], [1] * 9, [2, 3, 4]):
            torch.testing.assert_close(written(model, ids, edit, chunks), whole)


def test_values_for_each_key_are_cut_with_the_window() -> None:
    model, ids = small(3), torch.randint(3, 11, (1, 9), generator=torch.Generator().manual_seed(1))
    edit = Edit(ACT, (None, None, 8, (5, 9)), "add", [0.0, 1.0, 2.0, 3.0], step="scaled")
    torch.testing.assert_close(written(model, ids, edit, [4, 1, 1, 1, 1, 1]), written(model, ids, edit, [9]))


def test_keys_that_are_not_there_are_given_no_weight() -> None:
    model, ids = small(3), torch.randint(3, 11, (1, 9), generator=torch.Generator().manual_seed(1))
    forgotten, to_come = (
        Edit(ACT, (None, 0, 8, 1), "set", 0.5, step="weights"),
        Edit(ACT, (None, 0, 2, 7), step="masked"),
    )
    for edit in (forgotten, to_come):
        with pytest.raises(EditError, match="gives weight to keys that are not here"):
            written(model, ids, edit, [4, 1, 1, 1, 1, 1])
    torch.testing.assert_close(
        written(model, ids, forgotten, [4, 1, 1, 1, 1, 1], forgets=False), written(model, ids, forgotten, [9])
    )
    with pytest.raises(EditError, match="nothing was seen at the place"):
        written(model, ids, Edit(ACT, (None, 0, 12, 1), step="scaled"), [4, 5])
    with pytest.raises(EditError, match="asks for 12 on axis 2, which has 9 entries"):
        written(model, ids, Edit(ACT, (None, 0, 12, 1), step="scaled"), [9])
