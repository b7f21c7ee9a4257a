"""What the parts of a model add to a logit: their sum is the logit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.edits import Edit
from clearhead.errors import NotSeenError
from clearhead.insight.contributions import contributions
from clearhead.look import Trace, watch
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq

SIZES: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 16}


def seen(model: Any, *inputs: list[int]) -> Trace:
    model = model.double().eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=random, dtype=torch.double))
        with watch(model) as trace:
            model(*(torch.tensor([ids]) for ids in inputs))
    trace.module = model
    return trace


@pytest.mark.parametrize("config", [{}, {"norm": "rms"}, {"kv_heads": 2}, {"o_proj": False, "head_dim": 4}])
def test_of_a_translator(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    trace = seen(make_seq2seq(EncoderDecoderConfig(**{**SIZES, **config}), 20, 20), [5, 6, 2], [1, 7, 9])
    for row, token in ((0, 3), (2, 11)):
        found = contributions(trace, row, token)
        assert sum(one.value for one in found) == pytest.approx(float(trace["logits"][0, row, token]), abs=1e-9)
        assert {"the embeddings", "block 0, feed-forward"} <= {one.name for one in found}
        assert all(one.path in trace for one in found)
    if config.get("o_proj", True):
        assert [one.head for one in found if one.path.endswith("1.cross_attention.attention")] == [0, 1, 2, 3]


def test_of_gpt2_and_llama() -> None:
    for preset in ("gpt2", "llama"):
        torch.manual_seed(0)
        trace = seen(Decoder(DecoderConfig(**{**SIZES, "preset": preset}), 23), [4, 5, 6, 7])
        found = contributions(trace, 3, 8)
        assert sum(one.value for one in found) == pytest.approx(float(trace["logits"][0, 3, 8]), abs=1e-9)


@pytest.mark.parametrize("config", [{"norm_order": "post"}, {"preset": "modern"}])
def test_where_the_logit_is_no_such_sum_nothing_is_said(config: dict[str, Any]) -> None:
    torch.manual_seed(0)
    if "preset" in config:
        trace = seen(Decoder(DecoderConfig.model_validate({**SIZES, **config}), 23), [4, 5])
    else:
        trace = seen(make_seq2seq(EncoderDecoderConfig(**{**SIZES, **config}), 20, 20), [5, 2], [1, 7])
    assert contributions(trace, 0, 3) == []


@pytest.mark.parametrize("path", ["decoder.blocks.0.resid_mid", "decoder.out", "logits"])
def test_where_the_sum_was_edited_nothing_is_said(path: str) -> None:
    torch.manual_seed(0)
    module = Decoder(DecoderConfig.model_validate({**SIZES, "preset": "gpt2"}), 23).double().eval()
    with torch.no_grad(), watch(module, edits=[Edit(path, (0, 1, 8), "add", 1.5)]) as trace:
        module(torch.tensor([[4, 5, 6]]))
    trace.module = module
    assert contributions(trace, 0, 8) and contributions(trace, 1, 8) == []


@pytest.mark.parametrize(("row", "token"), [(3, 0), (-1, 0), (2**70, 0), (0, 23), (0, -(10**9))])
def test_places_that_are_not_there_are_named(row: int, token: int) -> None:
    torch.manual_seed(0)
    trace = seen(Decoder(DecoderConfig.model_validate({**SIZES, "preset": "gpt2"}), 23), [4, 5, 6])
    with pytest.raises(NotSeenError, match="choose one from 0 to 2"):
        contributions(trace, row, token)
