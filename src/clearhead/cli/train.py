"""`clearhead train TASK FILES... --out FOLDER`; each task's command is made when it is asked for."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from clearhead.cli.options import given, optional
from clearhead.cli.pages import ALL, HELP
from clearhead.errors import ConfigError
from clearhead.tasks import TASKS, find_recipe, find_task, foreign_tasks, task_names

__all__ = ["train"]

train = App(
    name="train",
    help="""Train a model on your own files. What a task is given: clearhead train TASK --help

    Example: clearhead train translate pairs.tsv --out models/mine
    """,
    usage="clearhead train TASK FILES... --out FOLDER [OPTIONS]",
    help_flags=HELP,
)


def _package(task: str) -> str:
    found = foreign_tasks()[task]
    return found.value if found.dist is None else found.dist.name


for _task in task_names():
    # A task of another package is not loaded for the list of tasks.
    _line = find_task(_task).about if _task in TASKS else f"A task of the package {_package(_task)}."
    train.command(
        f"clearhead.cli.train:{_task}",
        name=_task,
        help=None if sys.argv[2:3] == [_task] else _line,
        usage=f"clearhead train {_task} FILES... --out FOLDER [OPTIONS]",
        help_epilogue=None if ALL in sys.argv else f"Every option: clearhead train {_task} {ALL}",
    )


def __getattr__(name: str) -> Callable[..., None]:
    """The command of a task: its options are those of the task's configuration."""
    if name not in task_names():
        raise AttributeError(name)
    try:
        return _command(name)
    except ConfigError as error:
        if name in TASKS:
            raise
        return _failing(error)


def _failing(error: ConfigError) -> Callable[..., None]:
    """The command of a task that cannot be loaded: the others are there all the same."""

    def command(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
        raise error

    command.__doc__ = error.problem
    return command


def _command(task: str) -> Callable[..., None]:
    options_of_task = optional(find_recipe(task), without=("task", "recipe"))
    options_annotation: Any = Annotated[options_of_task | None, Parameter(name="*")]

    def command(
        *files: str,
        out: Path | None = None,
        valid: Annotated[list[str] | None, Parameter(negative=())] = None,
        recipe: str | None = None,
        config: Path | None = None,
        resume: Annotated[bool, Parameter(negative=())] = False,
        dry_run: Annotated[bool, Parameter(name=["--dry-run", "--show-batch"], negative=())] = False,
        options: options_annotation = None,
    ) -> None:
        _run(task, list(files), _Order(out, valid or [], recipe, config, resume, dry_run), given(options))

    about = find_task(task)
    command.__name__ = task
    command.__doc__ = f"""{about.about}

    {about.help}

    Parameters
    ----------
    files
        {about.files}
    out
        the model folder to make
    valid
        files of validation data (default: a fixed share is held out)
    recipe
        named configuration to begin with: {", ".join(about.recipes)} (the first is the default)
    config
        TOML file, or the folder of a trained model (to run it again), whose values override the recipe's
    resume
        go on with a training that was stopped, with the files and options it was begun with; begin where there is none
    dry_run
        train nothing: show the first records, counts, a histogram of lengths and what the loss will see
    """
    return command


@dataclass(frozen=True)
class _Order:
    """What a training is asked for beside files and configuration; see the help of a command."""

    out: Path | None
    valid: list[str]
    recipe: str | None
    config: Path | None
    resume: bool
    dry_run: bool


def _run(task: str, files: list[str], order: _Order, options: dict[str, Any]) -> None:
    # The configuration is checked before torch is imported: a wrong option answers at once.
    from clearhead.errors import DataError
    from clearhead.folder import Folder
    from clearhead.tasks.run_folder import is_begun
    from clearhead.tasks.train import configure
    from clearhead.tasks.train import train as train_task

    out = order.out
    begun = Folder(out) if order.resume and out is not None and is_begun(Folder(out)) else None
    configure(task, recipe=order.recipe, config=order.config, options=options, begun=begun)
    if not files and begun is None:
        command = f"clearhead train {task} {find_task(task).example} --out {out or 'FOLDER'}"
        raise DataError("no files to train on", f"name at least one: {command}")
    asked = {"valid": order.valid, "recipe": order.recipe, "config": order.config, **options}
    if order.dry_run:
        from rich.console import Console

        from clearhead.figures.preview import print_preview
        from clearhead.tasks.train import preview

        print_preview(preview(task, files, **asked), Console())
        return
    if out is None:
        raise ConfigError("no place for the model", "name the folder to make: --out models/mine")
    print(f"task {task}, into {out}", file=sys.stderr)
    train_task(task, files, out=out, resume=order.resume, **asked)
    from clearhead.cli.report import finished

    finished(out)
