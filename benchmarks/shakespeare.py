"""Tiny Shakespeare by characters: the recipe `shakespeare` against nanoGPT's configuration for CPUs, by the clock.

    .venv/bin/python benchmarks/shakespeare.py input.txt [--seeds 3] [--shares 0.5 1 3]

T is what that configuration takes here in plain PyTorch (4 layers, 4 heads, 128 wide, 64 characters, 12 rows, 2,000
steps, AdamW 1e-3 to 1e-4 by a cosine, beta2 0.99, no dropout): the least of float32, float32 compiled, bfloat16 weights
over float32 masters, and the same compiled, compilation counted; it is measured on some hundred steps of each, and the
fastest is run whole. clearhead's recipe then gets shares of T, the number of steps chosen from its own pace. Evaluation
counts on neither side. Losses are nats a character over the whole last tenth, in windows that do not overlap.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path

import torch

import clearhead
from _gpt import PlainGPT, Shape, adamw
from _rounds import machine, table
from clearhead.folder import Folder
from clearhead.training.precision import Weights

SHAPE = Shape(layers=4, d_model=128, heads=4, context=64, vocab=65)
ROWS, STEPS, WARMUP = 12, 2000, 100
WAYS = ("float32", "float32 compiled", "bfloat16", "bfloat16 compiled")
_TRIAL = 100  # steps
_RESERVE = 0.92  # of a share is planned for: the pace of a long run is not the pace of the trial


class Mark:
    """nanoGPT's configuration for CPUs in plain PyTorch."""

    def __init__(self, text: str, way: str):
        letters = sorted(set(text))
        ids = torch.tensor([letters.index(c) for c in text])
        cut = int(0.9 * len(ids))
        self.train, self.valid = ids[:cut], ids[cut:]
        torch.manual_seed(1337)
        master = PlainGPT(Shape(4, 128, 4, 64, len(letters)), biases=False)
        self.weights = Weights(master, way.partition(" ")[0])
        self.optimizer = adamw(master, 1e-3)
        self.model = torch.compile(self.weights.working) if way.endswith("compiled") else self.weights.working
        self.seconds, self.step = 0.0, 0

    def run(self, steps: int) -> None:
        """So many steps, timed."""
        start = time.perf_counter()
        for _ in range(steps):
            at = torch.randint(len(self.train) - SHAPE.context, (ROWS,))
            rows = self.train[at[:, None] + torch.arange(SHAPE.context + 1)]
            self.model(rows[:, :-1], rows[:, 1:]).backward()
            self.weights.gather()
            torch.nn.utils.clip_grad_norm_(self.weights.master.parameters(), 1.0)
            cosine = 0.5 * (1 + math.cos(math.pi * max(0, self.step - WARMUP) / (STEPS - WARMUP)))
            for group in self.optimizer.param_groups:
                group["lr"] = 1e-3 * self.step / WARMUP if self.step < WARMUP else 1e-4 + cosine * 9e-4
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.weights.publish()
            self.step += 1
        self.seconds += time.perf_counter() - start

    @torch.no_grad()
    def loss(self) -> float:
        """Over the whole last tenth."""
        count = (len(self.valid) - 1) // SHAPE.context * SHAPE.context
        ids = self.valid[:count].view(-1, SHAPE.context)
        labels = self.valid[1 : count + 1].view(-1, SHAPE.context)
        losses = [self.model(i, t) for i, t in zip(ids.split(256), labels.split(256), strict=True)]
        weights = [len(i) for i in ids.split(256)]
        return sum(float(loss) * w for loss, w in zip(losses, weights, strict=True)) / len(ids)


def mark(text: str) -> float:
    """T in seconds; what each way takes is printed."""
    best, least = "", math.inf
    for way in WAYS:
        trial = Mark(text, way)
        trial.run(1)
        compiling = trial.seconds
        trial.run(10)
        before = trial.seconds
        trial.run(_TRIAL)
        whole = compiling + (trial.seconds - before) / _TRIAL * STEPS
        step = (trial.seconds - before) / _TRIAL * 1e3
        print(f"  {way:<20}{step:6.1f} ms a step, {compiling:5.1f} s for the first one: {whole:6.1f} s")
        if whole < least:
            best, least = way, whole
    whole_run = Mark(text, best)
    whole_run.run(STEPS)
    print(f"the mark, {best}: {whole_run.seconds:.1f} s, loss {whole_run.loss():.4f}")
    return whole_run.seconds


def ours(file: str, steps: int, seed: int) -> tuple[float, float]:
    """(seconds of training, loss) of the recipe for so many steps; it is evaluated once, after the last."""
    with tempfile.TemporaryDirectory() as place:
        out, training = Path(place) / "m", {"evaluations": 1}
        clearhead.train(
            "language", file, out=out, recipe="shakespeare", max_steps=steps, seed=seed, training=training, quiet=True
        )
        results = Folder(out).config()["results"]
        return results["seconds"], results["validation"]["loss"]


def main() -> None:
    """Measure T, then the recipe in shares of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.5, 1.0, 3.0])
    options = parser.parse_args()
    print(machine())
    whole = mark(Path(options.file).read_text(encoding="utf-8"))
    trial, _ = ours(options.file, 2 * _TRIAL, 0)
    pace = trial / (2 * _TRIAL)
    print(f"clearhead: {pace * 1e3:.1f} ms a step")
    rows = []
    for share in options.shares:
        steps = int(_RESERVE * share * whole / pace)
        runs = [ours(options.file, steps, seed) for seed in range(options.seeds)]
        losses, seconds = [loss for _, loss in runs], [seconds for seconds, _ in runs]
        spread = f"{min(losses):.4f} to {max(losses):.4f}"
        part = f"{max(seconds) / whole:.2f}"
        rows.append(
            [f"{share:g} T", f"{steps:,}", f"{statistics.mean(losses):.4f}", spread, f"{max(seconds):.0f}", part]
        )
    table(["clearhead in", "steps", "loss", "seeds", "seconds, the longest", "of T"], rows)


if __name__ == "__main__":
    main()
