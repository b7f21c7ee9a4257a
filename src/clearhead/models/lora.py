"""LoRA: a trained model changed by small matrices beside its large ones (Hu et al., 2022).

    y = W x + b + (alpha / rank) B A x        A [rank, in] drawn by chance, B [out, rank] zero at first

W stays as it is. What is learned is saved apart as the adapter, a small part of the model, and can be added to W: then
the model has the shape it had.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from clearhead.errors import ConfigError
from clearhead.models.architecture import LoRAConfig

__all__ = ["LoRALinear", "adapter", "add_adapter", "add_lora", "merge"]

_ROWS = "{}.rows"


class LoRALinear(nn.Linear):
    """`nn.Linear`, its own weights frozen, with a small matrix product beside them.

    Args:
        linear: whose weights these are.
        rank: of the change.
        alpha: how much it counts: alpha / rank times.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float):
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias, self.scale = linear.weight, linear.bias, alpha / rank
        for weight in linear.parameters():
            weight.requires_grad_(False)
        self.lora_a = nn.Parameter(linear.weight.new_empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))
        nn.init.uniform_(self.lora_a, -((3 / linear.in_features) ** 0.5), (3 / linear.in_features) ** 0.5)

    def forward(self, x: Float[Tensor, "*batch in_features"]) -> Float[Tensor, "*batch out_features"]:
        """y as above."""
        return super().forward(x) + F.linear(F.linear(x, self.lora_a), self.lora_b * self.scale)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """An `nn.Linear` that computes the same."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        linear.weight = nn.Parameter(self.weight + self.scale * (self.lora_b @ self.lora_a))
        linear.bias = None if self.bias is None else nn.Parameter(self.bias.clone())
        return linear


def add_lora(module: nn.Module, config: LoRAConfig, rows: Sequence[int] = ()) -> None:
    """Freeze a model and put small matrices beside those of its blocks.

    Args:
        module: the model; it is changed.
        config: rank, weight, and beside which matrices; `tables`: the embedding and the output matrix are trained too.
        rows: else only the rows of these tokens are; loops that change weights read them off `weight.trained_rows`.
    """
    for weight in module.parameters():
        weight.requires_grad_(False)
    for parent, name, linear in list(_linears(module, config.beside)):
        setattr(parent, name, LoRALinear(linear, config.rank, config.alpha))
    for _, table in _tables(module):
        table.requires_grad_(True)
        if not config.tables:
            table.trained_rows = torch.tensor(list(rows))  # type: ignore[attr-defined]


def merge(module: nn.Module) -> None:
    """Add every small product to its large matrix: the model has its former shape, and is free again."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoRALinear):
                setattr(parent, name, child.merged())
    for weight in module.parameters():
        weight.requires_grad_(True)


def adapter(module: nn.Module) -> dict[str, Tensor]:
    """What was learned beside a frozen model, by names."""
    found = {name: w.detach() for name, w in module.named_parameters() if name.rpartition(".")[2].startswith("lora_")}
    for name, table in _tables(module):
        if table.requires_grad:
            rows = getattr(table, "trained_rows", slice(None))
            found[_ROWS.format(name)] = table.detach()[rows]
    return found


@torch.no_grad()
def add_adapter(module: nn.Module, config: LoRAConfig, tensors: Mapping[str, Tensor], rows: Sequence[int] = ()) -> None:
    """Put a saved adapter beside the model it was trained on; see `add_lora`.

    Raises:
        ConfigError: it is of a model of another shape.
    """
    ranks = {value.size(0) for name, value in tensors.items() if name.endswith("lora_a") and value.ndim}
    if ranks != {config.rank}:
        raise ConfigError(
            f"the adapter does not fit the model: of rank {', '.join(map(str, ranks)) or 'none'}, not {config.rank}",
            "put it beside the config.json that it came with",
        )
    add_lora(module, config, rows)
    wanted = {name: tuple(value.shape) for name, value in adapter(module).items()}
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    if wanted != given:
        name = sorted(set(wanted.items()) ^ set(given.items()))[0][0]
        raise ConfigError(
            f"the adapter does not fit the model: {name} is {given.get(name, 'missing')} in it, "
            f"{wanted.get(name, 'unknown')} in the model",
            "put it beside the model that it was trained on",
        )
    parameters, tables = dict(module.named_parameters()), dict(_tables(module))
    for name, value in tensors.items():
        if name in parameters:
            parameters[name].copy_(value)
        else:
            table = tables[name.removesuffix(".rows")]
            table[getattr(table, "trained_rows", slice(None))] = value


def _linears(module: nn.Module, beside: str) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    """(parent, name, matrix) of each matrix in the blocks that gets a small one."""
    inside = r"\.(q|k|v|o)_proj$" if beside == "attention" else ""
    for path, child in module.named_modules():
        if isinstance(child, nn.Linear) and ".blocks." in f".{path}" and re.search(inside, path):
            parent, _, name = path.rpartition(".")
            yield module.get_submodule(parent), name, child


def _tables(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The matrices with a row for each token, each once."""
    for name, weight in module.named_parameters():
        if name in ("embedding.weight", "head.weight"):
            yield name, weight
