"""What a task is: one value that says what it reads, trains, measures and can do.

The trainer, the command line and the explorer know tasks only through `Task`, and what it makes through `Parts` and
`Model`. To add a task: write a file with such a value, and name it in `TASKS` (tasks/__init__.py); a package of one's
own names it in its entry points instead:

    [project.entry-points."clearhead.tasks"]
    reverse = "my_package.reverse:TASK"

A file with a task's value imports no torch: what needs it is imported by the functions that are called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from clearhead.folder import Folder
from clearhead.parsing import Json
from clearhead.ranges import Device
from clearhead.tasks.config import RunConfig
from clearhead.tasks.session import Session

if TYPE_CHECKING:
    from torch import nn

    from clearhead.edits import Edit
    from clearhead.exchange.opening import Opened
    from clearhead.insight.alignment import Alignment, AlignmentHead
    from clearhead.look import Trace
    from clearhead.tasks.examples import Example, Examples
    from clearhead.tasks.metrics import Metric
    from clearhead.tasks.reading import Reading
    from clearhead.training.job import Job, Outcome, Plan

__all__ = ["Inside", "Model", "Parts", "Task", "TrainingRequest", "plan_of"]


C = TypeVar("C", bound=RunConfig)  # the configuration of a task
M = TypeVar("M", bound="nn.Module")  # what it trains


@dataclass(frozen=True)
class TrainingRequest(Generic[C]):
    """What a training is asked for: files to train on, files for validation (none: a part is held out), and how."""

    files: Sequence[str]
    valid: Sequence[str]
    config: C
    session: Session


@dataclass(frozen=True)
class Task:
    """A task.

    Args:
        name: as in `clearhead train NAME`.
        about: what its training does, in one sentence.
        files: what it is given, in a few words.
        help: what a person has to know of its files, with examples.
        example: the name of such a file.
        config: everything that makes its model what it is; what is not given comes from a recipe.
        recipes: named configurations, the first the default.
        read: the files of a training.
        open: a trained model.
        preview: what a training would be given, as something that `rich` prints; None: nothing can be shown.
        tries: commands to try with a model that was just trained, of its folder and its config.json.
        pictures: what is drawn of a training: "loss", "words".
        adopt: a model of another library that is for this task; None: there are none.
    """

    name: str
    about: str
    files: str
    help: str
    example: str
    config: type[RunConfig]
    recipes: Mapping[str, Callable[[], RunConfig]]
    read: Callable[[TrainingRequest[Any]], Parts[Any, Any]]
    open: Callable[[Folder], Model]
    preview: Callable[[TrainingRequest[Any]], object] | None
    tries: Callable[[str, Json], Sequence[str]]
    pictures: tuple[str, ...] = ("loss",)
    adopt: Callable[[Opened], Model] | None = None


class Parts(ABC, Generic[C, M]):
    """What a training has read, and what is made of it: one for each training, its methods called in this order.

    Args:
        asked: what the training is asked for.

    `what` names the data ("sentence pairs"), `digest` is what it hashes to: a training goes on with the same only.
    """

    what: ClassVar[str]
    digest: str

    def __init__(self, asked: TrainingRequest[C]):
        self.asked = asked

    @abstractmethod
    def learn(self, folder: Folder) -> Mapping[str, object]:
        """Learn a vocabulary and write it into the folder of a new training; what config.json says of it."""

    @abstractmethod
    def reopen(self, folder: Folder) -> None:
        """Open the vocabulary of a training that goes on."""

    @abstractmethod
    def make(self) -> M:
        """The model before its first step, drawn from PyTorch's random numbers."""

    @abstractmethod
    def prepare(self, folder: Folder) -> None:
        """What takes long and is not needed to know whether the model fits into memory: texts as tokens."""

    @abstractmethod
    def job(self, module: M) -> Job:
        """What the training loop asks for; weights that the training begins with are put in place here."""

    @abstractmethod
    def sizes(self) -> str:
        """How large the vocabulary is, and the data, in words."""

    def plan(self) -> Plan:
        """The parts of the configuration that the loop reads."""
        return plan_of(self.asked.config)

    def results(self, outcome: Outcome, folder: Folder) -> Mapping[str, object]:
        """What config.json says of the training when it has ended."""
        return outcome.to_json()

    @abstractmethod
    def finish(self, module: M, folder: Folder) -> Model:
        """The trained model."""


def plan_of(config: RunConfig) -> Plan:
    """The parts of a configuration that the training loop reads."""
    from clearhead.training.job import Plan

    return Plan(
        config.seed,
        config.max_steps,
        config.keep_checkpoints,
        config.optimizer,
        config.schedule,
        config.training,
        config.device,
        trained=config.begins_trained,
    )


class Model(Protocol):
    """A trained model together with what it is for.

    `name` is its task's; `verbs` names the methods that a person calls (`translate`), which the command line offers
    under the same names. `inside` is what there is to see in it, None where it attends to nothing.
    """

    name: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]

    @property
    def module(self) -> nn.Module:
        """The network."""
        ...

    @property
    def folder(self) -> Folder | None:
        """Where it was loaded from or trained into."""
        ...

    @property
    def inside(self) -> Inside | None:
        """What there is to see in it."""
        ...

    def write_on(self, device: Device) -> None:
        """Write and measure there from now on."""
        ...

    @property
    def evaluate(self) -> Callable[..., Mapping[str, Metric]]:
        """The task's own metrics on files, each with its signature: `evaluate(files)`, and options of the task's."""
        ...

    def describe(self) -> dict[str, object]:
        """What is in the model, for `clearhead info`."""
        ...


class Inside(Protocol):
    """What there is to see in a model: tokens by the label that a trace gives them, and watched passes over them.

    `name` is the model's task. `inputs` are the names of the texts that `read` is given, the later ones optional;
    `vocabulary_sizes` has a size for each label. `end` is the token that ends a text that is written.
    """

    name: str
    inputs: tuple[str, ...]
    end: int
    module: Any  # its config says how many tokens it reads: max_len
    folder: Folder | None

    @property
    def head(self) -> AlignmentHead | None:
        """Where alignments are read, if it has such a place."""
        ...

    @property
    def examples(self) -> Examples:
        """The texts that its heads are measured on."""
        ...

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary of each label has."""
        ...

    @property
    def read(self) -> Callable[..., Reading]:
        """What the model reads of its texts, in the order of `inputs`: `read(*texts)`."""
        ...

    def trace_tokens(
        self, token_ids: Mapping[str, Sequence[int]], *, edits: Sequence[Edit] = (), notes: Sequence[str] = ()
    ) -> Trace:
        """One pass over tokens, watched and edited; `notes` are what the trace says beside its own."""
        ...

    @property
    def look(self) -> Callable[..., Alignment]:
        """Where the model looked for each word of its texts: `look(*texts, layer=None, head=None)`."""
        ...

    def trace_example(self, example: Example, *, grad: bool = False) -> Trace:
        """One watched pass over an example."""
        ...

    def rewritten(self, token_ids: Mapping[str, Sequence[int]]) -> tuple[int, int]:
        """(how many tokens of the last text stand when it is written anew, the most it then has)."""
        ...

    def at_step(self, step: int) -> Inside:
        """The same model at a moment of the training that was kept."""
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
