"""A trained model to look into: what a page asks of it, answered from traces that are kept for a while."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch

from clearhead.edits import Edit
from clearhead.errors import ClearheadError, ConfigError
from clearhead.explorer import document, questions
from clearhead.explorer.carried import CarriedEdits
from clearhead.explorer.page import Page, page
from clearhead.explorer.questions import Asked, Cuts, Pass, Question
from clearhead.explorer.wordlist import matching, whole_words
from clearhead.generation.sampling import Sampling
from clearhead.look import Trace
from clearhead.parsing import Json
from clearhead.tasks.head_examination import examine
from clearhead.tasks.notes import not_known, stopped
from clearhead.tasks.task import Inside

__all__ = ["Inspector"]

_KEPT = 4  # traces
_MOST_WRITTEN = 256  # tokens in all
_BEST = 50  # candidates
_EXAMPLES = 60  # texts on which the heads are named
_MOMENTS = 16  # models of earlier moments
_MOST_NUMBERS = 2**24  # of an answer


class Inspector:
    """A model, and another one beside it if there is one.

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

    def answer(self, asked: Asked) -> list[Json]:
        """An answer to each question, as JSON; {"error": ...} where it has none.

        Raises:
            ConfigError: no such pass is possible; or the answers are of too many numbers.
            EditError: an edit has no place.
        """
        trace, answers, room = self.trace(asked.of), list[Json](), _MOST_NUMBERS
        for question in asked.questions:
            try:
                answers.append(self._answer(asked.of, trace, question))
            except ClearheadError as error:
                answers.append({"error": str(error)})
            room -= math.prod(answers[-1].get("shape", [0]))
            if room < 0:
                raise ConfigError(f"these are more than {_MOST_NUMBERS:,} numbers", "ask for windows: rows and columns")
        return answers

    def page(self, of: Pass) -> Page:
        """A pass as a page that needs nothing else; its texts cannot be changed there."""
        trace = self.trace(of)
        return page(trace, title=self.title, texts=self.task.texts_of(trace.token_ids), head=self.task.head)

    def trace(self, of: Pass) -> Trace:
        """The watched pass of the model."""
        key = of.model_dump_json(exclude={"temperature"})
        if key in self._traces:
            self._traces.move_to_end(key)
            return self._traces[key]
        task = self._model(of)
        ids, notes = of.token_ids, []
        if not ids:
            reading = task.read(*_known(of.texts, task))
            ids, notes = reading.token_ids, reading.notes
        _check(ids, task)
        edits = [Edit.from_json(edit) for edit in of.edits]
        found: Trace = task.trace_tokens(ids, edits=edits, notes=notes)
        self._traces[key] = found
        while len(self._traces) > _KEPT:
            self._traces.popitem(last=False)
        return found

    def _answer(self, of: Pass, trace: Trace, question: Question) -> Json:
        match question:
            case questions.Description():
                return self._description(trace)
            case questions.ReadText():
                return document.text(trace, self.task.texts_of(trace.token_ids))
            case questions.Overview():
                return document.overview(trace, temperature=of.temperature)
            case questions.Values():
                return document.numbers(document.values(trace, question))
            case questions.Weight():
                return document.numbers(document.weight(trace, question))
            case questions.Proof(path, head):
                return {"proof": document.proof(trace, path, head)}
            case questions.Candidates(row, cuts):
                return document.sampled(trace, row, _sampling(of, cuts), n=_BEST, chance=cuts.chance)
            case questions.Contributions(row, token):
                return document.contributed(trace, row, token)
            case questions.Lens(row):
                return document.lensed(trace, row)
            case questions.Names(first, last):
                return {"names": document.names(trace, first, last)}
            case questions.TokensOf(label, text):
                return self._tokens(label, text)
            case questions.WordsWith(label, text):
                return self.words(label, text)
            case questions.Roles():
                return {"roles": self.roles(of)}
            case questions.Rewriting():
                return self._written(of, trace)

    def _tokens(self, label: str, text: str) -> Json:
        """The tokens of a text as a label would have them."""
        _check_label(label, self.task)
        remarks = [note.said for note in not_known(self.task.unknown(label, text), "words")]
        return {"token_ids": self.task.tokens_of(label, text), "remarks": remarks}

    def words(self, label: str, typed: str) -> Json:
        """The words of a label's vocabulary that hold what was typed, and how many do."""
        _check_label(label, self.task)
        if label not in self._words:
            self._words[label] = whole_words(self.task.entries(label))
        words, count = matching(self._words[label], typed)
        return {"words": words, "count": count}

    def roles(self, of: Pass) -> dict[str, list[str]]:
        """The label of each head of each act, "" for none, on built-in texts: some seconds, once."""
        key = (of.beside, of.moment)
        if key not in self._roles:
            task = self._model(of)
            found = examine(task, task.examples.built_in(_EXAMPLES), importance=False).roles
            self._roles[key] = {}
            for head in found:
                self._roles[key].setdefault(head.path, []).append(head.label or "")
        return self._roles[key]

    def _description(self, trace: Trace) -> Json:
        moments = [{name: kept[name] for name in kept if name != "file"} for kept in _kept(self.task)]
        return document.description(
            trace, title=self.title, head=self.task.head, moments=moments, beside=self.beside is not None
        )

    def _written(self, of: Pass, trace: Trace) -> Json:
        """The text written again, a token a pass, the edits that have a place in it, and what is to say of others.

        Every pass is edited where the edits have a place in it yet.
        """
        task, ids = self._model(of), {name: list(row) for name, row in trace.token_ids.items()}
        name = list(ids)[-1]
        begun, room = task.rewritten(ids)
        ids[name], most = ids[name][:begun], min(_MOST_WRITTEN, room)
        carried, token = CarriedEdits(trace, [Edit.from_json(edit) for edit in of.edits]), None
        never = torch.tensor(trace.forbidden, dtype=torch.long)
        while token != task.end and len(ids[name]) < most:
            logits = task.trace_tokens(ids, edits=carried.at(len(ids[name]))).calls("logits")[-1]
            token = int(logits[0, -1].index_fill(0, never, -math.inf).argmax())
            ids[name] += [token] * (token != task.end)
        rows = len(ids[name])
        remarks = [*([] if token == task.end else [stopped(rows - begun).said]), *carried.remarks(rows)]
        return {"token_ids": ids, "edits": [edit.to_json() for edit in carried.at(rows)], "remarks": remarks}

    def _model(self, of: Pass) -> Inside:
        """The model that a pass is of: this one or the one beside it, as it is or at a kept checkpoint."""
        task, moment = self.beside if of.beside else self.task, of.moment
        if task is None:
            raise ConfigError("there is no model beside this one", "clearhead explore MODEL --beside MODEL")
        if moment is None:
            return task
        key = (of.beside, moment)
        if key not in self._moments:
            steps = [kept["step"] for kept in _kept(task)]
            if moment not in steps:
                known = ", ".join(map(str, steps)) or "none"
                raise ConfigError(f"no checkpoint of step {moment} was kept", f"kept are: {known}")
            if len(self._moments) > _MOMENTS:
                self._moments.clear()
            self._moments[key] = task.at_step(moment)
        return self._moments[key]


def _sampling(of: Pass, cuts: Cuts) -> Sampling:
    return Sampling(of.temperature, cuts.top_k, cuts.top_p, cuts.min_p)


def _kept(task: Inside) -> list[Json]:
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


def _check_label(name: str, task: Inside) -> None:
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
