"""Precision: float32 weights are the model, whatever the passes run in; measuring changes nothing."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead import processor
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.training import precision
from clearhead.training.precision import MasterWeights, choose_precision, slower

SRC = torch.randint(3, 12, (3, 6), generator=torch.Generator().manual_seed(0))
TGT = torch.randint(3, 12, (3, 5), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model() -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=1, max_len=16), 12, 12)


def loss(module: nn.Module) -> Tensor:
    return F.cross_entropy(module(SRC, TGT).float().flatten(0, 1), TGT.flatten(), reduction="sum")


def test_float32_runs_on_the_weights_themselves(model: EncoderDecoder) -> None:
    weights = MasterWeights(model, "float32")
    assert weights.working is model
    loss(model).backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    weights.gather()
    assert all(p.grad.equal(b) for p, b in zip(model.parameters(), wanted, strict=True))
    weights.publish()


def test_bfloat16_runs_on_a_copy(model: EncoderDecoder) -> None:
    before = copy.deepcopy(model.state_dict())
    weights = MasterWeights(model, "bfloat16")
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
    weights = MasterWeights(model, "bfloat16")
    weight, copied = model.decoder.norm.weight, weights.working.decoder.norm.weight
    for step in range(1, 9):
        with torch.no_grad():
            weight.add_(1 / 1024)
        weights.publish()
        assert weight[0].item() == 1 + step / 1024
        assert copied[0].item() == (1.0 if step <= 4 else 1 + 1 / 128)  # 4/1024 is half a step of bfloat16: to even


def test_tables_of_positions_stay_exact(model: EncoderDecoder) -> None:
    working = MasterWeights(model, "bfloat16").working
    assert working.encoder.positions.table.dtype == torch.float32
    assert working.encoder.positions.table.equal(model.encoder.positions.table)
    rotary = EncoderDecoder(EncoderDecoderConfig(d_model=16, d_ff=16, heads=2, layers=1, positions="rotary"), 12, 12)
    assert MasterWeights(rotary, "bfloat16").working.encoder.rotary.frequency.dtype == torch.float32
    assert loss(MasterWeights(rotary, "bfloat16").working).isfinite()


def test_a_weight_without_a_gradient_gets_a_nought(model: EncoderDecoder) -> None:
    for kind in ("float32", "bfloat16"):
        weights = MasterWeights(copy.deepcopy(model), kind)
        weights.working.encoder(weights.working.src_embedding(SRC), mask=None).sum().backward()
        weights.gather()
        grads = {name: p.grad for name, p in weights.master.named_parameters()}
        assert grads["decoder.norm.weight"].abs().sum() == 0
        assert grads["encoder.norm.weight"].abs().sum() > 0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose products are quick in bfloat16, whatever this one is."""
    monkeypatch.setattr(precision, "bfloat16_cost", lambda device: 0.4)


def unheard(line: str) -> None:
    """Nobody listens."""


@pytest.mark.usefixtures("quick")
def test_choosing_leaves_everything_as_it_was(model: EncoderDecoder) -> None:
    model.train()
    loss(model).backward()
    weights = {name: value.clone() for name, value in model.named_parameters()}
    grads = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    random, said = torch.get_rng_state(), []
    chosen, seconds, why = choose_precision(model, loss, 1000, said.append)  # its dropout draws random numbers
    assert chosen in ("float32", "bfloat16") and seconds is not None and seconds > 0
    assert why.startswith(f"precision {chosen}: a pass takes") and said[0].startswith("measuring")
    assert torch.get_rng_state().equal(random)
    assert model.training
    for name, value in model.named_parameters():
        assert value.equal(weights[name])
        assert value.grad is not None
        assert value.grad.equal(grads[name])


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[torch.dtype, float]) -> tuple[Callable[..., Tensor], Counter]:
    """A loss whose passes take so long by a clock of its own, and how many there were."""
    now, passes = [0.0], Counter[torch.dtype]()
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def told(module: nn.Module) -> Tensor:
        dtype = module.head.weight.dtype
        now[0] += seconds[dtype]
        passes[dtype] += 1
        return loss(module)

    return told, passes


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("full", "half", "chosen"), [(2, 1, "bfloat16"), (1, 2, "float32"), (1, 1, "float32")])
def test_the_faster_one_is_chosen_and_at_a_draw_float32(
    model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch, full: float, half: float, chosen: str
) -> None:
    told, passes = timed(monkeypatch, {torch.float32: full, torch.bfloat16: half})
    assert choose_precision(model, told, 10_000, unheard)[0] == chosen
    assert passes[torch.float32] == passes[torch.bfloat16] == 4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("passes", "seconds", "tried"),
    [(39, 1.0, 0), (40, 1.0, 4), (60, 1.0, 6), (80, 1.0, 8), (10_000, 3.0, 6), (10_000, 6.0, 1)],
)
def test_a_trial_takes_a_tenth_of_the_run_or_20_seconds(
    model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch, passes: int, seconds: float, tried: int
) -> None:
    told, counted = timed(monkeypatch, {torch.float32: seconds, torch.bfloat16: seconds})
    choose_precision(model, told, passes, unheard)
    spent = sum(counted.values())
    assert spent == tried
    assert spent * seconds <= min(20.0, 0.1 * passes * seconds)


@pytest.mark.parametrize(("cost", "chosen"), [(0.3, "bfloat16"), (0.7, "float32")])
def test_where_both_cannot_be_tried_a_single_product_decides(
    model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch, cost: float, chosen: str
) -> None:
    monkeypatch.setattr(precision, "bfloat16_cost", lambda device: cost)
    told, passes = timed(monkeypatch, {torch.float32: 60.0, torch.bfloat16: 15.0})
    choice, seconds, why = choose_precision(model, told, 10_000, unheard)
    assert (choice, seconds) == (chosen, None) and "too long to try both" in why
    assert passes == {torch.bfloat16: 1}


def test_what_cannot_win_is_not_tried(model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass in bfloat16 takes half a minute on such a machine; asked for all the same, it is said to be slower."""
    for place in (precision, processor):
        monkeypatch.setattr(place, "bfloat16_cost", lambda device: 24.0)
    chosen, _, why = choose_precision(model, lambda _: pytest.fail("tried"), 10_000, lambda _: pytest.fail("announced"))
    assert chosen == "float32" and "24 times as long in bfloat16" in why
    assert "24 times as long in bfloat16" in slower("bfloat16") and not slower("float32")
