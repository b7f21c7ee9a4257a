"""Decoding speed beside transformers and CTranslate2: beam search with the same weights, equal lengths forced.

    .venv/bin/python benchmarks/decoding.py [--sizes small large] [--rounds 5] [--extras] [--contenders NAME ...]
                                            [--no-compile] [--quick]

Sixteen sources of 32 random tokens, beam 4, exactly 32 new tokens each; `--extras` adds batch 1 with beam 4 and batch
16 with beam 1. One random MarianMTModel (post-norm, ReLU, its own layout of sinusoids) serves everybody: its weights
are copied into clearhead's EncoderDecoder, and from a copy into CTranslate2 (which quantizes in place). Its output
matrix is tied to nothing: a random tied model repeats its input, and all would agree on nothing; how many different
tokens a sentence got is printed. "equal" is the share of tokens written that transformers in float32 wrote at the same
place; a first difference changes all that follows, and a random model's choices are closer than a trained one's. The
trivial baseline is clearhead's own search without a cache, which also shows that cached and uncached agree.

Shares of the machine's limits, measured in the same rounds: "products" counts the arithmetic of all beams, each source
once, against the product [rows, 512] x [512, 2048] in the row's precision (int8 against bfloat16's); "reading" counts
the decoder's weights once a step against a matrix-vector product that reads a large matrix.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from clearhead.generation.search import search
from torch import Tensor

from _peers import EOS, SIZES, UNK, Size, random_marian, save_ctranslate2, twin
from _rounds import Row, constant, graphs, in_turns, machine, product, ratio, reading, table
from clearhead.attention import Where
from clearhead.generation.precision import Precision, prepared
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.stack import Memory

Written = list[list[int]]
_SRC, _NEW = 32, 32
_FAMILIES = ("clearhead", "transformers", "ctranslate2")


@dataclass(frozen=True)
class Setting:
    """What is decoded, how broadly."""

    src: Tensor
    beam: int
    pad: int

    @property
    def rows(self) -> int:
        return self.src.size(0) * self.beam


# The contenders: each decodes a setting


_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


class Uncached:
    """An EncoderDecoder that, for `search`, remembers only token ids and decodes every line of the tree anew."""

    def __init__(self, module: EncoderDecoder):
        self.module = module

    def new_cache(self) -> _Ids:
        return _Ids()

    def decode(self, tgt: Tensor, memory: Memory, *, cache: _Ids, where: Where) -> Tensor:
        cache.append(tgt)
        ids = torch.cat(list(cache), dim=1)
        lines = torch.ones(len(ids), 1, where.m, dtype=torch.bool) if where.kin is None else where.kin
        sentences, beams, _ = lines.shape
        rows = ids[:, None].expand(lines.shape)[lines].view(sentences * beams, -1)
        owners = torch.arange(sentences).repeat_interleave(beams)
        return self.module.decode(rows, memory.select(owners))[:, -1].view(sentences, beams, -1)

    def logits(self, x: Tensor) -> Tensor:
        return self.module.logits(x)


class _Ids(list[Tensor]):
    """Tokens so far, as a cache that `search` can select from."""

    def select(self, rows: Tensor) -> None:
        self[:] = [torch.cat(self, dim=1).index_select(0, rows)]

    def keep(self, places: Tensor) -> None:
        self[:] = [torch.cat(self, dim=1).gather(1, places)]


@torch.inference_mode()
def by_clearhead(module: EncoderDecoder, setting: Setting, *, cached: bool = True) -> Written:
    """Encode, then search."""
    memory = module.encode(setting.src)
    writer = module if cached else Uncached(module)
    limits, forbidden = [_NEW] * setting.src.size(0), (EOS, setting.pad)
    found = search(writer, memory, limits, bos=setting.pad, eos=EOS, forbidden=forbidden, beam=setting.beam)
    return [hypotheses[0].ids for hypotheses in found]


@torch.inference_mode()
def by_transformers(model: Any, setting: Setting, **options: Any) -> Written:
    """`generate`, with its cache."""
    ids = model.generate(
        setting.src,
        attention_mask=torch.ones_like(setting.src),
        num_beams=setting.beam,
        do_sample=False,
        min_new_tokens=_NEW,
        max_new_tokens=_NEW,
        suppress_tokens=[setting.pad],
        **options,
    )
    return ids[:, 1:].tolist()


def by_ctranslate2(folder: str, kind: str, threads: int, src: list[list[int]], beam: int) -> Written:
    """`translate_batch`; runs in a process of its own, where the model stays open."""
    import ctranslate2

    if folder not in _opened:
        _opened[folder] = ctranslate2.Translator(
            folder, "cpu", compute_type=kind, inter_threads=1, intra_threads=threads
        )
    names = {EOS: "</s>", UNK: "<unk>"}
    found = _opened[folder].translate_batch(
        [[names.get(i, f"t{i}") for i in row] for row in src],
        beam_size=beam,
        min_decoding_length=_NEW,
        max_decoding_length=_NEW,
    )
    numbers = {name: i for i, name in names.items()}
    return [[numbers[t] if t in numbers else int(t[1:]) for t in result.hypotheses[0]] for result in found]


_opened: dict[str, Any] = {}

Decode = Callable[[Setting], Written]


def transformers_ways(marian: Any, *, compiled: bool) -> dict[str, Decode]:
    """`generate` in its settings; the attention is set at each call, as one model serves several rows."""

    def way(model: Any, kind: str, **options: Any) -> Decode:
        def decode(setting: Setting) -> Written:
            model.set_attn_implementation(kind)
            return by_transformers(model, setting, **options)

        return decode

    half = copy.deepcopy(marian).bfloat16()
    ways = {
        f"transformers {precision} {kind}": way(model, kind)
        for precision, model in (("float32", marian), ("bfloat16", half))
        for kind in ("eager", "sdpa")
    }
    if compiled:
        static = copy.deepcopy(half)  # generate's own beam search compiles nothing, whatever compile_config says
        static.model.decoder.forward = torch.compile(static.model.decoder.forward, dynamic=False)
        ways["transformers bfloat16 sdpa static compiled"] = way(static, "sdpa", cache_implementation="static")
    return ways


def ctranslate2_ways(marian: Any, size: Size, folder: Path) -> dict[str, Decode]:
    """CTranslate2 in float32 and int8, on as many threads as torch has.

    In a process of its own: within ours its threads slow down everybody, torch's by a third.
    """
    pool, threads = ProcessPoolExecutor(1, mp_context=get_context("spawn")), torch.get_num_threads()

    def way(kind: str) -> Decode:
        save_ctranslate2(marian, size, kind, folder / kind)
        place = str(folder / kind)
        return lambda setting: pool.submit(
            by_ctranslate2, place, kind, threads, setting.src.tolist(), setting.beam
        ).result()

    return {f"ctranslate2 {kind}": way(kind) for kind in ("float32", "int8")}


def clearhead_ways(module: EncoderDecoder) -> dict[str, Decode]:
    """clearhead in every way it can be made ready."""

    def way(ready: EncoderDecoder) -> Decode:
        return lambda setting: by_clearhead(ready, setting)

    return {f"clearhead {name}": way(prepared(module, name)) for name in _PRECISIONS}


# Checks, and the measuring itself


def equal(one: Written, other: Written) -> float:
    """The share of tokens that are the same at the same place."""
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def teraflop(size: Size, setting: Setting) -> float:
    """The arithmetic of encoding each source once and writing in all beams."""
    batch, rows = setting.src.size(0), setting.rows
    weights = size.src_weights * batch * _SRC + size.tgt_weights * rows * _NEW
    sentences = size.attention(_SRC, 0) * batch + (size.attention(_SRC, _NEW) - size.attention(_SRC, 0)) * rows
    return (2 * weights + sentences) / 1e12


def try_all(ways: dict[str, Decode], setting: Setting) -> tuple[dict[str, Written], list[str]]:
    """What everybody writes, which warms everybody up (twice); and what cannot be measured, and why."""
    written, remarks = {}, []
    for name, decode in ways.items():
        start, before = time.perf_counter(), graphs()
        try:
            decode(setting)
            written[name] = decode(setting)
        except Exception as error:  # a row that cannot be made is a result too: it is printed
            reason = next(iter(str(error).splitlines()), "")
            remarks.append(f"{name}: not measured, {type(error).__name__}: {reason}")
            continue
        if wrong := {len(ids) for ids in written[name]} - {_NEW}:
            remarks.append(f"{name}: not measured, it wrote {sorted(wrong)} tokens")
            del written[name]
        elif "compiled" in name:
            made = graphs() - before  # none would mean that it ran as it was
            remarks.append(f"{name}: {made} graphs in {time.perf_counter() - start:.0f} s, not counted")
    return written, remarks


def uncached(module: EncoderDecoder, setting: Setting) -> list[str]:
    """Lines about clearhead without its cache: agreement in each precision, speed."""
    lines = []
    for name in _PRECISIONS:
        ready = prepared(module, name)
        start = time.perf_counter()
        slow = by_clearhead(ready, setting, cached=False)
        rate = setting.src.size(0) * _NEW / (time.perf_counter() - start)
        share = equal(slow, by_clearhead(ready, setting))
        lines.append(f"clearhead {name} without a cache: {rate:,.0f} tokens/s once, {share:.1%} equal to cached")
    return lines


def measure(size: Size, ways: dict[str, Decode], module: EncoderDecoder, setting: Setting, rounds: int) -> None:
    """One setting: agreement, rounds, table."""
    written, remarks = try_all(ways, setting)
    reference = written.get("transformers float32 eager")
    count = float(setting.src.size(0) * _NEW)
    rows = {name: Row(name, constant(lambda d=ways[name]: d(setting), count)) for name in written}
    limits = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        way, amount = product(setting.rows, dtype)
        limits[name] = Row(f"product of {setting.rows} rows {name}", constant(way, amount))
    way, amount = reading()
    limits["reading"] = Row("reading", constant(way, amount))
    in_turns([*rows.values(), *limits.values()], rounds)
    base = rows.get("transformers float32 eager", next(iter(rows.values())))
    lines = []
    for name, row in sorted(rows.items(), key=lambda item: -item[1].rate):
        size_of = 4 if "float32" in name else 1 if "int8" in name else 2
        passes = row.rate / count
        products = passes * teraflop(size, setting) / limits["float32" if size_of == 4 else "bfloat16"].rate
        read = passes * size.tgt_weights * size_of * _NEW / 1e9 / limits["reading"].rate
        same = "" if reference is None else f"{equal(written[name], reference):.1%}"
        spread = f"{min(row.rates):,.0f} to {max(row.rates):,.0f}"
        lines.append(
            [f"  {name}", f"{row.rate:,.0f}", spread, ratio(row, base), same, f"{products:.0%}", f"{read:.0%}"]
        )
    table(["", "tokens/s", "rounds", f"to {base.name}", "equal", "products", "reading"], lines)
    units = ["TFLOP/s", "TFLOP/s", "GB/s"]
    print(
        "  limits:", "; ".join(f"{r.name} {r.rate:.2f} {unit}" for r, unit in zip(limits.values(), units, strict=True))
    )
    sample = reference or next(iter(written.values()))
    print(f"  different tokens in a sentence of {_NEW}: {sum(len(set(ids)) for ids in sample) / len(sample):.1f}")
    for line in [*uncached(module, setting), *remarks]:
        print(f"  {line}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=_FAMILIES, default=list(_FAMILIES))
    parser.add_argument("--extras", action="store_true", help="batch 1 with beam 4 and batch 16 with beam 1 as well")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave the compiled peer out")
    parser.add_argument("--quick", action="store_true", help="the small size, one round, nothing compiled")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.rounds, options.compile = ["small"], 1, False
    torch.manual_seed(0)
    print(machine())
    for name in options.sizes:
        size = SIZES[name]
        marian = random_marian(size)
        module = twin(marian, size, tied="none")
        with tempfile.TemporaryDirectory() as folder:
            ways: dict[str, Decode] = {}
            if "transformers" in options.contenders:
                ways |= transformers_ways(marian, compiled=options.compile)
            if "ctranslate2" in options.contenders:
                ways |= ctranslate2_ways(marian, size, Path(folder))
            if "clearhead" in options.contenders:
                ways |= clearhead_ways(module)
            for batch, beam in [(16, 4), *([(1, 4), (16, 1)] if options.extras else [])]:
                print(f"{name}: {size.layers}+{size.layers} layers, d {size.d_model}, ff {size.d_ff}, ", end="")
                print(f"vocabulary {size.vocab}; batch {batch}, beam {beam}, {_SRC} to {_NEW} tokens")
                src = torch.randint(2, size.vocab - 1, (batch, _SRC))
                measure(size, ways, module, Setting(src, beam, size.vocab - 1), options.rounds)


if __name__ == "__main__":
    main()
