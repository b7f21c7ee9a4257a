"""Optimizers and schedules: Muon is torch's, groups are as meant, schedules by hand, the state round-trips."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.training.config import OptimizerConfig, ScheduleConfig
from clearhead.training.muon import Muon, orthogonalised
from clearhead.training.optim import load_state_tensors, make_optimizers, make_schedule, state_tensors

SHAPES = [(16, 16), (48, 16), (16, 48), (16, 16), (1, 8), (8, 1)]


def weights(seed: int = 0) -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=random) / 4) for shape in SHAPES]


def walked(precision: str, **settings: float) -> list[tuple[nn.Parameter, nn.Parameter, nn.Parameter]]:
    """(ours, torch's, the start) of each weight after six steps."""
    ours, theirs = weights(), weights()
    mine = Muon(ours, lr=0.02, precision=precision, **settings)
    reference = torch.optim.Muon(theirs, lr=0.02, adjust_lr_fn="match_rms_adamw", **settings)
    random = torch.Generator().manual_seed(1)
    for _ in range(6):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=random)
            b.grad = a.grad.clone()
        mine.step()
        reference.step()
    return list(zip(ours, theirs, weights(), strict=True))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.95])
def test_muon_in_bfloat16_is_the_one_of_torch(weight_decay: float, momentum: float) -> None:
    for a, b, start in walked("bfloat16", weight_decay=weight_decay, momentum=momentum):
        # Both compute in bfloat16, in another order: a unit in its last place of what was walked so far.
        assert (a - b).abs().max() <= 0.02 * (b - start).abs().max() + 1e-6


def test_muon_in_float32_walks_beside_it() -> None:
    """Both end near the same orthogonal matrices, torch's singular values in 0.7 to 1.2, ours in 0.64 to 1.36."""
    for a, b, start in walked("float32", weight_decay=0.1, momentum=0.95):
        mine, meant = (a - start).flatten(), (b - start).flatten()
        assert torch.cosine_similarity(mine, meant, dim=0) > 0.9
        assert 0.5 < mine.norm() / meant.norm() < 2  # 1.36 / 0.7 where a matrix has one singular value


def test_a_step_of_muon_by_its_formula() -> None:
    weight = nn.Parameter(torch.ones(3, 2))
    optimizer = Muon([weight], lr=0.1, weight_decay=0.5, momentum=0.75)
    gradient = torch.tensor([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]])
    expected, buffer = torch.ones(3, 2), torch.zeros(3, 2)
    for _ in range(3):
        weight.grad = gradient.clone()
        optimizer.step()
        buffer = 0.75 * buffer + 0.25 * gradient
        update = orthogonalised((0.25 * gradient + 0.75 * buffer)[None])[0]
        expected = (1 - 0.1 * 0.5) * expected - 0.1 * 0.2 * 3**0.5 * update
        assert torch.allclose(weight, expected, atol=1e-6)


def test_a_step_is_as_long_as_one_of_adamw() -> None:
    """0.2 sqrt(max(shape)) times a matrix whose singular values are about 1: entries of about 0.2 (Liu et al.)."""
    for weight, start in zip(weights(), weights(), strict=True):
        if min(weight.shape) < 8:
            continue
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
        Muon([weight], lr=1.0).step()
        assert (weight - start).square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25)


@pytest.mark.parametrize("shape", [(24, 16), (16, 24), (20, 20)])
@pytest.mark.parametrize(("precision", "near", "least"), [("float32", 0.361, 0.012), ("bfloat16", 0.4, 0.03)])
def test_orthogonalised_has_singular_values_near_one(
    shape: tuple[int, int], precision: str, near: float, least: float
) -> None:
    """Of values from a hundredth of the largest on; an odd polynomial keeps the singular vectors."""
    random = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(3, *shape, generator=random), full_matrices=False)
    spread = torch.logspace(math.log10(least), 0, min(shape))
    y = orthogonalised((u * spread) @ v * 1e-4, precision).float()
    inside = u.mT @ y @ v.mT
    values = inside.diagonal(dim1=-2, dim2=-1)
    assert (values - 1).abs().max() < near
    assert (inside - torch.diag_embed(values)).abs().max() < (1e-3 if precision == "float32" else 0.1)


@pytest.mark.parametrize("axis", [0, 1])
def test_each_head_is_orthogonalised_by_itself(axis: int) -> None:
    """Four heads of 3 x 12 (or 12 x 3) in a matrix: in bfloat16 it is taken whole."""
    x = torch.randn(2, 12, 12, generator=torch.Generator().manual_seed(0))
    whole = orthogonalised(x, "float32", 4, axis)
    for head, part in zip(whole.split(3, 1 + axis), x.split(3, 1 + axis), strict=True):
        assert torch.allclose(head, orthogonalised(part), atol=1e-3)
    assert orthogonalised(x, "bfloat16", 4, axis).equal(orthogonalised(x, "bfloat16"))


def test_the_heads_of_projections_are_known() -> None:
    """Queries have as many as ask, keys and values as many as are asked; the output's lie side by side in columns."""
    module = model(heads=4, kv_heads=2)
    muon, _ = make_optimizers(module, OptimizerConfig())
    assert isinstance(muon, Muon)
    names = {weight: name for name, weight in module.named_parameters()}
    known = {names[weight].split(".")[-2]: heads for weight, heads in muon.heads.items()}
    assert known == {"q_proj": (4, 0), "k_proj": (2, 0), "v_proj": (2, 0), "o_proj": (4, 1)}
    assert set(muon.heads) <= {w for group in muon.param_groups for w in group["params"]}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_nothing_is_orthogonalised_to_nothing(precision: str) -> None:
    assert orthogonalised(torch.zeros(1, 4, 4), precision).abs().max() == 0


def test_weights_without_a_gradient_stay() -> None:
    ours = weights()
    optimizer = Muon(ours, lr=0.1, weight_decay=0.5)
    ours[1].grad = torch.ones_like(ours[1])
    optimizer.step()
    assert [i for i, (a, b) in enumerate(zip(ours, weights(), strict=True)) if not a.equal(b)] == [1]
    assert len(optimizer.state) == 1


# Groups


def model(**changed: object) -> EncoderDecoder:
    torch.manual_seed(0)
    config = {"d_model": 16, "d_ff": 24, "heads": 2, "layers": 2, "max_len": 16, **changed}
    return EncoderDecoder(EncoderDecoderConfig.model_validate(config), 20, 20)


@pytest.mark.parametrize("tied", ["all", "none"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_only_matrices_inside_the_blocks_are_muons(tied: str, positions: str) -> None:
    module = model(tied=tied, positions=positions)
    muon, adamw = make_optimizers(module, OptimizerConfig())
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    names = {weight: name for name, weight in module.named_parameters()}
    inside = {names[w] for group in muon.param_groups for w in group["params"]}
    decayed, plain = ({names[w] for w in group["params"]} for group in adamw.param_groups)
    assert inside
    assert all(".blocks." in name and "norm" not in name and name.endswith("weight") for name in inside)
    assert "tgt_embedding.weight" in decayed
    assert ("head.weight" in decayed) == (tied == "none")
    assert not any(".blocks." in name for name in decayed)
    assert all("norm" in name or name.endswith("bias") for name in plain)
    assert [g["weight_decay"] for g in adamw.param_groups] == [0.01, 0.0]
    assert [muon.param_groups[0]["weight_decay"], muon.param_groups[0]["peak"]] == [0.01, OptimizerConfig().muon_lr]
    together = sorted([*inside, *decayed, *plain])
    assert together == sorted(names.values())  # each weight once, none left out


def test_adamw_alone() -> None:
    module = model()
    (adamw,) = make_optimizers(module, OptimizerConfig(kind="adamw", lr=0.5, beta2=0.9))
    assert sum(len(g["params"]) for g in adamw.param_groups) == len(list(module.parameters()))
    assert {g["peak"] for g in adamw.param_groups} == {0.5}
    assert {g["betas"] for g in adamw.param_groups} == {(0.9, 0.9)}


# State


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_the_state_there_and_back(kind: str) -> None:
    config = OptimizerConfig.model_validate({"kind": kind})
    first, second = model(), model()
    optimizers, others = make_optimizers(first, config), make_optimizers(second, config)

    def step(module: nn.Module, made: list[torch.optim.Optimizer], seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        for weight in module.parameters():
            weight.grad = torch.randn(weight.shape, generator=random)
        for optimizer in made:
            optimizer.step()

    for seed in range(3):
        step(first, optimizers, seed)
    saved = {name: value.clone() for name, value in state_tensors(optimizers).items()}
    assert all(name.startswith("optimizer.") for name in saved)
    load_state_tensors(others, saved)
    again = state_tensors(others)
    assert again.keys() == saved.keys()
    assert all(again[name].equal(saved[name]) and again[name].dtype == saved[name].dtype for name in saved)
    second.load_state_dict(first.state_dict())
    for module, made in ((first, optimizers), (second, others)):
        step(module, made, 9)
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_no_state_yet() -> None:
    optimizers = make_optimizers(model(), OptimizerConfig())
    assert state_tensors(optimizers) == {}
    load_state_tensors(optimizers, {})
    assert state_tensors(optimizers) == {}


# Schedules


def test_wsd_by_hand() -> None:
    share = make_schedule(ScheduleConfig(kind="wsd", warmup=4, decay=0.5), 24)
    assert [share(s) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert [share(s) for s in (4, 13, 14)] == [1.0, 1.0, 1.0]  # 20 steps after the warm-up; the last 10 decay
    assert [share(s) for s in (15, 19, 23)] == pytest.approx([0.9, 0.5, 0.1])


def test_the_decay_is_a_share_of_what_follows_the_warm_up() -> None:
    config = ScheduleConfig(kind="wsd", warmup=200, decay=0.6)
    share = make_schedule(config, 1000)
    assert sum(share(step) < 1 for step in range(200, 1000)) == 479  # of 800 steps 480, the first of them not yet less
    assert "after the warm-up" in str(ScheduleConfig.model_fields["decay"].description)
    assert share(199) == make_schedule(config, 800)(199) == 1.0  # of a shorter run a quarter warms up
    assert make_schedule(config, 400)(99) == 1.0


def test_cosine_by_hand() -> None:
    share = make_schedule(ScheduleConfig(kind="cosine", warmup=2), 12)
    assert [share(s) for s in (0, 1, 2, 7)] == pytest.approx([0.5, 1.0, 1.0, 0.5])
    assert share(12) == pytest.approx(0.0)
    assert share(11) == pytest.approx(0.5 * (1 - math.cos(math.pi / 10)))


def test_inverse_square_root_by_hand() -> None:
    share = make_schedule(ScheduleConfig(kind="inverse-sqrt", warmup=4), 100)
    assert [share(s) for s in (0, 3, 15, 63)] == pytest.approx([0.25, 1.0, 0.5, 0.25])


@pytest.mark.parametrize("kind", ["wsd", "cosine", "inverse-sqrt"])
@pytest.mark.parametrize("warmup", [0, 1, 200])
@pytest.mark.parametrize("decay", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_every_step_moves(kind: str, warmup: int, decay: float, total: int) -> None:
    """Also where the warm-up is longer than the run (it is cut to a quarter), and without one."""
    share = make_schedule(ScheduleConfig.model_validate({"kind": kind, "warmup": warmup, "decay": decay}), total)
    assert all(0 < share(step) <= 1 for step in range(total))
