"""An exercise: a small function to write, and the check that says what is right and shows the first wrong cell.

    @exercise("queries keys", cases, paper, mistakes)
    def similarities(q, k): ...         clearhead's own answer; from here on `similarities` is the check

Wanted numbers come from clearhead's own code, their arithmetic from the worksheet's tables, in the same cells.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clearhead.check.compare import BLANK, NotNumbers, close, first_wrong, fresh, numbers, same, shown, stopped
from clearhead.worksheet.cells import cell, in_full
from clearhead.worksheet.tables import NumberTable

__all__ = ["Case", "Checked", "Exercise", "Function", "exercise"]

Function = Callable[..., object]


@dataclass(frozen=True)
class Checked:
    """What a check found; it is true if everything is right.

    Args:
        name: of the exercise.
        right: whether all cases are.
        cases: how many were tried.
        message: what was printed.
    """

    name: str
    right: bool
    cases: int
    message: str = field(repr=False)

    def __bool__(self) -> bool:
        return self.right


@dataclass(frozen=True, eq=False)
class Case:
    """Inputs for one try.

    Args:
        title: what is special about them, in a few words.
        args: what the function is given, in order.
        tokens: labels of the rows.
        memory: labels of those who are asked, where these are others.
    """

    title: str
    args: tuple[Any, ...]
    tokens: tuple[str, ...]
    memory: tuple[str, ...] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Labels of those who are asked."""
        return self.tokens if self.memory is None else self.memory


@dataclass(frozen=True, eq=False, repr=False)
class Exercise:
    """A function to write. Called with a learner's, it prints what is right and returns it as `Checked`.

    Args:
        axes: names of the result's axes; "" for a single number.
        reference: clearhead's own answer; its name and its docstring are the exercise's.
        cases: what is tried, the plainest first.
        paper: the tables that lead to a case's answer, the answer last (one for each head where heads are an axis).
        mistakes: what goes wrong usually, in words that follow "these are the numbers " -> a function that does so.
    """

    axes: str
    reference: Callable[..., Tensor]
    cases: Sequence[Case]
    paper: Callable[[Case], Sequence[NumberTable]]
    mistakes: Mapping[str, Callable[..., object]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.reference.__doc__)

    @property
    def name(self) -> str:
        """How it is called."""
        return self.reference.__name__

    def __repr__(self) -> str:
        return f"clearhead.check.{self.name}"

    def wanted(self, case: Case) -> Tensor:
        """clearhead's own answer."""
        return self._computed(self.reference, case)

    def __call__(self, function: Function) -> Checked:
        """Try a learner's function, print what is right, and return it."""
        checked = self._judged(function)
        print(checked.message)
        return checked

    # ------------------------------------------------------------------------------------------------------------------

    def _judged(self, function: Function) -> Checked:
        if not callable(function):
            told = f"hand over the function itself, as in clearhead.check.{self.name}({self.name}), not what it gives"
            return Checked(self.name, False, len(self.cases), f"{self.name}: {told}")
        changed: dict[str, None] = {}
        troubles = [self._trouble(function, case, changed) for case in self.cases]
        if troubles[0] == BLANK:
            return Checked(self.name, False, len(self.cases), f"{self.name}: {BLANK}")
        right = troubles.count("")
        lines = [f"{self.name}: {right} of {len(self.cases)} cases right"]
        wrong = next((i for i, trouble in enumerate(troubles) if trouble), None)
        if wrong is not None:
            lines.append(f"case {wrong + 1} ({self.cases[wrong].title}): {troubles[wrong]}")
        lines += [f"note: it changes {name} in place; work on {name}.clone() instead" for name in changed]
        return Checked(self.name, wrong is None, len(self.cases), "\n".join(lines))

    def _trouble(self, function: Function, case: Case, changed: dict[str, None]) -> str:
        """What is wrong in one case, in words; "" if nothing is."""
        args = fresh(case.args)
        try:
            given = function(*args)
        except Exception as error:  # whatever a learner's function may raise
            return stopped(error, function)
        names = inspect.signature(self.reference).parameters
        changed.update({name: None for name, x, y in zip(names, case.args, args, strict=False) if not same(x, y)})
        try:
            found = numbers(given)
        except NotNumbers as error:
            return str(error)
        wanted = self.wanted(case)
        if wanted.ndim == 0 and found.numel() == 1:
            found = found.reshape(())
        if found.shape != wanted.shape:
            return _lines(self._other_shape(found, wanted), self._hint(found, case))
        place = first_wrong(found, wanted)
        return "" if place is None else self._difference(found, wanted, place, case)

    @staticmethod
    def _computed(function: Callable[..., object], case: Case) -> Any:
        """Ours or a mistake's answer; a learner's random numbers stay where they were."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return function(*fresh(case.args))

    def _other_shape(self, found: Tensor, wanted: Tensor) -> str:
        given = f"the result has the shape {list(found.shape)}" if found.ndim else "the result is a single number"
        if not self.axes:
            return f"{given}, wanted is a single number"
        return f"{given}, wanted is [{', '.join(self.axes.split())}] = {list(wanted.shape)}"

    def _difference(self, found: Tensor, wanted: Tensor, place: tuple[int, ...], case: Case) -> str:
        """The first wrong cell, what stands in it, what should, and how that comes about."""
        boolean = wanted.dtype == torch.bool
        row, column = place[-2:] if place else (0, 0)
        tables = list(self.paper(case))
        answers = tables[-len(wanted) :] if wanted.ndim == 3 else tables[-1:]
        answer = answers[place[0] if wanted.ndim == 3 else 0]
        head = f"head {place[0] + 1}, " if wanted.ndim == 3 else ""
        where = f"{head}row {_label(answer.rows, row)}, column {_label(answer.columns, column)}"
        arithmetic = in_full(answer, row, column)
        if boolean:
            named = f"{answer.name}[{answer.rows[row]}, {answer.columns[column]}]"
            arithmetic = f"{named} = ({answer.op.written(row, column)}) = {bool(wanted[place])}"
        return _lines(
            f"the first wrong cell is {where}" if place else "the number differs",
            f"  yours   {shown(float(found[place]), boolean=boolean)}",
            f"  wanted  {shown(float(wanted[place]), boolean=boolean)}",
            *(f"  {_whole_row(t, row)}" for t in tables[: -len(answers)] if t.rows == answer.rows and not t.given),
            f"  {answer.name} = {answer.op.text}",
            f"  {arithmetic}",
            self._hint(found, case),
        )

    def _hint(self, found: Tensor, case: Case) -> str:
        """The usual mistake that leads to these numbers, named; "" if none does."""
        for words, mistake in self.mistakes.items():
            try:
                mistaken = numbers(self._computed(mistake, case))
            except RuntimeError:  # with these shapes nobody can make it
                continue
            if mistaken.shape == found.shape and close(found, mistaken).all():
                return f"these are the numbers {words}"
        return ""


def exercise(
    axes: str,
    cases: Sequence[Case],
    paper: Callable[[Case], Sequence[NumberTable]],
    mistakes: Mapping[str, Callable[..., object]],
) -> Callable[[Callable[..., Tensor]], Exercise]:
    """Make clearhead's own answer an exercise; see `Exercise`."""
    return lambda reference: Exercise(axes, reference, cases, paper, mistakes)


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _label(labels: tuple[str, ...], place: int) -> str:
    """Number from 1, and label if that says more."""
    position = str(place + 1)
    return position if labels[place] == position else f"{position} ({labels[place]})"


def _whole_row(table: NumberTable, row: int) -> str:
    """One step on the way: "scaled[Write] = -0.07, 0.0458, -0.4612    (similarities / √2)"."""
    cells = ", ".join(cell(table, row, column) for column in range(len(table.columns)))
    return f"{table.name}[{table.rows[row]}] = {cells}    ({table.op.text})"
