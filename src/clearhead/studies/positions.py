"""What positions look like: the waves with each token's points on them, and how alike positions are at a distance.

sinusoidal  PE(p) . PE(p + n) depends on n alone       (Vaswani et al., 2017)
rotary      so does the score of a turned query and key     (Su et al., 2021)
ALiBi       a penalty that grows with the distance          (Press et al., 2022)
relative    distances share buckets, the farther the more   (Raffel et al., 2020)
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from clearhead.attention import ALiBi, Relative, Rotary, Where, sinusoids
from clearhead.insight.findings import Chart, Curve, Findings, Table

__all__ = ["run"]

_SENTENCE = ("Write", "a", "poem", "about", "the", "sea", "<eos>")
_SHOWN = 8  # numbers of an encoding that are drawn
_WIDTH, _DISTANCES, _SEED = 64, 65, 0


@torch.no_grad()
def run(say: Callable[[str], None]) -> Findings:
    """The encodings of a sentence, and similarity by distance for each kind of positions."""
    say("waves")
    table, waves = _encodings()
    say("distances")
    away = torch.arange(_DISTANCES)
    distances = away.double().tolist()
    places = sinusoids(_DISTANCES, _WIDTH).double()
    alike = (places @ places[0] / places[0].square().sum()).tolist()
    turned = _turned(away)
    similarity = Chart(
        "How alike two positions are",
        "distance (tokens)",
        "similarity over that at distance 0",
        [
            Curve(f"sinusoidal, d_model {_WIDTH}: PE(p) . PE(p + n)", distances, alike),
            Curve(f"rotary, head_dim {_WIDTH}: q . k of equal q and k", distances, turned),
        ],
    )
    slopes = ALiBi(8).between(Where.across(1, _DISTANCES))[0, :, 0].double()
    penalties = Chart(
        "ALiBi: what is added to a similarity",
        "distance (tokens)",
        "bias (added to the scaled similarity)",
        [Curve(f"head {head} of 8", distances, slopes[head].tolist()) for head in (0, 1, 3, 7)],
    )
    buckets = Relative(1, ahead=False).bucket(-away)
    shared = Chart(
        "T5: which distances share a number",
        "distance (tokens)",
        "bucket",
        [Curve("32 buckets, farthest 128", distances, buckets.double().tolist())],
    )
    shift = max(
        float((places[p] @ places[p + n] - places[0] @ places[n]).abs())
        for p in range(0, 32, 7)
        for n in range(0, 32, 5)
    )
    told = int((buckets.diff() > 0).sum()) + 1
    return Findings(
        "positions",
        "What do positions look like, and how alike are they at a distance?",
        f"a sentence of {len(_SENTENCE)} tokens; d_model and head_dim {_WIDTH}; nothing is trained (seed {_SEED})",
        [table],
        [waves, similarity, penalties, shared],
        [
            "The product of two sinusoidal encodings depends on their distance alone (largest deviation "
            f"{shift:.0e}), and "
            f"is {alike[1]:.2f} of its largest one token away, {alike[8]:.2f} eight tokens away.",
            "A rotary score of equal queries and keys falls with the distance just so: the same waves, turned into q "
            "and k instead of added to x (largest difference "
            f"{max(abs(a - b) for a, b in zip(alike, turned, strict=True)):.0e}).",
            f"ALiBi's first head of 8 takes {-slopes[0, 1]:.2f} off for each token of distance, its last "
            f"{-slopes[7, 1]:.4f}.",
            f"T5 tells {told} of the {_DISTANCES} distances apart, every one up to {_exact(buckets)}.",
        ],
    )


def _encodings() -> tuple[Table, Chart]:
    """The numbers of each token of a sentence, and the waves they are taken from."""
    encodings = sinusoids(len(_SENTENCE), _SHOWN)
    table = Table(
        f"Sinusoidal encodings of a sentence, d_model {_SHOWN}",
        ["position", "token", *(f"number {i}" for i in range(_SHOWN))],
        [[p, token, *encodings[p].tolist()] for p, token in enumerate(_SENTENCE)],
    )
    fine = [p / 20 for p in range(20 * (len(_SENTENCE) - 1) + 1)]
    curves: list[Curve] = []
    for i in range(0, 6, 2):  # the sines of the three fastest waves
        frequency = 10000.0 ** (-i / _SHOWN)
        wave = torch.tensor(fine, dtype=torch.float64).mul(frequency).sin().tolist()
        curves.append(Curve(f"number {i}: sin(p / {1 / frequency:.3g})", fine, wave))
        tokens = [float(p) for p in range(len(_SENTENCE))]
        curves.append(Curve("", tokens, encodings[:, i].tolist(), labels=_SENTENCE if i == 0 else ()))
    return table, Chart(
        "Each token takes its numbers off the waves", "position p (tokens)", "number of the encoding", curves
    )


def _turned(away: torch.Tensor) -> list[float]:
    """q . k for one vector of ones, turned by position 0 and by each distance, over head_dim."""
    rotation = Rotary(_WIDTH)(Where.line(len(away)))
    k = rotation(torch.ones(1, 1, len(away), _WIDTH, dtype=torch.float64))[0, 0]
    return [float(x) for x in k @ k[0] / _WIDTH]


def _exact(buckets: torch.Tensor) -> int:
    """The largest distance up to which each has a bucket of its own."""
    return int((buckets.diff() == 0).nonzero()[0])
