"""Width, depth and heads at equal compute: the same products a step, in other shapes."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

from clearhead.insight.findings import Chart, Curve, Findings, Table
from clearhead.studies.small import exact, made, sample, spread

__all__ = ["run"]

# (d_model, layers, heads): layers * d_model^2 is about the same, and so are the products inside the blocks.
_SHAPES = ((32, 8, 4), (44, 4, 4), (64, 2, 1), (64, 2, 4), (64, 2, 8), (88, 1, 4))
_SEEDS, _STEPS, _TRAIN, _TEST = (0, 1), 500, 8000, 400


def run(say: Callable[[str], None]) -> Findings:
    """Exact match on unseen combinations of words and seconds, for each shape."""
    test = sample("test", _TEST)
    names: list[str] = []
    rows: list[list[Any]] = []
    right: list[list[float]] = []
    took: list[list[float]] = []
    for width, layers, heads in _SHAPES:
        name = f"{width} wide, {layers} deep, {heads} head{'s' if heads > 1 else ''}"
        runs = []
        for seed in _SEEDS:
            say(f"{name}, seed {seed}")
            arch = {"d_model": width, "d_ff": 2 * width, "layers": layers, "heads": heads}
            runs.append(made(arch, sample("train", _TRAIN), seed=seed, steps=_STEPS))
        inside = sum(w.numel() for n, w in runs[0].model.module.named_parameters() if ".blocks." in n and w.ndim == 2)
        names.append(name)
        right.append([exact(r.model, test) for r in runs])
        took.append([1000 * r.seconds / _STEPS for r in runs])
        rows.append(
            [name, inside, runs[0].parameters, mean(right[-1]), min(right[-1]), max(right[-1]),
             mean(r.loss for r in runs), mean(took[-1])]
        )  # fmt: skip
    best, fastest = max(rows, key=lambda row: float(row[3])), min(rows, key=lambda row: float(row[7]))
    numbers = [int(row[1]) for row in rows]
    return Findings(
        "size",
        "Wide or deep, with the same compute?",
        f"English-Spanish of the built-in grammar, {_TRAIN:,} sentences, {_STEPS} steps; matrices inside the blocks "
        f"of {min(numbers):,} to {max(numbers):,} numbers, so that each token costs as many products; as many layers "
        f"in encoder and decoder; seeds {', '.join(map(str, _SEEDS))}; {_TEST} test sentences with combinations of "
        "words that training never saw, greedy",
        [
            Table(
                "Shapes of equal compute",
                ["shape", "numbers in the blocks' matrices", "parameters", "exact match, %, mean", "lowest", "highest",
                 "loss, nats", "ms a step"],
                rows,
            )
        ],
        [
            Chart("Whole sentences right, lowest to highest seed", "shape", "exact match (%)",
                  [spread("exact match", names, right)], form="bars"),
            Chart("What is right for the time it took", "time of a step (ms)", "exact match (%)",
                  [Curve(n, [float(r[7])], [float(r[3])]) for n, r in zip(names, rows, strict=True)], form="points"),
        ],
        [
            f"Best here is {best[0]} ({best[3]:.1f} % right); the fastest step is that of {fastest[0]} "
            f"({fastest[7]:.0f} ms against {max(float(r[7]) for r in rows):.0f} ms): a deep and narrow model does as "
            "many products in more and smaller pieces.",
        ],
    )  # fmt: skip
