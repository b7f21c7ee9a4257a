"""Texts that share their beginnings, written side by side as one tree of tokens in each row.

The hypotheses of a beam search are such a tree: written so, what they share is held once, and no cache is copied when
one hypothesis gives way to another.

Axes: rows, newest (tokens, one on each branch, the last of the row), tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clearhead.attention import NOBODY, Where

__all__ = ["Branches"]


@dataclass(frozen=True, eq=False)
class Branches:
    """The trees of some rows.

    Args:
        ancestors: [rows, newest, tokens], bool: which tokens the newest ones descend from, themselves with them.
        positions: [rows, tokens]: where each token stands in its text; -1 for padding.
        line: one text in each row, of one length: every token is an ancestor.
    """

    ancestors: Tensor
    positions: Tensor
    line: bool = False

    @classmethod
    def root(cls, rows: int, device: torch.device | None = None) -> Branches:
        """One token in each row."""
        ancestors = torch.ones(rows, 1, 1, dtype=torch.bool, device=device)
        return cls(ancestors, torch.zeros(rows, 1, dtype=torch.long, device=device), line=True)

    @classmethod
    def of_texts(cls, lengths: Tensor, width: int) -> Branches:
        """In each row one text of so many tokens without a branch, padded at the beginning to `width`."""
        positions = Where.texts(lengths, width, left=True).keys
        return cls((positions != NOBODY)[:, None], positions)

    def where(self) -> Where:
        """Where the newest tokens stand, and what the cache holds with them."""
        newest, tokens = self.ancestors.shape[1:]
        if self.line:
            return Where.line(1, start=tokens - 1, device=self.positions.device)
        queries = self.positions[:, tokens - newest :]
        return Where(queries, self.positions, kin=self.ancestors, row=tokens - newest)

    def grown(self, parents: Tensor) -> Branches:
        """The trees with one token more on each of these branches [rows, newest]; a branch may grow several."""
        count = parents.size(1)
        newest, tokens = self.ancestors.shape[1:]
        lines = self.ancestors.gather(1, parents[:, :, None].expand(-1, -1, tokens))
        itself = torch.eye(count, dtype=torch.bool, device=parents.device).expand(len(parents), -1, -1)
        after = self.positions[:, tokens - newest :].gather(1, parents) + 1
        return Branches(
            torch.cat([lines, itself], dim=2),
            torch.cat([self.positions, after], dim=1),
            line=self.line and newest == count == 1,
        )

    def select(self, rows: Tensor) -> Branches:
        """The trees of these rows."""
        return Branches(self.ancestors.index_select(0, rows), self.positions.index_select(0, rows), self.line)

    def pruned(self, share: float = 1.0) -> tuple[Branches, Tensor] | None:
        """(the trees without dead branches, the places of the older tokens that are left [rows, kept], in order).

        As rows are of one length, some that are dead stay in rows with more dead ones than others. None if more than
        `share` of the older tokens would be left.
        """
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
        return Branches(lines, positions, self.line), places
