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
app.command("clearhead.cli.train:train", name="train", help="Train a model on your own files.")
app.command("clearhead.cli.translate:translate", name="translate", help="Translate texts, files or standard input.")
app.command("clearhead.cli.translate:evaluate", name="evaluate", help="Measure a model on a file, with signatures.")
app.command("clearhead.cli.look:show", name="show", help="See where a model looked, in the terminal or as a figure.")
app.command("clearhead.cli.look:info", name="info", help="What is in a model: sizes, memory, task, training.")
app.command("clearhead.cli.demo:demo", name="demo", help="Train a small translator in minutes and look inside it.")


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
