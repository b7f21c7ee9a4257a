"""Commands as a person gives them, each in a process of its own: forked from one that has imported torch already.

Nothing of clearhead is imported before the fork. What a command itself imports is what tests/test_startup.py asks, and
tests of signals and streams (tests/cli/test_stops.py, test_outputs.py) begin the program itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

__all__ = ["call", "without_notes"]

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    # torch._dynamo is a second of its own, and every optimizer imports it
    ["torch", "torch._dynamo", "tokenizers", "safetensors.torch", "pydantic", "cyclopts", "rich.console"]
)
_STREAMS = (("in", os.O_RDONLY), ("out", os.O_WRONLY | os.O_CREAT), ("err", os.O_WRONLY | os.O_CREAT))


def call(*words: object, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `clearhead WORDS...` to its end."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "in").write_bytes(stdin)
        given = [str(word) for word in words]
        process = _CONTEXT.Process(target=_run, args=(given, str(cwd or Path.cwd()), folder))
        process.start()
        process.join()
        said = [(place / name).read_bytes().decode() for name in ("out", "err")]
    assert process.exitcode is not None
    return subprocess.CompletedProcess(given, process.exitcode, *said)


def without_notes(said: str) -> str:
    """What was said beside notes on single texts: a model of a few steps seldom comes to an end."""
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith("note: "))


def _run(words: list[str], cwd: str, folder: str) -> None:
    for number, (name, flags) in enumerate(_STREAMS):
        os.dup2(os.open(Path(folder) / name, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (open(i, mode, closefd=False) for i, mode in enumerate(("r", "w", "w")))  # noqa: SIM115
    os.chdir(cwd)
    sys.argv = ["clearhead", *words]
    from clearhead.cli import main

    main()
