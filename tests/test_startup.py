"""What is asked for is imported, and nothing else: torch stays out until a model is touched."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "tokenizers", "matplotlib", "numpy", "safetensors", "sacrebleu")


def heavy_after(code: str) -> list[str]:
    """Which heavy libraries a fresh process has imported when `code` has run."""
    report = f"import atexit, json, sys\natexit.register(lambda: print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules])))\n"
    done = subprocess.run([sys.executable, "-c", report + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert heavy_after("import clearhead") == []


def test_its_names_are_there_before_they_are_used() -> None:
    assert heavy_after("import clearhead; assert {'train', 'load', 'watch'} <= set(dir(clearhead))") == []


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["--version"], ["train", "--help"], ["train", "translate", "--help"], ["show", "--help"]]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; sys.argv = ['clearhead', *{words!r}]; from clearhead.cli import main; main()"
    assert heavy_after(code) == []


def test_a_wrong_option_is_answered_without_torch() -> None:
    code = (
        "from clearhead.errors import ConfigError\nfrom clearhead.recipes.train import configure\n"
        "try: configure('translate', options={'arch': {'d_modell': 1}})\n"
        "except ConfigError as error: assert 'arch.d_model' in str(error)\n"
        "else: raise SystemExit('no error')"
    )
    assert heavy_after(code) == []
