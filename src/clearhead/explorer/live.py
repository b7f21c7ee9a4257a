"""The page as a widget: the model that made the trace answers it, and computes everything after a change again.

A page asks by messages that bear an id, and is answered by messages that bear the same:

    {"id": "a 1", "name": "open" or "values", "body": ...}  ->  {"id": "a 1", "answer": ...}, or "error" for "answer"
"""

from __future__ import annotations

import json
from typing import Any

import anywidget
import traitlets
from pydantic import ValidationError

from clearhead.errors import ClearheadError, ConfigError
from clearhead.explorer.bundle import bundle, static
from clearhead.explorer.glass import Asked, Glass, Question
from clearhead.look import Trace

__all__ = ["Live"]


class Live(anywidget.AnyWidget):
    """A trace's page in a notebook, alive for as long as its kernel is.

    Args:
        trace: what it shows first; a task has made it.

    Raises:
        ConfigError: no task has made the trace.
    """

    _esm = f'{bundle("widget.js")}\nexport default modules["widget.js"].widget({json.dumps(static("style.css"))});\n'
    title = traitlets.Unicode().tag(sync=True)
    inputs: traitlets.List[str] = traitlets.List().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, trace: Trace):
        if trace.task is None:
            raise ConfigError(
                "this trace does not know the model that made it: a live page would have nobody to ask",
                'trace with a loaded model, model.trace("..."), or leave live=True out',
            )
        self._glass = Glass(trace.task, "clearhead")
        super().__init__(title=self._glass.title, inputs=list(trace.task.inputs), state=_question(trace))
        self.on_msg(self._hear)

    @property
    def trace(self) -> Trace:
        """The trace that the page shows now, with the changes that were made there."""
        asked = {name: self.state[name] for name in Question.model_fields if name in self.state}
        return self._glass.trace(Question.model_validate(asked))

    def _hear(self, _: Any, message: dict[str, Any], buffers: Any) -> None:
        try:
            told = {"answer": self._answer(message["name"], message["body"])}
        except ClearheadError as error:
            told = {"error": str(error)}
        except ValidationError as error:
            first = error.errors()[0]
            told = {"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}
        except Exception as bug:
            self.send({"id": message.get("id"), "error": f"{type(bug).__name__}: {bug}"})
            raise
        self.send({"id": message["id"], **told})

    def _answer(self, name: str, body: dict[str, Any]) -> Any:
        if name == "open":
            return self._glass.open(Question.model_validate(body))
        asked = Asked.model_validate(body)
        return self._glass.values(asked.question, asked.wants)


def _question(trace: Trace) -> dict[str, Any]:
    """What leads to the trace: the text that was read, where the model itself wrote the rest; texts; or tokens."""
    edits = [edit.to_json() for edit in trace.edits]
    texts = trace.task.texts_of(trace.token_ids)
    read = dict([next(iter(texts.items()))])
    for some in (read, texts):
        if trace.task.read(**some).token_ids == trace.token_ids:
            return {"texts": some, "edits": edits}
    return {"token_ids": trace.token_ids, "edits": edits}
