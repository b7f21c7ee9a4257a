"""The five scores on one translation task, at equal numbers of parameters.

dot, scaled dot, cosine     none of their own
bilinear                    a matrix; additive: two and a vector. The feed-forward layers give up as many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import mean
from typing import Any

from clearhead.insight.findings import Chart, Findings, Table
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.seq2seq import make_seq2seq
from clearhead.studies.small import exact, made, sample, spread

__all__ = ["run"]

_SCORES = ("scaled-dot", "dot", "cosine", "bilinear", "additive")
_SEEDS, _STEPS, _TRAIN, _TEST = (0, 1, 2), 500, 8000, 400
_SIZES = {"d_model": 64, "heads": 4, "layers": 2}
_D_FF = 160


def run(say: Callable[[str], None]) -> Findings:
    """Exact match on unseen combinations of words, for each score and seed."""
    test = sample("test", _TEST)
    found: dict[str, list[tuple[float, float, float]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for score in _SCORES:
        d_ff = _even(score)
        for seed in _SEEDS:
            say(f"{score}, seed {seed}")
            arch = {**_SIZES, "score": score, "d_ff": d_ff, "dropout": 0.1}
            trained = made(arch, sample("train", _TRAIN), seed=seed, steps=_STEPS)
            found.setdefault(score, []).append((exact(trained.model, test), trained.loss, trained.seconds))
            sizes[score] = d_ff, trained.parameters
    rows: list[list[Any]] = [
        [score, *sizes[score], mean(r[0] for r in runs), min(r[0] for r in runs), max(r[0] for r in runs),
         mean(r[1] for r in runs), 1000 * mean(r[2] for r in runs) / _STEPS]
        for score, runs in found.items()
    ]  # fmt: skip
    best = max(rows, key=lambda row: float(row[3]))
    worst = min(rows, key=lambda row: float(row[3]))
    parts = [sizes[score][1] for score in _SCORES]
    return Findings(
        "scores",
        "Does it matter how a query and a key are compared?",
        f"English-Spanish of the built-in grammar, {_TRAIN:,} sentences, {_STEPS} steps, 2 + 2 layers of d_model 64 "
        f"and 4 heads, {min(parts):,} to {max(parts):,} parameters, seeds {', '.join(map(str, _SEEDS))}; {_TEST} test "
        "sentences with combinations of words that training never saw, greedy",
        [
            Table(
                "The five scores",
                ["score", "d_ff", "parameters", "exact match, %, mean", "lowest", "highest", "loss, nats", "ms a step"],
                rows,
            )
        ],
        [
            Chart(
                "Whole sentences right, lowest to highest seed",
                "score",
                "exact match (%)",
                [spread("exact match", list(_SCORES), [[r[0] for r in found[s]] for s in _SCORES])],
                form="bars",
            ),
            Chart(
                "What a training step takes",
                "score",
                "time of a step (ms)",
                [spread("ms", list(_SCORES), [[1000 * r[2] / _STEPS for r in found[s]] for s in _SCORES])],
                form="bars",
            ),
        ],
        [
            f"Best here is {best[0]} ({best[3]:.1f} %), last {worst[0]} ({worst[3]:.1f} %); between seeds of one "
            f"score lie up to {max(float(row[5]) - float(row[4]) for row in rows):.1f} points.",
            f"A step takes {rows[-1][-1]:.0f} ms with the additive score and {rows[0][-1]:.0f} ms with the scaled "
            "dot: only scores that are products in disguise are products for the machine.",
        ],
    )


def _even(score: str) -> int:
    """The d_ff with which a model of this score has about as many parameters as one of the scaled dot."""
    least = _D_FF // 2
    few, many = _parameters(score, least), _parameters(score, _D_FF)
    each = (many - few) / (_D_FF - least)  # every unit of the feed-forward layers has as many
    return min(_D_FF, max(least, round(_D_FF - (many - _parameters("scaled-dot", _D_FF)) / each)))


@cache
def _parameters(score: str, d_ff: int) -> int:
    config = EncoderDecoderConfig.model_validate({**_SIZES, "score": score, "d_ff": d_ff})
    return sum(weight.numel() for weight in make_seq2seq(config, 4, 4).parameters())
