"""A model as a house of glass: what a person asks of it, answered from traces that are kept for a while.

A question says all that its answer depends on - texts or tokens, edits, temperature, the moment of training - so any
page may ask in any order, and a closed one leaves nothing behind.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated, Any, Literal, TypeAlias

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.explorer.document import (
    Index,
    Wanted,
    candidates,
    document,
    lens,
    names,
    numbers,
    proof,
    sampled,
    values,
    weight,
)
from clearhead.explorer.page import Page, page
from clearhead.explorer.placing import Placing
from clearhead.explorer.wordlist import matching, whole_words
from clearhead.generation.sampling import Sampling
from clearhead.insight.contributions import contributions
from clearhead.look import Trace
from clearhead.tasks.heads import examine
from clearhead.tasks.notes import not_known, stopped
from clearhead.tasks.task import Inside

__all__ = ["Asked", "Glass", "Question", "Want"]

_KEPT = 4  # traces
_MOST_WRITTEN = 256  # tokens in all
_BEST = 50  # candidates
_EXAMPLES = 60  # texts on which the heads are named
_MOMENTS = 16  # models of earlier moments
_MOST_NUMBERS = 2**24  # of an answer


Kind: TypeAlias = Literal[
    "value", "weight", "proof", "candidates", "contributions", "names", "tokens", "words", "lens", "roles", "written"
]


def _possible(edit: dict[str, Any]) -> dict[str, Any]:
    """An edit that can be made somewhere: before anything else is done with it, which may be of any depth.

    Raises:
        EditError: it cannot.
    """
    return Edit.from_json(edit).to_json()


def _whole(text: str) -> str:
    """A text without halves of characters, which JSON may hold."""
    text.encode()
    return text


class Question(BaseModel):
    """What a page looks at.

    Args:
        texts: the texts by the names that the task gives them (`source`, `target`; `text`).
        token_ids: tokens instead of texts, by label, those at the ends included.
        edits: changes of single numbers.
        temperature: the logits are divided by it.
        moment: the step of a kept checkpoint; None: the model as it is.
        beside: whether the other model is asked, where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: dict[str, Annotated[str, AfterValidator(_whole)]] = Field(default_factory=dict)
    token_ids: dict[str, list[Index]] | None = None
    edits: list[Annotated[dict[str, Any], AfterValidator(_possible)]] = Field(default_factory=list, max_length=1000)
    temperature: float = Field(1.0, ge=0, le=100)
    moment: Index | None = None
    beside: bool = False


class Cuts(BaseModel):
    """What is left to draw from, as `Sampling` has it; `chance`, a number from 0 to 1, draws one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_k: Index = 0
    top_p: float = Field(1.0, gt=0, le=1)
    min_p: float = Field(0.0, ge=0, le=1)
    chance: float | None = Field(None, ge=0, lt=1)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Want(Wanted):
    """Numbers of a page's question, or something else about it.

    `kind`: `value`, `weight`; `proof`: max |weights . v - context used| of a head; `candidates`: the 50 best after the
    token `rows[0]`, with `cuts` the best that these leave; `contributions`: what each part adds to the logit of
    `columns[0]` there; `names`: the vocabulary's entries `columns`; `tokens`: the tokens of the text `step` as the
    label `path` would have them; `words`: the words of its vocabulary that hold the text `step`; `lens`: what the
    stream would write after the token `rows[0]` if the model ended there, for each block; `roles`: what each head
    does, measured on built-in texts; `written`: the tokens, when the model writes anew, greedily, with the edits. The
    last and `tokens` come with remarks.
    """

    kind: Kind = "value"
    cuts: Cuts | None = None


class Asked(BaseModel):
    """The numbers of a question that a page wants."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Question
    wants: list[Want] = Field(max_length=256)


class Glass:
    """A trained model to look into.

    Args:
        task: what there is to see in a loaded model.
        title: what the page is called.
        beside: another model of the same kind, to compare with.
    """

    def __init__(self, task: Inside, title: str, beside: Inside | None = None):
        self.task, self.title, self.beside = task, title, beside
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._moments: dict[tuple[bool, int], Inside] = {}
        self._roles: dict[tuple[bool, int | None], dict[str, list[str]]] = {}
        self._words: dict[str, list[str]] = {}

    def open(self, question: Question) -> dict[str, Any]:
        """The document of a question.

        Raises:
            ConfigError: a token or a checkpoint does not exist.
            EditError: an edit has no place.
        """
        trace = self.trace(question)
        return document(trace, temperature=question.temperature, **self._about(trace, question))

    def page(self, question: Question) -> Page:
        """A question as a page that needs nothing else; its texts cannot be changed there."""
        trace = self.trace(question)
        return page(trace, **{**self._about(trace, question), "moments": []})

    def values(self, question: Question, wants: list[Want]) -> list[dict[str, Any]]:
        """The numbers of each want, as JSON.

        Raises:
            ConfigError: they are too many, or those of a question that cannot be asked.
            NotSeenError: there are none of this path, step, head or place.
        """
        trace, told, room = self.trace(question), [], _MOST_NUMBERS
        for want in wants:
            told.append(self._answer(trace, want, question))
            room -= math.prod(told[-1].get("shape", [0]))
            if room < 0:
                raise ConfigError(f"these are more than {_MOST_NUMBERS:,} numbers", "ask for windows: rows and columns")
        return told

    def trace(self, question: Question) -> Trace:
        """The watched pass that a question is about."""
        key = question.model_dump_json(exclude={"temperature"})
        if key in self._traces:
            self._traces.move_to_end(key)
            return self._traces[key]
        task = self._asked(question)
        ids, notes = question.token_ids, []
        if not ids:
            reading = task.read(*_known(question.texts, task))
            ids, notes = reading.token_ids, reading.notes
        _check(ids, task)
        edits = [Edit.from_json(edit) for edit in question.edits]
        found: Trace = task.trace_tokens(ids, edits=edits, notes=notes)
        self._traces[key] = found
        while len(self._traces) > _KEPT:
            self._traces.popitem(last=False)
        return found

    def _answer(self, trace: Trace, want: Want, question: Question) -> dict[str, Any]:
        row, column = (want.rows or (0, 1))[0], (want.columns or (0, 1))[0]
        if want.kind == "proof":
            return {"proof": proof(trace, want.path, want.head or 0)}
        if want.kind == "candidates" and want.cuts is not None:
            cuts = want.cuts.model_dump(exclude={"chance"})
            sampling = Sampling(question.temperature, **cuts)
            return sampled(trace, row, sampling, n=_BEST, chance=want.cuts.chance)
        if want.kind == "candidates":
            return {"candidates": candidates(trace, row, n=_BEST, temperature=question.temperature)}
        if want.kind == "contributions":
            return {"contributions": [one.to_json() for one in contributions(trace, row, column)]}
        if want.kind == "names":
            return {"names": names(trace, *(want.columns or (0, 1)))}
        if want.kind in ("tokens", "words"):
            _known_label(want.path, self.task)
        if want.kind == "words":
            return self.words(want.path, want.step)
        if want.kind == "tokens":
            notes = [note.said for note in not_known(self.task.unknown(want.path, want.step), "words")]
            return {"token_ids": self.task.tokens_of(want.path, want.step), "remarks": notes}
        if want.kind == "lens":
            return {"lens": lens(trace, row)}
        if want.kind == "roles":
            return {"roles": self.roles(question)}
        if want.kind == "written":
            return self._written(trace, question)
        return numbers(weight(trace, want) if want.kind == "weight" else values(trace, want))

    def words(self, label: str, typed: str) -> dict[str, Any]:
        """The words of a label's vocabulary that hold what was typed, and how many do."""
        if label not in self._words:
            self._words[label] = whole_words(self.task.entries(label))
        words, count = matching(self._words[label], typed)
        return {"words": words, "count": count}

    def roles(self, question: Question) -> dict[str, list[str]]:
        """The label of each head of each act, "" for none, on built-in texts: some seconds, once."""
        key = (question.beside, question.moment)
        if key not in self._roles:
            task = self._asked(question)
            found = examine(task, task.examples.built_in(_EXAMPLES), importance=False).roles
            self._roles[key] = {}
            for head in found:
                self._roles[key].setdefault(head.path, []).append(head.label or "")
        return self._roles[key]

    def _about(self, trace: Trace, question: Question) -> dict[str, Any]:
        return {
            "title": self.title,
            "task": self.task.name,
            "texts": self.task.texts_of(trace.token_ids),
            "moment": question.moment,
            "moments": [{name: kept[name] for name in kept if name != "file"} for kept in _kept(self.task)],
            "beside": self.beside is not None,
            "head": None if self.task.head is None else self.task.head.to_json(),
        }

    def _written(self, trace: Trace, question: Question) -> dict[str, Any]:
        """The text written again, a token a pass, the edits that have a place in it, and what is to say of others.

        Every pass is edited where the edits have a place in it yet.
        """
        task, ids = self._asked(question), {name: list(row) for name, row in trace.token_ids.items()}
        name = list(ids)[-1]
        begun, room = task.rewritten(ids)
        ids[name], most = ids[name][:begun], min(_MOST_WRITTEN, room)
        placing, token = Placing(trace, [Edit.from_json(edit) for edit in question.edits]), None
        never = torch.tensor(trace.forbidden, dtype=torch.long)
        while token != task.end and len(ids[name]) < most:
            logits = task.trace_tokens(ids, edits=placing.at(len(ids[name]))).calls("logits")[-1]
            token = int(logits[0, -1].index_fill(0, never, -math.inf).argmax())
            ids[name] += [token] * (token != task.end)
        rows = len(ids[name])
        remarks = [*([] if token == task.end else [stopped(rows - begun).said]), *placing.remarks(rows)]
        return {"token_ids": ids, "edits": [edit.to_json() for edit in placing.at(rows)], "remarks": remarks}

    def _asked(self, question: Question) -> Inside:
        """The model that a question is about: this one or the one beside it, as it is or at a kept checkpoint."""
        task, moment = self.beside if question.beside else self.task, question.moment
        if task is None:
            raise ConfigError("there is no model beside this one", "clearhead explore MODEL --beside MODEL")
        if moment is None:
            return task
        key = (question.beside, moment)
        if key not in self._moments:
            steps = [kept["step"] for kept in _kept(task)]
            if moment not in steps:
                known = ", ".join(map(str, steps)) or "none"
                raise ConfigError(f"no checkpoint of step {moment} was kept", f"kept are: {known}")
            if len(self._moments) > _MOMENTS:
                self._moments.clear()
            self._moments[key] = task.at_step(moment)
        return self._moments[key]


def _kept(task: Inside) -> list[dict[str, Any]]:
    """The checkpoints that the training kept, oldest first: their step, file and what was measured there."""
    return [] if task.folder is None else list(task.folder.checkpoints())


def _known(texts: dict[str, str], task: Inside) -> list[str]:
    """The texts in the order in which the model reads them."""
    names = task.inputs
    if unknown := set(texts) - set(names):
        raise ConfigError(f"this model reads no {sorted(unknown)[0]!r}", f"it reads {' and '.join(names)}")
    if not texts.get(names[0], "").strip():
        raise ConfigError(f"the {names[0]} is empty", "write something")
    return [texts[name] for name in names if name in texts]


def _known_label(name: str, task: Inside) -> None:
    if name not in task.vocabulary_sizes:
        raise ConfigError(f"this model reads no {name!r}", f"it reads {' and '.join(task.vocabulary_sizes)}")


def _check(ids: dict[str, list[int]], task: Inside) -> None:
    sizes, most = task.vocabulary_sizes, task.module.config.max_len
    if set(ids) != set(sizes):
        raise ConfigError(f"tokens are given for {sorted(ids)}", f"this model reads {sorted(sizes)}")
    for name, row in ids.items():
        if not 0 < len(row) <= most:
            raise ConfigError(f"{name} has {len(row):,} tokens", f"give 1 to {most:,}: the model's max_len")
        if not all(0 <= token < sizes[name] for token in row):
            raise ConfigError(f"a token of {name} is outside the vocabulary", f"its entries are 0 to {sizes[name] - 1}")
