"""A step on another device than the texts are on: its shapes and devices alone, so no such device is needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from clearhead.data.windows import TextBatch
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.texts import text_loss

SIZES = {"d_model": 32, "d_ff": 64, "heads": 4, "layers": 2, "max_len": 64, "dropout": 0.1}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "arch",
    [
        {"preset": "modern"},
        {"preset": "gpt2"},
        {"preset": "llama", "kv_heads": 2},
        {"preset": "qwen3"},
        {"preset": "gpt2", "positions": "alibi"},
        {"preset": "gpt2", "positions": "relative"},
        {"preset": "gpt2", "positions": "sinusoidal"},
    ],
)
def test_all_of_a_step_is_where_the_weights_are(
    arch: dict[str, Any], apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)  # numbers that are asked for are not there
    monkeypatch.setattr(torch.Tensor, "__int__", lambda _: 0)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("meta"):
            model = Decoder(DecoderConfig.model_validate({**SIZES, **arch}), 100).train()
        ids = torch.randint(5, 100, (2, 33))
        documents = torch.zeros(2, 32, dtype=torch.long) if apart else None
        at = torch.arange(32).expand(2, -1) if apart else None
        loss, count = text_loss(model, TextBatch(ids[:, :-1], ids[:, 1:], documents, at))
        loss.backward()
    assert loss.device.type == "meta" and count == 64
    assert all(w.grad is not None and w.grad.device.type == "meta" for w in model.parameters())
