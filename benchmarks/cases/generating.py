"""Writing speed of a GPT-2 of random weights beside transformers and CTranslate2: greedy, token by token.

GPT-2 has 124 million weights, the small one 17 million. Prompts of 32 random tokens, exactly 128 new ones. One random
GPT2LMHeadModel serves everybody: its weights are read into clearhead's Decoder by `clearhead.exchange.huggingface`, and
from a copy into CTranslate2 (which quantizes in place). Its output matrix is tied to nothing: a random tied model
repeats its input. "equal" is the share of the tokens written that transformers in float32 wrote at the same place.
First token and steady rate apart: "first" is the time until there is one, tokens a second are those of the others. The
trivial baseline is a plain loop over the model's own cache. Each contender has a process of its own: beside each other
in one, the waiting threads of one library slow the others down.

Every seed makes other weights and prompts; over several, their medians and the mean of "equal" are printed last. With
`--avx2` every contender works as on a processor that has AVX2 and no VNNI, as far as its libraries let themselves be
told so (`_AVX2`). CTranslate2 multiplies with oneDNN on AMD's processors, with MKL on Intel's; CT2_USE_MKL=1 in the
environment has it take MKL everywhere. Its "workers" are one for each thread, and share the texts of a batch. Where
others use the machine too, `--processor-time` counts the seconds that the processors worked for a contender; with
OMP_NUM_THREADS=1, as threads that wait for each other work too.

"reading" is the share of what the memory gives: each step reads every weight of the layers once, measured against a
matrix-vector product that reads a large matrix, in the same rounds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from cyclopts import Parameter
from torch import Tensor

from benchmarks.case import case
from benchmarks.gpts import GPT2, SMALL, random_gpt2, save_ctranslate2
from benchmarks.results import Cell, Table, ends
from benchmarks.timing import Contender, Row, compare, in_turns, reading, told
from clearhead.exchange.huggingface import from_huggingface
from clearhead.generation.prepared import Precision, prepared
from clearhead.generation.sampling import Drawn, Sampling, continue_texts
from clearhead.models.decoder import Decoder

Written = list[list[int]]
Way = Callable[[Tensor, int], Written]
Who = Literal[
    "transformers float32", "transformers float32 static compiled", "transformers bfloat16", "plain float32 loop",
    "plain bfloat16 loop", "ctranslate2 float32", "ctranslate2 int8", "ctranslate2 int8 workers", "clearhead float32",
    "clearhead bfloat16", "clearhead int8",
]  # fmt: skip
_PROMPT, _NO_EOS = 32, -1
_BASE = "transformers float32"
_SHAPES = {"gpt2": GPT2, "small": SMALL}
_AVX2 = {
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's products of bytes
    "ATEN_CPU_CAPABILITY": "avx2",  # all else of PyTorch's own
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "CT2_FORCE_CPU_ISA": "AVX2",
}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured.

    Args:
        avx2: as without VNNI and AVX-512.
        processor_time: count the seconds that the processors worked.
        compile: the compiled contender too.
        quick: one round of 16 tokens, nothing compiled: does it run.
    """

    rounds: int = 5
    batches: tuple[int, ...] = (1, 8)
    tokens: int = 128
    contenders: tuple[Who, ...] = Who.__args__
    size: Literal["gpt2", "small"] = "gpt2"
    seeds: tuple[int, ...] = (0,)
    avx2: bool = False
    processor_time: bool = False
    compile: bool = True
    quick: bool = False

    @property
    def names(self) -> list[str]:
        """Of the contenders; what all are compared with is the first one."""
        chosen = [name for name in self.contenders if self.compile or "compiled" not in name]
        return [_BASE, *(name for name in chosen if name != _BASE)]


def clearhead_way(model: Decoder, precision: Precision) -> Way:
    """Our own, through the cache."""
    ready = prepared(model, precision)

    def write(ids: Tensor, count: int) -> Written:
        rows: Written = [[] for _ in ids]
        greedy = Drawn(Sampling(temperature=0), eos=_NO_EOS)
        for step in continue_texts(ready, ids.tolist(), [count] * len(ids), greedy):
            for row, token in step.items():
                rows[row].append(token)
        return rows

    return write


def transformers_way(model: Any, *, static: bool = False) -> Way:
    """Its own `generate`."""
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    settings |= {"cache_implementation": "static"} if static else {}

    @torch.inference_mode()
    def write(ids: Tensor, count: int) -> Written:
        limits = {"min_new_tokens": count, "max_new_tokens": count}
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **limits, **settings)
        return out[:, ids.size(1) :].tolist()

    return write


def plain_way(model: Any) -> Way:
    """A loop over transformers' model and its cache, as simple as it can be."""

    @torch.inference_mode()
    def write(ids: Tensor, count: int) -> Written:
        out, cache, rows = ids, None, []
        for _ in range(count):
            found = model(out, past_key_values=cache, use_cache=True, logits_to_keep=1)
            out, cache = found.logits[:, -1].argmax(-1, keepdim=True), found.past_key_values
            rows.append(out)
        return torch.cat(rows, 1).tolist()

    return write


def ctranslate2_way(model: Any, quantization: str, folder: Path, *, workers: int = 1) -> Way:
    """CTranslate2's generator; several workers share the threads, and the texts of a batch."""
    import ctranslate2

    save_ctranslate2(model, quantization, folder)
    threads = {"inter_threads": workers, "intra_threads": torch.get_num_threads() // workers}
    generator = ctranslate2.Generator(str(folder), "cpu", compute_type=quantization, **threads)
    settings = {"include_prompt_in_result": False, "beam_size": 1, "end_token": []}

    def write(ids: Tensor, count: int) -> Written:
        prompts = [[f"t{i}" for i in row] for row in ids.tolist()]
        limits = {"max_length": count, "min_length": count, "max_batch_size": -(-len(prompts) // workers)}
        return [result.sequences_ids[0] for result in generator.generate_batch(prompts, **limits, **settings)]

    return write


def make(name: str, place: Path) -> Way:
    """A contender, made of the weights that lie in `place`."""
    from transformers import GPT2LMHeadModel

    theirs = GPT2LMHeadModel.from_pretrained(place / "weights").eval()
    who, precision, *more = name.split()
    if who == "clearhead":
        return clearhead_way(cast(Decoder, from_huggingface(theirs.config.to_dict(), theirs.state_dict())), precision)
    if who == "ctranslate2":
        workers = torch.get_num_threads() if "workers" in more else 1
        return ctranslate2_way(theirs, precision, place / name, workers=workers)
    theirs = theirs.bfloat16() if precision == "bfloat16" else theirs
    return plain_way(theirs) if who == "plain" else transformers_way(theirs, static="compiled" in more)


Found = tuple[float, float, float]  # of a contender, a seed and a batch size: tokens a second, first token, equal


def in_rounds(ways: Sequence[Contender], ids: Tensor, options: Options) -> tuple[list[Row], dict[str, float], Row]:
    """(steady writing as rows, the seconds of the first tokens, the reading of the same rounds)."""
    rows, read = [Row(way.name, lambda _: 0.0) for way in ways], reading()
    first: dict[str, list[float]] = {way.name: [] for way in ways}
    for round_ in range(options.rounds):
        in_turns([read], 1)
        for i in range(len(ways)):
            number = (i + round_) % len(ways)
            time.sleep(0.3)
            one, _ = ways[number](ids, 1)
            whole, _ = ways[number](ids, options.tokens)
            first[ways[number].name].append(one)
            rows[number].times.append(whole - one)
            rows[number].amounts.append(len(ids) * (options.tokens - 1))
    return rows, {name: statistics.median(times) for name, times in first.items()}, read


def measure(ways: Sequence[Contender], batch: int, seed: int, options: Options) -> tuple[Table, dict[str, Found]]:
    """All contenders in turns, at one batch size."""
    torch.manual_seed(1000 * seed + batch)
    shape = _SHAPES[options.size]
    ids = torch.randint(1, shape.vocab, (batch, _PROMPT))
    texts = {way.name: way(ids, options.tokens)[1] for way in ways}  # also warms up, and compiles
    rows, first, read = in_rounds(ways, ids, options)

    def equal(row: Row) -> float:
        pairs = zip(texts[row.name], texts[_BASE], strict=True)
        return statistics.mean(a == b for x, y in pairs for a, b in zip(x, y, strict=True))

    def share(row: Row) -> float:
        width = 1 if "int8" in row.name else 2 if "bfloat16" in row.name else 4
        return row.rate / batch * shape.weights * width / 1e9 / read.rate

    shares = {"first": lambda row: first[row.name], "equal": equal, "reading": share}
    table = compare(rows, next(row for row in rows if row.name == _BASE), shares)
    table.columns["first"] = "{:.3f} s"
    table.title = f"seed {seed}, batch {batch}, {_PROMPT} to {options.tokens} tokens"
    table.remarks.append(told([read]))
    return table, {row.name: (row.rate, first[row.name], equal(row)) for row in rows}


def summarize(batch: int, found: Sequence[dict[str, Found]]) -> Table:
    """All seeds of a batch size."""
    rows: list[list[Cell]] = []
    for name in found[0]:
        rates, first, equal = zip(*(seed[name] for seed in found), strict=True)
        medians = [statistics.median(rates), statistics.median(first)]
        rows.append([name, *medians, statistics.mean(equal), ends(equal)])
    columns = {"": "", "tokens/s": "{:,.0f}", "first": "{:.3f} s", "equal": "{:.1%}", "seeds": "{:.0%}"}
    return Table(columns, rows, title=f"batch {batch}, medians of {len(found)} seeds; equal: mean")


@case("generating", about="writing of a GPT-2 beside transformers and CTranslate2, greedy", duration="15 min")
def generating(options: Annotated[Options, Parameter(name="*")] = Options()) -> Iterator[Table]:
    """Measure each seed and batch size."""
    if options.quick:
        options = replace(options, rounds=1, tokens=16, compile=False)
    if options.avx2:
        os.environ.update(_AVX2)  # read by the contenders, each in a process of its own
    found: dict[int, list[dict[str, Found]]] = {batch: [] for batch in options.batches}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            torch.manual_seed(seed)
            random_gpt2(_SHAPES[options.size]).save_pretrained(place / "weights")
            clock = "process_time" if options.processor_time else "perf_counter"
            ways = [Contender(name, make, name, place, clock=clock) for name in options.names]
            for batch in options.batches:
                table, each = measure(ways, batch, seed, options)
                found[batch].append(each)
                yield table
            for way in ways:
                way.close()
    if len(options.seeds) > 1:
        yield from (summarize(batch, each) for batch, each in found.items())
