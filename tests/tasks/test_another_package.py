"""A task of another package, one file: it is listed, trains, goes on after a kill, is measured and looked into."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

REVERSE = '''
"""Reverse: a word to the same word from its end."""

from functools import cache
from pathlib import Path
from typing import Literal

from clearhead.data.tokenizers import TokenizerConfig
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.tasks.config import PairConfig
from clearhead.tasks.task import Task
from clearhead.training.config import ScheduleConfig, TrainingConfig


class ReverseConfig(PairConfig):
    task: Literal["reverse"] = "reverse"
    recipe: str = "small"


def small():
    return ReverseConfig(
        tokenizer=TokenizerConfig(kind="word", min_count=1),
        arch=EncoderDecoderConfig(d_model=32, d_ff=64, heads=2, layers=1, max_len=32, dropout=0.0),
        schedule=ScheduleConfig(warmup=5),
        training=TrainingConfig(batch_tokens=512, precision="float32", evaluations=4, save_seconds=1e-9),
    )


@cache
def model():
    from clearhead.data.pairs import Pair, Report
    from clearhead.tasks.metrics import exact_match
    from clearhead.tasks.pair_model import PairModel

    class Reverser(PairModel):
        name, verbs = "reverse", ("write",)

        @staticmethod
        def read_files(files, config):
            words = [word for file in files for word in Path(file).read_text().split()]
            pairs = [Pair(" ".join(word), " ".join(word[::-1])) for word in words]
            return pairs, Report(config.max_chars, len(pairs), len(pairs))

        @staticmethod
        def limit(source_tokens):
            return source_tokens + 2

        @staticmethod
        def metrics(outputs, references, *, lowercase=False):
            return {"exact match": exact_match(outputs, references)}

    return Reverser


def read(asked):
    from clearhead.tasks.pair_training import PairParts

    return PairParts(asked, model())


TASK = Task(
    name="reverse",
    about="Train a model that reverses words.",
    files="files of words",
    help="Files hold words.\\n\\n    Example: clearhead train reverse words.txt --out models/reverse",
    example="words.txt",
    config=ReverseConfig,
    recipes={"small": small},
    read=read,
    open=lambda folder: model().load(folder),
    preview=None,
    tries=lambda folder, config: [f'clearhead show {folder} "w o r d"'],
)
'''


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that another Python would have installed, and words."""
    place = tmp_path_factory.mktemp("desk")
    (place / "reversing.py").write_text(REVERSE)
    about = place / "reversing-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: reversing\nVersion: 1.0\n")
    entries = "[clearhead.tasks]\nreverse = reversing:TASK\nbroken = not_there:TASK\n"
    (about / "entry_points.txt").write_text(entries)
    letters = "abcdefgh"
    words = [f"{a}{b}{c}" for a in letters for b in letters for c in letters]
    (place / "words.txt").write_text("\n".join(words))
    return place


def call(desk: Path, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clearhead", *words]
    return subprocess.run(command, cwd=desk, env=environment(desk), capture_output=True, text=True, check=False)


def environment(desk: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(desk), *filter(None, [os.environ.get("PYTHONPATH")])])}


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_it_is_listed_without_being_loaded(desk: Path) -> None:
    done = call(desk, "train", "--help")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "reverse A task of the package reversing." in said and "broken A task of the package reversing." in said


def test_its_own_page_imports_no_torch(desk: Path) -> None:
    done = call(desk, "train", "reverse", "--help")
    assert "Train a model that reverses words." in done.stdout and "--arch.d-model" in done.stdout
    loaded = (
        "import sys; sys.argv = ['clearhead', 'train', 'reverse', '--help']\n"
        "from clearhead.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert 'reversing' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", loaded], env=environment(desk), check=True, capture_output=True)


def test_one_that_cannot_be_loaded_is_named(desk: Path) -> None:
    done = call(desk, "train", "broken", "words.txt", "--out", "m")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "the task broken of the package reversing cannot be loaded: ModuleNotFoundError" in done.stderr
    assert "fix: update or remove it: pip uninstall reversing" in done.stderr


def test_one_that_is_not_there_is_named(desk: Path) -> None:
    done = call(desk, "train", "revers", "words.txt", "--out", "m")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "reverse" in done.stderr


TRAIN = ["train", "reverse", "words.txt", "--max-steps", "60", "--training.patience", "0", "--out"]


@pytest.fixture(scope="module")
def trained(desk: Path) -> Path:
    done = call(desk, *TRAIN, "whole")
    assert done.returncode == 0, done.stderr
    assert 'try: clearhead show whole "w o r d"' in done.stderr and "validation, written with beam 4" in done.stderr
    return desk / "whole"


def test_killed_it_goes_on_to_the_same_bits(desk: Path, trained: Path) -> None:
    words = [*TRAIN, "killed"]
    running = subprocess.Popen(
        [sys.executable, "-m", "clearhead", *words], cwd=desk, env=environment(desk), stderr=subprocess.DEVNULL
    )
    log = desk / "killed" / "metrics.jsonl"
    while running.poll() is None and not (log.exists() and '"step": 10' in log.read_text()):
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert not (desk / "killed" / "loss.png").exists(), "it was killed before its end"
    done = call(desk, *words, "--resume")
    assert done.returncode == 0, done.stderr
    assert weights(desk / "killed") == weights(trained)


def test_it_is_measured(desk: Path, trained: Path) -> None:
    done = call(desk, "evaluate", str(trained), "words.txt")
    assert done.returncode == 0, done.stderr
    assert "exact match" in done.stdout and "512" in done.stdout


def test_it_opens_in_the_explorer(desk: Path, trained: Path) -> None:
    opened = (
        "import clearhead\n"
        "from clearhead.explorer.inspector import Inspector\n"
        "from clearhead.explorer.questions import Asked, Description, Pass\n"
        f"model = clearhead.load({str(trained)!r})\n"
        "assert model.name == 'reverse' and model.write(['a b c'], beam=1)[0]\n"
        "asked = Asked(of=Pass(texts={'source': 'a b c'}), questions=[Description()])\n"
        "(opened,) = Inspector(model.inside, 'm').answer(asked)\n"
        "assert opened['stations'], list(opened)\n"
    )
    subprocess.run([sys.executable, "-c", opened], cwd=desk, env=environment(desk), check=True)
    done = call(desk, "show", str(trained), "a b c", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    assert (desk / "page.html").stat().st_size > 10_000
