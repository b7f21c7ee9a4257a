"""Every number that can be given has a range, and what lies outside is refused by its name before anything is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from clearhead import attention
from clearhead.errors import ConfigError
from clearhead.generation.sampling import Sampling
from clearhead.models.architecture import models_in
from clearhead.ranges import Count, Port, Rate, Seed, Share, check
from clearhead.tasks import TASKS, find_task
from clearhead.tasks.train import configure
from command import call

OUTSIDE = [-1, -1e308, 2**63, 10**5000, math.nan, math.inf, True]


def numbers(kind: type[BaseModel], prefix: str = "") -> set[str]:
    """The dotted names of all fields of a configuration that hold nothing but numbers."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        inner = models_in(field.annotation)
        found |= {option for model in inner for option in numbers(model, f"{prefix}{name}.")}
        if (
            not inner
            and {int, float} & {field.annotation, *plain(field.annotation)}
            and str not in plain(field.annotation)
        ):
            found.add(prefix + name)
    return found


def plain(annotation: Any) -> set[Any]:
    return {kind for part in get_args(annotation) for kind in (part, *get_args(part)) if isinstance(kind, type)}


def options(name: str, value: Any) -> dict[str, Any]:
    """{"arch": {"layers": value}} of arch.layers."""
    nested = value
    for part in reversed(name.split(".")):
        nested = {part: nested}
    family = {"family": "lstm"} if name in ("arch.input_feeding",) else {}
    return nested | family


@pytest.mark.parametrize("task", TASKS)
def test_no_number_of_a_configuration_is_without_a_range(task: str) -> None:
    names = sorted(numbers(find_task(task).config))
    assert len(names) > 20
    for name in names:
        for value in OUTSIDE:
            with pytest.raises(ConfigError, match=rf"{name} = "):
                configure(task, options=options(name, value))


@pytest.mark.parametrize("size", ["d_model", "layers", "max_len", "heads"])
@pytest.mark.parametrize("task", ["translate", "language"])
def test_a_size_beyond_all_models_is_refused(task: str, size: str) -> None:
    for value in (0, 2**31, 2**63):
        with pytest.raises(ConfigError, match=rf"arch\.(attention\.)?{size} = {value}: .*(greater|less) than"):
            configure(task, options={"arch": {size: value}})


def test_the_choices_of_recurrent_models_have_ranges_too() -> None:
    for name in ("d_model", "layers", "heads", "max_len", "dropout"):
        with pytest.raises(ConfigError, match=rf"arch\.(attention\.)?{name} = "):
            configure("translate", options={"arch": {"family": "lstm", name: 10**10}})


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (Count, 0, "n 0 is not possible\n  fix: give a whole number, 1 or more, at most 1,000,000,000"),
        (Count, 2.5, "n 2.5 is not possible"),
        (Count, "7", "n '7' is not possible"),
        (Count, True, "n True is not possible"),
        (Count, 3.0, "n 3.0 is not possible\n  fix: give a whole number"),
        (Seed, 2**63, "n 9223372036854775808 is not possible"),
        pytest.param(Seed, 10**5000, "n with about 5,000 digits is not possible", id="digits"),
        (Port, 65536, "at most 65,535"),
        (Rate, math.nan, "n nan is not possible\n  fix: give a number, more than 0, at most 1,000,000.0"),
        (Rate, math.inf, "n inf is not possible"),
        (Share, 1, "less than 1"),
    ],
)
def test_an_argument_outside_its_range_is_refused_with_the_range(kind: Any, value: Any, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check(kind, "n", value)
    assert told in str(refused.value)


def test_the_ends_of_a_range_are_in_it() -> None:
    for kind, value in ((Count, 1), (Count, 10**9), (Seed, 0), (Seed, 2**63 - 1), (Port, 65535), (Share, 0.0)):
        check(kind, "n", value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "language", "x.txt", "--tokenizer.vocab-size", 10**9, "--dry-run"], "tokenizer.vocab_size"),
        (["train", "words", "x.txt", "--vocabulary.sample", "nan", "--out", "m"], "vocabulary.sample"),
        (["train", "translate", "x.tsv", "--keep-checkpoints", 10**9, "--out", "m"], "keep_checkpoints"),
        (["explore", "m", "--port", 65536], "port 65536 is not possible"),
        (["explore", "m", "--port", -1], "port -1 is not possible"),
        (["heads", "m", "--texts", 10**12], "texts 1000000000000 is not possible"),
    ],
)
def test_a_command_refuses_a_number_before_it_reads_anything(words: list[Any], told: str) -> None:
    done = call(*words)
    assert done.returncode == 1 and told in done.stderr
    assert "no such" not in done.stderr and "Traceback" not in done.stderr


HUGE = [-1, -1.0, 2**63, 10**400, math.nan, math.inf, 1e13, 1e301, True]
SIZES: dict[Callable[..., object], dict[str, Any]] = {
    attention.sinusoids: {"length": 4, "d_model": 8, "start": 0},
    attention.Sinusoidal: {"d_model": 8, "max_len": 4},
    attention.Learned: {"d_model": 8, "max_len": 4},
    attention.Rotary: {"head_dim": 8, "base": 1e4},
    attention.ALiBi: {"n_heads": 2},
    attention.Relative: {"n_heads": 2, "buckets": 8, "max_distance": 16},
    attention.Window: {"size": 2},
    attention.Cosine: {"temperature": 1.0},
    attention.Bilinear: {"q_dim": 4, "k_dim": 4},
    attention.Additive: {"q_dim": 4, "k_dim": 4, "hidden": 4},
    attention.MultiHead: {
        **{"d_model": 8, "n_heads": 2, "n_kv_heads": 2, "head_dim": 4, "v_head_dim": 4, "memory_dim": 8},
        **{"values_dim": 8, "norm_eps": 1e-6, "dropout": 0.0},
    },
    Sampling: {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0},
}


@pytest.mark.parametrize("made", SIZES, ids=lambda made: made.__name__)
def test_no_number_of_a_part_is_without_a_range(made: Callable[..., object]) -> None:
    good = SIZES[made]
    made(**good)
    for name in good:
        for value in (v for v in HUGE if isinstance(v, type(good[name]))):
            with pytest.raises(ConfigError, match=f"{name} .* is not possible"):
                made(**{**good, name: value})


def test_a_score_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no score 'sine'\n  fix: take one of scaled-dot, dot, cosine"):
        attention.make_score("sine", 4, 4)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), -1])
def test_a_pass_at_a_position_that_cannot_be_is_refused(value: Any) -> None:
    for n, start, m in ((value, 0, 0), (4, value, 0), (4, 0, value)):
        with pytest.raises(ConfigError, match="not possible"):
            attention.Where.across(n, m) if m else attention.Where.line(n, start=start)
