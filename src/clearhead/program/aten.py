"""What PyTorch's operations are in the words of a program: some forty of ATen's become some thirty plain ones.

    addmm(b, x, y) = b + x y        lerp(x, y, s) = x + s (y - x)        select, split, unbind = slices, ...

A rule is given the call - its arguments with tensors replaced by their nodes, and what it returned - and says which
node each result is. Results with equal numbers share one node: copies and aliases add nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clearhead.program.graph import Graph, Node

__all__ = ["MAKERS", "RULES", "VIEWS", "Call"]

Result = Node | list[Node | None]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation: its name, its arguments (nodes and plain values), the tensors given and returned."""

    name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    given: Sequence[Any]
    out: Any
    graph: Graph

    def add(self, op: str, *inputs: Node | float, parameters: Sequence[object] = ()) -> Node:
        """A node of the program."""
        return self.graph.add(op, *inputs, parameters=parameters)

    def shaped(self, x: Node) -> Node:
        """x with the result's shape."""
        return self.add("reshape", x, parameters=self.out.shape)

    def slices(self, sizes: Sequence[int], axis: int) -> list[Node]:
        """The first argument cut along an axis."""
        stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return [
            self.add("slice", self.args[0], parameters=(axis, stop - size, stop))
            for size, stop in zip(sizes, stops, strict=True)
        ]

    def axis(self, argument: int, default: int = 0) -> int:
        """An axis of the first tensor, counted from 0."""
        axis = self.args[argument] if len(self.args) > argument else default
        return int(axis) % self.given[0].ndim


RULES: dict[str, Callable[[Call], Result]] = {}

_SAME_WORD = "sub mul div eq tanh sigmoid silu relu rsqrt"
_OTHER_WORD = {"mm": "matmul", "bmm": "matmul", "clamp_min": "maximum", "embedding": "take"}
_SHAPING = "view _unsafe_view reshape unsqueeze squeeze"
_COPYING = "alias detach clone contiguous lift_fresh"

# What looks at the same numbers in another arrangement: of a weight, it is done again in every run and stored never.
VIEWS = {*_SHAPING.split(), *_COPYING.split(), "t", "transpose", "permute", "expand"}

# What takes no more of its argument than the shape.
MAKERS = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}


def rule(*names: str) -> Callable[[Callable[[Call], Result]], Callable[[Call], Result]]:
    """Makes a function the rule of these operations."""

    def register(function: Callable[[Call], Result]) -> Callable[[Call], Result]:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@rule(*_SAME_WORD.split(), *_OTHER_WORD)
def _word(call: Call) -> Node:
    tensors = 2 if call.name in ("sub", "embedding") else len(call.args)  # after them stand choices we need not make
    return call.add(_OTHER_WORD.get(call.name, call.name), *call.args[:tensors])


@rule("add")
def _add(call: Call) -> Node:
    x, y = call.args[:2]
    factor = call.kwargs.get("alpha", 1)
    return call.add("add", x, y if factor == 1 else call.add("mul", y, factor))


@rule("addmm")
def _addmm(call: Call) -> Node:
    added, x, y = call.args[:3]
    return call.add("add", call.add("matmul", x, y), added)


@rule("lerp")
def _lerp(call: Call) -> Node:
    x, y, share = call.args
    return call.add("add", x, call.add("mul", share, call.add("sub", y, x)))


@rule("pow")
def _pow(call: Call) -> Node:
    x, power = call.args
    assert power == 2, f"only squares are known, not powers of {power}"
    return call.add("mul", x, x)


@rule("gelu")
def _gelu(call: Call) -> Node:
    return call.add("gelu_tanh" if call.kwargs.get("approximate") == "tanh" else "gelu", call.args[0])


@rule("masked_fill")
def _masked_fill(call: Call) -> Node:
    x, mask, value = call.args
    return call.add("where", mask, value, x)


# Along an axis --------------------------------------------------------------------------------------------------------


@rule("_softmax")
def _softmax(call: Call) -> Node:
    return call.add("softmax", call.args[0], parameters=(call.axis(1),))


@rule("all")
def _all(call: Call) -> Node:
    return call.shaped(call.add("all", call.args[0], parameters=(call.axis(1),)))


@rule("mean")
def _mean(call: Call) -> Node:
    (axis,) = call.args[1]
    return call.shaped(call.add("mean", call.args[0], parameters=(axis % call.given[0].ndim,)))


@rule("linalg_vector_norm")
def _norm(call: Call) -> Node:
    x, order, (axis,) = call.args[:3]
    assert order == 2, f"only the length of a vector is known, not its norm of order {order}"
    return call.shaped(call.add("norm", x, parameters=(axis % call.given[0].ndim,)))


@rule("native_layer_norm")
def _layer_norm(call: Call) -> list[Node | None]:
    x, shape, weight, bias, eps = call.args
    assert len(shape) == 1 and weight is not None and bias is not None, "layer norms are over one axis, with weights"
    return [call.add("layer_norm", x, weight, bias, parameters=(eps,)), None, None]


# Arrangement ----------------------------------------------------------------------------------------------------------


@rule(*_COPYING.split())
def _itself(call: Call) -> Node:
    return call.args[0]


@rule(*_SHAPING.split())
def _shaped(call: Call) -> Node:
    return call.args[0] if call.given[0].shape == call.out.shape else call.shaped(call.args[0])


@rule("expand")
def _expand(call: Call) -> Node:
    same = call.given[0].shape == call.out.shape
    return call.args[0] if same else call.add("expand", call.args[0], parameters=call.out.shape)


@rule("t", "transpose", "permute")
def _permute(call: Call) -> Node:
    axes = list(range(call.out.ndim))
    if call.name == "permute":
        axes = [axis % call.out.ndim for axis in call.args[1]]
    elif call.out.ndim > 1:
        one, other = (0, 1) if call.name == "t" else (axis % call.out.ndim for axis in call.args[1:3])
        axes[one], axes[other] = other, one
    return call.add("permute", call.args[0], parameters=axes)


@rule("slice")
def _slice(call: Call) -> Node:
    axis = call.axis(1)
    start, stop, step = slice(*call.args[2:5]).indices(call.given[0].size(axis))
    assert step == 1, f"slices take every entry, not each {step}th"
    return call.slices([start, stop - start], axis)[1]


@rule("select")
def _select(call: Call) -> Node:
    axis, size = call.axis(1), call.given[0].size(call.args[1])
    index = call.args[2] % size
    return call.shaped(call.slices([index, 1], axis)[1])


@rule("split", "unsafe_split")
def _split(call: Call) -> list[Node | None]:
    axis = call.axis(2)
    return [*call.slices([part.size(axis) for part in call.out], axis)]


@rule("unbind")
def _unbind(call: Call) -> list[Node | None]:
    axis = call.axis(1)
    parts = call.slices([1] * len(call.out), axis)
    return [call.add("reshape", p, parameters=o.shape) for p, o in zip(parts, call.out, strict=True)]


@rule("cat")
def _cat(call: Call) -> Node:
    axis = (call.args[1] if len(call.args) > 1 else 0) % call.out.ndim
    return call.add("cat", *call.args[0], parameters=(axis,))


@rule("stack")
def _stack(call: Call) -> Node:
    axis = (call.args[1] if len(call.args) > 1 else 0) % call.out.ndim
    shape = [*call.out.shape[:axis], 1, *call.out.shape[axis + 1 :]]
    return call.add("cat", *[call.add("reshape", x, parameters=shape) for x in call.args[0]], parameters=(axis,))


@rule("index")
def _index(call: Call) -> Node:
    x, places = call.args
    assert all(isinstance(p, Node) for p in places), "an index stands for each of the first axes"
    return call.add("index", x, *places)
