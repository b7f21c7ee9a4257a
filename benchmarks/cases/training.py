"""Training speed beside torch.nn and transformers: real target tokens a second, whole optimizer steps.

One step: batch, forward, loss (label smoothing 0.1), backward, clipping, optimizer (fused AdamW with two groups; Muon
has a row of its own). Everybody has the same shape of model, dropout 0.1 at the same places, none on attention weights,
and the same batches: at most 4,096 padded source and target tokens, sentences of like length together. Only target
tokens that are no padding count. clearhead runs the very step of its training loop. The peers:

    torch.nn    nn.Transformer (pre-norm, like clearhead's default), tied embeddings, sinusoidal positions, linear head
    marian      transformers' MarianMTModel (post-norm; attention `eager` or `sdpa`, the faster one in a short trial)

each in float32, under bfloat16 autocast, and with bfloat16 weights over float32 masters (our `MasterWeights`,
which serves any module); the fastest of these also with the loss on real tokens only ("+ real": clearhead's way; else
logits of all positions), and compiled, dynamic=True, layer by layer (like layers share one compilation).
Compilation is not counted, and what recompiled while it was measured says so. That all compute the same is checked
first: clearhead's model with a peer's weights must give the peer's loss of a batch. torch.nn in float32 is the trivial
baseline. Shares of the limit count the work on real tokens (6 a weight and token, and attention) against what matrix
products reach in the same rounds and arithmetic. Lengths are like Multi30k's (8,000 byte pairs, German to English), or
those of a file of sentence pairs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from cyclopts import Parameter
from torch import nn

from benchmarks.case import case
from benchmarks.results import Table
from benchmarks.steps import loop, pair_job, peer_step
from benchmarks.timing import Row, contest, graphs
from benchmarks.translators import (
    DROPOUT,
    PAD,
    PEERS,
    SIZES,
    SMOOTHING,
    Size,
    file_pairs,
    peer_loss,
    random_pairs,
    twin,
)
from clearhead.data.batches import PairSet
from clearhead.data.vocabulary import IGNORED
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.training.config import OptimizerConfig, TrainingConfig
from clearhead.training.optim import make_optimizers
from clearhead.training.precision import MasterWeights

Step = Callable[[np.ndarray], object]
_TOKENS = 4096


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured.

    Args:
        steps: batches a round (default: 3, large 1).
        compile: compiled peers too.
        pairs: a file of sentence pairs instead of random tokens.
        quick: the small size, one round of one step, nothing compiled.
    """

    sizes: tuple[Literal["small", "large"], ...] = ("small", "large")
    rounds: int = 5
    steps: int | None = None
    contenders: tuple[Literal["clearhead", "torch.nn", "marian"], ...] = ("clearhead", "torch.nn", "marian")
    compile: bool = True
    pairs: str | None = None
    quick: bool = False


def work(size: Size, pairs: PairSet, key: np.ndarray) -> float:
    """TFLOP of a step on the real tokens of a batch."""
    batch = pairs.batch(key)
    src, tgt = (batch.src != PAD).sum(1), (batch.labels != IGNORED).sum(1)
    forward = 2 * (size.src_weights * src.sum() + size.tgt_weights * tgt.sum())
    return 3 * float(forward + size.attention(src, tgt).sum()) / 1e12


# The contenders' steps


def clearhead_step(size: Size, pairs: PairSet, precision: str, optimizer: str, folder: Path) -> Step:
    """The training loop's own step, as `clearhead train` takes it."""
    module = EncoderDecoder(size.arch(dropout=DROPOUT), size.vocab, size.vocab)
    training = TrainingConfig.model_validate({"precision": precision})
    kind = OptimizerConfig.model_validate({"kind": optimizer})
    job = pair_job(module, pairs, _TOKENS, SMOOTHING)
    run = loop(job, folder / f"{precision}-{optimizer}", optimizer=kind, training=training)
    return lambda key: run.step([key])


class PeerSteps:
    """The steps of one peer in all its settings; they share weights and optimizer, which changes no time."""

    def __init__(self, name: str, size: Size, pairs: PairSet):
        self.name, self.size, self.pairs = name, size, pairs
        self.master = PEERS[name](size)
        self.weights = {precision: MasterWeights(self.master, precision) for precision in ("float32", "bfloat16")}
        (self.adamw,) = make_optimizers(self.master, OptimizerConfig(kind="adamw", lr=1e-5))

    def settings(self) -> dict[str, tuple[str, str]]:
        """Name of a row -> (precision, attention)."""
        kinds = {"": ""} if self.name == "torch.nn" else {" eager": "eager", " sdpa": "sdpa"}
        names = {"float32": "float32", "bf16 autocast": "autocast", "bf16 weights": "bfloat16"}
        return {f"{self.name} {n}{k}": (p, kind) for n, p in names.items() for k, kind in kinds.items()}

    def step(self, precision: str, kind: str, only_real: bool = False) -> Step:
        """A whole step in this setting."""
        weights = self.weights["bfloat16" if precision == "bfloat16" else "float32"]
        working: Any = weights.train()

        def loss(key: np.ndarray) -> Any:
            if kind:
                working.model.set_attn_implementation(kind)
            return peer_loss(working, self.pairs.batch(key), only_real)

        return peer_step(weights, self.adamw, loss, autocast=precision == "autocast")

    def compiled(self) -> PeerSteps:
        """A copy of the peer whose layers are compiled."""
        fresh = PeerSteps(self.name, self.size, self.pairs)
        for peer in (fresh.master, fresh.weights["bfloat16"].working):
            for stack in peer.stacks():
                for i, layer in enumerate(stack):
                    stack[i] = torch.compile(layer, dynamic=True)
        return fresh


# Checks, and the measuring itself


def parameters(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def same_function(size: Size, pairs: PairSet, key: np.ndarray) -> Table:
    """Parameters, first loss, and how far clearhead's loss is from each peer's with the peer's own weights.

    First losses differ by how strongly a fresh tied model repeats its input.
    """
    batch = pairs.batch(key)

    def loss(module: EncoderDecoder) -> float:
        total, count = pair_job(module, pairs, _TOKENS, SMOOTHING).loss(module, batch)
        return float(total) / count

    with torch.inference_mode():
        ours = EncoderDecoder(size.arch(), size.vocab, size.vocab).eval()
        rows = [["clearhead", parameters(ours) / 1e6, loss(ours), None]]
        for name, kind in PEERS.items():
            peer = kind(size).eval()
            theirs = float(peer_loss(peer, batch, only_real=False))
            rows.append([name, parameters(peer) / 1e6, theirs, abs(theirs - loss(twin(peer, size)))])
    columns = {"": "", "parameters": "{:.3f} M", "first loss": "{:.2f}", "clearhead with its weights": "{:.0e} from it"}
    return Table(columns, rows, title=f"{size}")


class Bench:
    """The rows of one size, all over the same batches."""

    def __init__(self, size: Size, pairs: PairSet, keys: Sequence[Sequence[np.ndarray]]):
        self.size, self.pairs, self.keys = size, pairs, keys
        self.tokens = [float(sum((len(pairs.tgt[i]) - 1) for key in part for i in key)) for part in keys]
        self.rows: list[Row] = []
        self.remarks: list[str] = []

    def add(self, name: str, step: Step) -> Row:
        """A row that takes the steps of a round; warmed up on one batch."""

        def way(round_: int) -> float:
            for key in self.keys[round_]:
                step(key)
            return self.tokens[round_]

        step(self.keys[0][0])
        self.rows.append(Row(name, way))
        return self.rows[-1]

    def add_peer(self, name: str, *, compiled: bool) -> None:
        """All rows of a peer; remarks say what could not be measured, and why."""
        peer, taken = PeerSteps(name, self.size, self.pairs), len(self.rows)
        settings, seconds = peer.settings(), {}
        for title, setting in settings.items():
            row = self.add(title, peer.step(*setting))
            seconds[title] = min(_first_round(row), _first_round(row))
        titles = sorted(seconds, key=lambda title: seconds[title])
        faster = {settings[title][0]: title for title in reversed(titles)}  # of each precision, the faster attention
        self.rows[taken:] = [row for row in self.rows[taken:] if row.name in faster.values()]
        best = titles[0]
        self.add(f"{best} + real", peer.step(*settings[best], only_real=True))
        if compiled:
            self.remarks.append(self._add_compiled(peer, best))

    def _add_compiled(self, peer: PeerSteps, best: str) -> str:
        """The fastest eager row compiled, warmed up until a pass over all batches compiles nothing."""
        start, before, eager = time.perf_counter(), graphs(), len(self.rows)
        name = f"{best} + real compiled"
        try:
            row = self.add(name, peer.compiled().step(*peer.settings()[best], only_real=True))
            known = -1
            while graphs() != known:
                known = graphs()
                for round_ in range(len(self.keys)):
                    row.way(round_)
        except Exception as error:  # a row that cannot be made is a result too: it is printed
            del self.rows[eager:]
            reason = next(iter(str(error).splitlines()), "")
            return f"{name}: not measured, {type(error).__name__}: {reason}"
        return f"{name}: {graphs() - before} graphs in {time.perf_counter() - start:.0f} s, not counted"

    def table(self) -> Table:
        """All rows in turns, compared with the trivial baseline where it is there."""
        teraflop = [sum(work(self.size, self.pairs, key) for key in part) for part in self.keys]

        def reached(row: Row) -> float:
            done = zip(row.rates, teraflop, self.tokens, strict=True)
            return statistics.median(rate * work / tokens for rate, work, tokens in done)

        before = graphs()
        table = contest(self.rows, len(self.keys), "torch.nn float32", reached)
        if made := graphs() - before:
            self.remarks.append(f"{made} graphs were compiled while measuring: compiled rows are too slow by that")
        table.remarks += self.remarks
        return table


def _first_round(row: Row) -> float:
    start = time.perf_counter()
    row.way(0)
    return time.perf_counter() - start


def measure(size: Size, pairs: PairSet, options: Options, steps: int, folder: Path) -> Iterator[Table]:
    """One size: the check that all compute the same, rows, rounds."""
    keys = pairs.epoch(0, 0, _TOKENS)[: options.rounds * steps]
    bench = Bench(size, pairs, [keys[i : i + steps] for i in range(0, len(keys), steps)])
    yield same_function(size, pairs, keys[0])
    if "clearhead" in options.contenders:
        for precision, optimizer in (("float32", "adamw"), ("bfloat16", "adamw"), ("bfloat16", "muon")):
            step = clearhead_step(size, pairs, precision, optimizer, folder)
            bench.add(f"clearhead {precision} {optimizer}", step)
    for name in PEERS:
        if name in options.contenders:
            bench.add_peer(name, compiled=options.compile)
    yield bench.table()


@case("training", about="training of translators beside torch.nn and transformers", duration="30 min")
def training(options: Annotated[Options, Parameter(name="*")] = Options()) -> Iterator[Table]:
    """Measure each size."""
    if options.quick:
        options = replace(options, sizes=("small",), rounds=1, steps=1, compile=False)
    warnings.filterwarnings("ignore", module="torch")  # nn.Transformer's remarks about paths that training never takes
    torch.manual_seed(0)
    for name in options.sizes:
        size = SIZES[name]
        pairs = file_pairs(options.pairs, size.vocab) if options.pairs else random_pairs(6000, size.vocab)
        with tempfile.TemporaryDirectory() as folder:
            yield from measure(size, pairs, options, options.steps or (1 if name == "large" else 3), Path(folder))
