"""A trace as one page that needs nothing else: a file to mail, a cell of a notebook.

Everything stands in it - the document, the numbers, the modules - and it may load nothing. Where the model is small its
weights stand in it too, and the page computes everything after an edit; else what each act holds, and the page opens
the acts.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.attention import Attention
from clearhead.disk import replacing
from clearhead.explorer.bundle import bundle, static
from clearhead.explorer.document import document, lens, names, proof
from clearhead.explorer.stations import stations
from clearhead.figures.terminal import writable
from clearhead.formula import tensors
from clearhead.insight.contributions import contributions
from clearhead.look import Trace
from clearhead.program.packing import packed
from clearhead.program.program import program_of

__all__ = ["Page", "page"]

_MOST_WEIGHTS = 3_500_000  # bytes of float32: what a page carries, packed, in less than 4 MB
_MOST_VALUES = 8_000_000  # bytes of float32 that a page of a larger model carries
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


def page(trace: Trace, *, title: str = "clearhead", **about: Any) -> Page:
    """The page of a trace; `about` stands at the head of its document.

    Raises:
        ConfigError: the model computes something that a page cannot.
    """
    given = {
        "document": document(trace, title=title, **{"task": "", "texts": {}, "moments": [], "head": None, **about}),
        **_vocabularies(trace),
        "proofs": _proofs(trace),
        **(_whole(trace) if trace.token_ids and _small(trace.module) else _acts(trace)),
    }
    return Page(_html(title, given))


def _small(module: nn.Module | None) -> bool:
    return module is not None and 4 * sum(p.numel() for p in module.parameters()) <= _MOST_WEIGHTS


def _whole(trace: Trace) -> dict[str, Any]:
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
def _acts(trace: Trace) -> dict[str, Any]:
    """What the acts hold, and as many of the other values as there is room for."""
    acts: dict[str, Any] = {}
    arrays: dict[str, Tensor] = {}
    for path in trace:
        calls = trace.calls(path)
        if isinstance(calls[0], Attention):
            acts[path] = {"calls": len(calls), "score": _score(calls[0])}
            for number, act in enumerate(calls):
                arrays |= {f"{path} {number} {name}": x.float() for name, x in _held(act, number).items()}
    room = _MOST_VALUES - sum(4 * x.numel() for x in arrays.values())
    for path in trace:
        calls = trace.calls(path)
        if isinstance(calls[0], Tensor) and len(calls) == 1 and 4 * calls[0].numel() <= room:
            arrays[path] = calls[0].float()
            room -= 4 * calls[0].numel()
    described, data = packed(arrays)
    told = {"contributions": _contributions(trace), "lens": _lens(trace)}
    return {"acts": acts, "values": described, "blob": _text(data), **told}


def _held(act: Attention, number: int) -> dict[str, Tensor]:
    """Everything that an act's steps begin with; of later calls the keys and values are those of the first."""
    held = {"q": act.q} if number else {"q": act.q, "k": act.k, "v": act.v}
    if (allowed := act.allowed()) is not None:
        held["mask"] = allowed
    if act.bias is not None:
        held["bias"] = act.bias.dense(act.where)
    return held


def _score(act: Attention) -> dict[str, Any]:
    own = {}
    if isinstance(act.score, nn.Module):
        own = {name: x.tolist() for name, x in act.score.named_parameters()}
    return {"name": type(act.score).__name__.lower(), "scale": act.score.scale(act.q.size(-1)), **own}


def _vocabularies(trace: Trace) -> dict[str, Any]:
    """The names of the output vocabulary, and the entries of each other one."""
    names = _names(trace)
    known = {} if trace.task is None else {label: trace.task.entries(label) for label in trace.token_ids}
    return {"names": names, "entries": {label: own for label, own in known.items() if own != names}}


def _names(trace: Trace) -> list[str]:
    size = trace.calls("logits")[0].size(-1) if "logits" in trace else 0
    return [name for first in range(0, size, 1024) for name in names(trace, first, first + 1024)]


def _proofs(trace: Trace) -> dict[str, list[float]]:
    acts = [path for path in trace if isinstance(trace.calls(path)[0], Attention)]
    return {path: [proof(trace, path, head) for head in range(trace.calls(path)[0].shape[1])] for path in acts}


def _contributions(trace: Trace) -> dict[int, dict[int, list[dict[str, Any]]]]:
    """What each part adds to the logit of the token that stands next, for each token."""
    ids = list(trace.token_ids.values())[-1] if trace.token_ids else []
    found = {}
    for row, token in enumerate(ids[1 : _MOST_ROWS + 1]):
        told = [one.to_json() for one in contributions(trace, row, token)]
        found[row] = {token: [{**one, "value": float(f"{one['value']:.6g}")} for one in told]}
    return found


def _lens(trace: Trace) -> list[list[dict[str, Any]]]:
    ids = list(trace.token_ids.values())[-1] if trace.token_ids else []
    return [lens(trace, row) for row in range(min(len(ids), _MOST_ROWS))]


def _html(title: str, given: dict[str, Any]) -> str:
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
