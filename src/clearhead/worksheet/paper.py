"""The arithmetic of attention as a person would do it on paper: from encodings to the output, step by step.

    encodings -> q, k, v -> similarities -> scaled -> masked -> percentages -> weighted values
              -> heads side by side -> output -> residual -> norm

A paper is sections of tables. What they come to is held beside clearhead's own act on the same numbers; the largest
difference stands under it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from clearhead.attention import Added, Additive, Attention, Bilinear, Causal, Mask, Matrix, Score, make_score
from clearhead.data.numbers import AttentionNumbers, GivenWeights
from clearhead.errors import ConfigError
from clearhead.worksheet.copies import Columns, Joined, Same
from clearhead.worksheet.operations import Like, Normed, Plus, Product, Softmax, TanhSum, Times, Unit, Waves
from clearhead.worksheet.tables import Given, NumberTable

__all__ = ["Paper", "Section", "attention_paper", "given_table", "linear", "projected", "shares"]

_TITLES = {"q": "queries", "k": "keys", "v": "values"}


@dataclass(frozen=True, eq=False)
class Section:
    """One step: a heading, what is done in words, and its tables."""

    title: str
    text: str
    tables: tuple[NumberTable, ...]


@dataclass(frozen=True, eq=False)
class Paper:
    """A whole worksheet.

    Args:
        gap: the largest difference to clearhead's own attention on these numbers, or in the model they are from; None
            where the shares were given, so that there is nothing to compare.
    """

    title: str
    sections: tuple[Section, ...]
    gap: float | None

    @property
    def tables(self) -> tuple[NumberTable, ...]:
        """All tables, in the order of the paper."""
        return tuple(table for section in self.sections for table in section.tables)

    def table(self, name: str) -> NumberTable:
        """The table that formulas call so.

        Raises:
            ConfigError: there is none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise ConfigError(f"there is no table {name!r}", f"the tables are {', '.join(t.name for t in self.tables)}")


def attention_paper(numbers: AttentionNumbers) -> Paper:
    """The arithmetic of one attention on these numbers.

    Raises:
        ConfigError: sizes do not fit one another, or something that is needed was not given.
    """
    weights = _drawn(numbers)
    sections = []
    opening = _encodings(numbers)
    x = opening[-1] if opening else None
    asked = _memory(numbers)
    memory = asked[-1] if asked else x if numbers.memory is None else None
    if opening or asked:
        sections.append(Section("Encodings", "Each token is a row of numbers.", (*opening, *asked)))
    parts = {}
    for name, source in (("q", x), ("k", memory), ("v", memory)):
        if name == "v" or numbers.percentages is None:
            parts[name] = projected(name, source, numbers, weights)
    sections.append(
        Section(
            "Queries, keys and values" if "q" in parts else "Values",
            "What each token asks, what it offers to be found by, and what it answers.",
            tuple(table for tables in parts.values() for table in tables),
        )
    )
    contexts, gaps = [], []
    for h in range(numbers.heads):
        tail = f"_{h + 1}" if numbers.heads > 1 else ""
        cut = {name: _columns(tables[-1], h, numbers.heads, tail) for name, tables in parts.items()}
        tables = shares(cut["q"], cut["k"], numbers, weights, tail) if "q" in cut else [_given_shares(numbers)]
        context = NumberTable(
            f"context{tail}",
            tuple(numbers.tokens),
            cut["v"].columns,
            Product(tables[-1], cut["v"]),
            "what each token takes home",
        )
        shown = [t for t in cut.values() if numbers.heads > 1]
        title = f"Attention, head {h + 1}" if numbers.heads > 1 else "Attention"
        told = (
            "How like each query is to each key, as shares of 100 %; each token takes the values home in these shares."
        )
        sections.append(Section(title, told, (*shown, *tables, context)))
        contexts.append(context)
        if "q" in cut:
            gaps.append(_gap(cut, context, numbers, weights))
    if numbers.context is not None:
        elsewhere = given_table("context", contexts[0].rows, numbers.context, "elsewhere", contexts[0].columns)
        gaps.append(float(np.abs(elsewhere.values - contexts[0].values).max()))
    closing = _closing(contexts, x, numbers, weights)
    if closing:
        sections.append(Section("Output", "What the heads bring, and what is made of it.", tuple(closing)))
    return Paper(numbers.title, tuple(sections), max(gaps, default=None))


# The steps -----------------------------------------------------------------------------------------------------------


def _encodings(numbers: AttentionNumbers) -> list[NumberTable]:
    if numbers.encodings is None:
        return []
    tokens = tuple(numbers.tokens)
    x = given_table("x", tokens, numbers.encodings, "encodings")
    if not numbers.positions:
        return [x]
    waves = NumberTable("p", tokens, x.columns, Waves(len(tokens), len(x.columns)), "positions")
    return [x, waves, NumberTable("e", tokens, x.columns, Plus(x, waves), "encodings with positions")]


def _memory(numbers: AttentionNumbers) -> list[NumberTable]:
    if numbers.memory is None or numbers.memory.encodings is None:
        return []
    return [given_table("m", tuple(numbers.memory.tokens), numbers.memory.encodings, "encodings of the memory")]


def projected(
    name: str, x: NumberTable | None, numbers: AttentionNumbers, weights: GivenWeights, tail: str = ""
) -> list[NumberTable]:
    """q, k or v: given, multiplied out of the encodings, or the encodings themselves; the result stands last."""
    rows = tuple(numbers.tokens) if name == "q" or numbers.memory is None else tuple(numbers.memory.tokens)
    if (given := getattr(numbers, name)) is not None:
        return [given_table(name + tail, rows, given, _TITLES[name])]
    if x is None:
        raise ConfigError(f"{name} comes from encodings, and there are none", f"give encodings, or {name} itself")
    weight, bias = getattr(weights, name), getattr(weights, f"{name}_bias")
    if weight is None:
        return [NumberTable(name + tail, rows, x.columns, Same(x), f"{_TITLES[name]}: the encodings themselves")]
    return linear(name + tail, x, weight, bias, _TITLES[name])


def linear(
    name: str,
    x: NumberTable,
    weight: Sequence[Sequence[float]],
    bias: Sequence[float] | None,
    title: str,
    columns: Sequence[str] | None = None,
) -> list[NumberTable]:
    """x times a matrix, plus a bias; the tables that this takes, the result last."""
    if len(weight) != len(x.columns):
        raise ConfigError(
            f"weights.{name} has {len(weight)} rows, {x.name} has {len(x.columns)} columns",
            f"its shape is [columns of {x.name}, columns of the result]",
        )
    labels = None if columns is None else tuple(columns)
    w = given_table(f"W_{name}", x.columns, weight, f"weights of the {title}", labels)
    if bias is None:
        return [w, NumberTable(name, x.rows, w.columns, Product(x, w), title)]
    if len(bias) != len(w.columns):
        raise ConfigError(f"weights.{name}_bias has {len(bias)} numbers", f"give {len(w.columns)}")
    b = given_table(f"b_{name}", ("bias",), [bias], "its bias", w.columns)
    product = NumberTable(f"{name}'", x.rows, w.columns, Product(x, w), f"{title}, before the bias")
    return [w, b, product, NumberTable(name, x.rows, w.columns, Plus(product, b), title)]


def _columns(table: NumberTable, head: int, heads: int, tail: str) -> NumberTable:
    """A head's columns."""
    if heads == 1:
        return table
    if len(table.columns) % heads:
        good = [n for n in range(1, len(table.columns) + 1) if len(table.columns) % n == 0]
        raise ConfigError(
            f"{table.name} has {len(table.columns)} columns, which do not divide into {heads} heads",
            f"take {', '.join(map(str, good))} heads",
        )
    width = len(table.columns) // heads
    start = head * width
    columns = table.columns[start : start + width]
    return NumberTable(
        f"{table.name}{tail}", table.rows, columns, Columns(table, start, start + width), f"of head {head + 1}"
    )


def shares(
    q: NumberTable, k: NumberTable, numbers: AttentionNumbers, weights: GivenWeights, tail: str
) -> list[NumberTable]:
    """From queries and keys to the percentages."""
    made = _similarities(q, k, numbers, weights, tail)
    rows, columns = q.rows, k.rows
    if numbers.score == "scaled-dot":
        scaled = Times(made[-1], math.sqrt(len(k.columns)), under=True, root=True)
        made.append(NumberTable(f"scaled{tail}", rows, columns, scaled, "similarities, so that wide heads stay calm"))
    if numbers.bias is not None:
        added = given_table(f"bias{tail}", rows, numbers.bias, "by distance", columns)
        made += [
            added,
            NumberTable(f"biased{tail}", rows, columns, Plus(made[-1], added), "similarities with the bias"),
        ]
    if numbers.mask != "none":
        allowed = _allowed(numbers, len(rows), len(columns))
        zeros = np.where(allowed, 0.0, -math.inf)
        closed = given_table(f"mask{tail}", rows, zeros, "0 where a token may look", columns)
        made += [
            closed,
            NumberTable(f"masked{tail}", rows, columns, Plus(made[-1], closed), "what may not be looked at is -inf"),
        ]
    made.append(
        NumberTable(f"percentages{tail}", rows, columns, Softmax(made[-1]), "how much each token looks at each", True)
    )
    return made


def _similarities(
    q: NumberTable, k: NumberTable, numbers: AttentionNumbers, weights: GivenWeights, tail: str
) -> list[NumberTable]:
    name, rows, columns = f"similarities{tail}", q.rows, k.rows
    title = "how like each query (row) is to each key (column)"
    if numbers.score == "additive":
        hidden = []
        for side, weight in ((q, weights.additive_q), (k, weights.additive_k)):
            w = given_table(
                f"U_{side.name}", side.columns, _needed(weight, "additive_q and weights.additive_k"), "of the score"
            )
            hidden += [
                w,
                NumberTable(f"h_{side.name}", side.rows, w.columns, Product(side, w), "what the small network sees"),
            ]
        v = given_table(f"u{tail}", ("u",), [_needed(weights.additive_v, "additive_v")], "of the score")
        return [*hidden, v, NumberTable(name, rows, columns, TanhSum(hidden[1], hidden[3], v), title)]
    if numbers.score == "bilinear":
        w = given_table(f"W{tail}", q.columns, _needed(weights.bilinear, "bilinear"), "of the score")
        turned = NumberTable(f"qW{tail}", rows, w.columns, Product(q, w), "the queries in the keys' terms")
        return [w, turned, NumberTable(name, rows, columns, Like(turned, k), title)]
    if numbers.score == "cosine":
        units = [NumberTable(f"{t.name}°", t.rows, t.columns, Unit(t), "of length 1") for t in (q, k)]
        return [*units, NumberTable(name, rows, columns, Like(*units), title)]
    if len(q.columns) != len(k.columns):
        raise ConfigError(
            f"queries have {len(q.columns)} columns, keys {len(k.columns)}; a {numbers.score} score compares one width",
            "take score: bilinear or score: additive, or give them one width",
        )
    return [NumberTable(name, rows, columns, Like(q, k), title)]


def _given_shares(numbers: AttentionNumbers) -> NumberTable:
    assert numbers.percentages is not None
    asked = numbers.tokens if numbers.memory is None else numbers.memory.tokens
    return given_table("percentages", tuple(numbers.tokens), numbers.percentages, "given", tuple(asked), percent=True)


def _closing(
    contexts: list[NumberTable], x: NumberTable | None, numbers: AttentionNumbers, weights: GivenWeights
) -> list[NumberTable]:
    """What comes after the heads; nothing, if nothing was asked for."""
    made: list[NumberTable] = []
    out = contexts[0]
    if len(contexts) > 1:
        columns = tuple(column for context in contexts for column in context.columns)
        made.append(NumberTable("joined", out.rows, columns, Joined(tuple(contexts)), "the heads side by side"))
    if weights.o is not None:
        made += linear("o", made[-1] if made else out, weights.o, weights.o_bias, "output")
    if numbers.residual:
        last = made[-1] if made else out
        if x is None or len(x.columns) != len(last.columns):
            raise ConfigError("the residual adds encodings of the output's width", "give them, or leave residual out")
        made.append(NumberTable("r", out.rows, last.columns, Plus(last, x), "with the residual connection"))
    if numbers.norm:
        last = made[-1] if made else out
        ones = given_table("g", ("scale",), [[1.0] * len(last.columns)], "scale of the norm", last.columns)
        zeros = given_table("b", ("shift",), [[0.0] * len(last.columns)], "shift of the norm", last.columns)
        made += [ones, zeros, NumberTable("n", out.rows, last.columns, Normed(last, ones, zeros), "layer norm")]
    return made


# ----------------------------------------------------------------------------------------------------------------------


def given_table(
    name: str,
    rows: tuple[str, ...],
    values: object,
    title: str,
    columns: tuple[str, ...] | None = None,
    *,
    percent: bool = False,
) -> NumberTable:
    """Numbers that were put in; columns are numbered from 1 where they have no labels.

    Raises:
        ConfigError: there are not as many as labels.
    """
    array = np.asarray(values, dtype=np.float64)
    columns = columns or tuple(str(n) for n in range(1, array.shape[1] + 1))
    if array.shape != (len(rows), len(columns)):
        raise ConfigError(f"{name} is {array.shape[0]} x {array.shape[1]}", f"give it {len(rows)} x {len(columns)}")
    return NumberTable(name, rows, columns, Given(array), title, percent)


def _needed(value: object, name: str) -> object:
    if value is None:
        raise ConfigError(f"this score needs weights.{name}", "give them")
    return value


def _allowed(numbers: AttentionNumbers, queries: int, keys: int) -> np.ndarray:
    if numbers.mask == "causal":
        return np.tri(queries, keys, dtype=bool)
    allowed = np.array(numbers.mask, dtype=bool)
    if allowed.shape != (queries, keys):
        raise ConfigError(f"the mask is {' x '.join(map(str, allowed.shape))}", f"give it {queries} x {keys}")
    return allowed


def _drawn(numbers: AttentionNumbers) -> GivenWeights:
    """The weights, those of a seed drawn."""
    weights = numbers.weights
    if weights.seed is None:
        return weights
    if numbers.encodings is None:
        raise ConfigError("weights.seed draws matrices for encodings, and there are none", "give encodings")
    asked = (
        numbers.encodings if numbers.memory is None or numbers.memory.encodings is None else numbers.memory.encodings
    )
    width = len(numbers.encodings[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        drawn = {
            name: nn.Linear(len(source[0]), width, bias=False).weight.detach().double().T.tolist()
            for name, source in (("q", numbers.encodings), ("k", asked), ("v", asked))
        }
    return weights.model_copy(update={n: w for n, w in drawn.items() if getattr(weights, n) is None})


def _gap(cut: dict[str, NumberTable], context: NumberTable, numbers: AttentionNumbers, weights: GivenWeights) -> float:
    """The largest difference to clearhead's own act."""
    q, k, v = (torch.from_numpy(cut[name].values.copy())[None, None] for name in ("q", "k", "v"))
    mask: Mask | None = None
    if numbers.mask == "causal":
        mask = Causal()
    elif numbers.mask != "none":
        mask = Matrix(torch.tensor(numbers.mask))
    bias = None if numbers.bias is None else Added(torch.tensor(numbers.bias, dtype=torch.float64)[None, None])
    act = Attention(q, k, v, mask=mask, bias=bias, score=_score(q, k, numbers, weights))
    return float((act.context()[0, 0] - torch.from_numpy(context.values)).abs().max())


@torch.no_grad()
def _score(q: Tensor, k: Tensor, numbers: AttentionNumbers, weights: GivenWeights) -> Score:
    if numbers.score == "additive":
        assert weights.additive_q is not None and weights.additive_v is not None
        score = Additive(q.size(-1), k.size(-1), len(weights.additive_v)).double().requires_grad_(False)
        given = {"q": weights.additive_q, "k": weights.additive_k, "v": [[x] for x in weights.additive_v]}
        score.load_state_dict({f"{n}_weight": torch.tensor(w, dtype=torch.float64) for n, w in given.items()})
        return score
    if numbers.score == "bilinear":
        turned = Bilinear(q.size(-1), k.size(-1)).double().requires_grad_(False)
        turned.weight.copy_(torch.tensor(weights.bilinear, dtype=torch.float64))
        return turned
    return make_score(numbers.score, q.size(-1), k.size(-1))
