"""Calls of clearhead from Python, each with good arguments, and the same with a hostile one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

import clearhead
from benchmarks import attention
from clearhead import check
from clearhead.edits import Edit
from clearhead.generation.sampling import Sampling
from clearhead.tasks.train import configure, preview, train

# A call: a function and its good arguments by name.
Call = tuple[Callable[..., Any], dict[str, Any]]

_NUMBERS: tuple[Any, ...] = (
    -1, 0, 2**63, 2**70, -(2**63), 10**9, math.nan, math.inf, -math.inf, 1e30, -1e30, 1e-320, 0.5, True, 10**400,
)  # fmt: skip
_TEXTS: tuple[Any, ...] = ("", " ", "\0", "\ud800", "\udcff", "x" * 100_000, "\u2028\ufeff", "\x1b[2J", "../..")
_LISTS: tuple[Any, ...] = ([], [""], ["\ud800"], ["\0", "a"], "one text", ["a"] * 300, ("a",))
_OTHERS: tuple[Any, ...] = (None, b"\xff", [[]], {}, object(), {"a": 1}, [None], [1], (), math.nan)


def _method(model: str, name: str, **good: Any) -> tuple[str, Call]:
    def call(**given: Any) -> Any:
        found = getattr(clearhead.load(f"models/{model}"), name)(**given)
        return list(found) if hasattr(found, "__next__") else found

    return f"load({model!r}).{name}", (call, good)


def _sampled(**given: Any) -> Any:
    return clearhead.load("models/language").generate(["the"], sampling=Sampling(**given), max_tokens=4)


def _edited(**given: Any) -> Any:
    edit = Edit(**given)
    return list(clearhead.load("models/translate").trace("the house", "la casa", edits=[edit]))


def _checked(name: str) -> Callable[..., Any]:
    return lambda answer: getattr(check, name)(lambda *_: answer)


_DRAWN = {"temperature": 0.8, "top_k": 3, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1}
_SEARCH = {"beam": 2, "length_penalty": 1.0}
_TRAIN = {
    "max_steps": 2, "seed": 0, "keep_checkpoints": 0, "quiet": True, "tokenizer": {"vocab_size": 300},
    "arch": {"layers": 1, "d_model": 8, "d_ff": 8, "heads": 2, "max_len": 16}, "valid": [], "recipe": None,
    "training": {"precision": "float32", "compile": "no", "evaluations": 1, "batch_tokens": 64},
}  # fmt: skip
_EDIT = {
    "path": "decoder.blocks.0.cross_attention.attention", "where": (0, 0, 0, 0), "op": "set", "value": 0.0,
    "step": "weights", "call": None,
}  # fmt: skip
CALLS: dict[str, Call] = dict(
    [
        _method("translate", "translate", texts=["the house"], **_SEARCH),
        _method("translate", "n_best", texts=["the house"], n=2, **_SEARCH),
        _method("translate", "evaluate", files=["pairs.tsv"], lowercase=False, columns={"source": 1}, **_SEARCH),
        _method("translate", "look", source="the house", target="la casa", layer=0, head=0),
        _method("translate", "arithmetic", source="the house", target="la casa", part="cross", layer=0, head=0),
        _method("translate", "align", sources=["the house"], targets=["la casa"]),
        _method("lstm", "translate", texts=["the house"], **_SEARCH),
        _method("language", "generate", prompts=["the"], max_tokens=4, seed=0, stop=["x"], beam=1, first=0),
        _method("language", "stream", prompts=["the"], max_tokens=4, seed=0, stop=["x"], first=0),
        _method("language", "shown", prompt="the", max_tokens=4, seed=0),
        _method("language", "look", text="the house", layer=0, head=0),
        _method("language", "evaluate", files=["text.txt"]),
        _method("chat", "chat", chats=[[{"role": "user", "content": "hello"}]], max_tokens=4, seed=0, stop=["x"]),
        _method("words", "nearest", queries=["the"], n=3),
        _method("words", "evaluate", files=["words.txt"]),
        _method("words", "at_step", step=1),
        ("Sampling", (_sampled, _DRAWN)),
        ("load", (clearhead.load, {"model": "models/words"})),
        ("train", (partial(train, "language"), {"files": ["text.txt"], "out": "made", **_TRAIN})),
        ("preview", (partial(preview, "translate"), {"files": ["pairs.tsv"], "valid": [], "recipe": None, "seed": 0})),
        ("configure", (configure, {"task": "words", "recipe": None, "config": None, "options": {"seed": 1}})),
        ("Edit", (_edited, _EDIT)),
        *attention.CALLS.items(),
        *((f"check.{name}", (_checked(name), {"answer": 0.5})) for name in check.__all__ if name != "Checked"),
    ]
)


def spoil(good: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], str, bool]:
    """(arguments, what was done, whether Python's or torch's own error is an answer: the value is of another kind)."""
    name = chance.choice(sorted(good))
    if chance.random() < 0.2:
        value, foreign = chance.choice(_OTHERS), True
    else:
        value, foreign = _hostile(good[name], chance)
    if name == "max_steps" and isinstance(value, int) and value == 10**9:
        value = 3  # a training of so many steps does not hang: it trains
    shown = f"{tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
    return {**good, name: value}, f"{name}={shown[:60]}", foreign


def _hostile(good: Any, chance: random.Random) -> tuple[Any, bool]:
    if isinstance(good, bool) or good is None:
        return chance.choice((*_TEXTS, *_NUMBERS)), True
    if isinstance(good, int | float):
        return chance.choice(_NUMBERS), False
    if isinstance(good, str):
        return chance.choice(_TEXTS), False
    if isinstance(good, torch.Tensor):
        return chance.choice(_spoiled(good)), True
    if isinstance(good, dict):
        name = chance.choice(sorted(good))
        value, foreign = _hostile(good[name], chance)
        return {**good, name: value}, foreign
    if isinstance(good, Sequence):
        return chance.choice(_LISTS), False
    return chance.choice(_OTHERS), True


def _spoiled(good: torch.Tensor) -> list[torch.Tensor]:
    return [
        good[..., :0], good[:, :, :0], good[:0], good[0], good[..., :3], good.repeat(1, 3, 1, 1),
        good.long(), good.bool(), good.half(), good.double(), good.to(torch.bfloat16), good.to_sparse(),
        good.to("meta"), good * 1e30, good.repeat(2, 1, 1, 1),
    ]  # fmt: skip
