"""What a head is worth: how much worse the model predicts without it.

    zeroed     loss with the head's context set to 0, less the loss as it is          (Michel et al., 2019)
    averaged   the same with the mean of its context over all rows of all texts: what it says whatever it sees
    gradient   mean over texts of |d loss / d gate|, the gate being a 1 that multiplies the head's context
               = |sum context . d loss / d context|                                   (Michel et al., 2019)

Losses are those of the next token in nats a token. A head may be worth nothing alone because others do the same.

Axes: rows, v_head_dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.insight.looks import attentions, layer_of
from clearhead.look import Trace

__all__ = ["HeadWorth", "ablate", "gate_gradients", "importance", "loss_of"]


@dataclass(frozen=True)
class HeadWorth:
    """What one head is worth; `tokens` is on how many the losses are means. `gradient` is None without a graph."""

    path: str
    layer: int
    head: int
    zeroed: float
    averaged: float
    gradient: float | None
    tokens: int

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)


def loss_of(trace: Trace) -> tuple[Tensor, int]:
    """(sum of the losses in nats, tokens) of the text that was forced, read off the logits.

    Raises:
        ConfigError: the trace does not tell what ought to be said.
    """
    if not trace.next_ids:
        raise ConfigError("a loss needs to know what ought to be said", "trace with a task: its traces have ids")
    wanted = torch.tensor(trace.next_ids)
    return F.cross_entropy(trace["logits"][0, : len(wanted)].float(), wanted, reduction="sum"), len(wanted)


def importance(traces: Sequence[Trace]) -> list[HeadWorth]:
    """What each head of each attention is worth on these texts, in the order of the pass.

    Args:
        traces: passes that can be repeated (`trace.again`); with their graph (`grad=True`), gradients are told too.
    """
    if not traces:
        return []
    before = _mean_loss(traces)
    gradients = gate_gradients(traces) if all(trace.grad for trace in traces) else {}
    found = []
    for path in attentions(traces[0]):
        for head, mean in enumerate(_mean_context(traces, path)):
            zeroed, averaged = (ablate(traces, path, head, value) - before for value in (0.0, mean.tolist()))
            tokens, slope = sum(loss_of(trace)[1] for trace in traces), gradients.get((path, head))
            found.append(HeadWorth(path, layer_of(path), head, zeroed, averaged, slope, tokens))
    return found


def ablate(traces: Sequence[Trace], path: str, head: int, value: float | list[float] = 0.0) -> float:
    """The loss in nats a token when a head's context is this value in every row of every text.

    Raises:
        ConfigError: a trace cannot be repeated.
    """
    if any(trace.again is None for trace in traces):
        raise ConfigError("a trace without `again` cannot be repeated with an edit", "trace with a task")
    edit = Edit(path, (None, head), "set", value, step="context")
    return _mean_loss([trace.again([edit]) for trace in traces if trace.again])


def gate_gradients(traces: Sequence[Trace]) -> dict[tuple[str, int], float]:
    """(path, head) -> mean over the texts of |d loss / d gate|, the loss being a text's in nats a token.

    Raises:
        ConfigError: the traces hold no graph.
    """
    if not all(trace.grad for trace in traces):
        raise ConfigError("gradients need the graph of the pass", "trace with grad=True")
    found: dict[tuple[str, int], float] = {}
    for trace in traces:
        paths = attentions(trace)
        contexts = [trace.calls(_context(path)) for path in paths]
        total, tokens = loss_of(trace)
        seen = [x for calls in contexts for x in calls]
        slopes = iter(torch.autograd.grad(total / tokens, seen, retain_graph=True, allow_unused=True))
        for path, calls in zip(paths, contexts, strict=True):
            gates = sum(
                ((x * slope)[0].sum((1, 2)) for x in calls if (slope := next(slopes)) is not None),
                start=torch.zeros(calls[0].size(1)),
            )
            for head, gate in enumerate(gates.abs().tolist()):
                found[path, head] = found.get((path, head), 0.0) + gate / len(traces)
    return found


def _context(path: str) -> str:
    return path.removesuffix("attention") + "context"


def _mean_loss(traces: Sequence[Trace]) -> float:
    losses = [loss_of(trace) for trace in traces]
    return float(sum(total.item() for total, _ in losses)) / max(1, sum(tokens for _, tokens in losses))


def _mean_context(traces: Sequence[Trace], path: str) -> Tensor:
    """[heads, v_head_dim], over all rows of all texts."""
    rows = [x[0].detach() for trace in traces for x in trace.calls(_context(path))]
    return torch.cat(rows, dim=1).mean(1)
