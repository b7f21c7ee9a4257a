"""The price of looking: a watched forward pass against an unwatched one, in time, memory and bits.

    .venv/bin/python benchmarks/looking.py [--tokens 512 1024 2048] [--rounds 9]

Bar: at 2,048 tokens at most 1.1x the time, memory that grows linearly with length, the output exactly equal, and
max |weights . v - context| at most 1e-6 in float32. The memory a trace keeps is counted over the distinct storages it
reaches that the pass would have freed; beside it stands what all attention weights would take.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from clearhead.attention import Attention
from clearhead.look import Trace, watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

_WIDTHS = (10, 15, 10, 12, 21, 9, 10)


def seconds(*ways: Callable[[], object], rounds: int) -> list[list[float]]:
    """Seconds of each way, in turns."""
    found: list[list[float]] = [[] for _ in ways]
    for round_ in range(rounds + 1):
        for way, times in zip(ways, found, strict=True):
            start = time.perf_counter()
            way()
            if round_:
                times.append(time.perf_counter() - start)
    return found


def kept_bytes(trace: Trace, model: EncoderDecoder) -> int:
    """Bytes of the storages a trace keeps alive, the model's own weights left out."""
    own = {w.untyped_storage().data_ptr() for w in model.state_dict().values()}
    storages: dict[int, int] = {}
    for path in trace:
        for value in trace.calls(path):
            tensors = [value.q, value.k, value.v] if isinstance(value, Attention) else [value]
            for x in tensors:
                storage = x.untyped_storage()
                if storage.data_ptr() not in own:
                    storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    config = EncoderDecoderConfig(d_model=256, d_ff=1024, heads=8, layers=3, max_len=max(options.tokens))
    torch.manual_seed(0)
    model = EncoderDecoder(config, 1000, 1000).eval()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32; 3+3 layers, d_model 256, 8 heads")
    names = ("plain s", "watched/plain", "kept MB", "KB a token", "weights would be MB", "output", "max gap")
    print(f"{'tokens':>7}" + "".join(f"{name:>{width}}" for name, width in zip(names, _WIDTHS, strict=True)))
    with torch.inference_mode():
        for length in options.tokens:
            src, tgt = torch.randint(4, 1000, (1, length)), torch.randint(4, 1000, (1, length))

            def plain(src: Tensor = src, tgt: Tensor = tgt) -> Tensor:
                return model(src, tgt)

            def watched(src: Tensor = src, tgt: Tensor = tgt) -> tuple[Trace, Tensor]:
                with watch(model) as trace:
                    return trace, model(src, tgt)

            times = seconds(plain, watched, rounds=options.rounds)
            ratio = statistics.median(w / p for p, w in zip(*times, strict=True))
            trace, output = watched()
            kept = kept_bytes(trace, model)
            acts = [p for p in trace if isinstance(trace[p], Attention)]
            weights = sum(4 * trace[p].shape[1] * trace[p].shape[2] * trace[p].shape[3] for p in acts)
            gap = max(trace[p].gap(trace[p.removesuffix("attention") + "context"]) for p in acts)
            equal = "equal" if torch.equal(output, plain()) else "DIFFERS"
            cells = (
                f"{statistics.median(times[0]):.3f}",
                f"{ratio:.3f}",
                f"{kept / 1e6:.1f}",
                f"{kept / 1e3 / length:.1f}",
                f"{weights / 1e6:.1f}",
                equal,
                f"{gap:.1e}",
            )
            print(f"{length:>7}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True)))


if __name__ == "__main__":
    main()
