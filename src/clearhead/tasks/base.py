"""What a task is: one file that says what it reads, trains, measures and can do.

The trainer and the command line know tasks only through `Task`, and who looks into a model through `Inside`. To add a
task: write its file, with a class that answers these, and name it in `TASKS` (tasks/__init__.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel
from torch import nn

from clearhead.edits import Edit
from clearhead.folder import Folder
from clearhead.look import Trace
from clearhead.ranges import Device
from clearhead.tasks.reading import Reading
from clearhead.tasks.session import Session

__all__ = ["Inside", "Task"]


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

    def write_on(self, device: Device) -> None:
        """Write and measure there from now on."""
        ...

    def evaluate(self, files: Sequence[str]) -> dict[str, Any]:
        """The task's own metrics on files, each with its signature."""
        ...

    def describe(self) -> dict[str, Any]:
        """What is in the model, for `clearhead info`."""
        ...


class Inside(Protocol):
    """What the explorer asks of a model: tokens by the label that a trace gives them, and watched passes over them.

    `inputs` are the names of the texts that `read` is given, the later ones optional; `vocabulary_sizes` has a size for
    each label.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]

    module: Any  # its config says how many tokens it reads: max_len
    folder: Folder | None

    @property
    def end(self) -> int:
        """The token that ends a text that is written."""
        ...

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary of each label has."""
        ...

    def read(self, *texts: str) -> Reading:
        """What the model reads of its texts."""
        ...

    def trace_tokens(
        self, token_ids: Mapping[str, Sequence[int]], *, edits: Sequence[Edit] = (), remarks: Sequence[str] = ()
    ) -> Trace:
        """One pass over tokens, watched and edited; `remarks` are what the trace says beside its own."""
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

    def unknown(self, label: str, text: str) -> list[str]:
        """The words or characters of a text that the model does not know."""
        ...
