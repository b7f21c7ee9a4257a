"""`clearhead train TASK FILES... --out FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from clearhead.cli.options import given, optional
from clearhead.recipes import recipe as find_recipe

__all__ = ["train"]

train = App(
    name="train",
    help="""Train a model on your own files: clearhead train TASK FILES... --out FOLDER

    Example: clearhead train translate pairs.tsv --out models/mine
    """,
)
_TranslateOptions = optional(find_recipe("translate"), without=("task", "recipe"))


@train.command(name="translate")
def train_translate(
    *files: str,
    out: Path,
    valid: Annotated[list[str] | None, Parameter(negative=())] = None,
    recipe: str | None = None,
    config: Path | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
    options: Annotated[_TranslateOptions | None, Parameter(name="*")] = None,  # type: ignore[valid-type]
) -> None:
    """Train a translator on sentence pairs.

    Files hold one pair a line: TSV (source, TAB, target), CSV or JSONL, plain or .gz or .xz.

    Example: clearhead train translate pairs.tsv --out models/mine --max-steps 2000

    Columns by name: clearhead train translate pairs.csv --data.source english --data.target spanish --out models/mine

    Without files of your own: clearhead train translate sample:english-spanish --out models/toy --recipe demo

    Parameters
    ----------
    files
        files of sentence pairs, or sample:english-spanish
    out
        the model folder to make
    valid
        files of validation pairs (default: a fixed share is held out)
    recipe
        named configuration to begin with: translator (default), demo
    config
        TOML file, or the folder of a trained model (to run it again), whose values override the recipe's
    resume
        go on with a training that was stopped
    """
    _run("translate", list(files), out, valid or [], recipe, config, resume, options)
    from clearhead.cli.report import finished  # it needs torch: not before the configuration is checked

    finished(out)


def _run(
    task: str,
    files: list[str],
    out: Path,
    valid: list[str],
    recipe: str | None,
    config: Path | None,
    resume: bool,
    options: object,
) -> None:
    # The configuration is checked before torch is imported: a wrong option answers at once.
    from clearhead.errors import DataError
    from clearhead.recipes.train import configure
    from clearhead.recipes.train import train as train_task

    configure(task, recipe=recipe, config=config, options=given(options))
    if not files:
        raise DataError("no files to train on", f"name at least one: clearhead train {task} pairs.tsv --out {out}")
    print(f"task {task}, into {out}", file=sys.stderr)
    train_task(task, files, out=out, valid=valid, recipe=recipe, config=config, resume=resume, **given(options))
