"""Tiny Shakespeare by characters: the recipe `shakespeare` against nanoGPT's configuration for CPUs, by the clock.

T is what that configuration takes here in plain PyTorch (4 layers, 4 heads, 128 wide, 64 characters, 12 rows, 2,000
steps, AdamW 1e-3 to 1e-4 by a cosine, beta2 0.99, no dropout): the least of float32, float32 compiled, bfloat16 weights
over float32 masters, and the same compiled, compilation counted; it is measured on some hundred steps of each, and the
fastest is run whole. clearhead's recipe then gets shares of T, the number of steps chosen from its own pace. Evaluation
counts on neither side. Losses are nats a character over the whole last tenth, in windows that do not overlap.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

import clearhead
from benchmarks.case import case
from benchmarks.gpts import PlainGPT, Shape
from benchmarks.results import Cell, Table, ends
from benchmarks.steps import adamw, peer_step
from clearhead.folder import Folder
from clearhead.training.precision import MasterWeights

CONTEXT, ROWS, STEPS, WARMUP = 64, 12, 2000, 100
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
        master = PlainGPT(Shape(4, 128, 4, CONTEXT, len(letters)), biases=False)
        weights = MasterWeights(master, way.partition(" ")[0])
        self.optimizer = adamw(master, 1e-3)
        self.model = torch.compile(weights.working) if way.endswith("compiled") else weights.working
        self._step = peer_step(weights, self.optimizer, self.model)
        self.seconds, self.step = 0.0, 0

    def run(self, steps: int) -> float:
        """So many steps; their seconds."""
        start = time.perf_counter()
        for _ in range(steps):
            at = torch.randint(len(self.train) - CONTEXT, (ROWS,))
            rows = self.train[at[:, None] + torch.arange(CONTEXT + 1)]
            cosine = 0.5 * (1 + math.cos(math.pi * max(0, self.step - WARMUP) / (STEPS - WARMUP)))
            for group in self.optimizer.param_groups:
                group["lr"] = 1e-3 * self.step / WARMUP if self.step < WARMUP else 1e-4 + cosine * 9e-4
            self._step(rows[:, :-1], rows[:, 1:])
            self.step += 1
        taken = time.perf_counter() - start
        self.seconds += taken
        return taken

    @torch.no_grad()
    def loss(self) -> float:
        """Over the whole last tenth."""
        count = (len(self.valid) - 1) // CONTEXT * CONTEXT
        ids = self.valid[:count].view(-1, CONTEXT)
        labels = self.valid[1 : count + 1].view(-1, CONTEXT)
        losses = [self.model(i, t) for i, t in zip(ids.split(256), labels.split(256), strict=True)]
        weights = [len(i) for i in ids.split(256)]
        return sum(float(loss) * w for loss, w in zip(losses, weights, strict=True)) / len(ids)


def mark(text: str) -> tuple[float, Table]:
    """(T in seconds, what each way takes)."""
    rows: list[list[Cell]] = []
    for way in WAYS:
        trial = Mark(text, way)
        compiling = trial.run(1)
        trial.run(10)
        step = trial.run(_TRIAL) / _TRIAL
        rows.append([way, 1e3 * step, compiling, compiling + step * STEPS])
    best = min(rows, key=lambda row: row[-1])[0]
    whole = Mark(text, str(best))
    whole.run(STEPS)
    remark = f"the mark, {best}: T = {whole.seconds:.1f} s, loss {whole.loss():.4f}"
    columns = {"plain PyTorch": "", "a step": "{:.1f} ms", "the first one": "{:.1f} s", "the whole": "{:.1f} s"}
    return whole.seconds, Table(columns, rows, remarks=[remark])


def ours(file: Path, steps: int, seed: int) -> tuple[float, float]:
    """(seconds of training, loss) of the recipe for so many steps; it is evaluated once, after the last."""
    with tempfile.TemporaryDirectory() as place:
        out, more = Path(place) / "m", {"training": {"evaluations": 1}, "recipe": "shakespeare", "quiet": True}
        clearhead.train("language", str(file), out=out, max_steps=steps, seed=seed, **more)
        results = Folder(out).config()["results"]
        return results["seconds"], results["validation"]["loss"]


@case("shakespeare", about="the recipe beside nanoGPT's configuration for CPUs, by the clock", duration="40 min")
def shakespeare(*, text: Path, seeds: int = 3, shares: tuple[float, ...] = (0.5, 1.0, 3.0)) -> Iterator[Table]:
    """Measure T, then the recipe in shares of it.

    Args:
        text: the file of Tiny Shakespeare.
        seeds: how many.
        shares: of T.
    """
    whole, table = mark(text.read_text(encoding="utf-8"))
    yield table
    pace = ours(text, 2 * _TRIAL, 0)[0] / (2 * _TRIAL)
    rows: list[list[Cell]] = []
    for share in shares:
        steps = int(_RESERVE * share * whole / pace)
        seconds, losses = zip(*(ours(text, steps, seed) for seed in range(seeds)), strict=True)
        rows.append([f"{share:g} T", steps, statistics.mean(losses), ends(losses), max(seconds), max(seconds) / whole])
    columns = {
        "clearhead in": "",
        "steps": "{:,}",
        "loss": "{:.4f}",
        "seeds": "{:.4f}",
        "seconds, the longest": "{:.0f}",
    }
    yield Table(columns | {"of T": "{:.2f}"}, rows, title=f"the recipe: {pace * 1e3:.1f} ms a step")
