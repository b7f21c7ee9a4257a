"""A recurrent network, opened while somebody watches: the gates, the cell and the state of each step.

    LSTM   i, f, o = sigmoid(x W + b + h W' + b')    g = tanh(likewise)            (Hochreiter and Schmidhuber, 1997)
           c = f c' + i g                            h = o tanh(c)
    GRU    r, z = sigmoid(likewise)                  n = tanh(x W + b + r (h W' + b'))         (Cho et al., 2014)
           h = (1 - z) n + z h

PyTorch computes a whole text in one call and shows nothing of it. The steps are the definition, that call a faster way
to the same: it is what a pass goes on with, unless somebody changed a step. In a trace each step is a call of its own,
in the order in which the network reads. Axes: batch, tokens, d_model, layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.formula import Place, Value, formula
from clearhead.look import see, watched

__all__ = ["Network", "recur", "state_formulas", "steps_of"]

Network: TypeAlias = nn.LSTM | nn.GRU
State: TypeAlias = Tensor | tuple[Tensor, Tensor]  # of all layers [layers, batch, d_model]; an LSTM's cells beside it

_LSTM = ("input_gate", "forget_gate", "candidate", "output_gate")  # as PyTorch lays them one below the other
_GRU = ("reset_gate", "update_gate", "candidate")
_TITLES = {
    "input_gate": "input gate: how much of the candidate comes in",
    "forget_gate": "forget gate: how much of the cell stays",
    "output_gate": "output gate: how much of the cell is passed on",
    "reset_gate": "reset gate: how much of the state before the candidate hears",
    "update_gate": "update gate: how much of the state before stays",
    "candidate": "candidate: what could come in",
    "cell": "cell: the long memory after each token",
    "state": "state after each token",
}


def steps_of(network: Network) -> dict[str, str]:
    """What one step of a layer shows, in order, with titles; first what each part of its weights makes."""
    own = (*_LSTM, "cell", "state") if isinstance(network, nn.LSTM) else (*_GRU, "state")
    return {name: _TITLES[name] for name in own}


def recur(network: Network, x: Tensor, state: State | None, names: Sequence[str], batch: int) -> tuple[Tensor, State]:
    """`network(x, state)`, every step shown to whoever watches.

    Args:
        names: what the steps of each layer are shown under.
        batch: rows that are shown; x may have more, the tokens of each row abreast.
    """
    if not x.size(0) or not x.size(1):  # PyTorch's networks refuse to read nothing
        return x.new_zeros(*x.shape[:2], network.hidden_size), _first(network, x) if state is None else state
    found: tuple[Tensor, State] = network(x, state)
    if not watched():
        return found
    state = _first(network, x) if state is None else state
    shown = _Shown(batch)
    opened = _opened(network, x, state, names, shown)
    return opened if shown.changed else found


def _first(network: Network, x: Tensor) -> State:
    """The state before the first token where none was given."""
    zeros = x.new_zeros(network.num_layers, len(x), network.hidden_size)
    return (zeros, zeros) if isinstance(network, nn.LSTM) else zeros


class _Shown:
    """Shows values, and knows whether one came back changed."""

    def __init__(self, batch: int):
        self.batch, self.changed = batch, False

    def under(self, above: str) -> Callable[[str, Tensor], Tensor]:
        """What shows the steps of one layer."""

        def show(name: str, x: Tensor) -> Tensor:
            given = x.reshape(self.batch, -1, x.size(-1))
            seen = see(f"{above}.{name}", given)
            self.changed |= seen is not given
            return seen.reshape(x.shape)

        return show


def _opened(network: Network, x: Tensor, state: State, names: Sequence[str], shown: _Shown) -> tuple[Tensor, State]:
    """The same by its steps, without the dropout between layers: it is there to be looked at."""
    hidden, cells = state if isinstance(state, tuple) else (state, state)
    behind = []
    for layer, name in enumerate(names):
        x, last = _layer(network, layer, x, (hidden[layer][:, None], cells[layer][:, None]), shown.under(name))
        behind.append(last)
    hidden, cells = (torch.cat([part.transpose(0, 1) for part in parts]) for parts in zip(*behind, strict=True))
    return x, (hidden, cells) if isinstance(network, nn.LSTM) else hidden


def _layer(
    network: Network, layer: int, x: Tensor, before: tuple[Tensor, Tensor], show: Callable[[str, Tensor], Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """(the states of one layer, the last one with its cell), each [batch, tokens, d_model]."""
    ih, hh = ([getattr(network, f"{part}_{of}_l{layer}") for part in ("weight", "bias")] for of in ("ih", "hh"))
    given, states = F.linear(x, *ih), []
    step = _lstm if isinstance(network, nn.LSTM) else _gru
    for now in given.split(1, dim=1):
        before = step(now, F.linear(before[0], *hh), before, show)
        states.append(before[0])
    return torch.cat(states, dim=1), before


def _lstm(
    given: Tensor, own: Tensor, before: tuple[Tensor, Tensor], show: Callable[[str, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    sums = zip(_LSTM, (given + own).chunk(4, dim=-1), strict=True)
    i, f, g, o = (show(name, x.tanh() if name == "candidate" else x.sigmoid()) for name, x in sums)
    cell = show("cell", f * before[1] + i * g)
    return show("state", o * cell.tanh()), cell


def _gru(
    given: Tensor, own: Tensor, before: tuple[Tensor, Tensor], show: Callable[[str, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    (r, z, n), (own_r, own_z, own_n), state = given.chunk(3, dim=-1), own.chunk(3, dim=-1), before[0]
    reset, update = show("reset_gate", (r + own_r).sigmoid()), show("update_gate", (z + own_z).sigmoid())
    candidate = show("candidate", (n + reset * own_n).tanh())
    state = show("state", candidate + update * (state - candidate))
    return state, state


def state_formulas(place: Place, network: Network, weights: str, given: Sequence[Value], before: Value) -> Value:
    """State how what the steps of a layer show comes about; returns its states.

    Args:
        weights: the names of the layer's weights, with {} for `weight_ih` and the like.
        given: what the layer reads, side by side.
        before: its state before a step.
    """
    text, lstm = given[0].text, isinstance(network, nn.LSTM)
    letters = {"W": "weight_ih", "b": "bias_ih", "U": "weight_hh", "c": "bias_hh"}
    names = {letter: weights.format(name) for letter, name in letters.items()}
    seen: dict[str, Value] = {}
    for part, name in enumerate(_LSTM if lstm else _GRU):
        bend, own, reset = "tanh" if name == "candidate" else "sigmoid", "state before · U + c", {}
        if name == "candidate" and not lstm:
            reset, own = {"reset": seen["reset_gate"].path}, f"reset · ({own})"
        words = f"{bend}(x W + b + {own})"
        gate = formula("gate", words, [*given, before], names, activation=bend, part=part, **reset)
        seen[name] = place.see(name, gate, text=text)
    if not lstm:
        words = "(1 − update) · candidate + update · state before"
        return place.see("state", formula("blend", words, [seen["update_gate"], seen["candidate"], before]), text=text)
    last = Value(place.name("cell"), text, rows={"shift": before.rows["shift"]})
    of = [seen["forget_gate"], last, seen["input_gate"], seen["candidate"]]
    cell = place.see("cell", formula("cell", "forget · cell before + input · candidate", of), text=text)
    return place.see("state", formula("state", "output · tanh(cell)", [seen["output_gate"], cell]), text=text)
