"""A graph of array operations: nodes that name what they compute and from what.

    node = op(inputs, parameters)         inputs are nodes, parameters plain numbers or words

A node that nothing seen, edited or given as input reaches is `fixed`: the same in every run. Equal nodes are one node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Graph", "Node"]


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: its word, the nodes it takes, and its parameters."""

    op: str
    inputs: tuple[Node, ...] = field(default=(), repr=False)
    parameters: tuple[object, ...] = ()
    fixed: bool = False


class Graph:
    """Nodes in the order of their making, and the constants they name."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self._made: dict[tuple[object, ...], Node] = {}
        self._names: dict[
            tuple[str, tuple[int, ...], bytes], str
        ] = {}  # content of a constant without a name -> the one it was given

    def add(self, op: str, *inputs: Node | float, parameters: Iterable[object] = ()) -> Node:
        """The node of this operation; a number among the inputs becomes a node of its own."""
        nodes = tuple(x if isinstance(x, Node) else self.number(x) for x in inputs)
        parameters = tuple(parameters)
        key = (op, *map(id, nodes), parameters)
        if key not in self._made:
            self._made[key] = self.fresh(op, *nodes, parameters=parameters, fixed=all(n.fixed for n in nodes))
        return self._made[key]

    def fresh(self, op: str, *inputs: Node, parameters: tuple[object, ...] = (), fixed: bool = False) -> Node:
        """A node of its own, whatever others there are."""
        self.nodes.append(Node(op, inputs, parameters, fixed))
        return self.nodes[-1]

    def number(self, x: float) -> Node:
        """A single number."""
        return self.add("number", parameters=(float(x),))

    def constant(self, value: Tensor, name: str | None = None) -> Node:
        """An array that is always the same; one without a name is made once for each content."""
        if name is None:
            value = value.detach().clone(memory_format=torch.contiguous_format)
            content = (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
            name = self._names.setdefault(content, f"#{len(self._names)}")
        self.constants.setdefault(name, value.detach())
        return self.add("constant", parameters=(name,))

    def needed(self, roots: Iterable[Node]) -> list[Node]:
        """The nodes that the roots are computed from, these included, in order."""
        found = set(roots)
        for node in reversed(self.nodes):
            if node in found:
                found.update(node.inputs)
        return [node for node in self.nodes if node in found]
