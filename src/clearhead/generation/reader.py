"""Reading on: of a text that begins with what was read last, only the rest is read.

In a conversation every prompt begins with the one before it and the answer to that; their keys and values are in the
cache already. What is scored is the same to the precision's rounding: a product's depends on how many rows it has.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.generation.writer import Writer, WriterCache, WriterMemory

__all__ = ["Reader"]


class Reader:
    """A model that reads one text after the other, none while another is written, and keeps the cache of the last.

    It stands where a model stands (`Writer`), for one row. A text that begins with all tokens that the cache holds
    is read from there; any other from its beginning.
    """

    def __init__(self) -> None:
        self._model: Writer | None = None
        self._cache: WriterCache = None
        self._held: list[int] = []  # the tokens in the cache; none while a pass may leave it half-written
        self._begun = False

    def of(self, model: Writer) -> Reader:
        """Read with this model; what another one has read is forgotten."""
        if model is not self._model:
            self._model, self._held = model, []
        return self

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        assert self._model is not None, "a model was named"
        return self._model.device

    def new_cache(self, *, forgets: bool = True) -> None:
        """Another text begins."""
        self._begun = False

    def decode(
        self,
        token_ids: Tensor,
        memory: WriterMemory = None,
        *,
        cache: WriterCache = None,
        where: Where | None = None,
    ) -> Tensor:
        """The model's output for those of the tokens that it had not read."""
        assert self._model is not None and len(token_ids) == 1, "one row, of a model that was named"
        ids: list[int] = token_ids[0].tolist()
        if not self._begun:
            ids = self._rest(ids, self._model)
        held, self._held = self._held, []
        x = self._model.decode(torch.tensor([ids], device=self.device), memory, cache=self._cache)
        self._held = held + ids
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Scores of the next token."""
        assert self._model is not None, "nothing was read"
        return self._model.logits(x)

    def _rest(self, ids: list[int], model: Writer) -> list[int]:
        """What is still to be read of a text that begins; where that is all of it, with a new cache."""
        known = len(self._held)
        if not 0 < known < len(ids) or ids[:known] != self._held:
            self._cache, self._held, known = model.new_cache(), [], 0
        self._begun = True
        return ids[known:]
