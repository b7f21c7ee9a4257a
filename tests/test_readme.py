"""Every command and every Python block of the README runs as it stands, on a small model and small files."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

import clearhead
from clearhead.data.samples.english_spanish import sentences
from command import call

pytestmark = pytest.mark.timeout(900)  # some fifty commands, trainings of the default sizes among them

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (clearhead .*)$", README, re.MULTILINE)]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files the README speaks of."""
    desk = tmp_path_factory.mktemp("desk")
    lines = [f"{s.english}\t{s.spanish}" for s in sentences("train", 300)]
    (desk / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    (desk / "test.tsv").write_text("\n".join(lines[:5]), encoding="utf-8")
    (numbers,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (desk / "numbers.yaml").write_text(numbers, encoding="utf-8")
    (desk / "input.txt").write_text("The house is red.\nThe dog sleeps.\n", encoding="utf-8")
    story = "the ship of the king and the man and the woman\n" * 9
    (desk / "book.txt").write_text(story, encoding="utf-8")
    (desk / "story.txt").write_text(story, encoding="utf-8")
    chats = "".join(f'{{"prompt": "Who is {i}?", "completion": "The king."}}\n' for i in range(30))
    for name in ("chats.jsonl", "more.jsonl"):
        (desk / name).write_text(chats, encoding="utf-8")
    arch = {"layers": 2, "d_model": 32, "d_ff": 32, "heads": 2, "max_len": 64}
    clearhead.train("translate", desk / "pairs.tsv", out=desk / "models/demo", max_steps=2, arch=arch, quiet=True)
    return desk


def test_the_readme_shows_commands_and_python() -> None:
    assert len(COMMANDS) >= 5
    assert len(BLOCKS) == 4


def test_its_commands_run_in_their_order(desk: Path) -> None:
    for command in COMMANDS:
        words = shlex.split(command.split("  #")[0].split(" #")[0].split(" > ")[0])[1:]
        if words[0] == "explore":
            explored(words, desk)
            continue
        extra = ["--max-steps", "2"] if words[0] == "train" else []
        done = call(*words, *extra, cwd=desk)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def explored(words: list[str], desk: Path) -> None:
    """The page is there at the address that is printed, until the command is interrupted."""
    command = [Path(sys.executable).with_name("clearhead"), *words, "--no-browser"]
    with subprocess.Popen(command, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        try:
            with urlopen(address, timeout=60) as page:
                assert page.status == 200 and b'id="clearhead"' in page.read()
        finally:
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=60)
    assert running.returncode in (0, 143, -signal.SIGTERM) and "Traceback" not in said, said


def test_its_python_runs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    source = (
        "\n".join(BLOCKS).replace('out="models/mine"', 'out="models/python"').replace("models/mine", "models/python")
    )
    names: dict[str, object] = {}
    exec(compile(source, "README.md", "exec"), names)
    changed, trace = names["changed"], names["trace"]
    assert (changed["logits"] - trace["logits"]).abs().max() > 0  # type: ignore[index]
