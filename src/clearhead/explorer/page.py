"""A trace as one page that needs nothing else: a file to mail, a cell of a notebook.

Everything stands in it - the document, the numbers, the modules - and it may load nothing. Where the model is small its
weights stand in it too, and the page computes everything after an edit; else a program for each act, and the page opens
the acts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from clearhead.attention import Attention
from clearhead.disk import replacing
from clearhead.explorer import document
from clearhead.explorer.bundle import bundle, static
from clearhead.explorer.stations import stations
from clearhead.figures.terminal import writable
from clearhead.formula import tensors
from clearhead.insight.alignment import AlignmentHead
from clearhead.look import Trace
from clearhead.parsing import Json
from clearhead.program.packing import packed
from clearhead.program.program import program_of, program_of_act

__all__ = ["Page", "page"]

_MOST_WEIGHTS = 3_500_000  # bytes of float32: what a page carries, packed, in less than 4 MB
_MOST_VALUES = 8_000_000  # bytes of float32 that a page of a larger model carries
_MOST_COMPUTED = 2**24  # numbers of an act's step, which a page can hold several times
_MOST_ROWS = 64  # tokens of which a page tells what spoke for the next one
_SANDBOX = "allow-scripts allow-downloads allow-modals allow-forms"  # a dialog's answer is a form's
_HEIGHT = 900  # pixels of a notebook's cell


@dataclass(frozen=True)
class Page:
    """A whole page as text. In a notebook it shows itself, without any extension."""

    html: str

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, whole or not at all."""
        with replacing(Path(path)) as aside:
            aside.write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html, quote=True)}" sandbox="{_SANDBOX}" '
            f'style="width:100%;height:{_HEIGHT}px;border:0" title="clearhead"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<a page of {len(self.html.encode()) / 1e6:.1f} MB: .save('page.html'), or show it in a notebook>"


def page(
    trace: Trace, *, title: str = "clearhead", texts: Mapping[str, str] | None = None, head: AlignmentHead | None = None
) -> Page:
    """The page of a trace.

    Args:
        title: what it is called.
        texts: the texts that the tokens are of.
        head: where alignments are read.

    Raises:
        ConfigError: the model computes something that a page cannot.
    """
    given = {
        "description": document.description(trace, title=title, head=head),
        "text": document.text(trace, texts or {}),
        "overview": document.overview(trace),
        **_vocabularies(trace),
        "proofs": _proofs(trace),
        **(_whole(trace) if trace.token_ids and _small(trace.module) else _acts(trace)),
    }
    return Page(_html(title, given))


def _small(module: nn.Module | None) -> bool:
    return module is not None and 4 * sum(p.numel() for p in module.parameters()) <= _MOST_WEIGHTS


def _whole(trace: Trace) -> Json:
    """The pass as a program, and under which name each tensor stands in it."""
    assert trace.module is not None, "only called where there is one"
    inputs = tuple(torch.tensor([ids]) for ids in trace.token_ids.values())
    program = program_of(trace.module, inputs)
    first: dict[int, str] = {}
    for name, x in [*trace.module.named_parameters(), *trace.module.named_buffers()]:
        first.setdefault(id(x), name)
    known = tensors(trace.module)
    aliases = {name: first[id(x)] for name, x in known.items() if first[id(x)] != name}
    used = {name for station in stations(trace) if station.formula for name in station.formula.weights.values()}
    longest = max(len(ids) for ids in trace.token_ids.values())
    # What the program has worked into its constants: the tables of positions, of which only these rows are read.
    beside = {name: known[name][:longest] for name in sorted(used) if aliases.get(name, name) not in program.constants}
    values, more = packed(beside)
    whole = {"program": program.to_json(), "blob": _text(program.blob()), "aliases": aliases}
    return {**whole, "beside": values, "beside_blob": _text(more)}


@torch.no_grad()
def _acts(trace: Trace) -> Json:
    """A program for each act, and as many of the other values as there is room for."""
    acts: dict[str, object] = {}
    arrays: dict[str, Tensor] = {}
    room = _MOST_VALUES
    for path in trace:
        calls = trace.calls(path)
        if isinstance(calls[0], Attention) and sum(map(_cost, calls)) <= _MOST_COMPUTED:
            program = program_of_act(path, calls)
            acts[path] = {"program": program.to_json(), "blob": _text(program.blob())}
            room -= sum(4 * x.numel() for x in program.constants.values())
    for path in trace:
        calls = trace.calls(path)
        if isinstance(calls[0], Tensor) and len(calls) == 1 and 4 * calls[0].numel() <= room:
            arrays[path] = calls[0].float()
            room -= 4 * calls[0].numel()
    described, data = packed(arrays)
    told = {"contributions": _contributions(trace), "lens": _lens(trace)}
    return {"acts": acts, "values": described, "blob": _text(data), **told}


def _cost(act: Attention) -> int:
    """How many numbers one of its steps has at once."""
    return math.prod(act.shape) * act.score.cost(act.q, act.k)


def _vocabularies(trace: Trace) -> Json:
    """The names of the output vocabulary, and the entries of each other one."""
    names = _names(trace)
    known = {} if trace.task is None else {label: trace.task.entries(label) for label in trace.token_ids}
    return {"names": names, "entries": {label: own for label, own in known.items() if own != names}}


def _names(trace: Trace) -> list[str]:
    size = trace.calls("logits")[0].size(-1) if "logits" in trace else 0
    return [name for first in range(0, size, 1024) for name in document.names(trace, first, first + 1024)]


def _proofs(trace: Trace) -> dict[str, list[float]]:
    acts = [path for path in trace if isinstance(trace.calls(path)[0], Attention)]
    return {path: [document.proof(trace, path, head) for head in range(trace.calls(path)[0].shape[1])] for path in acts}


def _contributions(trace: Trace) -> Mapping[int, Mapping[int, Json]]:
    """What each part adds to the logit of the token that stands next, for each token."""
    ids = list(trace.token_ids.values())[-1] if trace.token_ids else []
    found = {}
    for row, token in enumerate(ids[1 : _MOST_ROWS + 1]):
        told = document.contributed(trace, row, token)
        short = [{**one, "value": float(f"{one['value']:.6g}")} for one in told["contributions"]]
        found[row] = {token: {**told, "contributions": short}}
    return found


def _lens(trace: Trace) -> Sequence[Json]:
    ids = list(trace.token_ids.values())[-1] if trace.token_ids else []
    return [document.lensed(trace, row) for row in range(min(len(ids), _MOST_ROWS))]


def _html(title: str, given: Json) -> str:
    script, style = bundle("file.js"), static("style.css")
    data = json.dumps(given, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    code = f"script-src {_hash(script)}; style-src {_hash(style)}"
    allowed = f"default-src 'none'; {code}; img-src data: blob:; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="content-security-policy" content="{allowed}">\n'
        '<meta name="viewport" content="width=device-width">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(writable(title))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<div id="clearhead"></div>\n<script type="application/json" id="given">{data}</script>\n'
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
