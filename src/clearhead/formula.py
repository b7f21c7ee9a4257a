"""How the values of a model come about, stated by the modules that make them, before any number is there.

Where a module's `forward` says `x = see("hidden", x)`, its `formulas` says `x = place.see("hidden", Formula(...))`: the
same way, with words and operands instead of numbers.

    describe(model)["decoder.blocks.0.feed_forward.hidden"].formula.text  ->  "relu(x W + b)"

A formula is data: its kind, its words, the paths of its operands and the names of its weights. Whoever draws it reads
the operands' numbers from a trace of the same model. `tests/explorer/test_stations.py` computes each value again from
its formula.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = [
    "Described",
    "Formula",
    "Place",
    "Value",
    "copy",
    "describe",
    "formula",
    "linear",
    "lookup",
    "norm",
    "norm_options",
    "side_by_side",
    "tensors",
    "weights",
]


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


@dataclass(frozen=True, eq=False)
class Value:
    """A value of a pass that is still to come.

    Args:
        path: where a trace has it; "" where no module shows it: then it is only handed on.
        text: the argument of the model whose tokens its rows are; "" where its rows are none.
        formula: how it comes about; None where it comes from outside.
        columns: what its last axis counts: the argument of the model whose tokens they are, or `vocabulary`.
        place: the module that shows it.
        rows: which of its rows whoever is given it reads, as in the options of a `Formula`; {}: its own.
        called: the letter or word for it in formulas.
    """

    path: str = ""
    text: str = ""
    formula: Formula | None = None
    columns: str = ""
    place: Place | None = None
    rows: Mapping[str, object] = field(default_factory=dict)
    called: str = "x"


@dataclass(frozen=True, eq=False)
class Place:
    """Where a module stands in a model, and where it states its values.

    Args:
        path: of the module.
        stack: `encoder` or `decoder`; "" outside of both. `block`: its number in the stack, None outside of blocks.
            `part`: the attention or feed-forward network in a block, the direction or layer of a recurrent network.
        backwards: whether the calls of its values begin with the last row.
        values: all that was stated so far, in the whole model.
    """

    path: str = ""
    stack: str = ""
    block: int | None = None
    part: str = ""
    backwards: bool = False
    values: dict[str, Value] = field(default_factory=dict, repr=False)

    def name(self, name: str) -> str:
        """The path of a value, module or weight of this module."""
        return f"{self.path}.{name}" if self.path else name

    def under(self, name: str, **where: Any) -> Place:
        """The place of one of its modules; `where` changes the stack, block or part."""
        return replace(self, path=self.name(name), **where)

    def state(self, module: nn.Module, *given: Value | None) -> Value:
        """Have the module that stands here state its values; of one that states none, no formula reaches further."""
        if not isinstance(module, Described):
            return Value(text=next((x.text for x in given if x is not None), ""))
        return module.formulas(self, *given)

    def see(self, name: str, formula: Formula | None, *, text: str, columns: str = "") -> Value:
        """State a value that the module shows under this name."""
        value = Value(self.name(name), text, formula, columns, self)
        self.values[value.path] = value
        return value


@runtime_checkable
class Described(Protocol):
    """A module that states how its values come about."""

    def formulas(self, place: Place, *given: object) -> Value:
        """State the values of this module and of those in it; returns what its `forward` returns."""
        ...


def describe(model: nn.Module | None) -> dict[str, Value]:
    """Every value that a model states, by its path; of a model that states none, what its parts state.

    The arguments of the model's `formulas` are called like those of its `forward`, and come from outside.
    """
    place = Place()
    if model is not None:
        _describe(model, place)
    return place.values


def _describe(module: nn.Module, place: Place) -> None:
    if isinstance(module, Described):
        _, *given = inspect.signature(module.formulas).parameters.values()
        texts = [one.name if not place.path else "" for one in given if one.default is one.empty]
        module.formulas(place, *(Value(text=text) for text in texts))
        return
    for name, part in module.named_children():
        _describe(part, place.under(name))


def tensors(model: nn.Module | None) -> dict[str, Tensor]:
    """Every named number of a model that a formula may use: parameters, shared ones under each name, and tables."""
    if model is None:
        return {}
    parameters, buffers = model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    return {**dict(parameters), **dict(buffers)}


def formula(
    kind: str, text: str, of: Sequence[Value], weights: dict[str, str] | None = None, **options: object
) -> Formula:
    """A formula of operands, each with the rows that are read of it."""
    rows = [x.rows for x in of]
    return Formula(
        kind, text, [x.path for x in of], weights or {}, {**options, **({"rows": rows} if any(rows) else {})}
    )


def weights(place: Place, name: str, module: nn.Linear) -> dict[str, str]:
    """The weights of a linear map by their letters, W and, where it has one, b."""
    own = {"W": place.name(f"{name}.weight"), "b": place.name(f"{name}.bias")}
    return own if module.bias is not None else {"W": own["W"]}


def copy(text: str, x: Value) -> Formula | None:
    """The same numbers; of a value that no module shows, how that came about."""
    return Formula("copy", text, [x.path]) if x.path else x.formula


def lookup(name: str, token_ids: Value, *, scale: float = 1.0, norm: dict[str, object] | None = None) -> Value:
    """The rows of the embedding matrix `name`, times `scale`; `norm`: the options of one after them."""
    text = "the token's row of the embedding matrix" + (" · √d_model" if scale != 1 else "")
    options = {"scale": scale, **({"norm": norm} if norm else {})}
    return Value(
        text=token_ids.text, formula=Formula("lookup", text + ", normed" * bool(norm), [], {"E": name}, options)
    )


def linear(place: Place, name: str, module: nn.Linear, of: Sequence[Value], text: str, **options: Any) -> Formula:
    """W x of the operands side by side; where there is a bias, the text says so after its W."""
    own = weights(place, name, module)
    return formula("linear", text.replace("W", "W + b", 1) if "b" in own else text, of, own, **options)


def side_by_side(text: str, of: Sequence[Value]) -> Formula:
    """The operands in one row."""
    return formula("linear", text, of)


def norm(place: Place, name: str, module: nn.Module, of: Sequence[Value], text: str = "") -> Formula:
    """The norm of the sum of the operands."""
    options = norm_options(place, name, module)
    own = {letter: options[part] for letter, part in (("g", "weight"), ("b", "bias")) if options[part]}
    root = "x / √(mean(x²) + ε) · g" if options["norm"] == "rms" else "(x - mean) / √(variance + ε) · g"
    return formula("norm", text or root + (" + b" if options["bias"] else ""), of, own, **options)


def norm_options(place: Place, name: str, module: nn.Module) -> dict[str, Any]:
    """What a norm computes: its kind, ε and the names of its weights."""
    kind, bias = "rms" if isinstance(module, nn.RMSNorm) else "layer", getattr(module, "bias", None)
    own = {"weight": place.name(f"{name}.weight"), "bias": None if bias is None else place.name(f"{name}.bias")}
    return {"norm": kind, "eps": module.eps, **own}
