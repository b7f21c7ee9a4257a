"""Training speed beside torch.nn and transformers: real target tokens a second, whole optimizer steps.

    .venv/bin/python benchmarks/training.py [--sizes small large] [--rounds 5] [--steps N] [--contenders NAME ...]
                                            [--no-compile] [--pairs FILE] [--quick]

One step: batch, forward, loss (label smoothing 0.1), backward, clipping, optimizer (fused AdamW with two groups; Muon
has a row of its own). Everybody has the same shape of model, dropout 0.1 at the same places, none on attention weights,
and the same batches: at most 4,096 padded source and target tokens, sentences of like length together. Only target
tokens that are no padding count. clearhead runs the very step of its training loop. The peers:

    torch.nn    nn.Transformer (pre-norm, like clearhead's default), tied embeddings, sinusoidal positions, linear head
    marian      transformers' MarianMTModel (post-norm; attention `eager` or `sdpa`, the faster one in a short trial)

each in float32, under bfloat16 autocast, and with bfloat16 weights over float32 masters (clearhead's own `Weights`,
which serves any module); the fastest of these also with the loss on real tokens only ("+ real": clearhead's way; else
logits of all positions), and compiled, dynamic=True, layer by layer (like layers share one compilation).
Compilation is not counted, and what recompiled while it was measured says so. That all compute the same is checked
first: clearhead's model with a peer's weights must give the peer's loss of a batch. torch.nn in float32 is the trivial
baseline. Shares of the limit count the work on real tokens (6 a weight and token, and attention) against what matrix
products reach in the same rounds and arithmetic. Lengths are like Multi30k's (8,000 byte pairs, German to English), or
those of a file of sentence pairs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from _peers import DROPOUT, PEERS, SIZES, SMOOTHING, Size, peer_loss, twin
from _rounds import Row, constant, graphs, in_turns, machine, product, ratio, table
from clearhead.data.batches import PairSet
from clearhead.data.config import DataConfig
from clearhead.data.pairs import read_pairs
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.data.vocabulary import IGNORED, Specials
from clearhead.folder import Folder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.tasks.pairs import PairJob
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.job import Plan
from clearhead.training.loop import Loop
from clearhead.training.optim import make_optimizers
from clearhead.training.precision import Weights
from clearhead.training.run import begin

SPECIALS = Specials(pad=0, bos=1, eos=2, unk=3)
HOW: Any = {"max_len": 256, "specials": (SPECIALS, SPECIALS)}

Step = Callable[[np.ndarray], None]
_TOKENS, _CLIP = 4096, 1.0
_FAMILIES = ("clearhead", "torch.nn", "marian")


# Batches


def random_pairs(count: int, vocab: int) -> PairSet:
    """Random tokens, in lengths like Multi30k's: the source's logarithm is normal, the target's follows it."""
    random = np.random.default_rng(0)
    src = random.normal(2.63, 0.35, count)
    lengths = [np.exp(x).round().astype(int).clip(3, 60) for x in (src, src + random.normal(-0.02, 0.18, count))]
    return PairSet(
        *([random.integers(4, vocab, n).tolist() for n in side] for side in lengths),
        max_len=256,
        specials=(SPECIALS, SPECIALS),
    )


def file_pairs(file: str, vocab: int) -> PairSet:
    """The pairs of a file, in the byte pairs they give."""
    pairs, _ = read_pairs([file], DataConfig())
    texts = [p.source for p in pairs], [p.target for p in pairs]
    tokenizer = train_tokenizer([t for side in texts for t in side], TokenizerConfig(vocab_size=vocab))
    return PairSet(*(tokenizer.encode(side) for side in texts), **HOW)


def work(size: Size, pairs: PairSet, key: np.ndarray) -> float:
    """TFLOP of a step on the real tokens of a batch."""
    batch = pairs.batch(key)
    src, tgt = (batch.src != SPECIALS.pad).sum(1), (batch.labels != IGNORED).sum(1)
    forward = 2 * (size.src_weights * src.sum() + size.tgt_weights * tgt.sum())
    return 3 * float(forward + size.attention(src, tgt).sum()) / 1e12


# The contenders' steps


def clearhead_step(size: Size, pairs: PairSet, precision: str, optimizer: str, folder: Path) -> Step:
    """The training loop's own step, as `clearhead train` takes it."""
    module = EncoderDecoder(size.arch(dropout=DROPOUT), size.vocab, size.vocab)
    job = PairJob(module, pairs, pairs, seed=0, batch_tokens=_TOKENS, label_smoothing=SMOOTHING)
    training = TrainingConfig.model_validate({"precision": precision})
    plan = Plan(0, 10**6, 0, OptimizerConfig.model_validate({"kind": optimizer}), ScheduleConfig(), training)
    run = Loop(job, plan, Folder(folder / f"{precision}-{optimizer}"), quiet=True)
    begin(run, resume=False)

    def step(key: np.ndarray) -> None:
        run.step([key])

    return step


class PeerSteps:
    """The steps of one peer in all its settings; they share weights and optimizer, which changes no time."""

    def __init__(self, name: str, size: Size, pairs: PairSet):
        self.name, self.size, self.pairs = name, size, pairs
        self.master = PEERS[name](size)
        self.half = Weights(self.master, "bfloat16")
        (self.adamw,) = make_optimizers(self.master, OptimizerConfig(kind="adamw", lr=1e-5))

    def settings(self) -> dict[str, tuple[str, str]]:
        """Name of a row -> (precision, attention)."""
        kinds = {"": ""} if self.name == "torch.nn" else {" eager": "eager", " sdpa": "sdpa"}
        names = {"float32": "float32", "bf16 autocast": "autocast", "bf16 weights": "bfloat16"}
        return {f"{self.name} {n}{k}": (p, kind) for n, p in names.items() for k, kind in kinds.items()}

    def step(self, precision: str, kind: str, only_real: bool = False) -> Step:
        """A whole step in this setting."""
        half = precision == "bfloat16"
        working: Any = (self.half.working if half else self.master).train()

        def step(key: np.ndarray) -> None:
            if kind:
                working.model.set_attn_implementation(kind)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
                loss = peer_loss(working, self.pairs.batch(key), only_real)
            loss.backward()
            loss.item()
            if half:
                self.half.gather()
            nn.utils.clip_grad_norm_(self.master.parameters(), _CLIP)
            self.adamw.step()
            self.adamw.zero_grad()
            if half:
                self.half.publish()

        return step

    def compiled(self) -> PeerSteps:
        """A copy of the peer whose layers are compiled."""
        fresh = PeerSteps(self.name, self.size, self.pairs)
        for peer in (fresh.master, fresh.half.working):
            for stack in peer.stacks():
                for i, layer in enumerate(stack):
                    stack[i] = torch.compile(layer, dynamic=True)
        return fresh


# Checks, and the measuring itself


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def same_function(size: Size, pairs: PairSet, key: np.ndarray) -> None:
    """Print parameters, first loss, and how far clearhead's loss is from each peer's with the peer's own weights.

    First losses differ by how strongly a fresh tied model repeats its input.
    """
    batch = pairs.batch(key)

    def loss(module: EncoderDecoder) -> float:
        job = PairJob(module, pairs, pairs, seed=0, batch_tokens=_TOKENS, label_smoothing=SMOOTHING)
        total, count = job.loss(module, batch)
        return float(total) / count

    with torch.inference_mode():
        ours = EncoderDecoder(size.arch(), size.vocab, size.vocab).eval()
        print(f"  clearhead: {parameters(ours) / 1e6:.3f} M parameters, first loss {loss(ours):.2f}")
        for name, kind in PEERS.items():
            peer = kind(size).eval()
            theirs = float(peer_loss(peer, batch, only_real=False))
            gap = abs(theirs - loss(twin(peer, size)))
            print(f"  {name}: {parameters(peer) / 1e6:.3f} M, {theirs:.2f}, {gap:.0e} from clearhead with its weights")


def seconds_of(row: Row) -> float:
    """Seconds of a row's first round."""
    start = time.perf_counter()
    row.way(0)
    return time.perf_counter() - start


class Bench:
    """The rows of one size, all over the same batches."""

    def __init__(self, size: Size, pairs: PairSet, keys: Sequence[Sequence[np.ndarray]]):
        self.size, self.pairs, self.keys = size, pairs, keys
        self.tokens = [float(sum((len(pairs.tgt[i]) - 1) for key in part for i in key)) for part in keys]
        self.rows: list[Row] = []

    def add(self, name: str, step: Step) -> Row:
        """A row that takes the steps of a round; warmed up on one batch."""

        def way(round_: int) -> float:
            for key in self.keys[round_]:
                step(key)
            return self.tokens[round_]

        step(self.keys[0][0])
        self.rows.append(Row(name, way))
        return self.rows[-1]

    def add_peer(self, name: str, *, compiled: bool) -> list[str]:
        """All rows of a peer; returns what could not be measured, and why."""
        peer, taken = PeerSteps(name, self.size, self.pairs), len(self.rows)
        settings, seconds = peer.settings(), {}
        for title, setting in settings.items():
            row = self.add(title, peer.step(*setting))
            seconds[title] = min(seconds_of(row), seconds_of(row))
        titles = sorted(seconds, key=lambda title: seconds[title])
        faster = {settings[title][0]: title for title in reversed(titles)}  # of each precision, the faster attention
        self.rows[taken:] = [row for row in self.rows[taken:] if row.name in faster.values()]
        best = titles[0]
        self.add(f"{best} + real", peer.step(*settings[best], only_real=True))
        return self._add_compiled(peer, best) if compiled else []

    def _add_compiled(self, peer: PeerSteps, best: str) -> list[str]:
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
            return [f"{name}: not measured, {type(error).__name__}: {reason}"]
        return [f"{name}: {graphs() - before} graphs in {time.perf_counter() - start:.0f} s, not counted"]

    @property
    def base(self) -> Row:
        """What the others are compared with: the trivial baseline where it is there."""
        return next((row for row in self.rows if row.name == "torch.nn float32"), self.rows[0])

    def lines(self, limits: dict[str, Row]) -> list[list[str]]:
        """The table's lines, the fastest row first."""
        teraflop = [sum(work(self.size, self.pairs, key) for key in part) for part in self.keys]
        lines = []
        for row in sorted(self.rows, key=lambda row: -row.rate):
            limit = limits["float32" if "float32" in row.name else "bfloat16"]
            done = [r * w / t for r, w, t in zip(row.rates, teraflop, self.tokens, strict=True)]
            share = float(np.median(done)) / limit.rate
            spread = f"{min(row.rates):,.0f} to {max(row.rates):,.0f}"
            lines.append([row.name, f"{row.rate:,.0f}", spread, ratio(row, self.base), f"{share:.0%}"])
        return lines


def measure(size: Size, pairs: PairSet, options: argparse.Namespace, steps: int, folder: Path) -> None:
    """One size: rows, rounds, table."""
    keys = pairs.epoch(0, 0, _TOKENS)[: options.rounds * steps]
    parts = [keys[i : i + steps] for i in range(0, len(keys), steps)]
    bench = Bench(size, pairs, parts)
    same_function(size, pairs, keys[0])
    if "clearhead" in options.contenders:
        for precision, optimizer in (("float32", "adamw"), ("bfloat16", "adamw"), ("bfloat16", "muon")):
            step = clearhead_step(size, pairs, precision, optimizer, folder)
            bench.add(f"clearhead {precision} {optimizer}", step)
    remarks = []
    for name in PEERS:
        if name in options.contenders:
            remarks += bench.add_peer(name, compiled=options.compile)
    limits = {}
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        way, amount = product(4096, dtype)
        limits[precision] = Row(f"matmul {precision}", constant(way, amount))
    compiled = graphs()
    in_turns([*bench.rows, *limits.values()], len(parts))
    if graphs() > compiled:
        remarks.append(
            f"{graphs() - compiled} graphs were compiled while measuring: compiled rows are too slow by that"
        )
    print("  limits:", "; ".join(f"{r.name} {r.rate:.2f} TFLOP/s" for r in limits.values()))
    heads = ["", "tokens/s", "rounds", f"to {bench.base.name}", "of limit"]
    table(heads, [[f"  {line[0]}", *line[1:]] for line in bench.lines(limits)])
    ours = [row for row in bench.rows if row.name.startswith("clearhead") and row.name.endswith("adamw")]
    peers = [row for row in bench.rows if not row.name.startswith("clearhead")]
    if ours and peers:
        one, other = (max(rows, key=lambda row: row.rate) for rows in (ours, peers))
        print(f"  {one.name} over the best peer, {other.name}: {ratio(one, other)}")
    for remark in remarks:
        print(f"  {remark}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="batches a round (default: 3, large 1)")
    parser.add_argument("--contenders", nargs="+", choices=_FAMILIES, default=list(_FAMILIES))
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave compiled peers out")
    parser.add_argument("--pairs", help="a file of sentence pairs instead of random tokens")
    parser.add_argument("--quick", action="store_true", help="the small size, one round of one step, nothing compiled")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.steps, options.compile = ["small"], 1, 1, False
    warnings.filterwarnings("ignore", module="torch")  # nn.Transformer's remarks about paths that training never takes
    torch.manual_seed(0)
    print(machine())
    for name in options.sizes:
        size = SIZES[name]
        pairs = file_pairs(options.pairs, size.vocab) if options.pairs else random_pairs(6000, size.vocab)
        print(f"{name}: {size.layers}+{size.layers} layers, d {size.d_model}, ff {size.d_ff}, vocabulary {size.vocab}")
        with tempfile.TemporaryDirectory() as folder:
            measure(size, pairs, options, options.steps or (1 if name == "large" else 3), Path(folder))


if __name__ == "__main__":
    main()
