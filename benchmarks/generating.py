"""Writing speed of a GPT-2 of 124 million random weights beside transformers and CTranslate2: greedy, token by token.

    .venv/bin/python benchmarks/generating.py [--rounds 5] [--batches 1 8] [--tokens 128] [--contenders NAME ...]
                                              [--no-compile] [--quick]

Prompts of 32 random tokens, exactly 128 new ones. One random GPT2LMHeadModel serves everybody: its weights are read
into clearhead's Decoder by `clearhead.exchange.huggingface`, and from a copy into CTranslate2 (which quantizes in
place). Its output matrix is tied to nothing: a random tied model repeats its input. "equal" is the share of the tokens
written that transformers in float32 wrote at the same place. First token and steady rate apart: "first" is the time
until there is one, tokens a second are those of the others. The trivial baseline is a plain loop over the model's own
cache. Each contender has a process of its own: beside each other in one, the waiting threads of one library slow the
others down.

"reading" is the share of what the memory gives: each step reads every weight of the layers once, measured against a
matrix-vector product that reads a large matrix, in the same rounds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from _gpt import GPT2
from _rounds import Contender, machine, reading, table
from clearhead.exchange.huggingface import from_huggingface
from clearhead.generation.continuation import Sampling, continued
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
    "clearhead float32",
    "clearhead bfloat16",
    "clearhead int8",
)


def random_gpt2() -> Any:
    """A random GPT-2 whose weights are far enough apart that rounding decides nothing."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
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


def ctranslate2_way(model: Any, quantization: str, folder: Path) -> Way:
    """The same model as CTranslate2's, by its own converter's tables, without the tokenizer that it asks for."""
    import ctranslate2
    from ctranslate2.converters.transformers import GPT2Loader

    spec = GPT2Loader().get_model_spec(model)
    spec.register_vocabulary([f"t{i}" for i in range(GPT2.vocab)])
    spec.config.unk_token = spec.config.bos_token = spec.config.eos_token = "t0"
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))
    generator = ctranslate2.Generator(
        str(folder), "cpu", compute_type=quantization, inter_threads=1, intra_threads=torch.get_num_threads()
    )

    def write(ids: Tensor, count: int) -> Written:
        prompts = [[f"t{i}" for i in row] for row in ids.tolist()]
        found = generator.generate_batch(
            prompts, max_length=count, min_length=count, include_prompt_in_result=False, beam_size=1, end_token=[]
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
        return ctranslate2_way(theirs, precision, place / name)
    theirs = theirs.bfloat16() if precision == "bfloat16" else theirs
    return plain_way(theirs) if who == "plain" else transformers_way(theirs, static="compiled" in more)


def measure(ways: Sequence[Contender], batch: int, options: argparse.Namespace) -> None:
    """All contenders in turns, at one batch size."""
    torch.manual_seed(batch)
    ids = torch.randint(1, GPT2.vocab, (batch, _PROMPT))
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
    base = "transformers float32"
    weights = GPT2.layers * 12 * GPT2.d_model**2 + GPT2.vocab * GPT2.d_model
    rows = []
    for name in sorted(rates, key=lambda n: -statistics.median(rates[n])):
        rate = statistics.median(rates[name])
        ratios = [a / b for a, b in zip(rates[name], rates[base], strict=True)]
        width = 1 if "int8" in name else 2 if "bfloat16" in name else 4
        pairs = [a == b for x, y in zip(texts[name], texts[base], strict=True) for a, b in zip(x, y, strict=True)]
        rows.append(
            [
                name,
                f"{rate:,.0f}",
                f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}",
                f"{rate / statistics.median(rates[base]):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                f"{statistics.median(first[name]) * 1e3:,.0f}",
                f"{100 * sum(pairs) / len(pairs):.0f}%",
                f"{100 * rate / batch * weights * width / 1e9 / statistics.median(bandwidth):.0f}%",
            ]
        )
    print(f"\nbatch {batch}, {_PROMPT} to {options.tokens} tokens; reading {statistics.median(bandwidth):.1f} GB/s")
    table(["", "tokens/s", "rounds", f"to {base}", "first (ms)", "equal", "reading"], rows)


def main() -> None:
    """Print a table for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--contenders", nargs="*", choices=_CONTENDERS, default=[])
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--quick", action="store_true", help="one round of 16 tokens: does it run")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.tokens, options.compile = 1, 16, False
    names = options.contenders or [name for name in _CONTENDERS if options.compile or "compiled" not in name]
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        torch.manual_seed(0)
        random_gpt2().save_pretrained(place / "weights")
        ways = [Contender(name, make, name, place) for name in names]
        for batch in options.batches:
            measure(ways, batch, options)
        for way in ways:
            way.close()


if __name__ == "__main__":
    main()
