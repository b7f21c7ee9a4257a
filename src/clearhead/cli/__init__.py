"""The command line: `clearhead VERB ...`. One file for each group of verbs, imported when it is used."""

from __future__ import annotations

import os
import sys
import warnings

from cyclopts import App

from clearhead import __version__
from clearhead.errors import ClearheadError

__all__ = ["app", "main"]

app = App(
    name="clearhead",
    version=__version__,
    help="""Transformers whose every number can be seen and changed.

    A first walk: clearhead demo
    """,
)
_COMMANDS = {
    "train": ("clearhead.cli.train:train", "Train a model on your own files."),
    "translate": ("clearhead.cli.translate:translate", "Translate texts, files or standard input."),
    "evaluate": ("clearhead.cli.translate:evaluate", "Measure a model on a file, with signatures."),
    "show": ("clearhead.cli.look:show", "See where a model looked, in the terminal or as a figure."),
    "info": ("clearhead.cli.look:info", "What is in a model: sizes, memory, task, training."),
    "demo": ("clearhead.cli.demo:demo", "Train a small translator in minutes and look inside it."),
}
for _name, (_where, _line) in _COMMANDS.items():
    # The line is for the list of commands; on a command's own page it would take the place of its docstring.
    app.command(_where, name=_name, help=None if sys.argv[1:2] == [_name] else _line)


def main() -> None:
    """The entry point: errors a person can mend are printed without a traceback."""
    warnings.showwarning = lambda message, *_, **__: print(f"remark: {message}", file=sys.stderr)
    try:
        app()
    except ClearheadError as error:
        print(f"clearhead: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader (`head`) has gone: what is left unread is nobody's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
