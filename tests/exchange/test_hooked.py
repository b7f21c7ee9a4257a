"""Models that show nothing of themselves, watched from outside."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import clearhead
from clearhead.attention import Attention
from clearhead.exchange.hooked import watch_foreign

transformers = pytest.importorskip("transformers", reason="the models are of the transformers library")
IDS = torch.tensor([[5, 6, 7, 8, 9]])
SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
KINDS = {
    "gpt-neox": lambda: transformers.GPTNeoXConfig(**SIZES, max_position_embeddings=32),
    "phi": lambda: transformers.PhiConfig(**SIZES, max_position_embeddings=32),
    "gemma": lambda: transformers.GemmaConfig(**SIZES, num_key_value_heads=1, head_dim=8, max_position_embeddings=32),
    "olmo": lambda: transformers.OlmoConfig(**SIZES, max_position_embeddings=32, pad_token_id=0, eos_token_id=1),
}


@pytest.fixture(params=sorted(KINDS))
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    made = transformers.AutoModelForCausalLM.from_config(KINDS[request.param]()).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return made


@torch.no_grad()
def test_a_model_without_a_family_is_opened(model: Any) -> None:
    """Its acts are proved, its numbers are what they are unwatched, and nothing of it stays changed."""
    model.set_attn_implementation("eager")
    wanted = model(IDS, output_attentions=True)
    hooks = [len(module._forward_hooks) for module in model.modules()]  # it has some of its own
    with watch_foreign(model) as trace:
        found = model(IDS).logits
    torch.testing.assert_close(found, wanted.logits, rtol=1e-4, atol=1e-5)
    acts = [path for path in trace if isinstance(trace.calls(path)[0], Attention)]
    assert len(acts) == SIZES["num_hidden_layers"]
    for path, weights in zip(acts, wanted.attentions, strict=True):
        torch.testing.assert_close(trace[path].weights(), weights, rtol=1e-4, atol=1e-5)
        assert trace[path].gap(trace[path.removesuffix("attention") + "context"]) < 1e-5
    assert any("formulas, logits and words are not known" in note for note in trace.notes)
    assert model.config._attn_implementation == "eager"
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert not any("sees" in module.__dict__ for module in model.modules())
    trace.labels["tokens"] = [str(i) for i in IDS[0].tolist()]
    assert "<!doctype html>" in clearhead.show(trace).html


@torch.no_grad()
def test_an_edit_of_its_weights_changes_what_follows(model: Any) -> None:
    with watch_foreign(model) as trace:
        wanted = model(IDS).logits
    path = next(path for path in trace if path.endswith("attention"))
    edit = clearhead.Edit(path, (0, 0, 3, 1), step="weights", value=1.0)
    with watch_foreign(model, edits=[edit]):
        found = model(IDS).logits
    assert (found[:, 3] - wanted[:, 3]).abs().max() > 1e-2
    torch.testing.assert_close(found[:, :3], wanted[:, :3], rtol=1e-4, atol=1e-5)


def test_a_module_of_ones_own_is_watched() -> None:
    own = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    with watch_foreign(own) as trace:
        own(torch.randn(1, 5, 4))
    assert list(trace) == ["0.out", "1.out"]
    assert any("no weights are seen" in note for note in trace.notes)
