"""Recording: every operation of a running model, as nodes of a graph.

A dispatch mode stands beneath autograd and sees what a pass really computes, networks of the C++ library and all. Which
node a tensor is, is known by the tensor itself. What comes of weights and positions alone - masks, biases, the turns of
rotary positions - is not recorded: it is kept as the constant it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from clearhead.errors import ConfigError
from clearhead.program.aten import MAKERS, RULES, VIEWS, Call
from clearhead.program.graph import Graph, Node

__all__ = ["Recorder"]


class Recorder(TorchDispatchMode):
    """`with Recorder(weights, inputs) as recorder: model(x)`, without gradients.

    Args:
        weights: the model's parameters and buffers by name.
        inputs: what it is given, by name; token ids stay open in the graph, all else is constant.

    Raises:
        ConfigError: the pass has an operation that no rule knows, or takes its way by a number it computed.
    """

    def __init__(self, weights: Mapping[str, Tensor], inputs: Mapping[str, Tensor]):
        super().__init__()
        self.graph = Graph()
        self.inputs: dict[str, Node] = {}
        self._weights = {id(x): name for name, x in weights.items()}
        self._given = {id(x): name for name, x in inputs.items()}
        self._held: dict[int, Node | None] = {}
        self._sharing: dict[int, list[Tensor]] = {}  # by memory; an id is a tensor's own only as long as that lives

    def see(self, x: Tensor) -> tuple[Tensor, Node]:
        """x as a value with a name, and its node: the same numbers, under a node that nothing else shares."""
        seen, node = x.view_as(x), self.graph.fresh("see", self._node(x))
        self._hold(seen, node)
        return seen, node

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and write it down."""
        name, kwargs = func._schema.name.removeprefix("aten::"), kwargs or {}
        if name == "embedding" and id(args[1]) in self._given:
            self._open(args[1])
        nodes = [self._nodes(x) for x in args]
        out = func(*args, **kwargs)
        if func._schema.is_mutable and name != "transpose_":
            self._lose(args[0])
        call = Call(name.removesuffix("_") if func._schema.is_mutable else name, nodes, kwargs, args, out, self.graph)
        for tensor, node in zip(_leaves(out), self._made(call), strict=True):
            if node is not None:
                self._hold(tensor, node)
        return out

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled while it is recorded, and importing the compiler in order to say so takes a second."""
        return False

    def _made(self, call: Call) -> list[Node | None]:
        """The node of each tensor that the call has returned."""
        results = list(_leaves(call.out))
        fixed = call.name in MAKERS or all(node.fixed for node in _leaves(call.args, Node))
        if fixed and call.name not in VIEWS:
            return [self.graph.constant(x) for x in results]
        if call.name not in RULES or not results:
            raise ConfigError(
                f"the pass depends on {call.name!r}, which a program of array operations does not know",
                "look at this model in the terminal",
            )
        made = RULES[call.name](call)
        return made if isinstance(made, list) else [made]

    def _open(self, token_ids: Tensor) -> None:
        """Ids whose vectors are looked up stay open, unless other things were made of them, which are fixed."""
        if id(token_ids) not in self._held:
            name = self._given[id(token_ids)]
            self.inputs[name] = self.graph.fresh("input", parameters=(name,))
            self._hold(token_ids, self.inputs[name])

    def _nodes(self, x: Any) -> Any:
        """An argument with its tensors replaced by their nodes."""
        if isinstance(x, Tensor):
            return self._node(x)
        return [self._nodes(part) for part in x] if isinstance(x, list | tuple) else x

    def _node(self, x: Tensor) -> Node:
        if id(x) not in self._held:
            self._hold(x, self.graph.constant(x, self._weights.get(id(x))))
        node = self._held[id(x)]
        assert node is not None, "a tensor is read whose memory was written through another"
        return node

    def _hold(self, x: Tensor, node: Node) -> None:
        if id(x) not in self._held:
            self._sharing.setdefault(x.untyped_storage().data_ptr(), []).append(x)
        self._held[id(x)] = node

    def _lose(self, written: Tensor) -> None:
        """What overlaps with a tensor that was written in place is no longer what its node says."""
        places = _places(written)
        for x in self._sharing.get(written.untyped_storage().data_ptr(), []):
            if x is not written and places & _places(x):
                self._held[id(x)] = None


def _leaves(x: Any, kind: type[Any] = Tensor) -> Iterator[Any]:
    """What of a kind stands in nested lists."""
    if isinstance(x, kind):
        yield x
    elif isinstance(x, list | tuple):
        for part in x:
            yield from _leaves(part, kind)


def _places(x: Tensor) -> set[int]:
    """Where in its storage the entries of x lie."""
    storage = torch.arange(x.untyped_storage().nbytes() // x.element_size())
    return set(storage.as_strided(x.shape, x.stride(), x.storage_offset()).flatten().tolist())
