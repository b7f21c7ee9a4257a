"""Writing: texts written on, token by token, by any model, through its cache; one loop for every strategy.

    read the beginnings -> scores of the next token -> a strategy chooses -> read what it chose -> scores -> ...

Texts may enter and leave while others are written. What a text becomes does not depend on them: each has positions of
its own, and padding is looked at by none. Texts are made on the CPU; here they are moved to where the model is.

Axes: rows (texts), newest (tokens, one on each branch), vocab.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.generation.branches import Branches

__all__ = ["Strategy", "Writer", "WriterCache", "WriterMemory", "Writing", "write"]

# Of the writer's own kinds: they are handed back to it. A cache has `select(rows)`, `keep(places)` and `join(other)`.
WriterCache: TypeAlias = Any
WriterMemory: TypeAlias = Any

_ALIVE, _SMALL = 0.5, 32  # a tree of more than 32 tokens is cut where at most half of them are alive


class Writer(Protocol):
    """What writing asks of a model: the decoder's output for new tokens, and scores of the next one."""

    @property
    def device(self) -> torch.device:
        """Where it is."""
        ...

    def new_cache(self, *, forgets: bool = True) -> WriterCache:
        """An empty cache: `select(rows)`, `keep(places)`, `join(other)`."""
        ...

    def decode(
        self, token_ids: Tensor, memory: WriterMemory, /, *, cache: WriterCache = None, where: Where | None = None
    ) -> Tensor:
        """[rows, tokens, d_model] for the new tokens, which stand where `where` says."""
        ...

    def logits(self, x: Tensor) -> Tensor:
        """[..., vocab]."""
        ...


class Strategy(Protocol):
    """How the next tokens of each text are chosen, and when it has ended.

    `branches` says whether a text may be written on in several ways at once: a cache then forgets nothing.
    """

    branches: bool

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(the branches that go on, the tokens that follow) [rows, newest] on the CPU, of scores [rows, newest, vocab].

        The scores are used up.
        """
        ...

    def written(self) -> dict[int, int]:
        """What the last choice added to texts that are told as they come: {number of the text: token}."""
        ...

    def stop(self, numbers: Iterable[int]) -> None:
        """End these texts."""
        ...

    def leave(self) -> Tensor | None:
        """The rows that go on, where enough of the others have ended to be worth a copy of the caches; None: all stay.

        No row is left when all texts have ended.
        """
        ...


class Writing:
    """Texts that are being written.

    Args:
        writer: the model.
        strategy: how tokens are chosen; its rows are the rows here.
    """

    def __init__(self, writer: Writer, strategy: Strategy):
        self._writer, self._strategy = writer, strategy
        self._cache: WriterCache = None
        self._memory: WriterMemory = None
        self._rows: Branches | None = None
        self._x: Tensor | None = None  # the decoder's output for the newest tokens [rows, newest, d_model]
        self._next: tuple[Tensor, Tensor] | None = None  # the branches that go on, and what follows on them

    def enter(self, beginnings: Sequence[Sequence[int]], memory: WriterMemory = None) -> None:
        """Read the beginnings of texts, at least a token each, which the strategy has as its last rows.

        Args:
            memory: what a model reads beside them, a row each.
        """
        lengths = [len(ids) for ids in beginnings]
        width = max(lengths)
        ids = torch.tensor([[*[0] * (width - len(ids)), *ids] for ids in beginnings])
        rows, cache = Branches.of_texts(lengths), self._writer.new_cache(forgets=not self._strategy.branches)
        x = self._read(ids, memory, cache, rows.whole())[:, -1:]
        if self._rows is None or self._x is None:
            self._rows, self._cache, self._memory, self._x = rows, cache, memory, x
            return
        self._rows, self._x = self._rows.join(rows), torch.cat([self._x, x])
        self._cache.join(cache)
        self._memory = None if memory is None else self._memory.join(memory)

    def step(self) -> dict[int, int]:
        """One token more on every text: what it adds to those that are told as they come."""
        assert self._rows is not None and self._x is not None, "nothing has entered"
        self._next = self._strategy.choose(self._writer.logits(self._x))
        return self._strategy.written()

    def go_on(self) -> bool:
        """Read what was chosen; whether anything is left to be written."""
        assert self._rows is not None and self._next is not None, "a step comes first"
        parents, tokens = self._next
        if (going := self._strategy.leave()) is not None:
            if not len(going):
                self._rows = self._x = self._cache = self._memory = None
                return False
            self._cache.select(going)
            self._memory = None if self._memory is None else self._memory.select(going)
            self._rows, parents, tokens = self._rows.select(going), parents[going], tokens[going]
        self._rows = self._rows.grown(parents)
        found = self._rows.pruned(_ALIVE) if self._rows.tokens > _SMALL else None
        if found is not None:
            self._rows, places = found
            self._cache.keep(places)
        self._x = self._read(tokens, self._memory, self._cache, self._rows.where())
        return True

    def _read(self, ids: Tensor, memory: WriterMemory, cache: WriterCache, where: Where) -> Tensor:
        device = self._writer.device
        return self._writer.decode(ids.to(device), memory, cache=cache, where=where.to(device))


@torch.inference_mode()
def write(
    writer: Writer, beginnings: Sequence[Sequence[int]], strategy: Strategy, memory: WriterMemory = None
) -> Generator[dict[int, int], Iterable[int] | None, None]:
    """Write all texts to their ends; yields what a step adds to those that are told as they come.

    A consumer ends texts early by sending their numbers: `steps.send({number})`.
    """
    if not beginnings:
        return
    writing = Writing(writer, strategy)
    writing.enter(beginnings, memory)
    going = True
    while going:
        stopped = yield writing.step()
        if stopped:
            strategy.stop(stopped)
        going = writing.go_on()
