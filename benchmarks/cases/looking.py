"""The price of looking: a watched forward pass against an unwatched one, in time, memory and bits.

Bar: at 2,048 tokens at most 1.1x the time, memory that grows linearly with length, the output exactly equal, and
max |weights . v - context| at most 1e-6 in float32. The memory a trace keeps is counted over the distinct storages it
reaches that the pass would have freed; beside it stands what all attention weights would take.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.attention import acts, held
from benchmarks.case import case
from benchmarks.results import Cell, Table
from benchmarks.timing import Row, constant, in_turns
from clearhead.look import Trace, watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

_COLUMNS = {
    "tokens": "{:,}",
    "plain": "{:.3f} s",
    "watched / plain": "{:.3f}",
    "kept": "{:.1f} MB",
    "a token": "{:.1f} KB",
    "weights would be": "{:.1f} MB",
    "output": "",
    "max gap": "{:.1e}",
}


def kept_bytes(trace: Trace, model: EncoderDecoder) -> int:
    """Bytes of the storages a trace keeps alive, the model's own weights left out."""
    own = {w.untyped_storage().data_ptr() for w in model.state_dict().values()}
    storages = [x.untyped_storage() for path in trace for value in trace.calls(path) for x in held(value)]
    return sum({s.data_ptr(): s.nbytes() for s in storages if s.data_ptr() not in own}.values())


@torch.inference_mode()
def measure(model: EncoderDecoder, length: int, rounds: int) -> list[Cell]:
    """A row of the table."""
    src, tgt = torch.randint(4, 1000, (1, length)), torch.randint(4, 1000, (1, length))

    def watched() -> tuple[Trace, Tensor]:
        with watch(model) as trace:
            return trace, model(src, tgt)

    rows = [Row("plain", constant(lambda: model(src, tgt))), Row("watched", constant(watched))]
    in_turns(rows, rounds, steady=False)
    ratio = statistics.median(w / p for p, w in zip(rows[0].times, rows[1].times, strict=True))
    trace, output = watched()
    kept, opened = kept_bytes(trace, model), acts(trace)
    weights = sum(4 * act.shape[1] * act.shape[2] * act.shape[3] for act in opened.values())
    gap = max(act.gap(trace[path.removesuffix("attention") + "context"]) for path, act in opened.items())
    equal = "equal" if torch.equal(output, model(src, tgt)) else "DIFFERS"
    return [length, rows[0].seconds, ratio, kept / 1e6, kept / 1e3 / length, weights / 1e6, equal, gap]


@case("looking", about="a watched forward pass beside an unwatched one: time, memory, bits", duration="2 min")
def looking(*, tokens: tuple[int, ...] = (512, 1024, 2048), rounds: int = 9) -> Iterator[Table]:
    """Measure each length."""
    config = EncoderDecoderConfig(d_model=256, d_ff=1024, heads=8, layers=3, max_len=max(tokens))
    torch.manual_seed(0)
    model = EncoderDecoder(config, 1000, 1000).eval()
    rows = [measure(model, length, rounds) for length in tokens]
    yield Table(_COLUMNS, rows, title="3+3 layers, d_model 256, 8 heads, float32")
