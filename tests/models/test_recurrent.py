"""The recurrent encoder-decoder against the textbooks' formulas and torch's own networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from clearhead.look import Edit, watch
from clearhead.models.architecture import RecurrentConfig
from clearhead.models.recurrent import RecurrentEncoderDecoder

GENERATOR = torch.Generator().manual_seed(0)
SRC, TGT = torch.randint(3, 20, (3, 7), generator=GENERATOR), torch.randint(3, 20, (3, 6), generator=GENERATOR)
LENGTHS = torch.tensor([7, 4, 1])


def make(**config: Any) -> RecurrentEncoderDecoder:
    torch.manual_seed(0)
    return RecurrentEncoderDecoder(RecurrentConfig(**{"d_model": 8, **config}), 20, 20).double().eval()


def weights_of(network: Any, step: int = 0) -> dict[str, Tensor]:
    return {name.replace("_l0", ""): w for name, w in network.named_parameters() if name.endswith(f"_l{step}")}


@pytest.mark.parametrize("family", ["lstm", "gru"])
@torch.no_grad()
def test_the_encoder_is_torchs_on_packed_sentences(family: str) -> None:
    encoder = make(family=family, layers=2).encoder
    kind = nn.LSTM if family == "lstm" else nn.GRU
    wanted = kind(8, 8, 2, batch_first=True, bidirectional=True).double()
    for layer, block in enumerate(encoder.blocks):
        for direction, suffix in ((block.forwards, ""), (block.backwards, "_reverse")):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(wanted, f"{name}_l{layer}{suffix}").copy_(getattr(direction, f"{name}_l0"))
    x = torch.randn(3, 7, 8, generator=GENERATOR, dtype=torch.double)
    states, summary = encoder(x, LENGTHS)
    packed, last = wanted(pack_padded_sequence(x, LENGTHS, batch_first=True))
    found, _ = pad_packed_sequence(packed, batch_first=True)
    for i, length in enumerate(LENGTHS):
        torch.testing.assert_close(states[i, :length], found[i, :length])
    last = last[0] if family == "lstm" else last
    torch.testing.assert_close(summary, torch.cat([last[2], last[3]], dim=1))


@torch.no_grad()
def test_bahdanaus_step_by_hand() -> None:
    """c = attend(s before);  s = GRU([y; c], s before);  out = tanh(W [s; c; y])."""
    model = make(family="gru")
    memory = model.encode(SRC)
    found, decoder = model.decode(TGT, memory), model.decoder
    assert decoder.cross_attention is not None
    cell = nn.GRUCell(16, 8).double()
    cell.load_state_dict(weights_of(decoder.network))
    heads, v = decoder.cross_attention, decoder.cross_attention.score.v_weight[:, 0]
    keys, values = memory.states @ heads.k_proj.weight.T, memory.states @ heads.v_proj.weight.T
    state, rows = decoder.start(memory.summary).tanh(), []
    for y in model.tgt_embedding(TGT).unbind(1):
        similar = ((state @ heads.q_proj.weight.T)[:, None] + keys).tanh() @ v
        context = (similar.softmax(-1)[:, :, None] * values).sum(1)
        state = cell(torch.cat([y, context], dim=1), state)
        rows.append(decoder.readout(torch.cat([state, context, y], dim=1)).tanh())
    torch.testing.assert_close(found, torch.stack(rows, dim=1))


@pytest.mark.parametrize("feeding", [True, False])
@torch.no_grad()
def test_luongs_step_by_hand(feeding: bool) -> None:
    """s = LSTM([y; out before], s before);  c = attend(s);  out = tanh(W [s; c])."""
    model = make(family="lstm", attention="luong", input_feeding=feeding)
    memory = model.encode(SRC)
    found, decoder = model.decode(TGT, memory), model.decoder
    assert decoder.cross_attention is not None
    cell = nn.LSTMCell(16 if feeding else 8, 8).double()
    cell.load_state_dict(weights_of(decoder.network))
    heads, between = decoder.cross_attention, decoder.cross_attention.score.weight
    keys, values = memory.states @ heads.k_proj.weight.T, memory.states @ heads.v_proj.weight.T
    state = decoder.start(memory.summary).tanh()
    cells, out, rows = torch.zeros_like(state), torch.zeros_like(state), []
    for y in model.tgt_embedding(TGT).unbind(1):
        state, cells = cell(torch.cat([y, out], dim=1) if feeding else y, (state, cells))
        similar = ((state @ heads.q_proj.weight.T @ between)[:, None] * keys).sum(-1)
        context = (similar.softmax(-1)[:, :, None] * values).sum(1)
        out = decoder.readout(torch.cat([state, context], dim=1)).tanh()
        rows.append(out)
    torch.testing.assert_close(found, torch.stack(rows, dim=1))


def test_a_fixed_vector_is_all_that_is_known_of_the_source() -> None:
    model = make(attention="none")
    memory = model.encode(SRC)
    memory.states.fill_(float("nan"))
    assert model.decode(TGT, memory).isfinite().all()
    assert model.cross_attentions == []


@torch.no_grad()
def test_every_step_is_a_call_and_what_is_changed_goes_on() -> None:
    model = make(family="lstm", layers=2)
    with watch(model) as trace:
        before = model(SRC, TGT)
    acts = trace.calls("decoder.cross_attention.attention")
    assert [act.shape for act in acts] == [(3, 1, 1, 7)] * 6
    assert len(trace.calls("decoder.states")) == 6
    assert len(trace.calls("decoder.cross_attention.k")) == 1  # the keys are made once
    for path in ("decoder.states", "decoder.cross_attention.context"):
        with watch(model, edits=[Edit(path, call=2)]):
            changed = model(SRC, TGT)
        assert torch.equal(changed[:, :2], before[:, :2])
        assert all((changed[:, t] - before[:, t]).abs().max() > 1e-4 for t in range(2, 6))


@pytest.mark.parametrize(("family", "shown"), [("lstm", ("state", "cell")), ("gru", ("state",))])
@pytest.mark.parametrize("side", ["forwards", "backwards"])
@torch.no_grad()
def test_the_steps_shown_are_those_of_torchs_cells(family: str, shown: tuple[str, ...], side: str) -> None:
    """Calls follow one another as the network reads: of the one that reads from the end the last token's is first."""
    model = make(family=family)
    with watch(model) as trace:
        model(SRC, TGT)
    cell: Any = (nn.LSTMCell if family == "lstm" else nn.GRUCell)(8, 8).double()
    cell.load_state_dict(weights_of(getattr(model.encoder.blocks[0], side)))
    x = trace["encoder.embedded"]
    state: Any = None
    for call, token in enumerate((x.flip(1) if side == "backwards" else x).unbind(1)):
        state = cell(token, state)
        for name, wanted in zip(shown, state if family == "lstm" else [state], strict=True):
            torch.testing.assert_close(trace.calls(f"encoder.blocks.0.{side}.{name}")[call][:, 0], wanted)


OPENED = [
    {"family": "lstm", "layers": 2},
    {"family": "gru", "layers": 2, "attention": "luong"},
    {"family": "lstm", "attention": "luong", "input_feeding": False},
    {"family": "gru", "attention": "none"},
]


@pytest.mark.parametrize("config", OPENED, ids=str)
@torch.no_grad()
def test_a_network_taken_step_by_step_is_the_same(config: dict[str, Any]) -> None:
    """An edit that changes nothing makes the pass take its steps, padded sentences and all."""
    model = make(**config)
    before = model(SRC, TGT, LENGTHS)
    paths = ["encoder.blocks.0.backwards.candidate", "encoder.blocks.0.forwards.candidate", "decoder.layers.0.state"]
    with watch(model, edits=[Edit(path, (), "multiply", 1.0) for path in paths]):
        torch.testing.assert_close(model(SRC, TGT, LENGTHS), before, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gate", ["forget_gate", "input_gate", "output_gate", "cell"])
@torch.no_grad()
def test_a_changed_gate_changes_its_step_and_what_follows(gate: str) -> None:
    model = make(family="lstm", attention="luong", input_feeding=False)
    with watch(model) as trace:
        model(SRC, TGT)
    with watch(model, edits=[Edit(f"decoder.layers.0.{gate}", (0, 0), "set", 3.0, call=2)]) as edited:
        model(SRC, TGT)
    moved = (edited["decoder.states"] - trace["decoder.states"]).abs().amax(-1)
    assert not moved[0, :2].gt(1e-12).any() and moved[0, 2:].gt(1e-6).all() and not moved[1:].gt(1e-12).any()


def test_an_untrained_network_forgets_little() -> None:
    """The forget gates begin open (Jozefowicz et al., 2015): a bias of 1, all others 0."""
    for name, weight in make(family="lstm").decoder.network.named_parameters():
        if "bias" in name:
            gates = weight.view(4, -1)
            assert torch.equal(gates[1], torch.full_like(gates[1], float("bias_ih" in name)))
            assert not gates[[0, 2, 3]].any()


@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
@pytest.mark.parametrize("family", ["lstm", "gru"])
def test_nothing_to_read_or_write_has_a_shape_too(family: str, attention: str) -> None:
    model = make(family=family, attention=attention, layers=2)
    for batch, source, target in ((0, 4, 3), (2, 0, 3), (2, 4, 0), (0, 0, 0)):
        src, tgt = torch.zeros(batch, source, dtype=torch.long), torch.zeros(batch, target, dtype=torch.long)
        logits = model(src, tgt)
        assert logits.shape == (batch, target, 20) and not logits.isnan().any()
        with watch(model) as trace:
            assert model(src, tgt, torch.full((batch,), source)).shape == logits.shape
        assert trace["logits"].shape == logits.shape
