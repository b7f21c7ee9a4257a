"""Looking: `see`, `watch` and the `Trace` they leave.

Model code says `x = see("name", x)` and nothing else. When nobody watches, `see` returns `x`. Inside
`with watch(model) as trace:` it records a value under its path (`decoder.blocks.2.cross_attention.attention`) and may
hand back an edited one, so that everything downstream is recomputed by the model itself.

A value is a tensor, or anything that can be `kept` and `edited` (an `Attention`): this file knows no attention.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast, overload, runtime_checkable

import torch
from torch import Tensor, nn

from clearhead.atlas import module_paths, stated
from clearhead.edits import Edit, plain
from clearhead.errors import EditError, NotSeenError, nearest
from clearhead.regions import Box, Span
from clearhead.runtime import EAGER, keep_pages

__all__ = ["Seen", "Trace", "Watch", "begun", "goes_on", "see", "watch", "watched"]

T = TypeVar("T")
V = TypeVar("V")

_WIDE = 60  # characters of a text that a trace shows of itself

_here = threading.local()  # a ContextVar would break torch.compile(fullgraph=True)


def see(name: str, x: T) -> T:
    """Show `x` under `name` to whoever watches; returns `x`, or its edited version."""
    trace: Trace | None = getattr(_here, "trace", None)
    return x if trace is None else trace.note(name, x)


def watched() -> bool:
    """Whether somebody watches: whether it is worth while to compute what is only there to be seen."""
    return getattr(_here, "trace", None) is not None


def begun() -> int | None:
    """How many rows a text that is being written, whose next rows are passing by, has already; None: none is."""
    trace: Trace | None = getattr(_here, "trace", None)
    return None if trace is None else trace._begun


@contextlib.contextmanager
def goes_on(start: int | None) -> Iterator[None]:
    """Values seen meanwhile are further rows of a text, from position `start` on (None: they are whole)."""
    trace: Trace | None = getattr(_here, "trace", None)
    if trace is None:
        yield
        return
    before, trace._begun = trace._begun, start
    try:
        yield
    finally:
        trace._begun = before


@runtime_checkable
class Seen(Protocol):
    """A value that is more than a tensor: it says how it is kept, edited and written."""

    def kept(self, *, grad: bool) -> Self:
        """What a trace holds of it: nothing that a later optimizer step or pass could change."""
        ...

    def touches(self, edit: Edit) -> bool:
        """Whether the edit changes anything in it."""
        ...

    def edited(self, edits: Sequence[Edit]) -> Self:
        """The same value with edits, which its own steps apply."""
        ...

    def to_json(self) -> dict[str, object]:
        """Its parts as plain JSON."""
        ...


class Maker(Protocol):
    """The loaded model that made a trace, as far as tokens go; it is what models have as `.inside`."""

    inputs: tuple[str, ...]  # the names of the texts that it reads, the later ones optional

    def trace_tokens(
        self, token_ids: Mapping[str, Sequence[int]], *, edits: Sequence[Edit] = (), notes: Sequence[str] = ()
    ) -> Trace:
        """One pass over tokens, by the labels of the trace."""
        ...

    def texts_of(self, token_ids: Mapping[str, Sequence[int]]) -> dict[str, str]:
        """The texts of such tokens."""
        ...

    def tokens_of(self, label: str, text: str) -> list[int]:
        """The tokens of a part of a text."""
        ...

    def entries(self, label: str) -> list[str]:
        """The text of each entry of a label's vocabulary."""
        ...


@dataclass(eq=False)
class Trace(Mapping[str, Any]):
    """What a watched pass has shown: path -> value, in the order of the pass.

    `trace[path]` is the value; a path seen several times (decoding steps, an encoder run twice) has several calls and
    is read with `trace.calls(path)`. Its kind depends on the path: a tensor, an act (`Attention`), plain data. Asked
    for by kind, it is checked, and editors know it: `trace.value(path, Attention).weights()`. `labels` names the
    entries of axes (`source`, `target` -> token strings; a `Box` of a picture, a `Span` of time).

    What follows is there where the maker of the trace offers it: `again(edits)` repeats the pass with edits and returns
    the new trace; `token_ids` are those of each label, `next_ids` what each row of the logits ought to say, and `words`
    the word, split at spaces, that each entry belongs to (None: a mark is nobody's word); `module` is what was watched;
    `read_out(x)` turns vectors of its residual stream into logits; `name_of(i)` is the text of an entry of its output
    vocabulary, and `forbidden` are those that are never written; `task` is the loaded model that made the trace, which
    reads other texts too.
    """

    grad: bool = False
    edits: tuple[Edit, ...] = ()
    labels: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    again: Callable[[Sequence[Edit]], Trace] | None = None
    token_ids: dict[str, list[int]] = field(default_factory=dict)
    next_ids: list[int] = field(default_factory=list)
    words: dict[str, list[int | None]] = field(default_factory=dict)
    module: nn.Module | None = field(default=None, repr=False)
    read_out: Callable[[Tensor], Tensor] | None = None
    name_of: Callable[[int], str] | None = None
    forbidden: tuple[int, ...] = ()
    task: Maker | None = field(default=None, repr=False)
    _values: dict[str, list[object]] = field(default_factory=dict, repr=False)
    _stated: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict, repr=False)
    _stack: list[tuple[str, nn.Module]] = field(default_factory=list, repr=False)
    _used: set[int] = field(default_factory=set, repr=False)
    _counts: dict[str, int] = field(default_factory=dict, repr=False)
    _begun: int | None = field(init=False, default=None, repr=False)
    _edits_at: dict[str, list[tuple[int, Edit]]] = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for number, edit in enumerate(self.edits):
            self._edits_at.setdefault(edit.path, []).append((number, edit))

    def __repr__(self) -> str:
        """Its texts, how many values it holds, and how they are reached: what a notebook shows."""
        edits = f", {len(self.edits)} edit{'s' * (len(self.edits) > 1)}" if self.edits else ""
        lines = [f"{name}: {_shortened(row)}" for name, row in self.labels.items()]
        if self._values:
            last = next((path for path in reversed(self._values) if path.endswith("attention")), next(iter(self)))
            reached = f"trace[{last!r}]" if len(self._values[last]) == 1 else f"trace.calls({last!r})"
            lines += [f"open one: {reached}; list(trace) names all", "see all: clearhead.show(trace)"]
        return "\n  ".join([f"Trace of {len(self)} values{edits}", *lines])

    def note(self, name: str, x: T) -> T:
        """Record `x` at the present place of the model; returns what the model shall go on with."""
        above, module = self._stack[-1] if self._stack else ("", None)
        path = f"{above}.{name}" if above else name
        # Inside a backward pass only activation checkpointing computes forward values: edit them, do not count them.
        recomputing = torch._C._current_graph_task_id() != -1
        call = self._counts.get(path, 0)
        if recomputing:
            call = self._recomputed_call(name, path, call)
        for number, edit in self._edits_at.get(path, ()):
            if edit.call in (None, call):
                x = self._edited(number, edit, x)
        if not recomputing:
            self._counts[path] = call + 1
            self._values.setdefault(path, []).append(_keep(x, self.grad))
            self._stated.setdefault(path, stated(module, name))
        return x

    def _recomputed_call(self, name: str, path: str, calls: int) -> int:
        """Which call a backward pass computes again; an edit that cannot be repeated would corrupt the gradients."""
        lost = not calls and any(e.path.endswith(f".{name}") for e in self.edits)
        if lost or (calls > 1 and any(e.path == path and e.call is not None for e in self.edits)):
            raise EditError(
                f"activation checkpointing computes {name!r} again, and its place or call is unknown then",
                "switch activation checkpointing off for this pass",
            )
        return 0

    def _edited(self, number: int, edit: Edit, x: T) -> T:
        if isinstance(x, Seen):
            if x.touches(edit):
                self._used.add(number)
                return x.edited([edit])
            return x
        if not isinstance(x, Tensor):
            raise EditError(f"{edit.path!r} is a {type(x).__name__}, which cannot be edited", "edit a tensor or an act")
        if edit.step:
            raise EditError(f"{edit.path!r} is a tensor and has no step {edit.step!r}", "leave the step empty")
        start = self._begun or 0
        if not edit.touches(x.shape, start=start, grows=self._begun is not None):
            return x
        self._used.add(number)
        return cast(T, edit.apply(x, first=start))

    def __getitem__(self, path: str) -> Any:
        calls = self.calls(path)
        if len(calls) > 1:
            raise NotSeenError(
                f"{path!r} was seen {len(calls)} times", f"take one of trace.calls({path!r}), in the order of the pass"
            )
        return calls[0]

    def value(self, path: str, kind: type[V]) -> V:
        """`trace[path]`, which has to be of this kind (`Tensor`, `Attention`).

        Raises:
            NotSeenError: nothing was seen there, several values were, or another kind of value.
        """
        self[path]
        return self.calls(path, kind)[0]

    @overload
    def calls(self, path: str) -> list[Any]: ...
    @overload
    def calls(self, path: str, kind: type[V]) -> list[V]: ...
    def calls(self, path: str, kind: type[object] = object) -> Sequence[object]:
        """Every value seen under `path`, in order; each has to be of this kind.

        Raises:
            NotSeenError: nothing was seen under that path (the error names the near ones), or another kind of value.
        """
        if path not in self._values:
            raise NotSeenError(
                f"the trace holds no value {path!r}",
                nearest(path, self._values) or f"it holds {len(self._values)} paths: list(trace)",
            )
        values = self._values[path]
        if not all(isinstance(value, kind) for value in values):
            found = type(values[0]).__name__
            problem = f"{path!r} is no {kind.__name__}: it is a {found}"
            raise NotSeenError(problem, f"write trace.value({path!r}, {found})")
        return list(values)

    def __contains__(self, path: object) -> bool:
        return path in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def axes(self, path: str) -> tuple[str, ...]:
        """The names of a value's axes, e.g. ("batch", "tokens", "d_model"); of an act, those of its weights."""
        self.calls(path)
        return self._stated[path][0]

    def title(self, path: str) -> str:
        """What a value is, in the words of the module that shows it; its last name where that says nothing."""
        self.calls(path)
        return self._stated[path][1] or path.rpartition(".")[2]

    def find(self, end: str) -> list[str]:
        """The paths whose last parts are `end`, e.g. `find("cross_attention.attention")`, in the order of the pass."""
        return [p for p in self._values if p == end or p.endswith("." + end)]

    def only(self, *names: str) -> Trace:
        """The same pass with the values of these names alone (`attention`): of many texts not all can be kept."""
        held = {p: values for p, values in self._values.items() if p.rpartition(".")[2] in names}
        return replace(self, _values=held)

    def labels_json(self) -> dict[str, list[object]]:
        """The labels as plain JSON: texts, and of a region its text and where it is."""
        regions = (Box, Span)
        return {
            name: [label.to_json() if isinstance(label, regions) else label for label in row]
            for name, row in self.labels.items()
        }

    def to_json(self) -> dict[str, object]:
        """The whole trace as plain JSON: labels, edits, notes and every call of every value with its axes."""
        values = [
            {"path": path, "call": call, "axes": list(self.axes(path)), **_value_json(value)}
            for path, calls in self._values.items()
            for call, value in enumerate(calls)
        ]
        edits = [e.to_json() for e in self.edits]
        return {"format": 1, "labels": self.labels_json(), "edits": edits, "notes": self.notes, "values": values}


def _shortened(labels: Sequence[str]) -> str:
    """Tokens as a text of one line; those that hold their blanks are put together as they are."""
    between = "" if any(" " in label for label in labels) else " "
    text = " ".join(between.join(map(str, labels)).split())
    return text if len(text) <= _WIDE else f"{text[: _WIDE - 1]}…"


def _keep(x: object, grad: bool) -> object:
    if isinstance(x, Tensor):
        return x if grad else x.detach()
    return x.kept(grad=grad) if isinstance(x, Seen) else x


def _value_json(value: object) -> dict[str, object]:
    if isinstance(value, Tensor):
        return {"kind": "tensor", "shape": list(value.shape), "data": plain(value.float().tolist())}
    if isinstance(value, Seen):
        return {"kind": type(value).__name__.lower(), **{k: plain(v) for k, v in value.to_json().items()}}
    return {"kind": "plain", "data": json.loads(json.dumps(value))}


class Watch:
    """The context manager that `watch` returns."""

    def __init__(self, model: nn.Module, trace: Trace):
        self._model, self._trace = model, trace
        self._hooks: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> Trace:
        keep_pages()
        trace, paths = self._trace, module_paths(self._model)
        if paths[1]:
            trace.notes.append(f"paths leave out the wrappers {', '.join(paths[1])}")

        def hook(path: str, module: nn.Module) -> None:
            def enter(*_: object) -> None:
                if getattr(_here, "trace", None) is trace:
                    trace._stack.append((path, module))

            def leave(*_: object) -> None:
                if getattr(_here, "trace", None) is trace and trace._stack:
                    trace._stack.pop()

            self._hooks.append(module.register_forward_pre_hook(enter))
            self._hooks.append(module.register_forward_hook(leave, always_call=True))

        for path, module in paths[0]:
            hook(path, module)
        self._thread, self._before = threading.get_ident(), getattr(_here, "trace", None)
        _here.trace = trace
        EAGER.enter()
        return trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for handle in self._hooks:
            handle.remove()
        EAGER.leave()
        if threading.get_ident() != self._thread:
            raise RuntimeError("a watch was left in another thread than it was entered in; do not yield inside a watch")
        if self._before is None:  # as if there had never been one: compiled code guards on it, and would compile again
            _here.__dict__.pop("trace", None)
        else:
            _here.trace = self._before
        trace = self._trace
        trace._stack.clear()
        if kind is not None:
            return
        if not trace._values:
            raise NotSeenError(
                "the watch saw nothing", "call the watched model inside the `with` block, in the same thread"
            )
        for number, edit in enumerate(trace.edits):
            if number not in trace._used:
                fix = nearest(edit.path, [p for p in trace if p != edit.path]) or "list(trace) names what was seen"
                raise EditError(f"nothing was seen at the place of the edit {edit}", fix)


def watch(model: nn.Module, *, edits: Sequence[Edit] = (), grad: bool = False) -> Watch:
    """Record what `model` shows while the block runs: `with watch(model) as trace: model(x)`.

    Only the thread that watches is recorded. Compiled modules run their original; what a backward pass recomputes
    (activation checkpointing) is not seen again. Watching changes no output bit unless edits do.

    Args:
        edits: changes to make on the way (see `Edit`); everything downstream is recomputed.
        grad: keep the autograd graph of what was seen instead of detached values.

    Raises:
        NotSeenError: on leaving, if nothing was seen.
        EditError: on leaving, if an edit's path was never seen; during the pass, if its place does not exist.
    """
    return Watch(model, Trace(grad=grad, edits=tuple(edits), module=model))
