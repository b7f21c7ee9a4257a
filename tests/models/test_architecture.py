"""The names of before: every one is read, and says what the name of today says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clearhead.errors import ConfigError
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.bricks import OLD_NAMES, OLD_RECURRENT_NAMES, AttentionConfig, nested
from clearhead.tasks.train import configure

VALUES: dict[str, Any] = {
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 32,
    "v_head_dim": 16,
    "o_proj": True,
    "qk_norm": True,
    "score": "cosine",
    "attention_dropout": 0.25,
    "biases": False,
    "d_ff": 96,
    "activation": "gelu",
    "norm_eps": 0.5,
    "norm_order": "post",
    "rotary_base": 5e5,
    "input_feeding": False,
}
OLD = [(EncoderDecoderConfig, name, places) for name, places in OLD_NAMES.items()]
OLD += [(DecoderConfig, name, places) for name, places in OLD_NAMES.items()]
OLD += [(RecurrentConfig, name, places) for name, places in OLD_RECURRENT_NAMES.items()]


@pytest.mark.parametrize(("kind", "name", "places"), OLD)
def test_a_name_of_before_is_read(kind: Any, name: str, places: tuple[tuple[str, ...], ...]) -> None:
    value = VALUES[name]
    config = kind.model_validate({name: value})
    for place in places:
        found: Any = config
        for part in place:
            found = getattr(found, part)
        assert found == value
    today: dict[str, Any] = {}
    for first, *rest in places:
        today[first] = {rest[0]: value} if rest else value
    assert config == kind.model_validate(today)
    assert config != kind() or name == "o_proj" or kind is DecoderConfig  # whose preset may choose the same


def test_bricks_are_chosen_by_their_kind_alone() -> None:
    config = DecoderConfig.model_validate({"positions": "alibi", "norm": "layer", "feed_forward": "gelu"})
    assert (config.positions.kind, config.norm.kind, config.feed_forward.kind) == ("alibi", "layer", "gelu")
    assert RecurrentConfig.model_validate({"attention": "luong"}).attention.kind == "luong"


def test_a_preset_chooses_what_nobody_else_does() -> None:
    config = DecoderConfig(preset="qwen3", attention=AttentionConfig(heads=4), positions={"base": 7.0})
    assert config.attention.qk_norm and not config.attention.biases and config.attention.heads == 4
    assert (config.positions.kind, config.positions.base) == ("rotary", 7.0)


def test_two_names_of_one_choice_must_say_the_same() -> None:
    assert nested({"heads": 4, "attention": {"heads": 4}}) == {"attention": {"heads": 4}}
    with pytest.raises(ValidationError, match=r"heads is 2 and attention\.heads 4: these are one choice"):
        DecoderConfig.model_validate({"heads": 2, "attention": {"heads": 4}})
    with pytest.raises(ConfigError, match=r"arch: heads is 2 and attention\.heads 4"):
        configure("language", options={"arch": {"heads": 2, "attention": {"heads": 4}}})


def test_options_of_before_lie_over_a_recipe_of_today() -> None:
    config: Any = configure("translate", recipe="demo", options={"arch": {"heads": 2, "d_ff": 64}})
    assert (config.arch.attention.heads, config.arch.feed_forward.d_ff, config.arch.d_model) == (2, 64, 128)
    gru: Any = configure("translate", recipe="multi30k-de-en-gru", options={"arch": {"score": "dot"}})
    assert gru.arch.attention.score == "dot" and gru.arch.family == "gru"
    other: Any = configure("language", recipe="shakespeare", options={"arch": {"preset": "llama"}})
    assert (other.arch.norm.kind, other.arch.attention.heads, other.arch.feed_forward.d_ff) == ("rms", 4, 512)
