"""The command line: `clearhead VERB ...`. One file for each group of verbs, imported when it is used."""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

from clearhead import __version__
from clearhead.cli.names import check_names
from clearhead.cli.pages import HELP, Pages
from clearhead.errors import ClearheadError

__all__ = ["app", "main"]

app = App(
    name="clearhead",
    version=__version__,
    help="""Transformers whose every number can be seen and changed.

    A first walk: clearhead demo
    """,
    help_flags=HELP,
    help_formatter=Pages(),
    group_parameters=Group.create_default_parameters("Options"),
    default_parameter=Parameter(negative_iterable=()),
    print_error=False,
    exit_on_error=False,  # `main` says what is wrong, in our words
    suppress_keyboard_interrupt=False,  # and how to go on
)
app["--help"].help = "Show this page; after a command, its own; with --help-all every option."
_TEXTS = '["text"... | FILES | -]'
_COMMANDS = {  # name: where it is, what it does, what it is given
    "train": ("clearhead.cli.train:train", "Train a model on your own files.", ""),
    "translate": ("clearhead.cli.translate:translate", "Translate texts, files or standard input.", f"MODEL {_TEXTS}"),
    "summarize": ("clearhead.cli.translate:summarize", "Summarize texts, files or standard input.", f"MODEL {_TEXTS}"),
    "evaluate": ("clearhead.cli.translate:evaluate", "Measure a model on a file, with signatures.", "MODEL FILES..."),
    "show": (
        "clearhead.cli.show_text:show",
        "See where a model looked: in the terminal, as a figure, as one page.",
        'MODEL "text"',
    ),
    "explore": (
        "clearhead.cli.explore:explore",
        "See and change every number of a model, in the browser.",
        'MODEL ["text"]',
    ),
    "heads": ("clearhead.cli.head_report:heads", "See what each head does, and what it is worth.", "MODEL [FILE]"),
    "info": ("clearhead.cli.info:info", "What is in a model: sizes, memory, task, training.", "MODEL"),
    "generate": ("clearhead.cli.generate:generate", "Continue texts with a language model.", f"MODEL {_TEXTS}"),
    "chat": ("clearhead.cli.chat:chat", "Talk with a chat model.", f"MODEL {_TEXTS}"),
    "nearest": (
        "clearhead.cli.nearest:nearest",
        "Find words near a word, or near a sum of words.",
        'MODEL ["word"... | -]',
    ),
    "export": (
        "clearhead.cli.export:export",
        "Write a model in the form of other libraries.",
        "MODEL --to FORM --out FILE",
    ),
    "study": ("clearhead.cli.study:study", "Measure why things are as they are.", "NAME"),
    "worksheet": (
        "clearhead.cli.worksheet:worksheet",
        "See the arithmetic of attention as on paper.",
        '[NAME | FILE | MODEL "text"]',
    ),
    "completion": ("clearhead.cli.completion:completion", "Let the shell complete commands and options.", "SHELL"),
    "demo": ("clearhead.cli.demo:demo", "Train a small translator in minutes and look inside it.", ""),
}
_AGAIN = 5.0  # seconds after which a command that was asked to stop and goes on is asked again
_HOW_ON = "\n  fix: go on with the same command and --resume"
for _name, (_where, _line, _words) in _COMMANDS.items():
    # The line is for the list of commands; on a command's own page it would take the place of its docstring.
    _kind = {} if _name == "train" else {"usage": " ".join(["clearhead", _name, *_words.split(), "[OPTIONS]"])}
    app.command(_where, name=_name, help=None if sys.argv[1:2] == [_name] else _line, **_kind)


def main() -> None:
    """The entry point: errors a person can fix are printed without a traceback.

    Exit codes: 0 done, 1 something to fix, 2 words that no command takes, 128 + the signal when stopped (130 Ctrl-C,
    143 SIGTERM, 141 closed pipe).
    """
    warnings.showwarning = lambda message, *_, **__: _say(f"note: {message}")
    _write_anyway()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # a shell's background job is not asked by Ctrl-C
            signal.signal(number, _interrupt)
    try:
        try:
            check_names(sys.argv[1:])
            app(_typed())
        finally:
            sys.stdout.flush()  # a full disk is met here and not when Python has ended
    except ClearheadError as error:
        _say(f"clearhead: {error}")
        sys.exit(error.exit_code)
    except CycloptsError as error:
        from clearhead.cli.refusals import refusal

        _say(f"clearhead: {refusal(error)}")
        sys.exit(2)
    except KeyboardInterrupt as error:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.exit(_stopped((error.args or (signal.SIGINT,))[0]))
    except BrokenPipeError:  # the reader (`head`) has gone: what is left unread is nobody's
        _drop_output()
        sys.exit(141)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        _say("clearhead: the disk is full: the output is not whole\n  fix: free some space, then once more")
        sys.exit(1)


def _typed() -> list[str]:
    """What was typed."""
    words = sys.argv[1:]
    if words[:1] != ["train"]:
        return words
    from clearhead.cli.options import by_kind  # other commands have no configuration to know of

    return by_kind(words)


def _write_anyway() -> None:
    """Where standard output is of an encoding that lacks a character, "?" stands for it, and that is said once."""
    said: list[str] = []

    def replaced(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        if not said:
            said.append(f"note: standard output is {sys.stdout.encoding}, and ? stands for characters that it lacks")
            _say(f"{said[0]}; with PYTHONIOENCODING=utf-8 they are written")
        return "?" * (error.end - error.start), error.end

    codecs.register_error("clearhead.replaced", replaced)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="clearhead.replaced")


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Ctrl-C and SIGTERM end a command alike: what is half-written is taken away."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):  # torch aborts when its import is interrupted
            os._exit(_stopped(number))
        frame = frame.f_back
    if hasattr(signal, "setitimer"):  # code that runs in a callback swallows what is raised: then once more
        signal.signal(signal.SIGALRM, lambda _, frame: _interrupt(number, frame))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    raise KeyboardInterrupt(number)


def _stopped(number: int) -> int:
    """Say so, and how to go on; the exit code."""
    _say(f"clearhead: stopped at once{_HOW_ON if _can_resume(sys.argv) else ''}")
    return 128 + number


def _can_resume(words: list[str]) -> bool:
    return words[1:2] == ["train"] or any(word.partition("=")[0] == "--out" for word in words if words[1:2] != ["demo"])


def _say(line: str) -> None:
    with suppress(OSError):  # standard error itself may be on a full disk
        print(line, file=sys.stderr)


def _drop_output() -> None:
    """So that Python does not try again to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
