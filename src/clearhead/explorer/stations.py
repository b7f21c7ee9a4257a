"""The way through a model: what a watched pass has shown, in its order, each value with the formula it comes from.

    token embeddings -> embedded -> [norm -> q, k, v -> act -> context -> out -> residual] ... -> logits

A formula is data: its kind, its words, the paths of its operands and the names of its weights. Whoever draws it reads
the operands' numbers from the same trace. `tests/explorer/test_stations.py` computes each value anew from its formula.

Axes as the trace states them; the first, batch, holds one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from clearhead.attention import MultiHead
from clearhead.explorer.formula import Formula, linear
from clearhead.explorer.recurrence import Recurrence, backwards
from clearhead.look import Trace
from clearhead.models.recurrent import RecurrentEncoderDecoder

__all__ = ["Formula", "Station", "stations"]

_TITLES = {
    "token_embeddings": "token embeddings",
    "embedded": "embedded: what the first block reads",
    "resid_in": "residual stream, as it comes in",
    "self_attention_normed": "normed, for self-attention",
    "cross_attention_normed": "normed, for cross-attention",
    "feed_forward_normed": "normed, for the feed-forward network",
    "q": "queries: what each token asks",
    "k": "keys: what each token offers",
    "v": "values: what each token answers",
    "attention": "the act of attention",
    "context": "context: values averaged by the weights",
    "resid_mid": "residual stream, after self-attention",
    "resid_cross": "residual stream, after cross-attention",
    "hidden": "hidden layer",
    "resid_out": "residual stream, as it goes on",
    "begin": "what each layer begins with: the source in one vector",
    "input_gate": "input gate: how much of the candidate comes in",
    "forget_gate": "forget gate: how much of the cell stays",
    "output_gate": "output gate: how much of the cell is passed on",
    "reset_gate": "reset gate: how much of the state before the candidate hears",
    "update_gate": "update gate: how much of the state before stays",
    "candidate": "candidate: what could come in",
    "cell": "cell: the long memory after each token",
    "state": "state after each token",
    "states": "states of the recurrent network",
    "readout": "what is read off the state",
    "logits": "logits: a score for every entry of the vocabulary",
}
_PART = re.compile(r"self_attention|cross_attention|feed_forward|(forwards|backwards|layers\.\d+)(?=\.\w+$)")
_STEP_AXES = ("tokens", "queries", "keys", "tgt_tokens")  # along which a recurrent network's calls follow one another


@dataclass(frozen=True)
class Station:
    """One value of the way.

    Args:
        path: where the trace has it.
        title: what it is.
        stack: `encoder`, `decoder` or "" after both; `block`: its number, None outside blocks; `part`: the attention
            or feed-forward network in it, the direction or layer of a recurrent one.
        kind: `act` or `tensor`.
        axes: names of its axes without the batch.
        shape: their sizes, the calls of a recurrent network joined.
        calls: how often it was seen; `turned`: whether its first call is its last row.
        rows, columns: which labels its last two axes bear; "" where they bear none.
        formula: how it comes about; None where the trace does not know its model.
    """

    path: str
    title: str
    stack: str
    block: int | None
    part: str
    kind: str
    axes: list[str]
    shape: list[int]
    calls: int
    turned: bool
    rows: str
    columns: str
    formula: Formula | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def stations(trace: Trace) -> list[Station]:
    """Every value of the trace, in the order of the pass."""
    return [_station(trace, path) for path in trace]


def _station(trace: Trace, path: str) -> Station:
    axes, values = trace.axes(path)[1:], trace.calls(path)
    parts = path.split(".")
    stack = parts[0] if parts[0] in ("encoder", "decoder") else ""
    block = re.search(r"\.blocks\.(\d+)\.", path)
    part = found[0] if (found := _PART.search(path)) else ""
    shape = list(values[0].shape[1:])
    for number, axis in enumerate(axes):
        if axis in _STEP_AXES[:2] and len(values) > 1:
            shape[number] = sum(value.shape[number + 1] for value in values)
    rows, columns = _labels(trace, stack, part, axes)
    in_block = int(block[1]) if block else None
    kind = "tensor" if isinstance(values[0], Tensor) else "act"
    title = _TITLES.get(parts[-1]) or f"what {part.replace('_', '-')} adds" if part else _TITLES.get(parts[-1], "out")
    formula = None if trace.module is None else _Formulas(trace, trace.module).of(path)
    calls, turned = len(values), backwards(path)
    return Station(path, title, stack, in_block, part, kind, list(axes), shape, calls, turned, rows, columns, formula)


def _labels(trace: Trace, stack: str, part: str, axes: tuple[str, ...]) -> tuple[str, str]:
    """The labels of a value's rows and columns."""
    only = next(iter(trace.labels), "")
    own = only if len(trace.labels) < 2 else "source" if stack == "encoder" else "target"
    asked = "source" if part == "cross_attention" else own
    rows = asked if axes[-2:-1] == ("keys",) else "" if axes[0] == "layers" else own
    return rows, asked if axes[-1] == "keys" else "vocabulary" if axes[-1] == "vocab" else ""


class _Formulas:
    """The formulas of one model, by the last word of a path."""

    def __init__(self, trace: Trace, module: nn.Module):
        self.trace, self.module = trace, module

    def of(self, path: str) -> Formula | None:
        if isinstance(self.module, RecurrentEncoderDecoder) and (found := Recurrence(self.module).of(path)):
            return found
        above, _, name = path.rpartition(".")
        kinds: dict[str, Callable[[str], Formula | None]] = {
            "token_embeddings": self._lookup,
            "embedded": self._embedded,
            "resid_in": self._comes_in,
            "attention": self._act,
            "context": lambda above: Formula("copy", "weights · v, as the model used it", [f"{above}.attention"]),
            "hidden": self._hidden,
            "logits": self._logits,
        }
        if name in kinds:
            return kinds[name](above)
        if name in ("q", "k", "v"):
            return self._projection(above, name)
        if name.endswith("_normed"):
            return self._normed(above, name.removesuffix("_normed"))
        if name.startswith("resid_"):
            return self._residual(above, name)
        return self._out(above)

    def _sub(self, path: str) -> Any:
        return self.module.get_submodule(path)

    def _known(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self.trace]

    def _lookup(self, stack: str) -> Formula:
        names = ("src_embedding", "embedding") if stack == "encoder" else ("tgt_embedding", "embedding")
        name = next(name for name in names if hasattr(self.module, name))
        scale = self._sub(name).embedding_dim ** 0.5 if name != "embedding" else 1.0
        norm = "embedding_norm" if getattr(self.module, "embedding_norm", None) is not None else None
        options = {"scale": scale, **({"norm": _norm(self._sub(norm), norm)} if norm else {})}
        text = "the token's row of the embedding matrix" + (" · √d_model" if scale != 1 else "")
        return Formula("lookup", text + (", normed" if norm else ""), [], {"E": f"{name}.weight"}, options)

    def _embedded(self, stack: str) -> Formula:
        before = f"{stack}.token_embeddings"
        if before not in self.trace:
            return self._lookup(stack)
        positions = getattr(self._sub(stack), "positions", None)
        if positions is None:
            return Formula("copy", "the token embeddings: positions enter elsewhere", [before])
        table = "table" if hasattr(positions, "table") else "weight"
        text = "token embedding + the vector of its position"
        return Formula("positions", text, [before], {"P": f"{stack}.positions.{table}"})

    def _comes_in(self, block: str) -> Formula:
        blocks, _, number = block.rpartition(".")
        stack = blocks.removesuffix(".blocks")
        before = f"{stack}.embedded" if number == "0" else f"{blocks}.{int(number) - 1}.resid_out"
        if getattr(self._sub(stack), "mix", None) is None:
            return Formula("copy", "what comes before it", [before])
        mix = {"row": int(number)}
        text = "own · what comes before it + shortcut · the embeddings"
        return Formula("mix", text, [before, f"{stack}.embedded"], {"mix": f"{stack}.mix"}, mix)

    def _stream(self, block: str, part: str) -> str:
        """The residual stream that a part reads."""
        names = {"self_attention": ["resid_in"], "cross_attention": ["resid_mid"]}
        streams = names.get(part, ["resid_cross", "resid_mid"])
        return self._known([f"{block}.{name}" for name in streams])[0]

    def _given(self, attention: str) -> str:
        """What an attention's queries are made of."""
        block, _, part = attention.rpartition(".")
        return self._known([f"{block}.{part}_normed", self._stream(block, part)])[0]

    def _memory(self) -> str:
        return self._known(["encoder.out"])[0] if "encoder.out" in self.trace else self.trace.find("states")[-2]

    def _act(self, attention: str) -> Formula:
        """The steps are told by whoever opens them; the score's own weights by their letters of scores.py."""
        score = getattr(self._sub(attention), "score", None)
        names = {"weight": "W", "q_weight": "W_q", "k_weight": "W_k", "v_weight": "v"}
        known = dict(score.named_parameters()) if isinstance(score, nn.Module) else {}
        weights = {letter: f"{attention}.score.{name}" for name, letter in names.items() if name in known}
        return Formula("act", "softmax(scale · similarity(q, k) + mask) · v", [], weights)

    def _projection(self, attention: str, name: str) -> Formula:
        module: MultiHead = self._sub(attention)
        across = attention.endswith("cross_attention") and name != "q"
        x = self._memory() if across else self._given(attention)
        weights, has_bias = linear(getattr(module, f"{name}_proj"), f"{attention}.{name}_proj")
        norm = getattr(module, f"{name}_norm", None)
        then = {"then": _norm(norm, f"{attention}.{name}_norm")} if norm is not None else {}
        text = f"{name} = x W{has_bias}" + (", normed" if then else "")
        return Formula("linear", text, [x], weights, then)

    def _normed(self, block: str, part: str) -> Formula:
        norm = f"{block}.{part}_norm"
        options = _norm(self._sub(norm), norm)
        return Formula("norm", _norm_text(options), [self._stream(block, part)], _norm_weights(options), options)

    def _residual(self, block: str, name: str) -> Formula:
        part = {"resid_mid": "self_attention", "resid_cross": "cross_attention"}.get(name, "feed_forward")
        of = [self._stream(block, part), f"{block}.{part}.out"]
        if f"{block}.{part}_normed" in self.trace:
            return Formula("sum", f"what came + what {part.replace('_', '-')} adds", of)
        options = _norm(self._sub(f"{block}.{part}_norm"), f"{block}.{part}_norm")
        return Formula("norm", f"norm(what came + {part.replace('_', '-')})", of, _norm_weights(options), options)

    def _hidden(self, feed_forward: str) -> Formula:
        module = self._sub(feed_forward)
        block, _, part = feed_forward.rpartition(".")
        x = self._known([f"{block}.{part}_normed", self._stream(block, part)])[0]
        weights, has_bias = linear(module.up, f"{feed_forward}.up")
        if module.gate is not None:
            gate, _ = linear(module.gate, f"{feed_forward}.gate")
            weights |= {f"{letter}_gate": name for letter, name in gate.items()}
        text = f"{module.activation}(x W{has_bias})"
        return Formula("hidden", text, [x], weights, {"activation": module.activation})

    def _out(self, above: str) -> Formula | None:
        module: Any = self._sub(above) if above else self.module
        if isinstance(module, MultiHead):
            if module.o_proj is None:
                return Formula("linear", "the heads' contexts side by side", [f"{above}.context"], {})
            weights, has_bias = linear(module.o_proj, f"{above}.o_proj")
            return Formula("linear", f"the heads side by side · W{has_bias}", [f"{above}.context"], weights)
        if hasattr(module, "down"):
            weights, has_bias = linear(module.down, f"{above}.down")
            return Formula("linear", f"hidden · W{has_bias}", [f"{above}.hidden"], weights)
        last = f"{above}.blocks.{len(module.blocks) - 1}.resid_out"
        if isinstance(module.norm, nn.Identity):
            return Formula("copy", "the last block's residual stream", [last])
        options = _norm(module.norm, f"{above}.norm")
        return Formula("norm", _norm_text(options), [last], _norm_weights(options), options)

    def _logits(self, above: str) -> Formula:
        cap = getattr(getattr(self.module, "config", None), "soft_cap", None)
        text = "out · W, a row of W for every entry of the vocabulary" + (f", capped at ±{cap:g}" if cap else "")
        return Formula("linear", text, ["decoder.out"], {"W": "head.weight"}, {"cap": cap} if cap else {})


def _norm(norm: Any, path: str) -> dict[str, Any]:
    kind = "rms" if isinstance(norm, nn.RMSNorm) else "layer"
    bias = f"{path}.bias" if getattr(norm, "bias", None) is not None else None
    return {"norm": kind, "eps": norm.eps, "weight": f"{path}.weight", "bias": bias}


def _norm_weights(options: dict[str, Any]) -> dict[str, str]:
    return {letter: options[name] for letter, name in (("g", "weight"), ("b", "bias")) if options[name]}


def _norm_text(options: dict[str, Any]) -> str:
    if options["norm"] == "rms":
        return "x / √(mean(x²) + ε) · g"
    return "(x - mean) / √(variance + ε) · g" + (" + b" if options["bias"] else "")


def tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every named number of a model that a formula may use: parameters, shared ones under each name, and tables."""
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)
