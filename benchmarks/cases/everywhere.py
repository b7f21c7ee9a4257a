"""Training as it is by default, beside plain PyTorch: the demo, a translator, a language model, on this processor.

    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 \\
        .venv/bin/python -m benchmarks run everywhere

imitates, roughly, a processor that has AVX2 and no instructions for bfloat16. clearhead runs the very step of its
training loop with the recipe's own sizes, optimizer and choices (precision and number of threads, which it measures;
nothing compiled). Plain PyTorch is nn.Transformer or the simplest GPT of the same sizes, in float32, gradients clipped,
fused AdamW. Random tokens in lengths like Multi30k's; target tokens that are no padding count. Each contender has a
process of its own. The optimizer's share is that of clearhead's step.
"""

from __future__ import annotations

import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from benchmarks.case import case
from benchmarks.gpts import PlainGPT, Shape
from benchmarks.results import Cell, Table
from benchmarks.steps import RandomText, adamw, loop, pair_job, peer_step
from benchmarks.timing import Contender, Row, in_turns, ratio
from benchmarks.translators import Size, TorchPeer, peer_loss, random_pairs
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.tasks import find_recipe as recipe
from clearhead.training.precision import MasterWeights

Model = Literal["demo", "translator", "language"]
MODELS = {  # (task, recipe, vocabulary, steps a round)
    "demo": ("translate", "demo", 1101, 12),
    "translator": ("translate", None, 8000, 3),
    "language": ("language", None, 8000, 1),
}
_COLUMNS = {
    "": "",
    "clearhead, tokens/s": "{:,.0f}",
    "plain PyTorch": "{:,.0f}",
    "ratio": "{:.2f}",
    "optimizer's share": "{:.1%}",
    "chosen": "",
}
Steps = Callable[[int], tuple[int, float, str]]  # of a round: (tokens, seconds in the optimizers, settings)


def _job(model: str) -> tuple[Any, Any]:
    """(the recipe's configuration, a job on random data)."""
    task, name, vocab, _ = MODELS[model]
    config = recipe(task, name)
    tokens = config.training.batch_tokens
    if task == "language":
        return config, RandomText(Decoder(config.arch, vocab), tokens // config.arch.max_len, vocab)
    return config, pair_job(EncoderDecoder(config.arch, vocab, vocab), random_pairs(6000, vocab), tokens, 0.1)


def _rounds(model: str, job: Any) -> Callable[[int], list[Any]]:
    """The batches of a round."""
    count, keys = MODELS[model][3], job.epoch(0)
    return lambda round_: [keys[(round_ * count + i) % len(keys)] for i in range(count)]


def ours(model: str) -> Steps:
    """Steps of clearhead's loop."""
    config, job = _job(model)
    training = config.training.model_copy(update={"compile": "no"})
    place = Path(tempfile.mkdtemp()) / model
    run = loop(job, place, optimizer=config.optimizer, training=training, schedule=config.schedule)
    at, keys = run.position, _rounds(model, job)

    def steps(round_: int) -> tuple[int, float, str]:
        run.updating = 0.0
        count = sum(run.step([key])[1] for key in keys(round_))
        return count, run.updating, f"{at.precision}, Muon in {at.muon}, {at.threads} threads"

    return steps


def plain(model: str) -> Steps:
    """Steps of plain PyTorch."""
    config, job = _job(model)
    arch, vocab, keys = config.arch, MODELS[model][2], _rounds(model, job)
    if model == "language":
        module: nn.Module = PlainGPT(Shape(arch.layers, arch.d_model, arch.heads, arch.max_len, vocab))
    else:
        module = TorchPeer(Size(arch.layers, arch.d_model, arch.d_ff, arch.heads, vocab))

    def loss(batch: Any) -> Any:
        return module(batch.ids, batch.labels) if model == "language" else peer_loss(module, batch, only_real=False)

    step = peer_step(MasterWeights(module.train(), "float32"), adamw(module, 1e-4), loss)

    def steps(round_: int) -> tuple[int, float, str]:
        batches = [job.batch(key) for key in keys(round_)]
        for batch in batches:
            step(batch)
        count = sum(int((batch.labels > 0).sum()) for batch in batches)
        return count, 0.0, f"float32, fused AdamW, {torch.get_num_threads()} threads"

    return steps


def measured(model: str, rounds: int) -> list[Cell]:
    """The model's line of the table."""
    both, chosen, shares = dict[str, Contender](), "", list[float]()
    for name, make in (("clearhead", ours), ("plain", plain)):
        both[name] = Contender(name, make, model)
        both[name](0)  # it is ready before the next one begins: a busy machine would be what it chooses threads for

    def work(name: str, round_: int) -> float:
        nonlocal chosen
        seconds, (count, updating, settings) = both[name](round_)
        if name == "clearhead":
            chosen = settings
            shares.append(updating / seconds)
        return count

    rows = [Row(name, partial(work, name)) for name in both]
    in_turns(rows, rounds)
    for contender in both.values():
        contender.close()
    one, other = rows
    return [model, one.rate, other.rate, ratio(one, other), statistics.median(shares), chosen]


@case("everywhere", about="training by default beside plain PyTorch, on this processor", duration="8 min")
def everywhere(*, models: tuple[Model, ...] = ("demo", "translator", "language"), rounds: int = 5) -> Iterator[Table]:
    """Measure each model."""
    warnings.filterwarnings("ignore", module="torch")
    torch.manual_seed(0)
    yield Table(_COLUMNS, [measured(model, rounds) for model in models])
