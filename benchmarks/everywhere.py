"""Training as it is by default, beside plain PyTorch: the demo, a translator, a language model, on this processor.

    .venv/bin/python benchmarks/everywhere.py [--models demo translator language] [--rounds 5]

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 .venv/bin/python ...

The second line imitates, roughly, a processor that has AVX2 and no instructions for bfloat16. clearhead runs the very
step of its training loop with the recipe's own sizes, optimizer and choices (precision and number of threads, which it
measures; nothing compiled). Plain PyTorch is nn.Transformer or the simplest GPT (`_gpt.py`) of the same sizes, in
float32, gradients clipped, fused AdamW. Random tokens in lengths like Multi30k's; target tokens that are no padding
count. Each contender has a process of its own. The optimizer's share is that of clearhead's step.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _gpt import PlainGPT, Shape, adamw
from _peers import Size, TorchPeer, peer_loss
from _rounds import Contender, Row, in_turns, machine, ratio, table
from clearhead.folder import Folder
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.tasks import find_recipe as recipe
from clearhead.tasks.pairs import PairJob
from clearhead.training.job import Plan
from clearhead.training.loop import Loop
from clearhead.training.run import begin
from gpt import RandomText
from training import random_pairs

MODELS = {  # (task, recipe, vocabulary, steps a round)
    "demo": ("translate", "demo", 1101, 12),
    "translator": ("translate", None, 8000, 3),
    "language": ("language", None, 8000, 1),
}
_CLIP = 1.0


class _Timed(Loop):
    """The loop's own run, which also knows how long its optimizers took."""

    updating = 0.0

    def _update(self) -> None:
        start = time.perf_counter()
        super()._update()
        self.updating += time.perf_counter() - start


def _job(model: str) -> tuple[Any, Any]:
    """(the recipe's configuration, a job on random data)."""
    task, name, vocab, _ = MODELS[model]
    config = recipe(task, name)
    if task == "language":
        rows = config.training.batch_tokens // config.arch.max_len
        return config, RandomText(Decoder(config.arch, vocab), rows, vocab)
    pairs = random_pairs(6000, vocab)
    module = EncoderDecoder(config.arch, vocab, vocab)
    return config, PairJob(module, pairs, pairs, seed=0, batch_tokens=config.training.batch_tokens, label_smoothing=0.1)


def ours(model: str) -> Callable[[int], tuple[int, float, str]]:
    """Steps of clearhead's loop: (tokens, seconds in the optimizers, what it chose)."""
    config, job = _job(model)
    job.held_out, job.summary = list, lambda sums: {"loss": 1.0}
    training = config.training.model_copy(update={"compile": "no"})
    plan = Plan(0, 10**6, 0, config.optimizer, config.schedule, training)
    run = _Timed(job, plan, Folder(Path(tempfile.mkdtemp()) / model), quiet=True)
    begin(run, resume=False)
    at, keys = run.position, job.epoch(0)

    def steps(round_: int) -> tuple[int, float, str]:
        count, run.updating = 0, 0.0
        for i in range(MODELS[model][3]):
            count += run.step([keys[(round_ * MODELS[model][3] + i) % len(keys)]])[1]
        return count, run.updating, f"{at.precision}, Muon in {at.muon}, {at.threads} threads"

    return steps


def plain(model: str) -> Callable[[int], tuple[int, float, str]]:
    """Steps of plain PyTorch: (tokens, 0, its settings)."""
    config, job = _job(model)
    arch, vocab, each = config.arch, MODELS[model][2], MODELS[model][3]
    keys = job.epoch(0)
    if model == "language":
        module: nn.Module = PlainGPT(Shape(arch.layers, arch.d_model, arch.heads, arch.max_len, vocab))
        loss: Callable[[Any], Any] = lambda batch: module(batch.ids, batch.labels)  # noqa: E731
    else:
        module = TorchPeer(Size(arch.layers, arch.d_model, arch.d_ff, arch.heads, vocab))
        loss = lambda batch: peer_loss(module, batch, only_real=False)  # noqa: E731
    optimizer = adamw(module.train(), 1e-4)

    def steps(round_: int) -> tuple[int, float, str]:
        count = 0
        for i in range(each):
            batch = job.batch(keys[(round_ * each + i) % len(keys)])
            value = loss(batch)
            value.backward()
            value.item()
            nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
            optimizer.step()
            optimizer.zero_grad()
            count += int((batch.labels > 0).sum())
        return count, 0.0, f"float32, fused AdamW, {torch.get_num_threads()} threads"

    return steps


def measured(model: str, rounds: int) -> list[str]:
    """The model's line of the table."""
    both = {}
    for name, make in (("clearhead", ours), ("plain", plain)):
        both[name] = Contender(name, make, model)
        both[name](0)  # it is ready before the next one begins: a busy machine would be what it chooses threads for
    chosen, shares = "", []

    def way(name: str) -> Callable[[int], float]:
        def work(round_: int) -> float:
            nonlocal chosen
            seconds, (count, updating, settings) = both[name](round_)
            if name == "clearhead":
                chosen = settings
                shares.append(updating / seconds)
            return count

        return work

    rows = [Row(name, way(name)) for name in both]
    in_turns(rows, rounds)
    for contender in both.values():
        contender.close()
    one, other = rows
    share = f"{np.median(shares):.1%}"
    return [f"  {model}", f"{one.rate:,.0f}", f"{other.rate:,.0f}", ratio(one, other), share, chosen]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="torch")
    torch.manual_seed(0)
    print(f"{machine()}; kernels of {torch.backends.cpu.get_cpu_capability()}")
    lines = [measured(model, options.rounds) for model in options.models]
    table(["", "tokens/s", "plain PyTorch", "ratio", "optimizer", "chosen"], lines)


if __name__ == "__main__":
    main()
