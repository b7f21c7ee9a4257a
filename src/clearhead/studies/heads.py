"""How many heads, how wide, and how many keys and values: quality, speed and cache.

split       h heads of d_model / h numbers       (Vaswani et al., 2017)
full width  each head sees the whole embedding
grouped     fewer heads of keys and values than of queries       (Ainslie et al., 2023)
multi-query one head of keys and values for all                  (Shazeer, 2019)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean
from typing import Any

from clearhead.insight.findings import Chart, Findings, Table
from clearhead.studies.small import exact, made, sample, spread

__all__ = ["run"]

_KINDS: dict[str, dict[str, object]] = {
    "1 head": {"heads": 1},
    "2 heads": {"heads": 2},
    "4 heads": {"heads": 4},
    "8 heads": {"heads": 8},
    "4 full-width": {"heads": 4, "head_dim": 64},
    "8, 2 groups": {"heads": 8, "kv_heads": 2},
    "8, 1 group": {"heads": 8, "kv_heads": 1},
}
_COLUMNS = ["heads", "parameters", "exact match, %, mean", "lowest", "highest"]
_COLUMNS += ["tokens/s written", "bytes of cache a token"]
_SEEDS, _STEPS, _TRAIN, _TEST = (0, 1), 500, 8000, 400


def run(say: Callable[[str], None]) -> Findings:
    """Exact match on unseen combinations of words, decoding speed and cache for each kind of heads."""
    right, rates, about = _measure(say)
    rows: list[list[Any]] = [
        [kind, about[kind][0], mean(right[kind]), min(right[kind]), max(right[kind]), mean(rates[kind]), about[kind][1]]
        for kind in _KINDS
    ]
    value = {str(row[0]): row for row in rows}
    several = max(("2 heads", "4 heads", "8 heads"), key=lambda kind: float(value[kind][2]))
    return Findings(
        "heads",
        "How many heads, how wide, and how many keys and values?",
        f"English-Spanish of the built-in grammar, {_TRAIN:,} sentences, {_STEPS} steps, 2 + 2 layers of d_model 64, "
        f"seeds {', '.join(map(str, _SEEDS))}; {_TEST} test sentences with combinations of words that training never "
        "saw; exact match is greedy, speed with 4 beams",
        [
            Table(
                "Kinds of heads",
                _COLUMNS,
                rows,
            )
        ],
        [
            Chart(
                "Whole sentences right, lowest to highest seed",
                "heads",
                "exact match (%)",
                [spread("exact match", list(_KINDS), list(right.values()))],
                form="bars",
            ),
            Chart(
                "What decoding keeps for a token",
                "heads",
                "cache (bytes a token, float32)",
                [spread("bytes", list(_KINDS), [[about[kind][1]] for kind in _KINDS])],
                form="bars",
            ),
            Chart(
                "How fast it writes",
                "heads",
                "tokens a second (4 beams)",
                [spread("tokens/s", list(_KINDS), list(rates.values()))],
                form="bars",
            ),
        ],
        [
            f"One head gets {value['1 head'][2]:.1f} % right, {several} of the same total width "
            f"{value[several][2]:.1f} %.",
            f"Four heads that each see the whole embedding get {value['4 full-width'][2]:.1f} % with "
            f"{value['4 full-width'][1]:,} parameters instead of {value['4 heads'][1]:,}.",
            f"Eight heads keep {value['8 heads'][6]:,} bytes a token; in two groups {value['8, 2 groups'][6]:,} and "
            f"{value['8, 2 groups'][2]:.1f} % right, in one {value['8, 1 group'][6]:,} and "
            f"{value['8, 1 group'][2]:.1f} % "
            f"(with eight of their own {value['8 heads'][2]:.1f} %).",
        ],
    )


def _measure(
    say: Callable[[str], None],
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, tuple[int, int]]]:
    """For each kind: exact match and tokens written a second for each seed; parameters, and bytes of cache a token."""
    test = sample("test", _TEST)
    right: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    about: dict[str, tuple[int, int]] = {}
    for kind, arch in _KINDS.items():
        for seed in _SEEDS:
            say(f"{kind}, seed {seed}")
            sizes = {"d_model": 64, "d_ff": 128, "layers": 2, "dropout": 0.1}
            trained = made({**sizes, **arch}, sample("train", _TRAIN), seed=seed, steps=_STEPS)
            right.setdefault(kind, []).append(exact(trained.model, test))
            start = time.perf_counter()
            outputs = trained.model.translate([source for source, _ in test], beam=4)
            written = sum(len(row) + 1 for row in trained.model.tokenizers.target.encode(outputs))
            rates.setdefault(kind, []).append(written / (time.perf_counter() - start))
            about[kind] = trained.parameters, 4 * trained.model.module.remembered[0]
    return right, rates, about
