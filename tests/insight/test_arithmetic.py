"""From a head of a model to a worksheet: the paper comes to the context that the model itself went on with."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.attention import Cosine, MultiHead
from clearhead.data.numbers import AttentionNumbers
from clearhead.errors import ConfigError
from clearhead.insight.arithmetic import head_numbers, inputs_of
from clearhead.look import watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.worksheet import Paper, attention_paper

SRC, TGT = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[1, 7, 8]])
CONFIGS: list[dict[str, Any]] = [
    {},
    {"norm_order": "post", "positions": "learned", "score": "bilinear"},
    {"positions": "rotary", "kv_heads": 2},
    {"positions": "relative", "score": "additive"},
    {"positions": "alibi", "score": "dot", "kv_heads": 1},
    {"score": "cosine"},
]
PARTS = ["encoder.blocks.1.self_attention", "decoder.blocks.0.self_attention", "decoder.blocks.1.cross_attention"]


def paper(config: dict[str, Any], path: str, head: int) -> Paper:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_ff": 16, "heads": 4, "layers": 2, "max_len": 16}
    model = EncoderDecoder(EncoderDecoderConfig(**{**sizes, **config}), 10, 10).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.add_(0.1 * torch.randn_like(weight))
    module = model.get_submodule(path)
    with inputs_of(module) as given, torch.no_grad(), watch(model) as trace:
        model(SRC, TGT)
    labels = [f"source {i}" for i in range(4)], [f"target {i}" for i in range(3)]
    tokens = labels[0] if path.startswith("encoder") else labels[1]
    memory = labels[0] if "cross" in path else None
    act = trace[f"{path}.attention"]
    found = attention_paper(head_numbers(module, [act], given, head, title="a", tokens=tokens, memory=memory))
    torch.testing.assert_close(torch.from_numpy(found.table("percentages").values), act.weights()[0, head])
    torch.testing.assert_close(torch.from_numpy(found.table("context").values), trace[f"{path}.context"][0, head])
    return found


@pytest.mark.parametrize("head", [0, 3])
@pytest.mark.parametrize("path", PARTS)
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_paper_comes_to_what_the_model_took_home(config: dict[str, Any], path: str, head: int) -> None:
    found = paper(config, path, head)
    assert 0 <= found.gap < 1e-12
    names = [table.name for table in found.tables]
    assert ("W_q" in names) == (config.get("positions") != "rotary" or "cross" in path)
    assert "W_v" in names
    assert ("mask" in names) == (path == PARTS[1])
    assert ("bias" in names) == (config.get("positions") in ("relative", "alibi") and "cross" not in path)


def test_another_result_elsewhere_is_told() -> None:
    numbers = {"tokens": ["a"], "encodings": [[1.0, 2.0]], "context": [[1.0, 2.5]]}
    assert attention_paper(AttentionNumbers.model_validate(numbers)).gap == 0.5


def test_a_temperature_is_refused() -> None:
    torch.manual_seed(0)
    heads, x = MultiHead(4, 2, score=Cosine(0.1)), torch.randn(1, 3, 4)
    with pytest.raises(ConfigError, match="without a temperature"):
        head_numbers(heads, [heads.act(x)], [[x]], 0, title="a", tokens=["a", "b", "c"])
