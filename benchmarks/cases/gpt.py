"""Training speed of GPTs beside transformers, x-transformers and plain PyTorch: tokens a second, whole steps.

small: 6 layers, 384 wide, 6 heads, 16 rows of 256 tokens, vocabulary 8,000. gpt2: 12 layers, 768 wide, 12 heads, 2 rows
of 256, vocabulary 50,257 (124 M parameters). Learned positions, pre-norm, GELU (by the error function: on CPUs the
faster of its two forms) and biases, as GPT-2 has them; tied embeddings; no dropout; float32 master weights, gradients
clipped, fused AdamW, for everybody. clearhead runs the very step of its training loop; the peers are measured in
float32, under bfloat16 autocast and with bfloat16 weights over float32 masters (our `MasterWeights`, lent to them),
and the fastest of these compiled, compilation not counted. The plain model is the trivial baseline. Random tokens.
Shares of the limit count 6 FLOP for each weight and token, and the attention, against what matrix products reach in the
same rounds. Each contender has a process of its own.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.case import case
from benchmarks.gpts import GPT2, PEERS, SMALL, Shape
from benchmarks.results import Table, say
from benchmarks.steps import LENGTH, RandomText, adamw, loop, peer_step
from benchmarks.timing import Contender, Row, contest
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.training.config import OptimizerConfig, TrainingConfig
from clearhead.training.precision import MasterWeights

Size = Literal["small", "gpt2"]
Who = Literal["clearhead", "plain", "transformers", "x-transformers"]
SIZES = {"small": (SMALL, 16, 4), "gpt2": (GPT2, 2, 2)}  # shape, rows, steps a round
_LR = 1e-4
_WAYS = ("float32", "autocast", "bfloat16")


def work(shape: Shape) -> float:
    """TFLOP of a step for each token."""
    attention = shape.layers * 2 * LENGTH * shape.d_model  # causal: half of 4
    return 3 * (2 * shape.weights + attention) / 1e12


def clearhead_step(shape: Shape, precision: str, *, compiled: bool, place: Path) -> Callable[[Tensor], object]:
    """The training loop's own step, as `clearhead train` takes it."""
    d = shape.d_model
    sizes = {"d_model": d, "d_ff": 4 * d, "heads": shape.heads, "layers": shape.layers, "max_len": shape.context}
    arch = DecoderConfig.model_validate({"preset": "gpt2", "activation": "gelu", "dropout": 0.0, **sizes})
    training = TrainingConfig.model_validate({"precision": precision, "compile": "yes" if compiled else "no"})
    optimizer = OptimizerConfig(kind="adamw", lr=_LR, weight_decay=0.1)
    run = loop(RandomText(Decoder(arch, shape.vocab), 1, shape.vocab), place, optimizer=optimizer, training=training)
    return lambda ids: run.step([ids])


def theirs(name: str, shape: Shape, precision: str, *, compiled: bool) -> Callable[[Tensor], object]:
    """A peer's whole step."""
    weights = MasterWeights(PEERS[name](shape), precision)
    model: Any = torch.compile(weights.working) if compiled else weights.working
    step = peer_step(weights, adamw(weights.master, _LR), model, autocast=precision == "autocast")
    return lambda ids: step(ids[:, :-1], ids[:, 1:])


def make(name: str, size: str, place: Path) -> Callable[[int], None]:
    """A contender, which takes so many steps; what it writes lies in `place`."""
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    shape, rows, _ = SIZES[size]
    who, precision, *more = name.split()
    if who == "clearhead":
        step = clearhead_step(shape, precision, compiled=bool(more), place=place / f"{size} {name}")
    else:
        step = theirs(who, shape, precision, compiled=bool(more))
    ids = torch.randint(4, shape.vocab, (rows, LENGTH + 1), generator=torch.Generator().manual_seed(1))

    def steps(count: int) -> None:
        for _ in range(count):
            step(ids)

    return steps


def row_of(contender: Contender, size: str) -> Row:
    """A contender as a row of a table."""
    _, rows, steps = SIZES[size]

    def way(_: int) -> float:
        contender(steps)
        return float(rows * LENGTH * steps)

    return Row(contender.name, way)


def best_of(who: str, size: str, place: Path, *, compiled: bool) -> list[Contender]:
    """A contender's fastest precision in a short trial, and the same compiled."""
    trials = []
    for precision in (way for way in _WAYS if who != "clearhead" or way != "autocast"):
        contender = Contender(f"{who} {precision}", make, f"{who} {precision}", size, place)
        try:
            contender(1)
        except EOFError:
            say(f"{contender.name}: cannot be run")
            continue
        trials.append((min(contender(1)[0] for _ in range(2)), contender))
    trials.sort(key=lambda trial: trial[0])
    for _, contender in trials[1:]:
        contender.close()
    best = [contender for _, contender in trials[:1]]
    return best + [more for one in best if compiled for more in _compiled(one.name, size, place)]


def _compiled(name: str, size: str, place: Path) -> Iterator[Contender]:
    contender = Contender(f"{name} compiled", make, f"{name} compiled", size, place)
    start = time.perf_counter()
    try:
        contender(2)
    except EOFError:
        say(f"{contender.name}: could not be compiled")
        return
    say(f"{contender.name}: first two steps in {time.perf_counter() - start:.0f} s")
    yield contender


def measure(size: str, contenders: list[Contender], rounds: int) -> Table:
    """One size: rows, rounds, table."""
    shape, rows, _ = SIZES[size]
    lines = [row_of(contender, size) for contender in contenders]
    table = contest(lines, rounds, "plain", lambda row: row.rate * work(shape))
    vocab = f"vocabulary {shape.vocab:,}"
    table.title = f"{size}: {shape.layers} layers, d {shape.d_model}, {rows} rows of {LENGTH}, {vocab}"
    return table


@case("gpt", about="training steps of GPTs beside transformers, x-transformers, plain PyTorch", duration="25 min")
def gpt(
    *,
    sizes: tuple[Size, ...] = Size.__args__,
    rounds: int = 5,
    contenders: tuple[Who, ...] = Who.__args__,
    compile: bool = True,
    quick: bool = False,
) -> Iterator[Table]:
    """Measure each size.

    Args:
        compile: compiled contenders too.
        quick: the small size, one round, nothing compiled.
    """
    if quick:
        sizes, rounds, compile = ("small",), 1, False
    with tempfile.TemporaryDirectory() as place:
        for size in sizes:
            ready = [one for who in contenders for one in best_of(who, size, Path(place), compiled=compile)]
            yield measure(size, ready, rounds)
            for contender in ready:
                contender.close()
