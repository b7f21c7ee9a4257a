"""Where the tokens of texts stand while they are written: a line in each row, or a tree of texts with one beginning.

The hypotheses of a beam search are such a tree: written so, what they share is held once, and no cache is copied when
one hypothesis gives way to another.

Axes: rows, newest (tokens, one on each branch, the last of the row), tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clearhead.attention import NOBODY, Where

__all__ = ["Branches"]


@dataclass(frozen=True, eq=False)
class Branches:
    """What a cache holds of some rows, with the newest tokens, which are not in it yet.

    Args:
        positions: [rows, tokens]: where each token stands in its text; -1 for padding.
        ancestors: [rows, newest, tokens], bool: which tokens the newest ones descend from, themselves with them. None:
            a row holds one text, whose last token is the newest.
        plain: there is one text in each row, and no padding.
    """

    positions: Tensor
    ancestors: Tensor | None = None
    plain: bool = False

    @classmethod
    def of_texts(cls, lengths: Sequence[int]) -> Branches:
        """In each row one text of so many tokens, the shorter ones padded at the beginning."""
        width = max(lengths)
        return cls(Where.texts(torch.tensor(lengths), width, left=True).keys, plain=min(lengths) == width)

    @classmethod
    def root(cls, rows: int) -> Branches:
        """One token in each row."""
        return cls.of_texts([1] * rows)

    @property
    def tokens(self) -> int:
        """How many tokens a row holds, the newest included."""
        return self.positions.size(1)

    @property
    def newest(self) -> int:
        """How many of them are the newest."""
        return 1 if self.ancestors is None else self.ancestors.size(1)

    def whole(self) -> Where:
        """Where all tokens stand, for a pass that reads them at once; of texts without branches."""
        assert self.ancestors is None, "branches are read as they grow"
        return Where.line(self.tokens) if self.plain else Where(self.positions, self.positions)

    def where(self) -> Where:
        """Where the newest tokens stand, and what the cache holds with them."""
        older = self.tokens - self.newest
        if self.plain:
            return Where.line(1, start=older)
        return Where(self.positions[:, older:], self.positions, kin=self.ancestors, row=older)

    def grown(self, parents: Tensor) -> Branches:
        """The rows with one token more on each of these branches [rows, newest]; a branch may grow several."""
        count = parents.size(1)
        after = self.positions[:, self.tokens - self.newest :].gather(1, parents) + 1
        positions = torch.cat([self.positions, after], dim=1)
        if self.ancestors is None and count == 1:
            return Branches(positions, None, self.plain)
        lines = (self.positions != NOBODY)[:, None] if self.ancestors is None else self.ancestors
        lines = lines.gather(1, parents[:, :, None].expand(-1, -1, self.tokens))
        itself = torch.eye(count, dtype=torch.bool).expand(len(parents), -1, -1)
        return Branches(positions, torch.cat([lines, itself], dim=2))

    def select(self, rows: Tensor) -> Branches:
        """Some of the rows."""
        ancestors = None if self.ancestors is None else self.ancestors.index_select(0, rows)
        return Branches(self.positions.index_select(0, rows), ancestors, self.plain)

    def join(self, other: Branches) -> Branches:
        """These rows and others, ended alike: the shorter ones are padded at the beginning. Neither may branch."""
        assert self.ancestors is None and other.ancestors is None, "a tree is not joined by others"
        width = max(self.tokens, other.tokens)
        padded = [_padded(rows.positions, width) for rows in (self, other)]
        return Branches(torch.cat(padded), None, self.plain and other.plain and self.tokens == other.tokens)

    def pruned(self, share: float = 1.0) -> tuple[Branches, Tensor] | None:
        """(the trees without dead branches, the places of the older tokens that are left [rows, kept], in order).

        As rows are of one length, some that are dead stay in rows with more dead ones than others. None if more than
        `share` of the older tokens would be left, or nothing has ever branched.
        """
        if self.ancestors is None:
            return None
        newest, tokens = self.ancestors.shape[1:]
        older = self.ancestors[:, :, : tokens - newest]
        alive = older.any(1)
        kept = int(alive.sum(1).max())
        if kept > share * alive.size(1):
            return None
        places = alive.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :kept].sort(dim=1).values
        lines = older.gather(2, places[:, None].expand(-1, newest, -1))
        lines = torch.cat([lines, self.ancestors[:, :, tokens - newest :]], dim=2)
        positions = torch.cat([self.positions.gather(1, places), self.positions[:, tokens - newest :]], dim=1)
        return Branches(positions, lines), places


def _padded(positions: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(positions, (width - positions.size(1), 0), value=NOBODY)
