"""Tasks: what a person wants to do, one file each. `TASKS` names them without importing them.

A package of one's own adds tasks by the entry point group `clearhead.tasks` (see `clearhead.tasks.task`): they are
listed by name, and loaded when they are used.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from clearhead.errors import ConfigError, nearest

if TYPE_CHECKING:
    from clearhead.tasks.config import RunConfig
    from clearhead.tasks.task import Task

__all__ = ["TASKS", "find_recipe", "find_task", "foreign_tasks", "task_names"]

TASKS = {name: f"clearhead.tasks.{name}:TASK" for name in ("translate", "summarize", "language", "chat", "words")}
_GROUP = "clearhead.tasks"


def task_names() -> list[str]:
    """All tasks: ours, then those of other packages."""
    return [*TASKS, *foreign_tasks()]


def foreign_tasks() -> dict[str, EntryPoint]:
    """Tasks of other packages, which are not loaded; a name of ours stays ours."""
    return {found.name: found for found in entry_points(group=_GROUP) if found.name not in TASKS}


def find_task(name: str) -> Task:
    """A task by its name. Nothing that needs torch is imported.

    Raises:
        ConfigError: there is no such task, or another package's cannot be loaded.
    """
    if name in TASKS:
        ours: Task = resolve_name(TASKS[name])
        return ours
    known = foreign_tasks()
    if name not in known:
        every = [*TASKS, *known]
        raise ConfigError(f"there is no task {name!r}", nearest(name, every) or f"the tasks are {', '.join(every)}")
    return _loaded(known[name])


def find_recipe(task: str, name: str | None = None) -> RunConfig:
    """The configuration of a recipe (default: the task's first).

    Raises:
        ConfigError: there is no such recipe.
    """
    known = find_task(task).recipes
    name = name or next(iter(known))
    if name not in known:
        fix = nearest(name, known) or f"the recipes of {task} are {', '.join(known)}"
        raise ConfigError(f"there is no recipe {name!r} for {task}", fix)
    if task in TASKS:
        return known[name]()
    try:
        return known[name]()
    except Exception as error:
        problem = f"the recipe {name} of the task {task}, which is another package's, fails: {error}"
        raise ConfigError(problem, "update that package, or take another recipe") from error


def _loaded(entry: EntryPoint) -> Task:
    """What another package names; whatever goes wrong in it is its own."""
    from clearhead.tasks.task import Task

    package = entry.dist.name if entry.dist is not None else entry.value
    try:
        found = entry.load()
    except Exception as error:
        problem = f"the task {entry.name} of the package {package} cannot be loaded: {type(error).__name__}: {error}"
        raise ConfigError(problem, f"update or remove it: pip uninstall {package}") from error
    if not isinstance(found, Task) or found.name != entry.name:
        problem = f"the package {package} names {entry.value} as the task {entry.name}, which it is not"
        raise ConfigError(problem, "ask its authors to name a clearhead.tasks.task.Task of that name")
    return found
