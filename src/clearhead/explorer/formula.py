"""How a value comes about, as data: whoever draws it reads the operands' numbers from the same trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

__all__ = ["Formula", "linear"]


@dataclass(frozen=True)
class Formula:
    """How a value comes about.

    Args:
        kind: `lookup` `positions` `copy` `mix` `linear` `norm` `sum` `hidden` `act`; of a recurrent network `gate`
            `cell` `state` `blend`.
        text: the formula in words of the field.
        of: paths of its operands.
        weights: its letter -> the name of the model's tensor.
        options: what else it needs: `eps`, `scale`, `activation`, `cap`, `then` (what follows the sum); `part`: which
            of the parts of its weights that lie one below the other; `stacked`: whether each row is such a part;
            `reset`: the path of what the state before is weighed with; `rows`: for each operand which of its rows is
            read, where not all are read in the value's own: {} the same, {"shift": -1} the one before - at the edge
            that of `edge`, or zeros -, {"ends": True} the first half of the last row and the second of the first one.
    """

    kind: str
    text: str
    of: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def linear(module: nn.Linear, path: str) -> tuple[dict[str, str], str]:
    """(the weights of a linear map by their letters, " + b" where it has one)."""
    if module.bias is None:
        return {"W": f"{path}.weight"}, ""
    return {"W": f"{path}.weight", "b": f"{path}.bias"}, " + b"
