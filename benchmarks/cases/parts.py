"""What single choices of the training step are worth: attention paths, dropout, Muon, the loss.

Each row times our way and the simplest PyTorch way in turns, forward and backward, and gives medians and their ratio;
the machine's limit of matrix products is measured in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from benchmarks.attention import causal_pass, decoding_step, drops
from benchmarks.case import case
from benchmarks.results import Cell, Table
from benchmarks.timing import Row, constant, in_turns, limits, told
from clearhead.training.cross_entropy import cross_entropy
from clearhead.training.muon import Muon

Ways = tuple[Callable[[], object], Callable[[], object]]
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def muon(width: int) -> Ways:
    """A step of Muon on the matrices of a 3+3 layer model."""
    shapes = [(width, width)] * 36 + [(4 * width, width), (width, 4 * width)] * 6
    weights = [torch.nn.Parameter(torch.randn(s)) for s in shapes]
    others = [torch.nn.Parameter(w.detach().clone()) for w in weights]
    for weight, other in zip(weights, others, strict=True):
        weight.grad = torch.randn_like(weight)
        other.grad = weight.grad.clone()
    theirs = torch.optim.Muon(others, lr=1e-4, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    return Muon(weights, lr=1e-4).step, theirs.step


def loss(vocab: int) -> Ways:
    """Smoothed cross-entropy of 2,000 tokens in bfloat16, from the decoder's output on."""
    x = torch.randn(2000, 256).bfloat16().requires_grad_()
    w = (0.05 * torch.randn(vocab, 256)).bfloat16().requires_grad_()
    y = torch.randint(0, vocab, (2000,))

    def ours() -> None:
        cross_entropy(x, w, y, 0.1).backward()

    def plain() -> None:
        F.linear_cross_entropy(x, w, y, label_smoothing=0.1, reduction="sum").backward()

    return ours, plain


def contests() -> Iterator[tuple[str, Ways]]:
    """What is measured, and the simplest way beside it."""
    for name, dtype in _TYPES.items():
        for n in (16, 64, 256, 512):
            yield f"attention, {n} tokens, {name} (plain: fused kernel)", causal_pass(n, dtype)
    for name, dtype in _TYPES.items():
        for n in (32, 128):
            yield f"attention, 4 queries, {n} keys, {name} (plain: fused kernel)", decoding_step(n, dtype)
    yield "dropout (plain: F.dropout)", drops()
    for d in (128, 256):
        yield f"Muon, d_model {d} (plain: torch.optim.Muon)", muon(d)
    for vocab in (2000, 8000):
        yield f"loss, vocabulary {vocab} (plain: F.linear_cross_entropy)", loss(vocab)


@case("parts", about="attention paths, dropout, Muon, the loss, each beside plain PyTorch", duration="3 min")
def parts(*, rounds: int = 15) -> Iterator[Table]:
    """Measure each part."""
    torch.manual_seed(0)
    most = list(limits().values())
    in_turns(most, 5)
    lines: list[list[Cell]] = []
    for name, ways in contests():
        ours, plain = (Row("", constant(way)) for way in ways)
        in_turns([ours, plain], rounds, steady=False)
        lines.append([name, 1e3 * ours.seconds, 1e3 * plain.seconds, plain.seconds / ours.seconds])
    yield Table(
        {"": "", "ours": "{:.2f} ms", "plain": "{:.2f} ms", "plain / ours": "{:.2f}"}, lines, remarks=[told(most)]
    )
