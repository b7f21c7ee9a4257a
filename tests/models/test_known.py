"""Known models have the sizes that their authors published."""

from __future__ import annotations

import pytest

from clearhead.errors import ConfigError
from clearhead.models.known import KNOWN, find_known
from clearhead.tasks.room import known_sizes

PUBLISHED = {  # parameters, counted in their checkpoints
    "bert-base": 109_482_240,
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
    "llama-8b": 8_030_261_248,
    "llama-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "t5-small": 60_506_624,
    "distilbert-base": 66_362_880,
    "minilm-l6": 22_713_216,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_known_model_has_its_published_size(name: str) -> None:
    assert known_sizes(*find_known(name))["parameters"] == PUBLISHED[name]


def test_memory_is_counted_by_hand() -> None:
    sizes = known_sizes(*find_known("llama-8b"))
    assert (sizes["layers"], sizes["key/value heads"]) == (32, 8)
    assert (
        sizes["cache, bfloat16"] == f"{2 * 2 * 8 * 128 * 32 * 131_072 / 1e9:.2f} GB"
    )  # keys and values of 128 numbers
    assert known_sizes(*find_known("bert-base"))["cache, bfloat16"] == "none"


def test_every_known_model_is_an_architecture() -> None:
    for name in KNOWN:
        assert find_known(name)[0].d_model > 0
    with pytest.raises(ConfigError, match="did you mean 'bert-base'"):
        find_known("bert-bas")
