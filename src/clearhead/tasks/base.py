"""What a task is: one file that says what it reads, trains, measures and can do.

The trainer, the command line and later hosts know tasks only through `Task`. To add a task: write its file, with a
class that answers these, and name it in `TASKS` (tasks/__init__.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel
from torch import nn

from clearhead.folder import Folder
from clearhead.tasks.session import Session

__all__ = ["Task"]


class Task(Protocol):
    """A trained model together with what it is for.

    `config` is the class of its configuration; `verbs` names the methods a person calls (`translate`), which the
    command line offers under the same names.
    """

    name: ClassVar[str]
    config: ClassVar[type[BaseModel]]
    verbs: ClassVar[tuple[str, ...]]

    module: nn.Module
    folder: Folder | None

    @classmethod
    def train(
        cls,
        files: Sequence[str],
        config: Any,
        folder: Folder,
        session: Session,
        *,
        valid: Sequence[str] = (),
    ) -> Self:
        """Train on files into a folder, or go on with what the folder holds."""
        ...

    @classmethod
    def preview(cls, files: Sequence[str], config: Any, *, valid: Sequence[str] = ()) -> Any:
        """What a training on these files would be given, for `clearhead train TASK FILES --dry-run`."""
        ...

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open a trained model."""
        ...

    def evaluate(self, files: Sequence[str]) -> dict[str, Any]:
        """The task's own metrics on files, each with its signature."""
        ...

    def describe(self) -> dict[str, Any]:
        """What is in the model, for `clearhead info`."""
        ...
