"""Decoding speed beside transformers and CTranslate2: beam search with the same weights, equal lengths forced.

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

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.attention import Uncached
from benchmarks.case import case
from benchmarks.results import Table
from benchmarks.timing import Contender, Row, compare, constant, graphs, in_turns, limits, reading, told
from benchmarks.translators import EOS, SIZES, UNK, Size, random_marian, save_ctranslate2, twin
from clearhead.generation.beam import search
from clearhead.generation.prepared import Precision, prepared
from clearhead.models.encoder_decoder import EncoderDecoder

Who = Literal["clearhead", "transformers", "ctranslate2"]
Written = list[list[int]]
_SRC, _NEW = 32, 32
_BASE = "transformers float32 eager"


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


@torch.inference_mode()
def by_clearhead(module: EncoderDecoder, setting: Setting, *, cached: bool = True) -> Written:
    """Encode, then search."""
    memory = module.encode(setting.src)
    writer = module if cached else Uncached(module)
    limits, forbidden = [_NEW] * setting.src.size(0), (EOS, setting.pad)
    found = search(
        writer, [[setting.pad]] * len(limits), limits, memory, eos=EOS, forbidden=forbidden, beam=setting.beam
    )
    return [hypotheses[0].ids for hypotheses in found]


def by_ctranslate2(folder: str, kind: str) -> Callable[[list[list[int]], int], Written]:
    """`translate_batch`; in a process of its own: within ours its threads slow down everybody, torch's by a third."""
    import ctranslate2

    threads = {"inter_threads": 1, "intra_threads": torch.get_num_threads()}
    translator = ctranslate2.Translator(folder, "cpu", compute_type=kind, **threads)
    names = {EOS: "</s>", UNK: "<unk>"}
    numbers = {name: i for i, name in names.items()}
    limits = {"min_decoding_length": _NEW, "max_decoding_length": _NEW}

    def write(src: list[list[int]], beam: int) -> Written:
        rows = [[names.get(i, f"t{i}") for i in row] for row in src]
        found = translator.translate_batch(rows, beam_size=beam, **limits)
        return [[numbers[t] if t in numbers else int(t[1:]) for t in result.hypotheses[0]] for result in found]

    return write


Decode = Callable[[Setting], Written]


def transformers_ways(marian: Any, *, compiled: bool) -> dict[str, Decode]:
    """`generate`, with its cache; the attention is set at each call, as one model serves several rows."""

    def way(model: Any, kind: str, **options: Any) -> Decode:
        @torch.inference_mode()
        def decode(setting: Setting) -> Written:
            model.set_attn_implementation(kind)
            limits = {"min_new_tokens": _NEW, "max_new_tokens": _NEW, "suppress_tokens": [setting.pad]}
            real, how = torch.ones_like(setting.src), {"do_sample": False, **limits, **options}
            return model.generate(setting.src, attention_mask=real, num_beams=setting.beam, **how)[:, 1:].tolist()

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
    """CTranslate2 in float32 and int8, on as many threads as torch has."""

    def way(kind: str) -> Decode:
        save_ctranslate2(marian, size, kind, folder / kind)
        contender = Contender(f"ctranslate2 {kind}", by_ctranslate2, str(folder / kind), kind)
        return lambda setting: contender(setting.src.tolist(), setting.beam)[1]

    return {f"ctranslate2 {kind}": way(kind) for kind in ("float32", "int8")}


def clearhead_ways(module: EncoderDecoder) -> dict[str, Decode]:
    """clearhead in every way it can be made ready."""
    return {f"clearhead {name}": partial(by_clearhead, prepared(module, name)) for name in _PRECISIONS}


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


def measure(size: Size, ways: dict[str, Decode], module: EncoderDecoder, setting: Setting, rounds: int) -> Table:
    """One setting: agreement, rounds, table."""
    written, remarks = try_all(ways, setting)
    reference = written.get(_BASE)
    count = float(setting.src.size(0) * _NEW)
    rows = {name: Row(name, constant(lambda d=ways[name]: d(setting), count)) for name in written}
    most, read = limits(setting.rows), reading()
    in_turns([*rows.values(), *most.values(), read], rounds)

    def products(row: Row) -> float:
        limit = most["float32" if "float32" in row.name else "bfloat16"]
        return row.rate / count * teraflop(size, setting) / limit.rate

    def weights(row: Row) -> float:
        width = 4 if "float32" in row.name else 1 if "int8" in row.name else 2
        return row.rate / count * size.tgt_weights * width * _NEW / 1e9 / read.rate

    shares = {} if reference is None else {"equal": lambda row: equal(written[row.name], reference)}
    base = rows.get(_BASE, next(iter(rows.values())))
    table = compare(list(rows.values()), base, {**shares, "products": products, "reading": weights})
    table.columns |= dict.fromkeys(shares, "{:.1%}")
    sample = reference or next(iter(written.values()))
    different = sum(len(set(ids)) for ids in sample) / len(sample)
    table.title = f"{size}; batch {setting.src.size(0)}, beam {setting.beam}, {_SRC} to {_NEW} tokens"
    table.remarks = [told([*most.values(), read]), f"different tokens in a sentence of {_NEW}: {different:.1f}"]
    table.remarks += [*uncached(module, setting), *remarks]
    return table


@case("decoding", about="beam search beside transformers and CTranslate2, the same weights", duration="20 min")
def decoding(
    *,
    sizes: tuple[Literal["small", "large"], ...] = ("small", "large"),
    rounds: int = 5,
    contenders: tuple[Who, ...] = Who.__args__,
    extras: bool = False,
    compile: bool = True,
    quick: bool = False,
) -> Iterator[Table]:
    """Measure each size.

    Args:
        extras: batch 1 with beam 4 and batch 16 with beam 1 as well.
        compile: the compiled peer too.
        quick: the small size, one round, nothing compiled.
    """
    if quick:
        sizes, rounds, compile = ("small",), 1, False
    torch.manual_seed(0)
    for size in (SIZES[name] for name in sizes):
        marian = random_marian(size)
        module = twin(marian, size, tied="none")
        with tempfile.TemporaryDirectory() as folder:
            ways: dict[str, Decode] = {}
            if "transformers" in contenders:
                ways |= transformers_ways(marian, compiled=compile)
            if "ctranslate2" in contenders:
                ways |= ctranslate2_ways(marian, size, Path(folder))
            if "clearhead" in contenders:
                ways |= clearhead_ways(module)
            for batch, beam in [(16, 4), *([(1, 4), (16, 1)] if extras else [])]:
                src = torch.randint(2, size.vocab - 1, (batch, _SRC))
                yield measure(size, ways, module, Setting(src, beam, size.vocab - 1), rounds)
