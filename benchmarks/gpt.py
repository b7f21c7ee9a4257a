"""Training speed of GPTs beside transformers, x-transformers and plain PyTorch: tokens a second, whole steps.

    .venv/bin/python benchmarks/gpt.py [--sizes small gpt2] [--rounds 5] [--contenders NAME ...] [--no-compile]

small: 6 layers, 384 wide, 6 heads, 16 rows of 256 tokens, vocabulary 8,000. gpt2: 12 layers, 768 wide, 12 heads, 2 rows
of 256, vocabulary 50,257 (124 M parameters). Learned positions, pre-norm, GELU (by the error function: on CPUs the
faster of its two forms) and biases, as GPT-2 has them; tied embeddings; no dropout; float32 master weights, gradients
clipped, fused AdamW, for everybody. clearhead runs the very step of its training loop; the peers are measured in
float32, under bfloat16 autocast and with bfloat16 weights over float32 masters (clearhead's `Weights`, lent to them),
and the fastest of these compiled, compilation not counted. The plain model is the trivial baseline. Random tokens.
Shares of the limit count 6 FLOP for each weight and token, and the attention, against what matrix products reach in the
same rounds. Each contender has a process of its own.
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
from torch import Tensor, nn

from _gpt import GPT2, SMALL, PlainGPT, Shape, adamw
from _rounds import Contender, Row, constant, in_turns, machine, product, ratio, table
from clearhead.data.windows import TextBatch
from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.texts import text_loss
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.job import Plan
from clearhead.training.loop import Loop
from clearhead.training.precision import Weights
from clearhead.training.run import begin

Step = Callable[[Tensor], None]
SIZES = {"small": (SMALL, 16, 4), "gpt2": (GPT2, 2, 2)}  # shape, rows, steps a round
_LENGTH, _LR = 256, 1e-4
_WAYS = ("float32", "autocast", "bfloat16")


def work(shape: Shape, rows: int) -> float:
    """TFLOP of a step."""
    weights = shape.layers * 12 * shape.d_model**2 + shape.vocab * shape.d_model
    attention = shape.layers * 2 * _LENGTH * shape.d_model  # causal: half of 4
    return 3 * rows * _LENGTH * (2 * weights + attention) / 1e12


class TransformersGPT(nn.Module):
    """transformers' GPT-2."""

    def __init__(self, shape: Shape):
        super().__init__()
        from transformers import GPT2Config, GPT2LMHeadModel

        sizes = {"n_layer": shape.layers, "n_embd": shape.d_model, "n_head": shape.heads, "n_positions": shape.context}
        none = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        self.model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=shape.vocab,
                activation_function="gelu",
                use_cache=False,
                bos_token_id=2,
                eos_token_id=2,
                **sizes,
                **none,
            )
        )

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        logits = self.model(ids).logits
        return nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


class XTransformersGPT(nn.Module):
    """x-transformers' decoder, with its fused attention."""

    def __init__(self, shape: Shape):
        super().__init__()
        from x_transformers import Decoder as TheirDecoder
        from x_transformers import TransformerWrapper

        layers = TheirDecoder(
            dim=shape.d_model, depth=shape.layers, heads=shape.heads, attn_dim_head=shape.d_model // shape.heads,
            attn_flash=True, ff_no_bias=False,
        )  # fmt: skip
        self.model = TransformerWrapper(
            num_tokens=shape.vocab, max_seq_len=shape.context, attn_layers=layers, tie_embedding=True
        )

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.model(ids).flatten(0, 1).float(), labels.flatten())


PEERS: dict[str, Callable[[Shape], nn.Module]] = {
    "plain": PlainGPT,
    "transformers": TransformersGPT,
    "x-transformers": XTransformersGPT,
}


class RandomText:
    """Batches of random tokens, as the loop asks for them."""

    varies = False

    def __init__(self, module: Decoder, rows: int, vocab: int):
        self.module, self._rows, self._vocab = module, rows, vocab

    def epoch(self, epoch: int) -> list[int]:
        return list(range(1000))

    def batch(self, key: Any) -> TextBatch:
        ids = key if isinstance(key, Tensor) else torch.randint(4, self._vocab, (self._rows, _LENGTH + 1))
        return TextBatch(ids[:, :-1], ids[:, 1:])

    def loss(self, module: Decoder, batch: TextBatch) -> tuple[Tensor, int]:
        return text_loss(module, batch)

    def held_out(self) -> list[TextBatch]:
        return []

    def measure(self, module: Decoder, batch: TextBatch) -> dict[str, float]:
        raise NotImplementedError("nothing is held out")

    def summary(self, sums: Any) -> dict[str, float]:
        return {"loss": 0.0}

    def floors(self) -> dict[str, float]:
        return {}

    def sample(self, module: Decoder) -> str:
        return ""

    def order(self) -> str:
        return "random"


def clearhead_step(shape: Shape, rows: int, precision: str, *, compiled: bool, place: Path) -> Step:
    """The training loop's own step, as `clearhead train` takes it."""
    d = shape.d_model
    sizes = {"d_model": d, "d_ff": 4 * d, "heads": shape.heads, "layers": shape.layers, "max_len": shape.context}
    arch = DecoderConfig.model_validate({"preset": "gpt2", "activation": "gelu", "dropout": 0.0, **sizes})
    job = RandomText(Decoder(arch, shape.vocab), rows, shape.vocab)
    training = TrainingConfig(precision=precision, compile="yes" if compiled else "no")
    optimizer = OptimizerConfig(kind="adamw", lr=_LR, weight_decay=0.1)
    run = Loop(job, Plan(0, 10**6, 0, optimizer, ScheduleConfig(), training), Folder(place), quiet=True)
    begin(run, resume=False)

    def step(ids: Tensor) -> None:
        run.step([ids])

    return step


def peer_step(name: str, shape: Shape, precision: str, *, compiled: bool) -> Step:
    """A peer's whole step."""
    weights = Weights(PEERS[name](shape), precision)
    optimizer = adamw(weights.master, _LR)
    model: Any = torch.compile(weights.working) if compiled else weights.working

    def step(ids: Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
            loss = model(ids[:, :-1], ids[:, 1:])
        loss.backward()
        loss.item()
        weights.gather()
        nn.utils.clip_grad_norm_(weights.master.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        weights.publish()

    return step


def make(name: str, size: str, place: Path) -> Callable[[int], None]:
    """A contender, which takes so many steps; what it writes lies in `place`."""
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    shape, rows, _ = SIZES[size]
    who, precision, *more = name.split()
    if who == "clearhead":
        step = clearhead_step(shape, rows, precision, compiled=bool(more), place=place / f"{size} {name}")
    else:
        step = peer_step(who, shape, precision, compiled=bool(more))
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(4, shape.vocab, (rows, _LENGTH + 1), generator=random)

    def steps(count: int) -> None:
        for _ in range(count):
            step(ids)

    return steps


def row_of(contender: Contender, size: str) -> Row:
    """A contender as a row of a table."""
    _, rows, steps = SIZES[size]

    def way(_: int) -> float:
        contender(steps)
        return float(rows * _LENGTH * steps)

    return Row(contender.name, way)


def best_of(who: str, size: str, place: Path, options: argparse.Namespace) -> list[Contender]:
    """A contender's fastest precision in a short trial, and the same compiled."""
    ways = [w for w in _WAYS if who != "clearhead" or w != "autocast"]
    trials = []
    for precision in ways:
        name = f"{who} {precision}"
        contender = Contender(name, make, name, size, place)
        try:
            contender(1)
        except EOFError:
            print(f"  {name}: cannot be run")
            continue
        trials.append((min(contender(1)[0] for _ in range(2)), contender))
    trials.sort(key=lambda trial: trial[0])
    for _, contender in trials[1:]:
        contender.close()
    best = trials[0][1]
    if not options.compile:
        return [best]
    name = f"{best.name} compiled"
    compiled = Contender(name, make, name, size, place)
    start = time.perf_counter()
    try:
        compiled(2)
    except EOFError:
        print(f"  {name}: could not be compiled")
        return [best]
    print(f"  {name}: first two steps in {time.perf_counter() - start:.0f} s")
    return [best, compiled]


def measure(size: str, place: Path, options: argparse.Namespace) -> None:
    """One size: rows, rounds, table."""
    shape, rows, _ = SIZES[size]
    print(f"\n{size}: {shape.layers} layers, d {shape.d_model}, {rows} rows of {_LENGTH}, vocabulary {shape.vocab:,}")
    contenders = [c for who in options.contenders for c in best_of(who, size, place, options)]
    lines = [row_of(contender, size) for contender in contenders]
    limits = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        way, amount = product(4096, dtype)
        limits[name] = Row(f"matmul {name}", constant(way, amount))
    in_turns([*lines, *limits.values()], options.rounds)
    print("  limits:", "; ".join(f"{row.name} {row.rate:.2f} TFLOP/s" for row in limits.values()))
    each = work(shape, rows) / (rows * _LENGTH)
    base = next((row for row in lines if row.name.startswith("plain")), lines[0])
    cells = []
    for row in sorted(lines, key=lambda row: -row.rate):
        limit = limits["float32" if "float32" in row.name else "bfloat16"].rate
        share = float(np.median([r * each for r in row.rates])) / limit
        spread = f"{min(row.rates):,.0f} to {max(row.rates):,.0f}"
        cells.append([f"  {row.name}", f"{row.rate:,.0f}", spread, ratio(row, base), f"{share:.0%}"])
    table(["", "tokens/s", "rounds", f"to {base.name}", "of limit"], cells)
    ours = [row for row in lines if row.name.startswith("clearhead")]
    for who in PEERS:
        theirs = [row for row in lines if row.name.startswith(f"{who} ")]
        if ours and theirs:
            one, other = (max(some, key=lambda row: row.rate) for some in (ours, theirs))
            print(f"  {one.name} over {other.name}: {ratio(one, other)}")
    for contender in contenders:
        contender.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["clearhead", *PEERS]
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=names, default=names)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--quick", action="store_true", help="the small size, one round, nothing compiled")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.compile = ["small"], 1, False
    print(machine())
    with tempfile.TemporaryDirectory() as place:
        for size in options.sizes:
            measure(size, Path(place), options)


if __name__ == "__main__":
    main()
