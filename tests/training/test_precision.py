"""Precision: float32 weights are the model, whatever the passes run in; measuring changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.training.precision import Weights, choose_precision

SRC = torch.randint(3, 12, (3, 6), generator=torch.Generator().manual_seed(0))
TGT = torch.randint(3, 12, (3, 5), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model() -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=1, max_len=16), 12, 12)


def loss(module: nn.Module) -> Tensor:
    return F.cross_entropy(module(SRC, TGT).float().flatten(0, 1), TGT.flatten(), reduction="sum")


def test_float32_runs_on_the_weights_themselves(model: EncoderDecoder) -> None:
    weights = Weights(model, "float32")
    assert weights.working is model
    loss(model).backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    weights.gather()
    assert all(p.grad.equal(b) for p, b in zip(model.parameters(), wanted, strict=True))
    weights.publish()


def test_bfloat16_runs_on_a_copy(model: EncoderDecoder) -> None:
    before = copy.deepcopy(model.state_dict())
    weights = Weights(model, "bfloat16")
    assert {p.dtype for p in weights.working.parameters()} == {torch.bfloat16}
    assert weights.working.head.weight is weights.working.tgt_embedding.weight  # tied in the copy, too
    loss(weights.working).backward()
    weights.gather()
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    assert all(p.grad is None for p in weights.working.parameters())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(model.state_dict()[name].equal(value) for name, value in before.items())


def test_small_changes_add_up_in_the_master_weights(model: EncoderDecoder) -> None:
    """A bfloat16 weight of 1 cannot grow by 1/1024; the float32 one does, and the copy follows once it can be seen."""
    weights = Weights(model, "bfloat16")
    weight, copied = model.decoder.norm.weight, weights.working.decoder.norm.weight
    for step in range(1, 9):
        with torch.no_grad():
            weight.add_(1 / 1024)
        weights.publish()
        assert weight[0].item() == 1 + step / 1024
        assert copied[0].item() == (1.0 if step <= 4 else 1 + 1 / 128)  # 4/1024 is half a step of bfloat16: to even


def test_tables_of_positions_stay_exact(model: EncoderDecoder) -> None:
    working = Weights(model, "bfloat16").working
    assert working.encoder.positions.table.dtype == torch.float32
    assert working.encoder.positions.table.equal(model.encoder.positions.table)
    rotary = EncoderDecoder(EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=1, positions="rotary"), 12, 12)
    assert Weights(rotary, "bfloat16").working.encoder.rotary.frequency.dtype == torch.float32
    assert loss(Weights(rotary, "bfloat16").working).isfinite()


def test_a_weight_without_a_gradient_gets_a_nought(model: EncoderDecoder) -> None:
    for precision in ("float32", "bfloat16"):
        weights = Weights(copy.deepcopy(model), precision)
        weights.working.encoder(weights.working.src_embedding(SRC), mask=None).sum().backward()
        weights.gather()
        grads = {name: p.grad for name, p in weights.master.named_parameters()}
        assert grads["decoder.norm.weight"].abs().sum() == 0
        assert grads["encoder.norm.weight"].abs().sum() > 0


def test_choosing_leaves_everything_as_it_was(model: EncoderDecoder) -> None:
    model.train()
    loss(model).backward()
    weights = {name: value.clone() for name, value in model.named_parameters()}
    grads = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    random = torch.get_rng_state()
    chosen, seconds, why = choose_precision(model, loss)  # its dropout draws random numbers
    assert chosen in ("float32", "bfloat16") and seconds > 0
    assert why.startswith(f"precision {chosen}: a pass takes")
    assert torch.get_rng_state().equal(random)
    assert model.training
    for name, value in model.named_parameters():
        assert value.equal(weights[name])
        assert value.grad is not None
        assert value.grad.equal(grads[name])


@pytest.mark.parametrize(
    ("slow", "chosen"), [(torch.float32, "bfloat16"), (torch.bfloat16, "float32"), (None, "float32")]
)
def test_the_faster_one_is_chosen_and_at_a_draw_float32(
    model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch, slow: torch.dtype | None, chosen: str
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def timed(module: nn.Module) -> Tensor:
        now[0] += 2.0 if module.head.weight.dtype == slow else 1.0
        return loss(module)

    assert choose_precision(model, timed)[0] == chosen
