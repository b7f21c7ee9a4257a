"""Optimizers and schedules.

Muon     momentum, orthogonalised by Newton-Schulz, for matrices inside the blocks   (Jordan et al., 2024)
AdamW    for embeddings, output matrix, norms and biases, or for everything           (Loshchilov and Hutter, 2019)
SGD      for word vectors: a plain step of the rows that have a gradient            (Robbins and Monro, 1951)
WSD      warm-up, stable, decay                                                       (Hu et al., 2024)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from clearhead.attention import MultiHead
from clearhead.training.config import OptimizerConfig, ScheduleConfig
from clearhead.training.muon import Muon

__all__ = ["make_optimizers", "make_schedule", "muon_groups"]


def make_optimizers(module: nn.Module, config: OptimizerConfig) -> list[torch.optim.Optimizer]:
    """The optimizers that share the parameters of `module`; each group keeps its peak rate in `peak`."""
    if config.kind == "sgd":
        return [torch.optim.SGD([{"params": list(module.parameters()), "peak": config.lr}], lr=config.lr)]
    inside: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, weight in module.named_parameters():
        if not weight.requires_grad:
            continue
        if config.kind == "muon" and weight.ndim == 2 and ".blocks." in f".{name}":
            inside.append(weight)
        else:
            (decayed if weight.ndim >= 2 else plain).append(weight)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay, "peak": config.lr},
        {"params": plain, "weight_decay": 0.0, "peak": config.lr},
    ]
    adamw = torch.optim.AdamW(
        [g for g in groups if g["params"]], lr=config.lr, betas=(config.beta1, config.beta2), eps=1e-9, fused=True
    )
    if not inside:
        return [adamw]
    group = {"params": inside, "peak": config.muon_lr}
    heads = _heads(module)
    muon = Muon([group], config.muon_lr, weight_decay=config.weight_decay, momentum=config.momentum, heads=heads)
    return [muon, adamw]


def _heads(module: nn.Module) -> dict[Tensor, tuple[int, int]]:
    """Weight -> (of how many heads it is made, on which axis they lie): the projections of attention."""
    found = {}
    for part in module.modules():
        if isinstance(part, MultiHead):
            found[part.q_proj.weight] = part.n_heads, 0
            found[part.k_proj.weight] = found[part.v_proj.weight] = part.n_kv_heads, 0
            if part.o_proj is not None:
                found[part.o_proj.weight] = part.n_heads, 1
    return found


def muon_groups(optimizers: Sequence[torch.optim.Optimizer]) -> list[dict[str, object]]:
    """The groups of parameters that Muon trains."""
    return [group for optimizer in optimizers if isinstance(optimizer, Muon) for group in optimizer.param_groups]


def make_schedule(config: ScheduleConfig, total: int) -> Callable[[int], float]:
    """step (from 0) -> the share of the peak learning rate, for a run of `total` steps."""
    warmup = min(config.warmup, max(1, total // 4))

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        left = (total - step) / max(1, total - warmup)
        if config.kind == "cosine":
            return 0.5 * (1 - math.cos(math.pi * left))
        if config.kind == "inverse-sqrt":
            return math.sqrt(max(1, warmup) / (step + 1))
        return min(1.0, left / config.decay) if config.decay else 1.0

    return share


def state_tensors(optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Everything the optimizers remember, as named tensors."""
    return {
        f"optimizer.{i}.{number}.{key}": torch.as_tensor(value)
        for i, optimizer in enumerate(optimizers)
        for number, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def load_state_tensors(optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    """The inverse of `state_tensors`.

    Raises:
        ValueError: they are of other weights.
    """
    for i, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            kind, *where = name.split(".", 3)
            if kind == "optimizer" and int(where[0]) == i:
                state.setdefault(int(where[1]), {})[where[2]] = value
        _check_state(optimizer, state)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _check_state(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """What is remembered of each weight has its shape, or is a single number; of all weights it is the same."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, values in state.items():
        if not 0 <= number < len(weights) or values.keys() != next(iter(state.values())).keys():
            raise ValueError(f"optimizer state {number}")
        for key, value in values.items():
            if value.ndim and value.shape != weights[number].shape:
                raise ValueError(f"optimizer state {number}.{key} is {tuple(value.shape)}")
