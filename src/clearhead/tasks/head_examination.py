"""What the heads of a loaded model do, on examples: traced, scored, ablated and probed in one go.

`examine(model, model.examples.built_in(200))` is what the command line prints, `to_json` of it plain data for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clearhead.errors import ConfigError
from clearhead.insight.head_findings import Heads
from clearhead.insight.importance import HeadWorth
from clearhead.insight.importance import importance as worth_of
from clearhead.insight.looks import attentions
from clearhead.insight.norms import by_norm
from clearhead.insight.probes import probes as probe
from clearhead.insight.roles import roles
from clearhead.tasks.examples import Example
from clearhead.tasks.task import Inside

__all__ = ["examine"]

_WORTH_TEXTS = 20  # each head's worth takes two passes over each


def examine(
    model: Inside,
    examples: Sequence[Example],
    *,
    name: str = "the model",
    norms: bool = False,
    probes: bool = False,
    importance: bool = True,
    done: Callable[[int], None] = lambda count: None,
) -> Heads:
    """All that is found about the heads of a model on these examples.

    Args:
        model: what `clearhead.load(...).inside` gives.
        name: of the model, for the tables.
        norms: weigh by the norm of what is moved, not by the weight alone.
        probes: read labels from each head's slice too.
        importance: measure what each head is worth too, on the first examples that are text.
        done: is told whenever so many more texts have been read.

    Raises:
        ConfigError: the model has no heads, or not every weight is a finite number.
    """
    if not all(weight.isfinite().all() for weight in model.module.parameters()):
        fix = "take an intact copy of the model, or train again"
        raise ConfigError("nothing can be measured: not every weight is a finite number", fix)
    traces = []
    for example in examples:
        # All that a pass shows would be gigabytes for a few hundred texts: what is read here is kept.
        traces.append(model.trace_example(example).only("attention", "context", "resid_in"))
        done(1)
    if not any(attentions(trace) for trace in traces):
        raise ConfigError("this model has no attention: there are no heads", "train one with --arch.attention bahdanau")
    facts = [example.facts for example in examples]
    return Heads(
        name,
        len(examples),
        roles(traces, facts, weigh=by_norm(model.module) if norms else None),
        _worths(model, examples) if importance else (),
        probe(traces, facts) if probes else (),
    )


def _worths(model: Inside, examples: Sequence[Example]) -> list[HeadWorth]:
    said = [example for example in examples if isinstance(example.text, str)][:_WORTH_TEXTS]
    traces = [model.trace_example(example, grad=True) for example in said]
    long_enough = [trace for trace in traces if trace.next_ids]
    return worth_of(long_enough) if long_enough else []
