"""A watched pass as a program: the operations on arrays that a page can run again, with edits, in float64.

    program_of(model, inputs)  ->  nodes, constants, and which node each seen value is   ->  program.js

One eager pass is recorded beneath autograd, so that any model that shows its values through `see` becomes a program:
there is no second description of a model to keep in step. Every seen value is a node of its own; of an act of attention
its steps q, k, v, similarities, scaled, biased, masked, weights, context are, and the model goes on with that context.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor, nn

from clearhead.attention import Attention
from clearhead.attention.act import STEPS
from clearhead.attention.where import Where
from clearhead.edits import Edit, plain
from clearhead.errors import ConfigError
from clearhead.look import Trace, watch
from clearhead.program.graph import Node
from clearhead.program.packing import packed
from clearhead.program.recording import Recorder

__all__ = ["Program", "program_of", "program_of_act"]

Seen: TypeAlias = Node | dict[str, Node]  # a tensor, or the steps of an act


@dataclass(frozen=True, eq=False)
class Program:
    """What a pass computes, from token ids and constants to every value that was seen.

    Args:
        nodes: the operations, each after those it takes.
        values: for each path the node of each call, or the nodes of its steps.
        axes: for each path the names of its axes.
        inputs: the token ids of the pass by the names of the model's arguments.
        constants: weights by their names, and what comes of weights and positions alone.
    """

    nodes: Sequence[Node]
    values: Mapping[str, Sequence[Seen]]
    axes: Mapping[str, Sequence[str]]
    inputs: Mapping[str, Tensor]
    constants: Mapping[str, Tensor]

    def to_json(self) -> dict[str, object]:
        """As plain JSON.

        A node is `[op, input, ..., [parameter, ...]]`: inputs are numbers of nodes before it, parameters are left out
        where there are none. `constants` says where each one lies in `blob()`; see `packing.py`.
        """
        number = {node: i for i, node in enumerate(self.nodes)}

        def numbers(seen: Seen) -> int | dict[str, int]:
            return number[seen] if isinstance(seen, Node) else {step: number[node] for step, node in seen.items()}

        return {
            "format": 1,
            "inputs": {name: [list(ids.shape), ids.flatten().tolist()] for name, ids in self.inputs.items()},
            "constants": self._packed[0],
            "nodes": [_node_json(node, number) for node in self.nodes],
            "values": {path: [numbers(seen) for seen in calls] for path, calls in self.values.items()},
            "axes": {path: list(axes) for path, axes in self.axes.items()},
        }

    def blob(self) -> bytes:
        """All constants, packed."""
        return self._packed[1]

    @cached_property
    def _packed(self) -> tuple[dict[str, object], bytes]:
        return packed(self.constants)


def program_of(model: nn.Module, inputs: tuple[Tensor | Where, ...]) -> Program:
    """The program of one pass `model(*inputs)`, in float64 and without dropout; the model is not changed.

    Token ids may be others when it is run, as many; what else is given (lengths of padded rows, where tokens stand) is
    fixed.

    Raises:
        ConfigError: the model computes something that a program has no word for, or the text is too long for a page.
        NotSeenError: the model shows nothing.
    """
    model = copy.deepcopy(model).double().eval()
    inputs = tuple(x.clone() if isinstance(x, Tensor) else x.kept() for x in inputs)
    with torch.no_grad():
        with watch(model) as trace:
            model(*inputs)
        named = zip(inspect.signature(model.forward).parameters, inputs, strict=False)
        given = {name: x for name, x in named if isinstance(x, Tensor)}
        recorder = Recorder(dict([*model.named_parameters(), *model.named_buffers()]), given)
        notes = [_Note(path, step=step, call=call, see=recorder.see) for path, call, step in _places(trace)]
        with watch(model, edits=notes), recorder:
            model(*inputs)
    return _program(recorder, notes, {path: trace.axes(path) for path in trace}, given)


def program_of_act(path: str, calls: Sequence[Attention]) -> Program:
    """The program of one act of attention alone, from the q, k and v of each of its calls, in float64.

    Args:
        path: where the trace has it: weights of its score are called as the model calls them.

    Raises:
        ConfigError: as `program_of`.
    """
    calls = [_exact(act) for act in calls]
    score = calls[0].score
    own = dict(score.named_parameters()) if isinstance(score, nn.Module) else {}
    recorder = Recorder({f"{path.removesuffix('attention')}score.{name}": x for name, x in own.items()}, {})
    notes = [[_Note(path, step=step, call=call, see=recorder.see) for step in STEPS] for call in range(len(calls))]
    with torch.no_grad(), recorder:
        for act, seen in zip(calls, notes, strict=True):
            act.edited(seen).context()
    return _program(recorder, list(chain(*notes)), {path: ("batch", "heads", "queries", "keys")}, {})


def _exact(act: Attention) -> Attention:
    """An act in float64, without edits."""
    score = copy.deepcopy(act.score).double() if isinstance(act.score, nn.Module) else act.score
    return replace(act, q=act.q.double(), k=act.k.double(), v=act.v.double(), score=score, edits=())


def _program(
    recorder: Recorder, notes: Sequence[_Note], axes: Mapping[str, Sequence[str]], given: Mapping[str, Tensor]
) -> Program:
    """What was recorded, as far as the notes need it."""
    nodes = recorder.graph.needed(node for note in notes for node in note.nodes)
    used = {node.parameters[0] for node in nodes if node.op == "constant"}
    return Program(
        nodes,
        {path: _calls(note for note in notes if note.path == path) for path in axes},
        axes,
        {name: given[name] for name in recorder.inputs},
        {name: value for name, value in recorder.graph.constants.items() if name in used},
    )


@dataclass(frozen=True)
class _Note(Edit):
    """An edit that changes nothing: it notes what it is given to change. An edited act takes the way of its steps."""

    see: Callable[[Tensor], tuple[Tensor, Node]] = field(kw_only=True)
    nodes: list[Node] = field(default_factory=list)

    def apply(self, x: Tensor, *, first: int = 0, columns: int = 0) -> Tensor:
        seen, node = self.see(x)
        self.nodes.append(node)
        return seen


def _places(trace: Trace) -> Iterator[tuple[str, int, str]]:
    """(path, call, step) of everything seen."""
    for path in trace:
        for call, value in enumerate(trace.calls(path)):
            for step in [""] if isinstance(value, Tensor) else STEPS:
                yield path, call, step


def _calls(notes: Iterable[_Note]) -> list[Seen]:
    """What the notes of one path have noted, call by call."""
    calls: dict[int | None, dict[str, Node]] = {}
    for note in notes:
        if len(note.nodes) > 1:
            raise ConfigError(
                f"{note.path!r} is so long that it is computed a few rows at a time", "take a shorter text"
            )
        calls.setdefault(note.call, {})[note.step] = note.nodes[0]
    return [steps.get("", steps) for steps in calls.values()]


def _node_json(node: Node, number: Mapping[Node, int]) -> list[object]:
    parameters = [plain(list(node.parameters))] if node.parameters else []
    return [node.op, *(number[x] for x in node.inputs), *parameters]
