"""Set-up in stages, by a Python that only says what it was asked: what is installed for what, what a failure leaves."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = """#!/bin/sh
case "$*" in
  "-c import torch") test -e torch ;;
  "-m pip install"*) echo "$*" >> asked
    test ! -e broken || { echo "ERROR: no network"; exit 1; }
    touch torch
    echo "Collecting thing"; echo "  Downloading thing-1.0-py3-none-any.whl (5.0 MB)"
    echo "Installing collected packages: thing, other" ;;
esac
"""
NPM = """#!/bin/sh
test ! -e broken || { echo "npm error network"; exit 1; }
echo "npm $1" >> asked
mkdir -p node_modules
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("python", "clearhead", "ruff", "mypy", "node"):
        (tmp_path / ".venv/bin" / name).write_text(PYTHON)
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    (tmp_path / ".venv/bin/npm").write_text(NPM)
    (tmp_path / ".venv/bin/npm").chmod(0o755)
    return tmp_path


def make(place: Path, target: str, *, works: bool = True) -> str:
    command = ["make", "--no-print-directory", target]  # a make that runs the tests would have this one name its folder
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == works, done.stdout + done.stderr
    return done.stdout


def asked(place: Path) -> list[str]:
    """What pip was asked for since last time, in short."""
    file = place / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [line.split()[-1] for line in lines]


def test_the_demo_installs_what_it_needs_and_the_tests_the_rest(place: Path) -> None:
    said = make(place, "demo")
    assert len(re.findall(r"^installing .*about \d+ MB", said, re.MULTILINE)) == 2
    assert "  thing-1.0 (5.0 MB)\n  unpacking 2 packages\n" in said
    assert [name.partition("==")[0] for name in asked(place)] == ["torch", ".[demo]"]
    assert "installing" not in make(place, "demo")
    assert re.search(r"installing .*about \d+ MB", make(place, "setup"))
    assert asked(place) == [".[all,dev]"]
    assert make(place, "setup") == ""
    assert asked(place) == []


def test_a_set_up_that_failed_says_why_and_goes_on(place: Path) -> None:
    (place / "broken").touch()
    assert "ERROR: no network" in make(place, "setup", works=False)
    assert not (place / ".venv/.demo").exists() and not (place / ".venv/.ready").exists()
    asked(place)
    (place / "broken").unlink()
    make(place, "setup")
    assert len(asked(place)) == 3


def test_a_check_installs_what_reads_the_scripts_once(place: Path) -> None:
    """It waits for a check, since tests need none of it, and follows the lock file."""
    make(place, "setup")
    asked(place)
    (place / "broken").touch()
    assert "npm error network" in make(place, "check", works=False)
    assert not (place / "node_modules/.ready").exists()
    (place / "broken").unlink()
    assert re.search(r"installing .*about \d+ MB", make(place, "check"))
    assert asked(place) == ["ci"]
    assert make(place, "check") == ""
    (place / "package-lock.json").touch()
    make(place, "check")
    assert asked(place) == ["ci"]
