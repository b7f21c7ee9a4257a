"""`clearhead train TASK FILES... --out FOLDER`; each task's command is made when it is asked for."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from clearhead.cli.options import given, optional
from clearhead.cli.pages import ALL, HELP
from clearhead.recipes import RECIPES
from clearhead.recipes import recipe as find_recipe

__all__ = ["train"]

train = App(
    name="train",
    help="""Train a model on your own files. What a task is given: clearhead train TASK --help

    Example: clearhead train translate pairs.tsv --out models/mine
    """,
    usage="clearhead train TASK FILES... --out FOLDER [OPTIONS]",
    help_flags=HELP,
)
_PAIRS = """Files hold one pair a line: TSV ({}, TAB, {}), CSV, JSONL or Parquet; two parallel text files; PO or TMX
    translation memories; text may be packed as .gz or .xz. hub:NAME is a data set of the Hugging Face hub.

    Example: clearhead train {task} pairs.tsv --out models/mine --max-steps 2000

    What would the model see? clearhead train {task} pairs.tsv --dry-run

    Columns by name: clearhead train {task} pairs.csv --data.source {} --data.target {} --out FOLDER"""
_TEXT = """Files hold running text, which may be packed as .gz or .xz; each line is a text of its own.

    Example: clearhead train words book.txt --out models/words

    Vectors of two numbers, drawn before and after: clearhead train words story.txt --out models/plane --recipe plane"""
_LANGUAGE = """Files are texts, or tables with a column of texts (JSONL, Parquet, CSV, TSV), or folders of such files;
    they may be packed as .gz or .xz. hub:NAME is a data set of the Hugging Face hub, sample:python the documentation
    inside Python's own standard library. The text is tokenised once, into FOLDER/tokens, and may be larger than memory.

    Example: clearhead train language book.txt --out models/mine

    By characters, as small as it gets: clearhead train language book.txt --recipe shakespeare --out models/small

    Another architecture: clearhead train language books/ --arch.preset llama --arch.layers 8 --out models/llama"""
_CHATS = """Files hold conversations: JSON lines with messages [{"role": "user", "content": "..."}, ...], or with prompt
    and completion, or with instruction, input and output; lists of such in .json, tables with these columns (Parquet,
    CSV, TSV), hub:NAME. They may be packed as .gz or .xz. Only what the assistant says is learned.

    Example: clearhead train chat chats.jsonl --from models/mine --out models/chat

    What is learned of a row of chats? clearhead train chat chats.jsonl --from models/mine --show-batch

    Small matrices beside the model instead of all of it: clearhead train chat chats.jsonl --from models/mine
    --lora.rank 8 --out models/chat"""
_ABOUT = {  # task: what it does, what its files are, more
    "translate": (
        "Train a translator on sentence pairs.",
        "files of pairs, or sample:english-spanish",
        _PAIRS.format("source sentence", "target sentence", "english", "spanish", task="translate"),
    ),
    "summarize": (
        "Train a summarizer on pairs of a text and its summary.",
        "files of pairs",
        _PAIRS.format("text", "summary", "article", "highlights", task="summarize"),
    ),
    "language": ("Train a language model on running text.", "texts, tables, folders, or sample:python", _LANGUAGE),
    "chat": ("Teach a language model to answer.", "conversations", _CHATS),
    "words": ("Train word vectors on running text.", "files of text", _TEXT),
}
_EXAMPLES = {"language": "book.txt", "words": "book.txt", "chat": "chats.jsonl"}  # a file's name, where it is no table
for _task, (_line, *_) in _ABOUT.items():
    train.command(
        f"clearhead.cli.train:{_task}",
        name=_task,
        help=None if sys.argv[2:3] == [_task] else _line,
        usage=f"clearhead train {_task} FILES... --out FOLDER [OPTIONS]",
        help_epilogue=None if ALL in sys.argv else f"Every option: clearhead train {_task} {ALL}",
    )


def __getattr__(name: str) -> Callable[..., None]:
    """The command of a task: its options are those of the task's configuration."""
    if name not in _ABOUT:
        raise AttributeError(name)
    return _command(name)


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
        _run(task, list(files), out, valid or [], recipe, config, resume, dry_run, given(options))

    line, about_files, more = _ABOUT[task]
    command.__name__ = task
    command.__doc__ = f"""{line}

    {more}

    Parameters
    ----------
    files
        {about_files}
    out
        the model folder to make
    valid
        files of validation data (default: a fixed share is held out)
    recipe
        named configuration to begin with: {", ".join(RECIPES[task])} (the first is the default)
    config
        TOML file, or the folder of a trained model (to run it again), whose values override the recipe's
    resume
        go on with a training that was stopped, with the files and options it was begun with; begin where there is none
    dry_run
        train nothing: show the first records, counts, a histogram of lengths and what the loss will see
    """
    return command


def _run(
    task: str,
    files: list[str],
    out: Path | None,
    valid: list[str],
    recipe: str | None,
    config: Path | None,
    resume: bool,
    dry_run: bool,
    options: dict[str, Any],
) -> None:
    # The configuration is checked before torch is imported: a wrong option answers at once.
    from clearhead.errors import ConfigError, DataError
    from clearhead.folder import Folder
    from clearhead.recipes.train import configure
    from clearhead.recipes.train import train as train_task
    from clearhead.tasks.run_folder import is_begun

    begun = Folder(out) if resume and out is not None and is_begun(Folder(out)) else None
    configure(task, recipe=recipe, config=config, options=options, begun=begun)
    if not files and begun is None:
        example = _EXAMPLES.get(task, "pairs.tsv")
        raise DataError(
            "no files to train on", f"name at least one: clearhead train {task} {example} --out {out or 'FOLDER'}"
        )
    if dry_run:
        from rich.console import Console

        from clearhead.figures.preview import print_preview
        from clearhead.recipes.train import preview

        print_preview(preview(task, files, valid=valid, recipe=recipe, config=config, **options), Console())
        return
    if out is None:
        raise ConfigError("no place for the model", "name the folder to make: --out models/mine")
    print(f"task {task}, into {out}", file=sys.stderr)
    train_task(task, files, out=out, valid=valid, recipe=recipe, config=config, resume=resume, **options)
    from clearhead.cli.report import finished

    finished(out)
