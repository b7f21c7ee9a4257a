"""Writing speed of a GPT-2 of random weights beside transformers and CTranslate2: greedy, token by token.

    .venv/bin/python benchmarks/generating.py [--rounds 5] [--batches 1 8] [--tokens 128] [--contenders NAME ...]
                                              [--size gpt2 | small] [--seeds 0 1 2] [--avx2] [--processor-time]
                                              [--no-compile] [--quick]

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

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from clearhead.generation.continuation import Sampling, continued
from torch import Tensor, nn

from _gpt import GPT2, SMALL, Shape
from _rounds import Contender, machine, reading, table
from clearhead.exchange.huggingface import from_huggingface
from clearhead.generation.precision import Precision, prepared
from clearhead.models.decoder import Decoder

Written = list[list[int]]
Way = Callable[[Tensor, int], Written]
_PROMPT, _NO_EOS = 32, -1
_CONTENDERS = (
    "transformers float32",
    "transformers float32 static compiled",
    "transformers bfloat16",
    "plain float32 loop",
    "plain bfloat16 loop",
    "ctranslate2 float32",
    "ctranslate2 int8",
    "ctranslate2 int8 workers",
    "clearhead float32",
    "clearhead bfloat16",
    "clearhead int8",
)
_BASE = _CONTENDERS[0]
_SHAPES = {"gpt2": GPT2, "small": SMALL}
_AVX2 = {
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's products of bytes
    "ATEN_CPU_CAPABILITY": "avx2",  # all else of PyTorch's own
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "CT2_FORCE_CPU_ISA": "AVX2",
}


def random_gpt2(shape: Shape) -> Any:
    """A random GPT-2 whose weights are far enough apart that rounding decides nothing."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": shape.layers, "n_embd": shape.d_model, "n_head": shape.heads, "n_positions": shape.context}
    config = GPT2Config(vocab_size=shape.vocab, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0, **sizes)
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and ".h." in name:
                nn.init.normal_(weight, std=0.5 * weight.size(0) ** -0.5)
        nn.init.normal_(model.transformer.wte.weight, std=1.0)
        nn.init.normal_(model.lm_head.weight, std=0.2)
    return model


def clearhead_way(model: Decoder, precision: Precision) -> Way:
    """Our own, through the cache."""
    ready = prepared(model, precision)

    def write(ids: Tensor, count: int) -> Written:
        rows: Written = [[] for _ in ids]
        for step in continued(ready, ids.tolist(), [count] * len(ids), Sampling(temperature=0), eos=_NO_EOS):
            for row, token in step.items():
                rows[row].append(token)
        return rows

    return write


def transformers_way(model: Any, *, static: bool = False) -> Way:
    """Its own `generate`."""
    more = {"cache_implementation": "static"} if static else {}

    @torch.inference_mode()
    def write(ids: Tensor, count: int) -> Written:
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            min_new_tokens=count,
            max_new_tokens=count,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            **more,
        )
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
    """The same model as CTranslate2's, by its own converter's tables, without the tokenizer that it asks for.

    Several workers share the threads, and the texts of a batch.
    """
    import ctranslate2
    from ctranslate2.converters.transformers import GPT2Loader

    spec = GPT2Loader().get_model_spec(model)
    spec.register_vocabulary([f"t{i}" for i in range(model.config.vocab_size)])
    spec.config.unk_token = spec.config.bos_token = spec.config.eos_token = "t0"
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))
    threads = torch.get_num_threads() // workers
    generator = ctranslate2.Generator(
        str(folder), "cpu", compute_type=quantization, inter_threads=workers, intra_threads=threads
    )

    def write(ids: Tensor, count: int) -> Written:
        prompts = [[f"t{i}" for i in row] for row in ids.tolist()]
        found = generator.generate_batch(
            prompts,
            max_batch_size=-(-len(prompts) // workers),
            max_length=count,
            min_length=count,
            include_prompt_in_result=False,
            beam_size=1,
            end_token=[],
        )
        return [result.sequences_ids[0] for result in found]

    return write


def make(name: str, place: Path) -> Way:
    """A contender, made of the weights that lie in `place`."""
    from transformers import GPT2LMHeadModel

    theirs = GPT2LMHeadModel.from_pretrained(place / "weights").eval()
    who, precision, *more = name.split()
    if who == "clearhead":
        return clearhead_way(from_huggingface(theirs.config.to_dict(), theirs.state_dict()), precision)
    if who == "ctranslate2":
        return ctranslate2_way(
            theirs, precision, place / name, workers=torch.get_num_threads() if "workers" in more else 1
        )
    theirs = theirs.bfloat16() if precision == "bfloat16" else theirs
    return plain_way(theirs) if who == "plain" else transformers_way(theirs, static="compiled" in more)


@dataclass(frozen=True)
class Found:
    """Of one contender, one seed and one batch size."""

    rate: float
    first: float
    equal: float


def measure(ways: Sequence[Contender], batch: int, seed: int, options: argparse.Namespace) -> dict[str, Found]:
    """All contenders in turns, at one batch size."""
    torch.manual_seed(1000 * seed + batch)
    shape = _SHAPES[options.size]
    ids = torch.randint(1, shape.vocab, (batch, _PROMPT))
    texts = {way.name: way(ids, options.tokens)[1] for way in ways}  # also warms up, and compiles
    first: dict[str, list[float]] = {way.name: [] for way in ways}
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    read, amount = reading()
    bandwidth = []
    for round_ in range(options.rounds):
        read()
        start = time.perf_counter()
        read()
        bandwidth.append(amount / (time.perf_counter() - start))
        for i in range(len(ways)):
            way = ways[(i + round_) % len(ways)]
            time.sleep(0.3)
            one, _ = way(ids, 1)
            whole, _ = way(ids, options.tokens)
            first[way.name].append(one)
            rates[way.name].append(batch * (options.tokens - 1) / (whole - one))
    weights = shape.layers * 12 * shape.d_model**2 + shape.vocab * shape.d_model
    rows, found = [], {}
    for name in sorted(rates, key=lambda n: -statistics.median(rates[n])):
        rate = statistics.median(rates[name])
        ratios = [a / b for a, b in zip(rates[name], rates[_BASE], strict=True)]
        width = 1 if "int8" in name else 2 if "bfloat16" in name else 4
        pairs = [a == b for x, y in zip(texts[name], texts[_BASE], strict=True) for a, b in zip(x, y, strict=True)]
        found[name] = Found(rate, statistics.median(first[name]), sum(pairs) / len(pairs))
        rows.append(
            [
                name,
                f"{rate:,.0f}",
                f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}",
                f"{rate / statistics.median(rates[_BASE]):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{statistics.median(first[name]) * 1e3:,.0f}",
                f"{100 * found[name].equal:.0f}%",
                f"{100 * rate / batch * weights * width / 1e9 / statistics.median(bandwidth):.0f}%",
            ]
        )
    print(f"\nseed {seed}, batch {batch}, {_PROMPT} to {options.tokens} tokens; ", end="")
    print(f"reading {statistics.median(bandwidth):.1f} GB/s")
    table(["", "tokens/s", "rounds", f"to {_BASE}", "first (ms)", "equal", "reading"], rows)
    return found


def summarize(batch: int, found: Sequence[dict[str, Found]]) -> None:
    """All seeds of a batch size."""
    print(f"\nbatch {batch}, medians of {len(found)} seeds; equal: mean (least to largest)")
    rows = []
    for name in found[0]:
        each = [seed[name] for seed in found]
        equal = [one.equal for one in each]
        rate, first = statistics.median(one.rate for one in each), statistics.median(one.first for one in each)
        share = f"{statistics.mean(equal):.1%} ({min(equal):.0%} to {max(equal):.0%})"
        rows.append([name, f"{rate:,.0f}", f"{first * 1e3:,.0f}", share])
    table(["", "tokens/s", "first (ms)", "equal"], rows)


def main() -> None:
    """Print a table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--contenders", nargs="*", choices=_CONTENDERS, default=[])
    parser.add_argument("--size", choices=_SHAPES, default="gpt2")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--avx2", action="store_true", help="as without VNNI and AVX-512")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--quick", action="store_true", help="one round of 16 tokens: does it run")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tokens, options.compile = 1, 16, False
    if options.avx2:
        os.environ.update(_AVX2)  # read by the contenders, each in a process of its own
    chosen = [_BASE, *(name for name in options.contenders if name != _BASE)]
    names = (
        chosen if options.contenders else [name for name in _CONTENDERS if options.compile or "compiled" not in name]
    )
    print(machine(), *(f"{name}={value}" for name, value in _AVX2.items() if options.avx2))
    found: dict[int, list[dict[str, Found]]] = {batch: [] for batch in options.batches}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            torch.manual_seed(seed)
            random_gpt2(_SHAPES[options.size]).save_pretrained(place / "weights")
            clock = "process_time" if options.processor_time else "perf_counter"
            ways = [Contender(name, make, name, place, clock=clock) for name in names]
            for batch in options.batches:
                found[batch].append(measure(ways, batch, seed, options))
            for way in ways:
                way.close()
    if len(options.seeds) > 1:
        for batch, each in found.items():
            summarize(batch, each)


if __name__ == "__main__":
    main()
