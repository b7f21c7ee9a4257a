"""Every value of every model comes about by the formula that its station states: computed again, it is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.attention import Attention
from clearhead.explorer.stations import Station, stations
from clearhead.formula import Formula, tensors
from clearhead.look import Trace, see, watch
from clearhead.models.architecture import PRESETS, SEQ2SEQ, DecoderConfig, EncoderConfig, EncoderDecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder import Encoder
from clearhead.models.seq2seq import make_seq2seq

SIZES: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "max_len": 32}
PAIRS: list[dict[str, Any]] = [
    {},
    {"positions": "learned", "norm_order": "post", "norm": "rms", "activation": "swiglu", "kv_heads": 2},
    {"positions": "rotary", "activation": "gelu", "kv_heads": 1, "tied": "target", "decoder_layers": 1},
    {"positions": "relative", "activation": "relu2", "tied": "none", "score": "additive"},
    {"head_dim": 8, "v_head_dim": 4, "o_proj": False, "kv_heads": 2},
    {"positions": {"kind": "learned", "offset": 2}, "embedded_norm": True, "norm_order": "post", "output_bias": True},
    {"positions": "relative", "score": "dot", "activation": "geglu-tanh", "biases": False, "output_scale": True},
    {"family": "lstm"},
    {"family": "gru", "attention": "luong", "heads": 2},
    {"family": "lstm", "attention": "none", "layers": 2},
    {"family": "gru", "layers": 2},
    {"family": "lstm", "attention": "luong", "input_feeding": False, "layers": 2},
    {"family": "gru", "attention": "none"},
]
ENCODERS: list[dict[str, Any]] = [
    {"types": 2, "wiring": "post", "embedded_norm": True, "positions": "learned", "activation": "silu"},
    {"positions": {"kind": "rotary", "near_base": 100}, "window": 3, "full_every": 2, "first_norm": False},
    {"readout": {"kind": "classes", "classes": 3, "activation": "tanh", "norm": False}},
    {"readout": "none", "activation": "reglu"},
]
TEXTS: list[dict[str, Any]] = [*({"preset": name} for name in sorted(PRESETS)), {"preset": "modern", "qk_norm": True}]
WITHOUT = ("type_embeddings", "readout.pooled")  # which kind of text, and which token, is not in the tokens
BENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "tanh": torch.tanh,
}


def seen(config: dict[str, Any]) -> Trace:
    torch.manual_seed(0)
    if config in ENCODERS:
        model: Any = Encoder(EncoderConfig.model_validate({**SIZES, "layers": 2, **config}), 23)
        inputs = {"tokens": [4, 7, 5, 7, 9]}
    elif "preset" in config:
        model = Decoder(DecoderConfig.model_validate({**SIZES, "layers": 2, **config}), 23)
        inputs = {"tokens": [4, 7, 5, 7, 9]}
    else:
        kind = SEQ2SEQ[config.get("family", "encoder-decoder")]
        small = {**SIZES, "layers": 2} if kind is EncoderDecoderConfig else {"d_model": 16, "max_len": 32}
        model = make_seq2seq(kind.model_validate({**small, **config}), 20, 20)
        inputs = {"source": [5, 6, 7, 8, 2], "target": [1, 4, 9, 12]}
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        with watch(model) as trace:
            model(*(torch.tensor([ids]) for ids in inputs.values()))
    trace.token_ids, trace.module = inputs, model
    trace.labels = {name: [str(token) for token in ids] for name, ids in inputs.items()}
    return trace


def value(trace: Trace, path: str) -> Tensor:
    """[tokens, width]; heads stand side by side, calls behind one another."""
    calls = trace.calls(path)
    x = torch.cat(calls[::-1] if ".backwards." in path else calls, dim=-2)[0]
    return x.transpose(0, 1).flatten(1) if x.ndim == 3 else x


def normed(x: Tensor, known: dict[str, Tensor], options: dict[str, Any]) -> Tensor:
    weight, width = known[options["weight"]], x.shape[-1:]
    if options["norm"] == "rms":
        return F.rms_norm(x, width, weight, options["eps"])
    return F.layer_norm(x, width, weight, known[options["bias"]], options["eps"])


def operand(trace: Trace, path: str, rows: dict[str, Any], count: int) -> Tensor:
    """[count, width]: its own rows, those beside them, or both ends for each; by hand from what `Formula` says."""
    x = value(trace, path)
    if rows.get("ends"):
        half = x.size(1) // 2
        return torch.cat([x[-1, :half], x[0, half:]]).expand(count, -1)
    if "shift" not in rows:
        return x
    edge = value(trace, rows["edge"]["path"])[rows["edge"]["row"]] if "edge" in rows else torch.zeros_like(x[0])
    return torch.cat([edge[None], x[:-1]]) if rows["shift"] < 0 else torch.cat([x[1:], edge[None]])


def recurrent(formula: Formula, of: list[Tensor], known: dict[str, Tensor], trace: Trace) -> Tensor:
    """A value of a step: cell, state or gate."""
    names, options = formula.weights, formula.options
    if formula.kind == "cell":
        return of[0] * of[1] + of[2] * of[3]
    if formula.kind == "state":
        return of[0] * of[1].tanh()
    if formula.kind == "blend":
        return (1 - of[0]) * of[1] + of[0] * of[2]
    width = of[-1].size(1)
    part = slice(options["part"] * width, (options["part"] + 1) * width)
    own = F.linear(of[-1], known[names["U"]][part], known[names["c"]][part])
    own = own * value(trace, options["reset"]) if "reset" in options else own
    y = F.linear(torch.cat(of[:-1], -1), known[names["W"]][part], known[names["b"]][part]) + own
    return {"sigmoid": y.sigmoid(), "tanh": y.tanh()}[options["activation"]]


def computed(trace: Trace, station: Station, formula: Formula) -> Tensor:
    known = tensors(trace.module)
    options, names = formula.options, formula.weights
    rows = options.get("rows", [{}] * len(formula.of))
    of = [
        operand(trace, path, which, station.shape[-2])
        for path, which in zip(formula.of, rows, strict=True)
        if isinstance(trace.calls(path)[0], Tensor)
    ]
    bias = known[names["b"]] if "b" in names else None
    if formula.kind == "lookup":
        rows = known[names["E"]][trace.token_ids[station.rows]] * options["scale"]
        return normed(rows, known, options["norm"]) if "norm" in options else rows
    if formula.kind == "positions":
        return of[0] + known[names["P"]][options.get("offset", 0) :][: len(of[0])]
    if formula.kind == "copy":
        return of[0]
    if formula.kind == "mix":
        return torch.stack(of, -1) @ known[names["mix"]][options["row"]]
    if formula.kind == "sum":
        return of[0] + of[1]
    if formula.kind == "norm":
        return normed(sum(of[1:], of[0]), known, options)
    if formula.kind == "hidden":
        up = F.linear(of[0], known[names["W"]], bias)
        bend = BENDS[options["activation"]]
        if options["gated"]:
            gate_bias = known[names["b_gate"]] if "b_gate" in names else None
            return bend(F.linear(of[0], known[names["W_gate"]], gate_bias)) * up
        return bend(up)
    if formula.kind in ("gate", "cell", "state", "blend"):
        return recurrent(formula, of, known, trace)
    assert formula.kind == "linear"
    x = torch.cat(of, -1)
    if options.get("stacked"):
        return F.linear(x[0], known[names["W"]], bias).tanh().view(-1, station.shape[-1])
    y = x if "W" not in names else F.linear(x, known[names["W"]], bias)
    if options.get("then") == "tanh":
        return y.tanh()
    if "then" in options:
        return normed(y.unflatten(-1, (-1, station.shape[-1])), known, options["then"]).flatten(-2)
    cap = options.get("cap")
    return cap * (y / cap).tanh() if cap else options.get("scale", 1.0) * y


@pytest.mark.parametrize(
    "config", [*PAIRS, *TEXTS, *ENCODERS], ids=lambda c: "-".join(str(v) for v in c.values()) or "plain"
)
def test_each_formula_makes_its_value(config: dict[str, Any]) -> None:
    trace = seen(config)
    told = stations(trace)
    assert [station.path for station in told] == list(trace)
    kinds = set()
    for station in told:
        formula = station.formula
        if station.path in WITHOUT:
            continue
        assert formula is not None, station.path
        assert set(formula.of) <= set(trace), station.path
        kinds.add(formula.kind)
        of_act = formula.kind == "copy" and isinstance(trace.calls(formula.of[0])[0], Attention)
        if formula.kind == "act" or of_act:
            continue
        torch.testing.assert_close(computed(trace, station, formula), value(trace, station.path), msg=station.path)
    assert {"lookup", "linear"} <= kinds


@pytest.mark.parametrize("config", [PAIRS[0], PAIRS[5], TEXTS[0]], ids=["pairs", "lstm", "text"])
def test_shapes_and_labels(config: dict[str, Any]) -> None:
    trace = seen(config)
    for station in stations(trace):
        if station.rows:
            assert station.shape[-2] == len(trace.labels[station.rows]), station.path
        if station.kind == "act":
            assert station.shape[-1] == len(trace.labels[station.columns]), station.path
        x = torch.cat(trace.calls(station.path), dim=-2) if station.kind == "tensor" else None
        if x is not None:
            assert list(x.shape[1:]) == station.shape


class Doubled(nn.Module):
    """A part of a person's own, which states nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * see("doubled", x)


def test_a_module_that_states_nothing_leaves_the_others_their_formulas() -> None:
    torch.manual_seed(0)
    model = Decoder(DecoderConfig.model_validate({**SIZES, "layers": 2}), 23)
    model.decoder.blocks[0].feed_forward = Doubled()
    with watch(model) as trace:
        model(torch.tensor([[4, 7, 5]]))
    told = {station.path: station for station in stations(trace)}
    without = {path for path, station in told.items() if station.formula is None}
    assert without == {"decoder.blocks.0.feed_forward.doubled", "decoder.blocks.0.resid_out"}
    assert told["decoder.blocks.0.feed_forward.doubled"].title == "doubled"
    after = told["decoder.blocks.1.resid_in"].formula
    assert after is not None
    assert after.of == ["decoder.blocks.0.resid_out", "decoder.embedded"]


def test_a_part_alone_states_what_it_shows() -> None:
    model = Decoder(DecoderConfig.model_validate({**SIZES, "layers": 1}), 23)
    with watch(model.decoder.blocks[0].feed_forward) as trace:
        model.decoder.blocks[0].feed_forward(torch.randn(1, 3, 16))
    hidden, out = stations(trace)
    assert (hidden.title, hidden.formula) == ("hidden layer", None)  # what it comes from was not shown
    assert out.formula == Formula("linear", "hidden · W", ["hidden"], {"W": "down.weight"})
