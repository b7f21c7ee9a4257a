"""Edits of one text taken over to another one that grows: each changes what it changed, as far as the text goes.

A number for a whole axis holds for tokens still to come. A list holds a number for each token that there was: of fewer
tokens it has the first ones; of those after it nothing is known, and the model's own numbers stand there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch

from clearhead.edits import Edit, Place
from clearhead.look import Trace

__all__ = ["CarriedEdits"]

_GROWING = {"tokens", "queries", "tgt_tokens"}
_OF_STEPS = {  # the axes of those steps of an act that are not its weights'
    "q": ("batch", "heads", "queries", "width"),
    "k": ("batch", "kv_heads", "keys", "width"),
    "v": ("batch", "kv_heads", "keys", "width"),
    "context": ("batch", "heads", "queries", "width"),
}


class CarriedEdits:
    """The edits of a trace in passes over texts of other lengths; what an encoder reads stays as it is."""

    def __init__(self, trace: Trace, edits: Sequence[Edit]):
        self.trace, self.edits = trace, edits

    def at(self, rows: int) -> list[Edit]:
        """The edits that have a place in a pass over so many tokens."""
        return [found for edit in self.edits if (found := self._placed(edit, rows)) is not None]

    def remarks(self, rows: int) -> list[str]:
        """Which edits have no place in so many tokens, and which end before them."""
        lost = [edit for edit in self.edits if self._placed(edit, rows) is None]
        told = [f"{_name(edit)}: the new text of {rows} tokens has no such place" for edit in lost]
        ends = {(_name(edit), self._end(edit)) for edit in self.edits}
        behind = [
            f"{name} was changed in {end} tokens: after them it is the model's own"
            for name, end in sorted(ends)
            if 0 < end < rows
        ]
        return list(dict.fromkeys([*told, *behind]))

    def _placed(self, edit: Edit, rows: int) -> Edit | None:
        if edit.call is not None and not _reads(edit) and edit.call >= rows:
            return None
        where, value = list[Place](), torch.as_tensor(edit.value)
        for axis, (place, held) in enumerate(self._places(edit)):
            if held is not None:
                low, high = _bounds(place, held or rows)
                if low >= rows:
                    return None
                stop = min(high, rows)
                if held:
                    value = value.narrow(axis - len(self._axes(edit)), 0, stop - low)
                place = place if isinstance(place, int) or (place is None and not held) else (low, stop)
            where.append(place)
        return replace(edit, where=tuple(where), value=value.tolist())

    def _end(self, edit: Edit) -> int:
        """After how many tokens an edit ends that was made of every token there was; 0: none."""
        if edit.call is not None and not _reads(edit):
            same = {
                other.call
                for other in self.edits
                if replace(other, call=None, value=0) == replace(edit, call=None, value=0)
            }
            count = len(self.trace.calls(edit.path))
            return count if same >= set(range(count)) else 0
        return min((_bounds(place, held)[1] for place, held in self._places(edit) if held), default=0)

    def _places(self, edit: Edit) -> list[tuple[Place, int | None]]:
        """For each axis: the place, and if it grows how many numbers the value has for it, 0 where one is for all."""
        axes, value = self._axes(edit), torch.as_tensor(edit.value)
        places = [*edit.where, *[None] * (len(axes) - len(edit.where))]
        sizes = [*[1] * (len(axes) - value.ndim), *value.shape]
        grows = self._growing(edit)
        held = [(size if size > 1 else 0) if axis in grows else None for axis, size in zip(axes, sizes, strict=True)]
        return list(zip(places, held, strict=True))

    def _axes(self, edit: Edit) -> Sequence[str]:
        return _OF_STEPS.get(edit.step, self.trace.axes(edit.path))

    def _growing(self, edit: Edit) -> set[str]:
        """The axes that have an entry for each token written; a recurrent network's steps are calls instead."""
        if _reads(edit) or len(self.trace.calls(edit.path)) > 1:
            return set()
        return _GROWING if "cross_attention" in edit.path else {*_GROWING, "keys"}


def _reads(edit: Edit) -> bool:
    return edit.path.startswith("encoder")


def _bounds(place: Place, size: int) -> tuple[int, int]:
    return (0, size) if place is None else (place, place + 1) if isinstance(place, int) else place


def _name(edit: Edit) -> str:
    """As a person says it: "decoder block 1, self-attention, head 2, masked"."""
    place = re.sub(r"\.blocks\.(\d+)\.", r" block \1, ", edit.path.removesuffix(".attention"))
    head = edit.where[1] if edit.step and len(edit.where) > 1 else None
    parts = [place.replace("_attention", "-attention"), "" if head is None else f"head {head}", edit.step]
    return ", ".join(filter(None, parts))
