"""What single choices of the training step are worth: attention paths, dropout, Muon, the loss.

    .venv/bin/python benchmarks/parts.py [--rounds 15]

Each row times our way and the simplest PyTorch way in turns, forward and backward, and prints medians and their ratio;
the machine's matmul limit is measured in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from clearhead.attention import Attention, Causal, Matrix
from clearhead.attention.dropout import dropout
from clearhead.training.cross_entropy import cross_entropy
from clearhead.training.muon import Muon

Way = Callable[[], object]


def turns(ours: Way, plain: Way, rounds: int) -> tuple[float, float]:
    """Median milliseconds of two ways, run in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 2):
        for way, found in zip((ours, plain), times, strict=True):
            start = time.perf_counter()
            way()
            if round_ > 1:
                found.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[0]), statistics.median(times[1])


def limit(dtype: torch.dtype) -> float:
    """TFLOP/s of a [4096, 512] x [512, 2048] product."""
    a, b = torch.randn(4096, 512, dtype=dtype), torch.randn(512, 2048, dtype=dtype)
    best = min(turns(lambda: a @ b, lambda: a @ b, 5))
    return 2 * 4096 * 512 * 2048 / best / 1e9


def attention(tokens: int, dtype: torch.dtype) -> tuple[Way, Way]:
    """An act's own choice of path against the fused kernel."""
    shape = (max(1, 4096 // tokens), 8, tokens, 32)
    q, k, v = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))

    def ours() -> None:
        Attention(q, k, v, mask=Causal()).context().sum().backward()

    def plain() -> None:
        F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()

    return ours, plain


def written(keys: int, dtype: torch.dtype) -> tuple[Way, Way]:
    """The newest tokens of 16 beams of 4 ask those before them: a decoding step."""
    q, k, v = (torch.randn(16, 8, n, 64, dtype=dtype) for n in (4, keys, keys))
    allowed = torch.rand(16, 1, 4, keys) > 0.5
    allowed[..., -4:] = torch.eye(4, dtype=torch.bool)
    mask = Matrix(allowed)  # of all layers of a step

    def ours() -> None:
        with torch.inference_mode():
            Attention(q, k, v, mask=mask).context()

    def plain() -> None:
        with torch.inference_mode():
            F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)

    return ours, plain


def drops() -> tuple[Way, Way]:
    """Dropout of a batch of 64 sentences of 32 tokens."""
    x, g = torch.randn(64, 32, 256, requires_grad=True), torch.randn(64, 32, 256)
    return lambda: dropout(x, 0.1).backward(g), lambda: F.dropout(x, 0.1).backward(g)


def muon(width: int) -> tuple[Way, Way]:
    """A step of Muon on the matrices of a 3+3 layer model."""
    shapes = [(width, width)] * 36 + [(4 * width, width), (width, 4 * width)] * 6
    weights = [torch.nn.Parameter(torch.randn(s)) for s in shapes]
    others = [torch.nn.Parameter(w.detach().clone()) for w in weights]
    for weight, other in zip(weights, others, strict=True):
        weight.grad = torch.randn_like(weight)
        other.grad = weight.grad.clone()
    theirs = torch.optim.Muon(others, lr=1e-4, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    return Muon(weights, lr=1e-4).step, theirs.step


def loss(vocab: int) -> tuple[Way, Way]:
    """Smoothed cross-entropy of 2,000 tokens in bfloat16, from the decoder's output on."""
    x = torch.randn(2000, 256).bfloat16().requires_grad_()
    w = (0.05 * torch.randn(vocab, 256)).bfloat16().requires_grad_()
    y = torch.randint(0, vocab, (2000,))

    def ours() -> None:
        cross_entropy(x, w, y, 0.1).backward()

    def plain() -> None:
        F.linear_cross_entropy(x, w, y, label_smoothing=0.1, reduction="sum").backward()

    return ours, plain


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; matmul limit ", end="")
    print(f"{limit(torch.float32):.2f} (float32), {limit(torch.bfloat16):.2f} TFLOP/s (bfloat16)")
    rows = [
        (f"attention, {n} tokens, {str(t).split('.')[1]} (plain: fused kernel)", attention(n, t))
        for t in (torch.float32, torch.bfloat16)
        for n in (16, 64, 256, 512)
    ]
    rows += [
        (f"attention, 4 queries, {n} keys, {str(t).split('.')[1]} (plain: fused kernel)", written(n, t))
        for t in (torch.float32, torch.bfloat16)
        for n in (32, 128)
    ]
    rows += [("dropout (plain: F.dropout)", drops())]
    rows += [(f"Muon, d_model {d} (plain: torch.optim.Muon)", muon(d)) for d in (128, 256)]
    rows += [(f"loss, vocabulary {v} (plain: F.linear_cross_entropy)", loss(v)) for v in (2000, 8000)]
    print(f"{'':<66}{'ours ms':>9}{'plain ms':>10}{'plain/ours':>12}")
    for name, (ours, plain) in rows:
        a, b = turns(ours, plain, rounds)
        print(f"{name:<66}{a:>9.2f}{b:>10.2f}{b / a:>12.2f}")


if __name__ == "__main__":
    main()
