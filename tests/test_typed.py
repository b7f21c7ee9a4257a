"""The public face: what editors and type checkers know of it, and that the pages teach nothing that is private."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import clearhead
from clearhead.errors import ConfigError
from clearhead.tasks import TASKS, find_task
from clearhead.tasks.train import TrainOptions

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

SCRIPT = """
from typing import assert_type
from torch import Tensor
import clearhead
from clearhead import Attention, Edit, Trace
from clearhead.look import Maker
from clearhead.tasks.chat_model import ChatModel
from clearhead.tasks.encoder_models import Classifier, Embedder, Filler
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.metrics import Metric
from clearhead.tasks.summarizer import Summarizer
from clearhead.tasks.task import Inside, Model
from clearhead.tasks.translator import Translator
from clearhead.tasks.word_model import Words

assert_type(clearhead.load("models/mine", task="translate"), Translator)
assert_type(clearhead.load("models/mine", task="summarize", device="cpu"), Summarizer)
assert_type(clearhead.load("models/mine", task="language"), LanguageModel)
assert_type(clearhead.load("models/mine", task="chat"), ChatModel)
assert_type(clearhead.load("models/mine", task="words"), Words)
assert_type(clearhead.load("models/mine", task="fill"), Filler)
assert_type(clearhead.load("models/mine", task="classify"), Classifier)
assert_type(clearhead.load("models/mine", task="embed"), Embedder)
model = clearhead.load("models/mine")
assert_type(model, Model)
assert_type(model.inside, Inside | None)
assert_type(model.evaluate(["pairs.tsv"])["BLEU"], Metric)
words: str = model.verbs[0]

translator = clearhead.train("translate", "pairs.tsv", out="models/mine", max_steps=9, arch={"layers": 2}, quiet=True)
assert_type(translator, Translator)
assert_type(clearhead.train("summarize", ["a.tsv"], out="m"), Summarizer)
assert_type(clearhead.train("language", ["a.txt"], out="m", resume=True), LanguageModel)
assert_type(clearhead.train("chat", ["a.jsonl"], out="m", base="other", lora={"rank": 8}), ChatModel)
assert_type(clearhead.train("words", ["a.txt"], out="m", valid="b.txt"), Words)
assert_type(clearhead.train("reverse", ["a.txt"], out="m", mirror=3), Model)
assert_type(translator.translate(["Good morning."]), list[str])
assert_type(translator.evaluate(["pairs.tsv"])["BLEU"].value, float)

trace = translator.trace("Good morning.")
assert_type(trace, Trace)
attention = trace.find("cross_attention.attention")[0]
act = trace.value(attention, Attention)
assert_type(act, Attention)
assert_type(act.weights(), Tensor)
assert_type(trace.value("logits", Tensor), Tensor)
assert_type(trace.calls(attention, Attention), list[Attention])
trace[attention].weights()[0, 1]  # of any kind: nothing stands in the way of a quick look
assert_type(trace.task, Maker | None)
assert trace.again is not None
changed = trace.again([Edit(attention, where=(None, 1), op="multiply", value=0, step="weights")])
assert_type(changed, Trace)

with clearhead.watch(translator.module) as seen:
    assert_type(seen, Trace)
"""

WRONG = """
import clearhead
clearhead.load("models/mine").translate(["Good morning."])
clearhead.load("models/mine", task="translate").chat(["Good morning."])
clearhead.train("translate", "pairs.tsv", out="m", max_step=9).translate(["Good morning."])
"""


@pytest.mark.process
def test_what_a_type_checker_knows(tmp_path: Path) -> None:
    """What is right passes under --strict without a cast; what is wrong is an error where it stands."""
    (tmp_path / "right.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nplugins = pydantic.mypy\nfollow_imports = silent\n")
    words = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", ROOT / ".mypy_cache" / "face"]
    done = subprocess.run(
        [*words, "right.py", "wrong.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line.split(" error: ")[0] for line in done.stdout.splitlines()]
    assert errors == ["wrong.py:3:", "wrong.py:4:", "wrong.py:5:"], done.stdout + done.stderr


@pytest.mark.parametrize("name", TASKS)
def test_options_of_a_training_are_known(name: str) -> None:
    """Whatever a configuration holds can be given to `train` by name."""
    assert set(find_task(name).config.model_fields) - {"task", "recipe"} <= set(TrainOptions.__annotations__)


def taught() -> Iterator[tuple[str, str, str]]:
    """(page, module, name) of all that the pages import, or reach as `clearhead.name`."""
    for page in PAGES:
        for block in re.findall(r"^```python[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clearhead":
                    yield from ((page.name, str(node.module), alias.name) for alias in node.names)
                elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "clearhead":
                    yield page.name, "clearhead", node.attr


def test_what_the_pages_teach_is_public() -> None:
    found = set(taught())
    assert {
        ("python.md", "clearhead", "train"),
        ("other-libraries.md", "clearhead.exchange.torch_nn", "drop_in"),
    } <= found
    hidden = [one for one in sorted(found) if one[2] not in getattr(import_module(one[1]), "__all__", ())]
    assert not hidden, "name them in the module's __all__, or teach something else"


def test_every_public_name_is_there() -> None:
    assert clearhead.__all__ == sorted(clearhead.__all__)
    assert all(hasattr(clearhead, name) for name in clearhead.__all__)


def test_a_model_of_another_task_is_refused() -> None:
    folder = ROOT / "tests" / "frozen" / "folders" / "words"
    assert clearhead.load(folder, task="words").name == "words"
    with pytest.raises(ConfigError, match=r"is a model for words, not for translate\n.*task=\"words\""):
        clearhead.load(folder, task="translate")
