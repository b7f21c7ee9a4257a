"""Rollout, flow and attention by norms: small tables by hand, and two references."""

from __future__ import annotations

from typing import Any

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import pairs, traced, translator, weights_of

from clearhead.attention import MultiHead
from clearhead.insight.flow import flow, mean_layers, rollout
from clearhead.insight.looks import look_at
from clearhead.insight.norms import by_norm, norms
from clearhead.insight.roles import roles
from clearhead.look import watch

BACK = weights_of([[1.0, 0.0], [1.0, 0.0]])  # both look at the first; with the residual [[1, 0], [0.5, 0.5]]


def test_rollout_by_hand() -> None:
    one, two = rollout(torch.stack([BACK, BACK])).tolist()
    assert one == [[1.0, 0.0], [0.5, 0.5]]
    assert two == [[1.0, 0.0], [0.75, 0.25]]  # 0.5 * 1 + 0.5 * 0.5, 0.5 * 0.5


def test_flow_by_hand() -> None:
    assert flow(BACK[None], 1).tolist() == [0.5, 0.5]  # one layer: the pipes themselves
    # Two layers, to the first: through it 0.5 of the way, through the second its pipe of 0.5; to the second: 0.5.
    assert flow(torch.stack([BACK, BACK]), 1).tolist() == pytest.approx([1.0, 0.5])


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 999))
def test_flow_is_the_maximum_flow(layers: int, tokens: int, seed: int) -> None:
    torch.manual_seed(seed)
    tables = torch.rand(layers, tokens, tokens).softmax(-1)
    graph: Any = networkx.DiGraph()
    for layer in range(layers):
        for i in range(tokens):
            for j in range(tokens):
                width = 0.5 * float(tables[layer, i, j]) + 0.5 * (i == j)
                graph.add_edge((layer + 1, i), (layer, j), capacity=width)
    wanted = [networkx.maximum_flow_value(graph, (layers, 1), (0, end)) for end in range(tokens)]
    assert flow(tables, 1).tolist() == pytest.approx(wanted, abs=1e-5)


def test_layers_are_the_means_of_their_heads() -> None:
    trace = traced(translator(), pairs(1)[0].sides)
    (layer,) = mean_layers(trace, "encoder")
    look = look_at(trace, "encoder.blocks.0.self_attention.attention")
    torch.testing.assert_close(layer, look.weights.mean(0))
    assert mean_layers(trace, "decoder").shape == (1, 7, 7)  # six words and <bos>


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_norms_are_those_of_the_parts_that_sum_to_the_output(kv_heads: int) -> None:
    torch.manual_seed(0)
    attention: Any = MultiHead(8, 4, n_kv_heads=kv_heads, v_head_dim=3).eval()
    with watch(attention) as trace:
        attention(torch.randn(2, 5, 8))
    act = trace["attention"]
    w, v, out = act.weights(), act.v, attention.o_proj.weight
    found, total = norms(act, attention), attention.o_proj.bias.detach()
    for head in range(4):
        moved = v[1, head // (4 // kv_heads)] @ out[:, 3 * head : 3 * head + 3].T.detach()  # [keys, d_model]
        for key in range(5):
            part = w[1, head, 2, key] * moved[key]
            total = total + part
            assert float(found[1, head, 2, key]) == pytest.approx(float(part.norm()), abs=1e-6)
    torch.testing.assert_close(total, trace["out"][1, 2])


def test_roles_by_norm_leave_out_keys_that_give_nothing() -> None:
    """Head 1 looks at the next token; once only the end has a value, the end is all that it takes home."""
    torch.manual_seed(0)
    model, examples = translator(), pairs(12)
    traces = [traced(model, e.sides) for e in examples]
    path = "encoder.blocks.0.self_attention"
    look = look_at(traces[0], f"{path}.attention", by_norm(model))
    assert float(look.weights.sum()) == 0.0  # no head of the planted model moves anything
    with torch.no_grad():
        part: Any = model.get_submodule(path)
        part.v_proj.weight[40:80, 2] = 1.0  # of head 1 only the end has a value
        part.o_proj.weight[:, 40:80] = 1.0
    traces = [traced(model, e.sides) for e in examples]
    found = roles(traces, weigh=by_norm(model))
    assert found[1].label == "sink: <eos>"  # by weights alone it is "next token"
    assert roles(traces)[1].label == "next token"
