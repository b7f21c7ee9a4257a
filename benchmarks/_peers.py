"""What the benchmarks beside other libraries share: two sizes of model, the machine's limits, rounds in turns, tables.

A figure of a noisy machine means something only beside another of the same minute: in a round every contender works
once, in an order that turns; medians, ratios of medians and the spread of the rounds' own ratios are printed.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearhead.models.architecture import EncoderDecoderConfig


@dataclass(frozen=True)
class Size:
    """The shape of a translator; `layers` blocks on each side."""

    layers: int
    d_model: int
    d_ff: int
    heads: int
    vocab: int

    def arch(self, **choices: Any) -> EncoderDecoderConfig:
        """clearhead's configuration of this size."""
        sizes = {"layers": self.layers, "d_model": self.d_model, "d_ff": self.d_ff, "heads": self.heads}
        return EncoderDecoderConfig.model_validate({**sizes, **choices})

    def marian(self, **choices: Any) -> Any:
        """transformers' MarianConfig of this size: ReLU, scaled embeddings, nothing forced at the end."""
        from transformers import MarianConfig

        sides = {
            f"{side}_{name}": value
            for side in ("encoder", "decoder")
            for name, value in (("layers", self.layers), ("ffn_dim", self.d_ff), ("attention_heads", self.heads))
        }
        given = {"vocab_size": self.vocab, "d_model": self.d_model, "max_position_embeddings": 256, **sides, **choices}
        return MarianConfig(activation_function="relu", scale_embedding=True, forced_eos_token_id=None, **given)

    @property
    def src_weights(self) -> int:
        """Numbers of the matrices each source token meets: encoder, and the decoder's keys and values of the memory."""
        d = self.d_model
        return self.layers * (4 * d * d + 2 * d * self.d_ff + 2 * d * d)

    @property
    def tgt_weights(self) -> int:
        """Numbers of the matrices each target token meets: decoder and output matrix."""
        d = self.d_model
        return self.layers * (6 * d * d + 2 * d * self.d_ff) + self.vocab * d

    def attention(self, src: int, tgt: int) -> int:
        """Products and sums of one sentence's attention, forward: scores and contexts, causal ones counted by half."""
        return 4 * self.layers * self.d_model * (src * src + tgt * (tgt + 1) // 2 + src * tgt)


SIZES = {"small": Size(3, 256, 1024, 8, 8000), "large": Size(6, 512, 2048, 8, 16000)}


def machine() -> str:
    """One line: processor, threads, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    names = ("torch", "transformers", "ctranslate2")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{models[0] if models else platform.processor()}, {torch.get_num_threads()} threads; {versions}"


# The machine's limits, as contenders of the same rounds


def product(rows: int, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """(a way, its TFLOP): a few products [rows, 512] x [512, 2048]."""
    a, b = torch.randn(rows, 512, dtype=dtype), torch.randn(512, 2048, dtype=dtype)
    times = max(1, 8192 // rows)

    def way() -> None:
        for _ in range(times):
            a @ b

    return way, times * 2 * rows * 512 * 2048 / 1e12


def reading() -> tuple[Callable[[], object], float]:
    """(a way, its GB): a float32 matrix far larger than any cache, times a vector."""
    a, b = torch.randn(8192, 8192), torch.randn(8192)
    return lambda: a @ b, a.numel() * 4 / 1e9


# Rounds and tables


@dataclass
class Row:
    """A contender: `way` works once on round r and returns how much it did; `rates` is that a second, by round."""

    name: str
    way: Callable[[int], float]
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.rates)


def constant(way: Callable[[], object], amount: float) -> Callable[[int], float]:
    """A way that does the same in every round."""

    def work(_: int) -> float:
        way()
        return amount

    return work


def in_turns(rows: Sequence[Row], rounds: int) -> None:
    """Let every row work once a round, beginning with another one each time."""
    for round_ in range(rounds):
        for i in range(len(rows)):
            row = rows[(i + round_) % len(rows)]
            start = time.perf_counter()
            amount = row.way(round_)
            row.rates.append(amount / (time.perf_counter() - start))


def ratio(one: Row, other: Row) -> str:
    """The ratio of two rows' medians, and the least and the largest of the rounds' own ratios."""
    each = [a / b for a, b in zip(one.rates, other.rates, strict=True)]
    return f"{one.rate / other.rate:.2f} ({min(each):.2f} to {max(each):.2f})"


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left, the others to the right."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        first, *others = (f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join([f"{line[0]:<{len(first)}}", *others]))


def copied(module: torch.nn.Module, names: Mapping[str, Tensor]) -> None:
    """Copy tensors into the parameters and buffers of `module`; every name must be there, in its shape."""
    own = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers())}
    with torch.no_grad():
        for name, value in names.items():
            assert own[name].shape == value.shape, f"{name}: {tuple(value.shape)} into {tuple(own[name].shape)}"
            own[name].copy_(value)
