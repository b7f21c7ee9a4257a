"""The runner: `list`, `run`, `report`."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from benchmarks import case, report, results

RUNS = Path(__file__).parent / "runs"  # not in the repository
app = App(name="python -m benchmarks", help="Benchmarks of clearhead.", version_flags=())


@app.command(name="list")
def show_cases() -> None:
    """List the cases: what each measures, and about how long it takes."""
    found = [case.find(name) for name in case.names()]
    results.print_table(results.Table({"": "", "takes": "", "  ": ""}, [[c.name, c.duration, c.about] for c in found]))


@app.command(name="report")
def write_report() -> None:
    """Make docs/results.md from the kept results."""
    from clearhead.disk import write_text

    write_text(report.PAGE, report.make(report.read_kept(), case.names()))
    print(report.PAGE)


@app.command(name="run", help_flags=())
def run(
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)], page: str | None = None, keep: Path = RUNS
) -> None:
    """Run cases by name; what follows the names are their options.

    Args:
        page: the name under which the result is kept for docs/results.md, instead of the folder of all runs; an older
            one is replaced, its figures and the text about them.
        keep: the folder of all runs.
    """
    count = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:count], words[count:]
    if not names:
        raise SystemExit("run NAME...: `python -m benchmarks list` shows them")
    if page is not None and (len(names) > 1 or page not in report.PLACES):
        raise SystemExit(f"--page takes one case, and one of the names {', '.join(report.PLACES)}")
    ready = [_parse(case.find(name), options) for name in names]  # a wrong option of the last is said at once
    good = True
    for name, (call, settings) in zip(names, ready, strict=True):
        started = time.strftime("%Y-%m-%dT%H%M%S", time.gmtime())
        path = report.KEPT / f"{page}.json" if page else keep / f"{name}-{started}.json"
        good &= _measure(name, call, settings, path)
    sys.exit(not good)


def _parse(chosen: case.Case, options: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """(the case with its options, the options)."""
    parser = App(
        name=f"python -m benchmarks run {chosen.name}",
        help=sys.modules[chosen.work.__module__].__doc__,
        help_format="plaintext",
        version_flags=(),
        default_parameter=Parameter(negative_iterable=(), consume_multiple=True),
    )
    parser.default(chosen.work)
    call, bound, _ = parser.parse_args(list(options))
    if call is not chosen.work:  # help
        call(*bound.args, **bound.kwargs)
        sys.exit()
    bound.apply_defaults()
    settings: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        settings |= asdict(value) if is_dataclass(value) else {name: value}
    plain = {k: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
    return lambda: call(*bound.args, **bound.kwargs), plain


def _measure(name: str, call: Any, settings: dict[str, Any], path: Path) -> bool:
    """Whether all bars of a case are met; its tables are printed as they come, and kept."""
    tables = []
    for table in call():
        results.print_table(table)
        tables.append(table)
    machine, versions = results.describe_machine()
    words = shlex.join([".venv/bin/python", "-m", "benchmarks", *sys.argv[1:]])
    made = results.Result(name, results.today(), results.commit(), machine, versions, settings, tables, [words])
    results.keep(made, path)
    results.say(f"kept in {path}")
    return all(table.good for table in tables)


if __name__ == "__main__":
    app()
