"""What a training reports, a line at a time: metrics.jsonl, written while it runs and read afterwards."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict

from clearhead.disk import write_text
from clearhead.errors import FolderError
from clearhead.fields import checked
from clearhead.folder import Folder
from clearhead.parsing import Json, parse_json
from clearhead.ranges import Steps
from clearhead.training.state import Position

__all__ = ["Log", "read_metrics", "reports"]

_FILE = "metrics.jsonl"
_REPORTS = "take the line out; what it reported is lost"


class Log:
    """The reports of a run, each with the step and the seconds of its position."""

    def __init__(self, folder: Folder, position: Position):
        self._folder, self._at = folder, position

    def begin(self) -> None:
        """Forget what an earlier run reported."""
        write_text(self._folder.path / _FILE, "")

    def cut(self) -> None:
        """Forget what was reported after the state was saved: it will be reported again."""
        kept = [m for m in read_metrics(self._folder) if m["step"] <= self._at.step and m.get("kind") != "final"]
        self._folder.write_text(_FILE, "".join(json.dumps(m) + "\n" for m in kept))

    def add(self, kind: str, **numbers: object) -> None:
        """Append a report."""
        line = {"step": self._at.step, "seconds": round(self._at.seconds, 2), "kind": kind, **numbers}
        # What a saved state builds on must outlast a power cut as it does; a report of the training need not.
        self._folder.append_line(_FILE, json.dumps(line), lasting=kind != "train")


class _Report(BaseModel):
    """What a line of metrics.jsonl must be; it may say more."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float | str]

    step: Steps
    kind: str = ""
    loss: float = 0.0
    lr: float = 0.0
    untrained: float = 0.0


def read_metrics(folder: Folder) -> list[Json]:
    """The lines of metrics.jsonl; a last line that was cut short by a kill is left out.

    Raises:
        FolderError: a line is no report.
    """
    path, lines = folder.path / _FILE, folder.text(_FILE).split("\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):
        if line.strip("\0"):  # which a power cut may leave in place of text
            report = parse_json(line, file=path, line=number, error=FolderError, fix=_REPORTS)
            checked(_Report, report, file=path, line=number, fix=_REPORTS)
            found.append(report)
    return found


def reports(folder: Folder, kind: str) -> list[Json]:
    """The reports of one kind, at least one.

    Raises:
        FolderError: there is none.
    """
    found = [report for report in read_metrics(folder) if report.get("kind") == kind]
    if not found:
        path = folder.path / _FILE
        raise FolderError(f"it has no line of kind {kind!r}", "take the folder from an intact copy", file=path)
    return found
