"""What attention replaced: seconds a step by length, quality by length, and how far back is recalled.

Three questions on the networks of `models/recurrent.py` and the transformer, at equal numbers of parameters:

    speed    a recurrent network takes its steps one after the other, the transformer all at once
    length   one fixed vector must hold the whole source; attention looks at the part it needs   (Cho et al., 2014)
    recall   symbols by chance, to be said again in reverse: each was said longer ago than the one before it
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.insight.findings import Chart, Curve, Findings, Table
from clearhead.models.architecture import EncoderDecoderConfig, RecurrentConfig, Seq2SeqConfig
from clearhead.models.bricks import AttentionConfig, FeedForwardConfig
from clearhead.models.seq2seq import Seq2Seq, make_seq2seq
from clearhead.studies.small import Made, Pairs, made, sample

__all__ = ["run"]

_KINDS: dict[str, dict[str, object]] = {
    "transformer": {},
    "LSTM, fixed vector": {"family": "lstm", "attention": "none"},
    "LSTM, Bahdanau": {"family": "lstm", "attention": "bahdanau"},
    "LSTM, Luong": {"family": "lstm", "attention": "luong"},
    "LSTM, Luong, no feeding": {"family": "lstm", "attention": "luong", "input_feeding": False},
}
_COMPARED = ("transformer", "LSTM, fixed vector", "LSTM, Bahdanau")
_LENGTHS, _TOKENS = (16, 32, 64, 128, 256, 512), 1024
_JOINED, _STEPS, _SEED = (1, 2, 3, 4), 600, 0
_SYMBOLS, _KINDS_OF, _RECALL_STEPS, _BATCH = 20, 24, 800, 64


def run(say: Callable[[str], None]) -> Findings:
    """The three measurements; each says how far it is."""
    seconds = _speed(say)
    lengths, right = _length(say)
    recalled = _recall(say)
    last = len(_LENGTHS) - 1
    fixed, attended = right["LSTM, fixed vector"], right["LSTM, Bahdanau"]
    return Findings(
        "lstm",
        "What did attention replace, and what for?",
        f"speed: one training step of about {_TOKENS:,} tokens a side, vocabulary 1,000, median of three; length: one "
        f"to four sentences of the built-in grammar joined, {_STEPS} steps; recall: {_SYMBOLS} symbols of {_KINDS_OF} "
        f"kinds by chance, to be said again in reverse, {_RECALL_STEPS} steps of {_BATCH}; equal parameters (within "
        f"3 %), seed {_SEED}, {torch.get_num_threads()} threads",
        [
            Table(
                "Seconds of a training step, by tokens of a sentence",
                ["model", *(f"{n} tokens" for n in _LENGTHS)],
                [[kind, *seconds[kind]] for kind in _KINDS],
            ),
            Table(
                "Words right in their place, %, by words of the source",
                ["model", *lengths],
                [[kind, *right[kind]] for kind in _COMPARED],
            ),
            Table(
                "Symbols recalled, %, by how many tokens ago they were said",
                ["model", *(str(ago) for ago in _distances())],
                [[kind, *recalled[kind]] for kind in _COMPARED],
            ),
        ],
        _charts(seconds, lengths, right, recalled),
        [
            f"From {_LENGTHS[0]} to {_LENGTHS[last]} tokens, with as many tokens in a step, the transformer's step "
            f"takes {seconds['transformer'][last] / seconds['transformer'][0]:.1f} times as long, that of an LSTM "
            f"with Bahdanau's attention {seconds['LSTM, Bahdanau'][last] / seconds['LSTM, Bahdanau'][0]:.1f} times, "
            "and with attention after the recurrence and no feeding "
            f"{seconds['LSTM, Luong, no feeding'][last] / seconds['LSTM, Luong, no feeding'][0]:.1f} times.",
            f"On the shortest sources ({lengths[0]} words) the fixed vector gets {fixed[0]:.0f} % of the words right "
            f"and attention {attended[0]:.0f} %; on the longest ({lengths[-1]}) {fixed[-1]:.0f} % and "
            f"{attended[-1]:.0f} % (the transformer {right['transformer'][0]:.0f} % and "
            f"{right['transformer'][-1]:.0f} %).",
            f"What was said {_distances()[-1]} tokens ago is recalled in {recalled['LSTM, fixed vector'][-1]:.0f} % of "
            f"cases through a fixed vector (what was said just now in {recalled['LSTM, fixed vector'][0]:.0f} %), in "
            f"{recalled['LSTM, Bahdanau'][-1]:.0f} % with attention and {recalled['transformer'][-1]:.0f} % by the "
            f"transformer (by chance {100 / _KINDS_OF:.0f} %).",
        ],
    )


def _charts(
    seconds: Mapping[str, Sequence[float]],
    lengths: list[str],
    right: Mapping[str, Sequence[float]],
    recalled: Mapping[str, Sequence[float]],
) -> list[Chart]:
    """Seconds of a step, words right by length, symbols recalled by distance."""
    return [
        Chart(
            "A step after the other costs time",
            "tokens of a sentence",
            "seconds of a training step",
            [Curve(kind, [float(n) for n in _LENGTHS], seconds[kind]) for kind in _KINDS],
            log_x=True,
            log_y=True,
        ),
        Chart(
            "One vector cannot hold a long source",
            "words of the source",
            "words right in their place (%)",
            [Curve(kind, lengths, right[kind]) for kind in _COMPARED],
        ),
        Chart(
            "What was said long ago",
            "tokens ago",
            "symbols recalled (%)",
            [Curve(kind, [float(ago) for ago in _distances()], recalled[kind]) for kind in _COMPARED],
        ),
    ]


# Equal sizes ----------------------------------------------------------------------------------------------------------


def _config(kind: str, vocab: int, **more: object) -> Seq2SeqConfig:
    """A configuration of about as many parameters as the transformer's of d_model 64."""
    about = _KINDS[kind]
    shared = {"dropout": 0.1, "max_len": 600, **more}
    transformer = EncoderDecoderConfig(
        d_model=64, attention=AttentionConfig(heads=4), feed_forward=FeedForwardConfig(d_ff=256), layers=2, **shared
    )
    if not about:
        return transformer
    wanted = _count(transformer, vocab)
    widths = range(32, 128, 2)
    width = min(widths, key=lambda d: abs(_count(RecurrentConfig(d_model=d, **about, **shared), vocab) - wanted))
    return RecurrentConfig(d_model=width, **about, **shared)


def _count(config: Seq2SeqConfig, vocab: int) -> int:
    return sum(weight.numel() for weight in make_seq2seq(config, vocab, vocab).parameters())


# Speed ----------------------------------------------------------------------------------------------------------------


def _speed(say: Callable[[str], None]) -> dict[str, list[float]]:
    vocab = 1000
    found: dict[str, list[float]] = {}
    for kind in _KINDS:
        torch.manual_seed(_SEED)
        model = make_seq2seq(_config(kind, vocab), vocab, vocab)
        found[kind] = []
        for length in _LENGTHS:
            say(f"speed: {kind}, {length} tokens")
            rows = torch.randint(4, vocab, (max(1, _TOKENS // length), length))
            found[kind].append(median(_seconds(model, rows) for _ in range(3)))
    return found


def _seconds(model: Seq2Seq, rows: Tensor) -> float:
    start = time.perf_counter()
    logits = model(rows, rows)
    F.cross_entropy(logits.flatten(0, 1), rows.flatten()).backward()
    model.zero_grad()
    return time.perf_counter() - start


# Length ---------------------------------------------------------------------------------------------------------------


def _length(say: Callable[[str], None]) -> tuple[list[str], dict[str, list[float]]]:
    """(ranges of words of the source, per cent of words right in their place in each, for each kind)."""
    train, test = _joined(sample("train", 9000), 6000, 1), _joined(sample("test", 900), 400, 2)
    by_length: dict[str, list[tuple[str, str]]] = {}
    for source, target in test:
        low = 8 * ((len(source.split()) - 1) // 8)
        by_length.setdefault(f"{low + 1}-{low + 8}", []).append((source, target))
    ranges = [
        name for name in sorted(by_length, key=lambda name: int(name.split("-")[0])) if len(by_length[name]) >= 20
    ]
    found = {}
    for kind in _COMPARED:
        say(f"length: training {kind}")
        vocab = 1 + len({word for pair in train for text in pair for word in text.split()})
        arch = _config(kind, vocab, max_len=96).model_dump()
        trained = made(arch, train, seed=_SEED, steps=_STEPS, batch_tokens=4096)
        say(f"length: writing with {kind}")
        found[kind] = [_in_place(trained, by_length[name]) for name in ranges]
    return ranges, found


def _joined(pairs: Pairs, count: int, seed: int) -> Pairs:
    """`count` pairs of one to four sentences after each other."""
    draw = random.Random(seed)
    chosen = [draw.sample(list(pairs), draw.choice(_JOINED)) for _ in range(count)]
    return [(" ".join(a for a, _ in some), " ".join(b for _, b in some)) for some in chosen]


def _in_place(trained: Made, pairs: Pairs) -> float:
    """Per cent of the words of the targets that the model writes in their place, greedily."""
    outputs = trained.model.translate([source for source, _ in pairs], beam=1)
    right = total = 0
    for output, (_, target) in zip(outputs, pairs, strict=True):
        words = output.split()
        total += len(target.split())
        right += sum(place < len(words) and words[place] == word for place, word in enumerate(target.split()))
    return 100 * right / total


# Recall ---------------------------------------------------------------------------------------------------------------


def _recall(say: Callable[[str], None]) -> dict[str, list[float]]:
    found = {}
    vocab = 4 + _KINDS_OF
    for kind in _COMPARED:
        say(f"recall: {kind}")
        torch.manual_seed(_SEED)
        model = make_seq2seq(_config(kind, vocab, dropout=0.0), vocab, vocab)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=_RECALL_STEPS)
        generator = torch.Generator().manual_seed(_SEED)
        for _ in range(_RECALL_STEPS):
            src, tgt, answers = _reversed(generator, _BATCH)
            F.cross_entropy(model(src, tgt).flatten(0, 1), answers.flatten()).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        found[kind] = _by_distance(model.eval(), generator)
    return found


def _reversed(generator: torch.Generator, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Symbols [n, symbols], what the decoder is given (a beginning, then what it was to say), what it is to say."""
    src = torch.randint(4, 4 + _KINDS_OF, (n, _SYMBOLS), generator=generator)
    answers = src.flip(1)
    return src, torch.cat([torch.ones_like(src[:, :1]), answers[:, :-1]], dim=1), answers


@torch.no_grad()
def _by_distance(model: Seq2Seq, generator: torch.Generator) -> list[float]:
    """Per cent of symbols said right for each distance, in 500 rows."""
    src, tgt, answers = _reversed(generator, 500)
    return (100.0 * (model(src, tgt).argmax(-1) == answers).float().mean(0)).tolist()


def _distances() -> list[int]:
    """How many tokens ago each symbol was said when it is to be said again."""
    return [2 * place + 1 for place in range(_SYMBOLS)]
