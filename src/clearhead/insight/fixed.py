"""Heads that know nothing but places: one key, drawn by chance, for each position of a text (or for each text).

    P(excess >= D) <= min over m of  exp(-m D) prod_i E exp(m (A[i, K] - E A[i, K])),   K drawn for each position i
                                                                                                     (Chernoff, 1952)

A[i, k] is in how many texts the row at position i was to look at key k. To such a head the same position in another
text is not new evidence: 100 texts of 8 tokens are 8 draws. So are the rows of a text to a head that has one key for
each text. Soft heads are compared as soft as they are.

Axes: heads, rows, keys.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PLACES", "FixedKeys"]

PLACES = 32  # later ones are left out: so many are evidence enough
_STEEPNESS = torch.logspace(-2, 4, 49, dtype=torch.float64)  # where the bound is tried, in units of the largest A
_ROUNDING = 1.02


class FixedKeys:
    """Collects what one score has found, by place; `away` compares with heads of fixed keys."""

    def __init__(self) -> None:
        self._hits = self._chance = torch.zeros(PLACES, 0, dtype=torch.float64)
        self._excess = self._sharp = torch.zeros(0, dtype=torch.float64)
        self._most = 0.0

    def add(self, better: Tensor, sharp: Tensor, places: Tensor, wanted: Tensor, allowed: Tensor) -> None:
        """Rows that could have shown it.

        Args:
            better: how much more than chance each showed, [heads, rows].
            sharp: what the best key could have shown, from 0 (no more than the others) to 1, [heads, rows].
            places: the position of each in its text (or the number of the text), [rows].
            wanted: how much each key would have counted, [rows, keys].
            allowed: which keys each may look at, [rows, keys].
        """
        near = places < PLACES
        places, wanted, allowed = places[near], wanted[near].double(), allowed[near].double()
        even = allowed / allowed.sum(-1, keepdim=True)
        more = max(0, wanted.size(1) - self._hits.size(1))
        self._hits = F.pad(self._hits, (0, more))
        self._chance = F.pad(self._chance, (0, more))
        self._hits[:, : wanted.size(1)].index_add_(0, places, wanted)
        self._chance[:, : wanted.size(1)].index_add_(0, places, even)
        best = wanted.amax(-1) - (even * wanted).sum(-1)
        excess = better[:, near].double().sum(1)
        self._excess = excess if not len(self._excess) else self._excess + excess
        reached = (sharp[:, near].double() * best).sum(1)
        self._sharp = reached if not len(self._sharp) else self._sharp + reached
        self._most += float(best.sum())

    def away(self) -> list[float]:
        """For each head how far it is from heads of fixed keys, in standard errors of a normal distribution."""
        held = self._chance.sum(1) > 0
        chance = self._chance[held] / self._chance[held].sum(1, keepdim=True)
        hits, expected = self._hits[held], (chance * self._hits[held]).sum(1)
        most = float((hits.masked_fill(chance == 0, 0.0).amax(1) - expected).sum())
        steps = _STEEPNESS / max(1e-9, float(hits.max()))
        bounds = torch.stack([((chance.log() + m * hits).logsumexp(1) - m * expected).sum() for m in steps])
        found = []
        for excess, sharp in zip(self._excess.tolist(), self._sharp.tolist(), strict=True):
            reached = excess / max(1e-9, sharp / max(1e-9, self._most))
            if excess > _ROUNDING * most:
                found.append(math.inf)  # no head of fixed keys reaches it
            else:
                found.append(_errors(float((bounds - steps * min(reached, most)).min())))
        return found


def _errors(log_p: float) -> float:
    """How many standard errors have this probability on their far side; none where it is a half or more."""
    if log_p < -600:
        return math.sqrt(-2 * log_p)
    return max(0.0, -NormalDist().inv_cdf(min(math.exp(min(log_p, 0.0)), 0.5)))
