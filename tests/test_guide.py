"""Every block of the README and of the guide runs as it stands, and prints what the block after it says.

A block is fenced and names its kind. `sh` and `python` run, page by page, in a folder with small files and the models
that earlier pages train. A second word names a file, which is written with the text of the block. `text` is what was
printed, line by line in its order; where its first line is an error, the command must fail. `text demo` is what the
demo's translator prints, for which `make demo` trains some minutes. Recipes keep their choices and are made tiny.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import jaxtyping
import pytest

import clearhead
from clearhead.cli import main
from clearhead.data.samples.english_spanish import sentences
from clearhead.tasks import TASKS, find_task

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path for path in (ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md")))
}
KINDS = {"sh", "python", "text", "yaml", "toml", "json"}
SIZES = {"layers": 2, "d_model": 16, "d_ff": 32, "heads": 2, "max_len": 64}
STORY = "the ship of the king and the man and the woman\n" * 9
CHATS = "".join(f'{{"prompt": "Who is {i}?", "completion": "The king."}}\n' for i in range(30))
PAIRS = [f"{each.english}\t{each.spanish}" for each in sentences("train", 300)]
FILES = {
    "pairs.tsv": "\n".join(PAIRS),
    "test.tsv": "\n".join(PAIRS[:5]),
    "articles.tsv": "\n".join(PAIRS[:40]),
    "input.txt": "The house is red.\nThe dog sleeps.\n",
    "text.txt": "The house is red.\nThe dog sleeps.\n",
    "book.txt": STORY,
    "story.txt": STORY,
    "chats.jsonl": CHATS,
    "more.jsonl": CHATS,
}
MODELS: dict[str, tuple[str, str]] = {  # what earlier pages train: the task and its file
    "demo": ("translate", "pairs.tsv"),
    "mine": ("translate", "pairs.tsv"),
    "book": ("language", "book.txt"),
    "words": ("words", "book.txt"),
}


class Block(NamedTuple):
    kind: str
    name: str  # of the file that it is, or "demo"
    text: str


def blocks(page: str) -> list[Block]:
    found = re.findall(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", PAGES[page].read_text(encoding="utf-8"), re.MULTILINE)
    return [Block(*each) for each in found]


def commands(page: str) -> list[str]:
    lines = [line for block in blocks(page) if block.kind == "sh" for line in block.text.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines]


EXPLORERS = dict.fromkeys(each for page in PAGES for each in commands(page) if each.startswith("clearhead explore "))


@pytest.fixture(autouse=True)
def _tiny_and_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes of few numbers; and what a person runs: no shapes are checked at each call."""
    for task in map(find_task, TASKS):
        for name, recipe in list(task.recipes.items()):
            monkeypatch.setitem(task.recipes, name, lambda recipe=recipe: tiny(recipe()))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def tiny(config: Any) -> Any:
    """The same run with a model of few numbers and of two steps; a vector of two numbers stays one."""
    arch = {name: size for name, size in SIZES.items() if size < getattr(config.arch, name, 0)}
    return config.model_copy(update={"max_steps": 2, "arch": config.arch.model_copy(update=arch)})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a model is kept once a page has asked for it."""
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture
def desk(tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A folder to work in, with the files of all pages and the models that the given text names and does not make."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")

    def lay(text: str) -> None:
        made = set(re.findall(r'(?:--out |out=")models/(\w+)', text)) - {"demo"}  # which `make demo` alone makes
        for name in (set(re.findall(r"models/(\w+)", text)) - made) & MODELS.keys():
            shutil.copytree(model(name, shelf), Path("models", name))

    return lay


def model(name: str, shelf: Path) -> Path:
    if not (shelf / name).exists():
        task, file = MODELS[name]
        clearhead.train(task, file, out=shelf / name, quiet=True)
    return shelf / name


def test_every_block_is_of_a_kind_that_is_run_written_or_compared() -> None:
    for page, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert {block.kind for block in blocks(page)} <= KINDS, page
        assert text.count("```") == 2 * len(blocks(page)), f"{page}: a fence that is not closed, or is indented"
        outside = re.sub(r"^```(?:.*\n)*?```$", "", text, flags=re.MULTILINE)
        assert not re.search(r"^(?: {4}|\t)", outside, re.MULTILINE), f"{page}: a block without a kind"
        for block in blocks(page):
            assert block.kind in ("sh", "python", "text") or block.name, f"{page}: a file without a name"


def test_the_readme_is_short_and_shows_commands_and_python() -> None:
    assert len(PAGES["README.md"].read_text(encoding="utf-8").splitlines()) <= 120
    assert {"sh", "python"} <= {block.kind for block in blocks("README.md")}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(
    page: str, desk: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk("".join(block.text for block in blocks(page)))
    for block in blocks(page):
        if block.name not in ("", "demo"):
            Path(block.name).write_text(block.text, encoding="utf-8")
    names: dict[str, Any] = {}
    said = ""
    for block, following in pairwise([*blocks(page), Block("", "", "")]):
        if block.kind == "sh":
            fails = following.text.startswith("clearhead: ")
            said = "".join(run(line, fails, monkeypatch, capsys) for line in block.text.splitlines())
        elif block.kind == "python":
            exec(compile(block.text, page, "exec"), names)
            said = capsys.readouterr().out
        elif block.kind == "text" and not block.name:
            assert_said(block.text, said)


def run(line: str, fails: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a line of the shell prints; its output goes to the file that is named after >."""
    words = shlex.split(line, comments=True)
    if words[0] != "clearhead":
        assert_installs(words)
        return ""
    if words[1] == "explore":  # it serves until it is interrupted: test_the_explorer_opens
        return ""
    words, place = (words[:-2], words[-1]) if ">" in words else (words, "")
    code = called(words, monkeypatch)
    printed = capsys.readouterr()
    assert (code != 0) == fails, f"{line}\n{printed.err}"
    if place:
        Path(place).write_text(printed.out, encoding="utf-8")
    return printed.out + printed.err


def called(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the command in this process, with nothing on standard input."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("default")  # as Python begins; `main` prints them as notes
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return 0


def assert_installs(words: list[str]) -> None:
    """`make` has such a target, and `pip` installs extras that there are."""
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), words
        return
    found = re.fullmatch(r"pip install clearhead\[(\w+)\]", " ".join(words))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert found and found[1] in extras, f"{words} neither run nor install anything"


def assert_said(wanted: str, said: str) -> None:
    """Each line of `wanted` is in a line that was printed, in the same order; blanks at the ends do not count."""
    lines: Iterator[str] = iter(said.splitlines())
    for line in filter(None, map(str.strip, wanted.splitlines())):
        assert any(line in printed for printed in lines), f"{line}\nis not said in\n{said}"


@pytest.mark.parametrize("command", EXPLORERS)
def test_the_explorer_opens(command: str, desk: Callable[[str], None]) -> None:
    """The page is there at the address that is printed, until the command is interrupted."""
    desk(command)
    words = [Path(sys.executable).with_name("clearhead"), *shlex.split(command)[1:], "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        try:
            with urlopen(address, timeout=60) as page:
                assert page.status == 200 and b'id="clearhead"' in page.read()
        finally:
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=60)
    assert running.returncode in (0, 143, -signal.SIGTERM) and "Traceback" not in said, said
