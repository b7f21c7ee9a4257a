"""The page as a widget: the model that made the trace answers it, and computes everything after a change again.

A page asks by messages that bear an id, and is answered by messages that bear the same:

    {"id": "a 1", "asked": ...}  ->  {"id": "a 1", "answers": ...}, or "error" for "answers"
"""

from __future__ import annotations

import json
from typing import Any, cast

import anywidget
import traitlets
from pydantic import ValidationError

from clearhead.errors import ClearheadError, ConfigError
from clearhead.explorer.bundle import bundle, static
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Asked, Pass
from clearhead.look import Trace
from clearhead.parsing import Json
from clearhead.tasks.task import Inside

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
        task = cast(Inside, trace.task)  # whatever makes traces can also read texts: `look` knows no tasks
        self._inspector = Inspector(task, "clearhead")
        super().__init__(title=self._inspector.title, inputs=list(task.inputs), state=_state(trace, task))
        self.on_msg(self._hear)

    @property
    def trace(self) -> Trace:
        """The trace that the page shows now, with the changes that were made there."""
        asked = {name: self.state[name] for name in Pass.model_fields if name in self.state}
        return self._inspector.trace(Pass.model_validate(asked))

    def _hear(self, _: Any, message: Json, buffers: Any) -> None:
        try:
            told: Json = {"answers": self._inspector.answer(Asked.model_validate(message["asked"]))}
        except ClearheadError as error:
            told = {"error": str(error)}
        except ValidationError as error:
            first = error.errors()[0]
            told = {"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}
        except Exception as bug:
            self.send({"id": message.get("id"), "error": f"{type(bug).__name__}: {bug}"})
            raise
        self.send({"id": message["id"], **told})


def _state(trace: Trace, task: Inside) -> Json:
    """What leads to the trace: the text that was read, where the model itself wrote the rest; texts; or tokens."""
    edits = [edit.to_json() for edit in trace.edits]
    texts = task.texts_of(trace.token_ids)
    read = dict([next(iter(texts.items()))])
    for some in (read, texts):
        if task.read(**some).token_ids == trace.token_ids:
            return {"texts": some, "edits": edits}
    return {"token_ids": trace.token_ids, "edits": edits}
