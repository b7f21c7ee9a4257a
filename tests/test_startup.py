"""What is asked for is imported, and nothing else: torch stays out until a model is touched."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "tokenizers", "matplotlib", "numpy", "safetensors", "sacrebleu", "anywidget")


def heavy_after(code: str) -> list[str]:
    """Which heavy libraries a fresh process has imported when `code` has run."""
    report = (
        "import atexit, json, sys\n"
        f"atexit.register(lambda: print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules])))\n"
    )
    done = subprocess.run([sys.executable, "-c", report + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert heavy_after("import clearhead") == []


def test_its_names_are_there_before_they_are_used() -> None:
    assert heavy_after("import clearhead; assert {'train', 'load', 'watch'} <= set(dir(clearhead))") == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["--version"],
        ["train", "--help"],
        ["train", "translate", "--help"],
        ["show", "--help"],
        ["chat", "--help"],
    ],
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; sys.argv = ['clearhead', *{words!r}]; from clearhead.cli import main; main()"
    assert heavy_after(code) == []


@pytest.mark.parametrize("option", ["--arch.d-model=10", "--recipe=dmo", "--config=no-such.toml", "--max-step=3"])
def test_a_wrong_option_is_answered_without_torch(option: str) -> None:
    words = ["clearhead", "train", "translate", "pairs.tsv", "--out=m", "--arch.heads=3", option]
    code = (
        f"import sys; sys.argv = {words!r}\n"
        "from clearhead.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code, 'it should fail'\n"
    )
    assert "torch" not in heavy_after(code)
