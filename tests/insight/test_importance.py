"""What heads are worth: equal to models whose weights were changed by hand, and to finite differences."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from planted import induction_model, pairs, said_twice, traced

from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.insight.alignment import choose_head, cross_weights
from clearhead.insight.flow import flow, mean_layers, rollout
from clearhead.insight.importance import ablate, gate_gradients, importance, loss_of
from clearhead.insight.probes import fit, probes
from clearhead.insight.roles import roles
from clearhead.look import Trace, watch
from clearhead.models.architecture import DecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.recurrent import RecurrentEncoderDecoder

TEXTS = [{"tokens": [3, 5, 4, 9, 8]}, {"tokens": [7, 3]}]
PATH = "decoder.blocks.1.self_attention.attention"


@pytest.fixture(scope="module")
def model() -> Decoder:
    torch.manual_seed(3)
    config = DecoderConfig(preset="gpt2", layers=2, heads=2, d_model=8, d_ff=8, max_len=8, dropout=0.0)
    made = Decoder(config, 12).eval()
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made


@torch.no_grad()
def loss_by_hand(model: torch.nn.Module) -> float:
    """Nats a token: four tokens of the first text are predicted and one of the second."""
    losses = [
        F.cross_entropy(model(torch.tensor([t["tokens"]]))[0, :-1], torch.tensor(t["tokens"][1:]), reduction="sum")
        for t in TEXTS
    ]
    return float(sum(losses)) / 5


def test_a_loss_is_read_off_the_logits(model: Decoder) -> None:
    traces = [traced(model, sides) for sides in TEXTS]
    assert [loss_of(trace)[1] for trace in traces] == [4, 1]
    assert sum(float(loss_of(trace)[0]) for trace in traces) / 5 == pytest.approx(loss_by_hand(model))
    with pytest.raises(ConfigError, match="ought to be said"):
        loss_of(Trace())


def test_zeroing_a_context_is_zeroing_the_head_s_columns_of_the_output(model: Decoder) -> None:
    traces = [traced(model, sides) for sides in TEXTS]
    without = copy.deepcopy(model)
    with torch.no_grad():
        without.get_parameter("decoder.blocks.1.self_attention.o_proj.weight")[:, 4:] = 0
    worth = {(w.path, w.head): w for w in importance(traces)}
    assert len(worth) == 4 and worth[PATH, 1].tokens == 5 and worth[PATH, 1].gradient is None
    assert worth[PATH, 1].zeroed == pytest.approx(loss_by_hand(without) - loss_by_hand(model), abs=1e-5)
    assert abs(worth[PATH, 1].zeroed) > 1e-3


def test_the_mean_context_is_over_all_rows_of_all_texts(model: Decoder) -> None:
    traces = [traced(model, sides) for sides in TEXTS]
    rows = torch.cat([trace[PATH.removesuffix("attention") + "context"][0, 0] for trace in traces])
    assert rows.shape == (7, 4)
    without = copy.deepcopy(model)
    part: Any = without.get_submodule(PATH.replace("attention.attention", "attention.o_proj"))
    with torch.no_grad():  # the head's columns give way to what the mean puts through them
        part.bias += part.weight[:, :4] @ rows.mean(0)
        part.weight[:, :4] = 0
    worth = {(w.path, w.head): w for w in importance(traces)}
    assert worth[PATH, 0].averaged == pytest.approx(loss_by_hand(without) - loss_by_hand(model), abs=1e-5)


def test_a_gate_s_gradient_is_the_slope_of_the_loss(model: Decoder) -> None:
    traces = [traced(model, sides, grad=True) for sides in TEXTS]
    found = gate_gradients(traces)
    step = 1e-2
    for (path, head), gradient in found.items():
        slopes = []
        for trace in traces:
            assert trace.again is not None
            ends = [
                trace.again([Edit(path, (None, head), "multiply", 1 + sign * step, step="context")]) for sign in (1, -1)
            ]
            high, low = (loss_of(end)[0].item() / loss_of(end)[1] for end in ends)
            slopes.append(abs(high - low) / (2 * step))
        assert gradient == pytest.approx(sum(slopes) / 2, abs=2e-3)
    assert max(found.values()) > 0.01


def test_gradients_of_a_recurrent_decoder_sum_over_its_steps() -> None:
    torch.manual_seed(0)
    config = RecurrentConfig(d_model=16, heads=2, layers=1, dropout=0.0, attention="bahdanau")
    model = RecurrentEncoderDecoder(config, 40, 40).eval()
    trace = traced(model, pairs(1)[0].sides, grad=True)
    path, step = "decoder.cross_attention.attention", 1e-2
    ends = [
        traced(model, pairs(1)[0].sides, edits=[Edit(path, (None, 1), "multiply", 1 + s * step, step="context")])
        for s in (1, -1)
    ]
    high, low = (loss_of(end)[0].item() / loss_of(end)[1] for end in ends)
    assert gate_gradients([trace])[path, 1] == pytest.approx(abs(high - low) / (2 * step), abs=1e-4)
    assert {(w.path, w.head) for w in importance([trace])} == {(path, 0), (path, 1)}


def test_without_its_previous_token_head_the_induction_head_is_blind() -> None:
    """The induction model predicts with its second layer's head once that writes what it sees."""
    model = induction_model()
    second: Any = model.decoder.blocks[1].self_attention
    with torch.no_grad():  # head 1 copies the token it looks at to the token's own columns, where the head reads
        second.v_proj.weight[20:40, :20] = torch.eye(20)
        second.o_proj.weight[:20, 20:40] = 5 * torch.eye(20)
        model.head.weight.copy_(torch.eye(20, model.config.d_model))
    worth = {(w.path, w.head): w.zeroed for w in importance([traced(model, s) for s in said_twice(6)])}
    first = PATH.replace("1", "0")
    needed = {(first, 0), (PATH, 1)}
    assert all(worth[head] > 0.5 for head in needed)
    assert all(abs(worth[head]) < 1e-4 for head in worth if head not in needed)


def test_what_cannot_be_measured_is_said(model: Decoder) -> None:
    trace = traced(model, TEXTS[0])
    with pytest.raises(ConfigError, match="grad=True"):
        gate_gradients([trace])
    trace.again = None
    with pytest.raises(ConfigError, match="again"):
        ablate([trace], PATH, 0)


def test_of_no_texts_nothing_is_found() -> None:
    """Empty lists, or a refusal in words; never an error of a library's."""
    assert roles([]) == importance([]) == probes([]) == [] and ablate([], "a", 0) == 0.0
    model = induction_model()
    with torch.no_grad(), watch(model) as trace:
        model(torch.zeros(1, 0, dtype=torch.long))
    trace.labels, trace.words = {"tokens": []}, {"tokens": []}
    assert roles([trace]) == probes([trace]) == []
    assert fit(torch.zeros(0, 3), [], []) is None
    assert rollout(torch.zeros(0, 3, 3)).shape == (0, 3, 3) and flow(torch.zeros(0, 3, 3), 1).tolist() == [
        0.0,
        1.0,
        0.0,
    ]
    for ask in (
        lambda: cross_weights(trace),
        lambda: mean_layers(trace, "encoder"),
        lambda: choose_head([], [], [], []),
    ):
        with pytest.raises(ConfigError):
            ask()
