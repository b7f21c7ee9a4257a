"""What a recurrent decoder remembers while it writes: the source, and its state after every token.

Axes: batch, tokens, src_tokens, layers, d_model, d_memory (2 d_model: both directions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clearhead.attention import MemoryCache, Where
from clearhead.attention.cache import join_memories, join_rows

__all__ = ["RecurrentCache", "RecurrentMemory", "State"]


@dataclass(frozen=True, eq=False)
class RecurrentMemory:
    """What the encoder leaves: its states, how many are real (None = all), and the source in one vector."""

    states: Float[Tensor, "batch src_tokens d_memory"]
    lengths: Tensor | None
    summary: Float[Tensor, "batch d_memory"]

    def asked_by(self, n: int) -> Where:
        """Where it stands for so many queries."""
        return Where.across(n, self.states.size(1), self.lengths, device=self.states.device)

    def select(self, rows: Tensor) -> RecurrentMemory:
        """The memory of these sentences only."""
        rows = rows.to(self.states.device)
        lengths = None if self.lengths is None else self.lengths.index_select(0, rows)
        return RecurrentMemory(self.states.index_select(0, rows), lengths, self.summary.index_select(0, rows))

    def join(self, other: RecurrentMemory) -> RecurrentMemory:
        """These sentences and others."""
        states, lengths = join_memories(self.states, self.lengths, other.states, other.lengths)
        return RecurrentMemory(states, lengths, torch.cat([self.summary, other.summary]))


@dataclass(frozen=True, eq=False)
class State:
    """What a decoder remembers after each token; `cells` is an LSTM's long memory, `out` what it gave last."""

    hidden: Float[Tensor, "batch tokens layers d_model"]
    cells: Float[Tensor, "batch tokens layers d_model"] | None
    out: Float[Tensor, "batch tokens d_model"]

    @classmethod
    def joined(cls, states: Sequence[State]) -> State:
        """States one after the other."""
        cells = [s.cells for s in states if s.cells is not None]
        hidden = torch.cat([s.hidden for s in states], dim=1)
        return cls(hidden, torch.cat(cells, dim=1) if cells else None, torch.cat([s.out for s in states], dim=1))

    def at(self, places: Int[Tensor, "batch kept"]) -> State:
        """The states after these tokens of each row."""
        rows = torch.arange(len(places), device=places.device)[:, None]
        return self._of(lambda x: x[rows, places])

    def select(self, rows: Int[Tensor, " kept"]) -> State:
        """The states of these rows."""
        return self._of(lambda x: x.index_select(0, rows))

    def join(self, other: State) -> State:
        """The states of these rows and of others, ended alike."""
        cells = None if self.cells is None or other.cells is None else join_rows(self.cells, other.cells, 1)
        return State(join_rows(self.hidden, other.hidden, 1), cells, join_rows(self.out, other.out, 1))

    def _of(self, change: Callable[[Tensor], Tensor]) -> State:
        cells = None if self.cells is None else change(self.cells)
        return State(change(self.hidden), cells, change(self.out))


class RecurrentCache:
    """The state after every token written so far, and the memory as keys and values."""

    def __init__(self) -> None:
        self.memory = MemoryCache()
        self.states: State | None = None

    @property
    def length(self) -> int:
        """How many tokens a row holds so far."""
        return 0 if self.states is None else self.states.out.size(1)

    def append(self, states: State) -> None:
        """The states after further tokens."""
        self.states = states if self.states is None else State.joined([self.states, states])

    def before(self, where: Where | None) -> State | None:
        """The state each newest token goes on from: its parent's in a tree, else the last one; None at the start."""
        if self.states is None:
            return None
        if where is None or where.kin is None:
            last = torch.full((len(self.states.out), 1), self.length - 1, device=self.states.out.device)
            return self.states.at(last)
        older = where.kin[:, :, : self.length]
        places = torch.arange(self.length, device=older.device)
        return self.states.at((older * places).amax(-1))  # the nearest ancestor stands last

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order."""
        self.memory.select(rows)
        if self.states is not None:
            self.states = self.states.select(rows.to(self.states.out.device))

    def keep(self, places: Tensor) -> None:
        """Go on with these of each row's tokens [batch, kept], in this order."""
        if self.states is not None:
            self.states = self.states.at(places.to(self.states.out.device))

    def join(self, other: RecurrentCache) -> None:
        """Go on with other rows too, ended alike: the states that shorter ones lack are never read."""
        assert self.states is not None and other.states is not None, "rows that have read something are joined"
        self.memory.join(other.memory)
        self.states = self.states.join(other.states)
