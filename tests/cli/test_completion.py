"""Completion as the shell does it: bash reads what the command prints, and is asked as the TAB key asks it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from command import call

# What readline does when TAB is pressed behind these words, the last of them unfinished.
_TAB = """
source clearhead.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_clearhead
printf '%s\\n' "${COMPREPLY[@]}"
complete -p clearhead
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    desk = tmp_path_factory.mktemp("desk")
    done = call("completion", "bash")
    assert done.returncode == 0, done.stderr
    (desk / "clearhead.bash").write_text(done.stdout, encoding="utf-8")
    return desk


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], ["train", "translate"]),
        (["train", "tr"], ["translate"]),
        (["train", "translate", "pairs.tsv", "--arch.fam"], ["--arch.family"]),
        (["train", "translate", "pairs.tsv", "--arch.family", ""], ["encoder-decoder", "lstm", "gru"]),
        (["translate", "models/demo", "--precision", "b"], ["bfloat16"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["translate", "mod"], []),  # files and folders: readline's own
        (["train", "translate", "pairs.tsv", "--out", "mod"], []),
    ],
    ids=lambda words: " ".join(words),
)
def test_bash_completes(desk: Path, words: list[str], offered: list[str]) -> None:
    asked = ["bash", "--norc", "-c", _TAB, "bash", "clearhead", *words]
    done = subprocess.run(asked, cwd=desk, capture_output=True, text=True, check=True)
    *found, how = done.stdout.splitlines()
    assert [word for word in found if word] == offered
    assert "-o default" in how and done.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_too(shell: str) -> None:
    script = call("completion", shell).stdout
    assert "--arch.family" in script and "encoder-decoder" in script
    assert shell != "zsh" or ("compdef _clearhead clearhead" in script and "'1:a model folder:_files'" in script)
