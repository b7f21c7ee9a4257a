"""How the layers of a self-attention add up: where the numbers of a token, layers later, come from.

    rollout   R_l = A_l R_(l-1),  A = 0.5 W + 0.5 I, W the mean of the heads          (Abnar and Zuidema, 2020)
    flow      the most that can flow from an output token down to an input token through pipes as wide as A
              (a maximum flow; Edmonds and Karp, 1972)

Both treat what a layer passes on as if it were made of what it attends to; values and feed-forwards have no say.

Axes: layers, tokens that ask, tokens asked.
"""

from __future__ import annotations

from collections import deque

import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.insight.looks import attentions, kind_of, look_at
from clearhead.look import Trace

__all__ = ["flow", "mean_layers", "rollout"]

_LEAST = 1e-9  # less than this does not flow


def mean_layers(trace: Trace, kind: str = "encoder") -> Float[Tensor, "layers tokens tokens"]:
    """The mean of the heads of each self-attention of the encoder or decoder.

    Raises:
        ConfigError: it has none.
    """
    paths = [path for path in attentions(trace) if kind_of(path) == kind]
    if not paths:
        raise ConfigError(f"the trace has no self-attention of the {kind}", "watch a transformer that has it")
    return torch.stack([look_at(trace, path).weights.mean(0) for path in paths])


def rollout(layers: Float[Tensor, "layers tokens tokens"]) -> Float[Tensor, "layers tokens tokens"]:
    """For each layer how much of each input token reaches each token after it; rows sum to 1."""
    found: list[Tensor] = []
    for layer in _with_residual(layers):
        found.append(layer @ found[-1] if found else layer)
    return torch.stack(found) if found else layers


def flow(layers: Float[Tensor, "layers tokens tokens"], token: int) -> Float[Tensor, " tokens"]:
    """The maximum flow from one token after the last layer to each input token."""
    if not len(layers):
        return torch.eye(layers.size(1))[token]
    pipes = _with_residual(layers).tolist()
    return torch.tensor([_maximum(pipes, token, end) for end in range(layers.size(1))])


def _with_residual(layers: Tensor) -> Tensor:
    mixed = 0.5 * layers + 0.5 * torch.eye(layers.size(1), dtype=layers.dtype)
    return mixed / mixed.sum(-1, keepdim=True)


def _maximum(pipes: list[list[list[float]]], start: int, end: int) -> float:
    """Shortest paths with room left are filled until there is none. A node is (layer, token), inputs are layer 0."""
    room: dict[tuple[int, int], dict[tuple[int, int], float]] = {}
    for layer, table in enumerate(pipes):
        for asks, row in enumerate(table):
            for asked, width in enumerate(row):
                room.setdefault((layer + 1, asks), {})[layer, asked] = width
                room.setdefault((layer, asked), {})[layer + 1, asks] = 0.0  # what flows may be sent back
    source, sink, total = (len(pipes), start), (0, end), 0.0
    while path := _path(room, source, sink):
        least = min(room[a][b] for a, b in path)
        for a, b in path:
            room[a][b] -= least
            room[b][a] += least
        total += least
    return total


def _path(
    room: dict[tuple[int, int], dict[tuple[int, int], float]], source: tuple[int, int], sink: tuple[int, int]
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The edges of a shortest path with room left; none if there is no such path."""
    before = {source: source}
    waiting = deque([source])
    while waiting and sink not in before:
        node = waiting.popleft()
        for other, width in room[node].items():
            if width > _LEAST and other not in before:
                before[other] = node
                waiting.append(other)
    edges = []
    while sink in before and sink != source:
        edges.append((before[sink], sink))
        sink = before[sink]
    return edges[::-1]
