"""The formulas of a recurrent network: its gates, cells and states, what it begins with and what is read off it.

A step reads the row before its own - a network that reads from the end the row after it -, so an operand of these
formulas says which of its rows is meant; see `Formula`.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from clearhead.explorer.formula import Formula, linear
from clearhead.models.recurrence import steps_of
from clearhead.models.recurrent import RecurrentEncoderDecoder

__all__ = ["Recurrence", "backwards"]

_ENDS: dict[str, Any] = {"ends": True}  # the source in one vector: what each direction says at its end


def backwards(path: str) -> bool:
    """Whether a value's calls begin with the last row."""
    return ".backwards." in path


class Recurrence:
    """The formulas of what only a recurrent encoder-decoder shows."""

    def __init__(self, module: RecurrentEncoderDecoder):
        self.decoder = module.decoder
        self.memory = f"encoder.blocks.{len(module.encoder.blocks) - 1}.states"

    def of(self, path: str) -> Formula | None:
        """The formula of a value; None for those that other networks show too."""
        above, _, name = path.rpartition(".")
        if path == "decoder.begin":
            return self._begin()
        if path == "decoder.readout":
            return self._readout()
        if path == "decoder.out":
            return Formula("copy", "what is read off", ["decoder.readout"])
        if path == "decoder.cross_attention.q":
            return self._asks()
        if path == "decoder.states":
            return Formula("copy", "the states of the last layer", [f"decoder.{self.decoder.layers[-1]}.state"])
        if name == "states":
            sides = [f"{above}.forwards.state", f"{above}.backwards.state"]
            return Formula("linear", "both directions side by side", sides)
        return self._step(above, name) if name in steps_of(self.decoder.network) else None

    def _begin(self) -> Formula:
        weights, _ = linear(self.decoder.start, "decoder.start")
        options = {"rows": [_ENDS], "then": "tanh", "stacked": True}
        text = "tanh(the source in one vector · W + b): the last state of each direction, side by side"
        return Formula("linear", text, [self.memory], weights, options)

    def _readout(self) -> Formula:
        weights, _ = linear(self.decoder.readout, "decoder.readout")
        context, here = "decoder.cross_attention.out", dict[str, Any]()
        of, rows, words = {
            "luong": (["decoder.states", context], [here, here], "[state; context]"),
            "bahdanau": (["decoder.states", context, "decoder.embedded"], [here] * 3, "[state; context; token]"),
            "none": (
                ["decoder.states", self.memory, "decoder.embedded"],
                [here, _ENDS, here],
                "[state; source; token]",
            ),
        }[self.decoder.attention]
        return Formula("linear", f"tanh({words} W + b)", of, weights, {"rows": rows, "then": "tanh"})

    def _asks(self) -> Formula:
        weights = {"W": "decoder.cross_attention.q_proj.weight"}
        if self.decoder.attention == "luong":
            return Formula("linear", "q = state W", ["decoder.states"], weights)
        of, rows = self._before(len(self.decoder.layers) - 1)
        return Formula("linear", "q = state before this step · W", [of], weights, {"rows": [rows]})

    def _step(self, above: str, name: str) -> Formula:
        """One of the values of a step of a layer."""
        state, before = self._before(int(above.rpartition(".")[2])) if "layers" in above else self._beside(above)
        cell = {"shift": before["shift"]}
        if name == "cell":
            of = [f"{above}.{part}" for part in ("forget_gate", "cell", "input_gate", "candidate")]
            return Formula("cell", "forget · cell before + input · candidate", of, {}, {"rows": [{}, cell, {}, {}]})
        if name == "state" and isinstance(self.decoder.network, nn.LSTM):
            return Formula("state", "output · tanh(cell)", [f"{above}.output_gate", f"{above}.cell"])
        if name == "state":
            of = [f"{above}.update_gate", f"{above}.candidate", state]
            text = "(1 − update) · candidate + update · state before"
            return Formula("blend", text, of, {}, {"rows": [{}, {}, before]})
        return self._gate(above, name, state, before)

    def _gate(self, above: str, name: str, state: str, before: dict[str, Any]) -> Formula:
        given = self._given(above)
        network, layer = (above, "0") if "blocks" in above else ("decoder.network", above.rpartition(".")[2])
        letters = {"W": "weight_ih", "b": "bias_ih", "U": "weight_hh", "c": "bias_hh"}
        weights = {letter: f"{network}.{part}_l{layer}" for letter, part in letters.items()}
        bend = "tanh" if name == "candidate" else "sigmoid"
        options: dict[str, Any] = {"activation": bend, "part": steps_of(self.decoder.network).index(name)}
        options["rows"] = [*given.values(), before]
        own = "state before · U + c"
        if name == "candidate" and not isinstance(self.decoder.network, nn.LSTM):
            options["reset"], own = f"{above}.reset_gate", f"reset · ({own})"
        return Formula("gate", f"{bend}(x W + b + {own})", [*given, state], weights, options)

    def _given(self, above: str) -> dict[str, dict[str, Any]]:
        """What comes into a layer, and which row of it."""
        stack, kind, number = above.removesuffix(".forwards").removesuffix(".backwards").split(".")
        if int(number):
            return {f"{stack}.{kind}.{int(number) - 1}.{'states' if kind == 'blocks' else 'state'}": {}}
        beside: dict[str, dict[str, dict[str, Any]]] = {
            "bahdanau": {"decoder.cross_attention.out": {}},
            "none": {self.memory: _ENDS},
            "luong": {"decoder.readout": {"shift": -1}} if self.decoder.input_feeding else {},
        }
        return {f"{stack}.embedded": {}, **(beside[self.decoder.attention] if stack == "decoder" else {})}

    def _beside(self, above: str) -> tuple[str, dict[str, Any]]:
        """The state before a step of the encoder."""
        return f"{above}.state", {"shift": 1 if backwards(f"{above}.") else -1}

    def _before(self, layer: int) -> tuple[str, dict[str, Any]]:
        """The state before a step of the decoder: what was shown of the last layer may be changed once more."""
        waits = self.decoder.attention == "bahdanau" or self.decoder.input_feeding
        path = "decoder.states" if waits and layer == len(self.decoder.layers) - 1 else f"decoder.layers.{layer}.state"
        return path, {"shift": -1, "edge": {"path": "decoder.begin", "row": layer}}
