"""LoRA: nothing changes at first, the model's own weights never, and merged it is one model again."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from clearhead.errors import ConfigError
from clearhead.models.architecture import DecoderConfig, LoRAConfig
from clearhead.models.decoder import Decoder
from clearhead.models.lora import LoRALinear, adapter, add_adapter, add_lora, merge
from clearhead.training.precision import MasterWeights

ROWS = (4, 5)


def model(*, tied: bool = True) -> Decoder:
    torch.manual_seed(0)
    made = Decoder(DecoderConfig(preset="gpt2", d_model=16, d_ff=32, heads=2, layers=2, max_len=16, tied=tied), 24)
    return made.eval()


def trained(made: Decoder, precision: str = "float32", steps: int = 3) -> None:
    """Some steps as the training loop takes them."""
    weights = MasterWeights(made, precision)
    optimizer = torch.optim.AdamW([w for w in made.parameters() if w.requires_grad], lr=0.05, weight_decay=0.0)
    ids = torch.tensor([[4, 9, 5, 7, 8]])
    for _ in range(steps):
        nn.functional.cross_entropy(weights.working(ids[:, :-1]).float().flatten(0, 1), ids[0, 1:]).backward()
        weights.gather()
        optimizer.step()
        optimizer.zero_grad()
        weights.publish()


@pytest.mark.parametrize("beside", ["all", "attention"])
def test_at_first_nothing_has_changed(beside: str) -> None:
    made, ids = model(), torch.arange(6)[None]
    before = made(ids)
    add_lora(made, LoRAConfig(rank=4, beside=beside), ROWS)
    torch.testing.assert_close(made(ids), before, rtol=0, atol=0)
    beside_feed_forward = isinstance(made.decoder.blocks[0].feed_forward.up, LoRALinear)
    assert beside_feed_forward == (beside == "all")
    assert isinstance(made.decoder.blocks[1].self_attention.v_proj, LoRALinear) and type(made.head) is nn.Linear


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_the_small_matrices_and_the_marks_are_trained(tied: bool, precision: str) -> None:
    made = model(tied=tied)
    before = copy.deepcopy(made.state_dict())
    add_lora(made, LoRAConfig(rank=4), ROWS)
    trained(made, precision)
    others = [i for i in range(24) if i not in ROWS]
    for name, value in made.state_dict().items():
        if name in ("embedding.weight", "head.weight"):
            assert torch.equal(value[others], before[name][others]) and not torch.equal(value, before[name])
        elif name in before:
            assert torch.equal(value, before[name]), name
    assert all(bool(v.any()) for name, v in adapter(made).items() if name.endswith("lora_b"))


def test_merged_it_computes_the_same_and_has_its_former_shape() -> None:
    made, ids = model(), torch.arange(6)[None]
    names = set(made.state_dict())
    add_lora(made, LoRAConfig(rank=4, alpha=8), ROWS)
    trained(made)
    before = made(ids)
    merge(made)
    torch.testing.assert_close(made(ids), before, rtol=1e-5, atol=1e-5)
    assert set(made.state_dict()) == names and all(w.requires_grad for w in made.parameters())


@pytest.mark.parametrize("tables", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_the_adapter_alone_makes_the_model_again(tied: bool, tables: bool) -> None:
    made, ids = model(tied=tied), torch.arange(6)[None]
    before = made.embedding.weight.detach().clone()
    add_lora(made, LoRAConfig(rank=4, tables=tables), ROWS)
    trained(made)
    saved = {name: value.clone() for name, value in adapter(made).items()}
    assert sum(v.numel() for v in saved.values()) < sum(w.numel() for w in model().parameters()) / (1 if tables else 2)
    assert bool((made.embedding.weight != before)[list(set(range(10)) - set(ROWS))].any()) == tables
    again = model(tied=tied)
    add_adapter(again, LoRAConfig(rank=4, tables=tables), saved, ROWS)
    torch.testing.assert_close(again(ids), made(ids), rtol=0, atol=0)
    with pytest.raises(ConfigError, match="the adapter does not fit the model"):
        add_adapter(model(tied=tied), LoRAConfig(rank=2), saved, ROWS)
