"""A try in a process of its own, forked from a prepared one, under limits: how it ended, what it said, what it took."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

BROKEN = 70  # the exit code of a try that raised what nobody expects
_CPU, _WALL, _MEMORY = 20, 60.0, 4 << 30  # seconds, seconds, bytes of address space more than before
_STREAMS = (
    ("stdin", os.O_RDONLY | os.O_CREAT),
    ("stdout", os.O_WRONLY | os.O_CREAT),
    ("stderr", os.O_WRONLY | os.O_CREAT),
)
_PAUSE = 0.005
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Ended:
    """How a try ended: exit code (negative: the signal), output, seconds, and bytes above those of the beginning."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int


def run_all(
    tries: Iterable[_Kind], place: Callable[[_Kind], Path], act: Callable[[_Kind], None], jobs: int
) -> Iterator[tuple[_Kind, Ended]]:
    """Each try, so many at once, as they end. `act` runs in the fork, within the folder that `place` has made."""
    waiting = iter(tries)
    running: dict[int, tuple[_Kind, Path, float]] = {}
    while True:
        while len(running) < jobs and (one := next(waiting, None)) is not None:
            folder = place(one)
            running[_begin(one, folder, act)] = (one, folder, time.monotonic())
        if not running:
            return
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid in running:
            one, folder, start = running.pop(pid)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # what it has begun and left
            yield one, _ended(folder, os.waitstatus_to_exitcode(status), time.monotonic() - start, used.ru_maxrss)
        elif not pid:
            for late in (p for p, (*_, start) in running.items() if time.monotonic() - start > _WALL + 5):
                with suppress(ProcessLookupError):
                    os.kill(late, signal.SIGKILL)
            time.sleep(_PAUSE)


def _begin(one: _Kind, folder: Path, act: Callable[[_Kind], None]) -> int:
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = BROKEN
    try:
        os.setsid()
        for number, (name, flags) in enumerate(_STREAMS):
            os.dup2(os.open(folder / name, flags, 0o600), number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
            for number, (mode, errors) in enumerate((("r", "strict"), ("w", "strict"), ("w", "backslashreplace")))
        )
        os.chdir(folder / "here")
        _limit()
        act(one)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 255)


def _limit() -> None:
    """Bounds on time and memory; where it was when time was up goes to standard error."""
    faulthandler.enable(sys.stderr)
    faulthandler.register(signal.SIGXCPU, sys.stderr, chain=True)
    faulthandler.dump_traceback_later(_WALL, exit=True, file=sys.stderr)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU, _CPU + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _ended(folder: Path, code: int, seconds: float, peak: int) -> Ended:
    out, err = ((folder / name).read_bytes().decode(errors="replace") for name in ("stdout", "stderr"))
    return Ended(code, out, err, seconds, peak * 1024 - _resident())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
