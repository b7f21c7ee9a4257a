"""This checkout's speed beside that of another commit, turn by turn in one run.

Bar: each kind of work at least 0.97 times as fast as before (medians of the rounds). Both sides are driven through the
public face alone (`train`, `load`, the models' verbs, `explore`), each in a process of its own that stays open, so that
whatever is rebuilt inside can be measured against what it was. Models are small or barely trained: only time counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from benchmarks.browser import launched, new_page
from benchmarks.case import case
from benchmarks.commands import training_reports
from benchmarks.results import ROOT, Cell, Table
from benchmarks.timing import Row, in_turns, ratio
from benchmarks.worktrees import checked_out

PAIRS = "sample:english-spanish/train:3000"
SENTENCES = ["The red house is big.", "A dog sees the small cats.", "The women do not eat the bread."] * 8
PAIR = (SENTENCES[0], "La casa roja es grande.")
Timed = Callable[[], float]
Kind = Literal[
    "train_translator", "train_language", "beam_decoding", "one_token_generation", "several_generation",
    "watched_pass", "first_view", "edit",
]  # fmt: skip
_PAGES = ("first_view", "edit")  # in a browser


# What is measured: each makes, in a folder of its own, what works once and returns seconds ----------------------------


def _training(task: str, file: str, place: Path, **options: Any) -> Timed:
    import clearhead

    def work() -> float:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            clearhead.train(task, [file], out=f"{folder}/m", quiet=True, **options)
            first, *_, last = training_reports(f"{folder}/m")
            return float(last["seconds"] - first["seconds"])

    return work


def _model(task: str, file: str, place: Path) -> Any:
    import clearhead

    training = {"precision": "float32", "evaluations": 1} | ({"compile": "no"} if task == "language" else {})
    clearhead.train(task, [file], out=place / "m", quiet=True, max_steps=2, training=training)
    return clearhead.load(place / "m")


def _text(place: Path) -> Path:
    file = place / "text.txt"
    file.write_text("\n".join(f"{i} {' '.join(SENTENCES)}" for i in range(200)), encoding="utf-8")
    return file


def _asked(task: str, ask: Callable[[Any], object], place: Path) -> Timed:
    """What is asked of a model that was hardly trained."""
    model = _model(task, PAIRS if task == "translate" else str(_text(place)), place)

    def timed() -> float:
        start = time.perf_counter()
        ask(model)
        return time.perf_counter() - start

    return timed


_SMALL_GPT = {
    "arch": {"d_model": 128, "d_ff": 512, "heads": 4, "layers": 4, "max_len": 128},
    "training": {"batch_tokens": 2048, "precision": "float32", "compile": "no", "evaluations": 1},
    "tokenizer": {"kind": "character", "min_count": 1},
}
_UNEQUAL = [" ".join(SENTENCES[: 1 + i]) for i in range(8)]
_WORK: dict[str, Callable[[Path], Timed]] = {
    # 60 steps of the demo; 40 of a small GPT
    "train_translator": lambda place: _training("translate", PAIRS, place, recipe="demo", max_steps=60),
    "train_language": lambda place: _training("language", str(_text(place)), place, max_steps=40, **_SMALL_GPT),
    # 24 sentences, beam 4; a text of 100 tokens, one by one; 8 texts of unequal prompts, 60 tokens each
    "beam_decoding": partial(_asked, "translate", lambda model: model.translate(SENTENCES)),
    "one_token_generation": partial(
        _asked, "language", lambda model: model.generate(["The red house"], max_tokens=100)
    ),
    "several_generation": partial(_asked, "language", lambda model: model.generate(_UNEQUAL, max_tokens=60)),
    # 20 watched passes of the default translator over a pair
    "watched_pass": partial(_asked, "translate", lambda model: [model.trace(*PAIR) for _ in range(20)]),
}


# The far end: a process of one checkout -------------------------------------------------------------------------------


def answer() -> None:
    """Answer each line, the name of a kind of work, with its seconds."""
    warnings.simplefilter("ignore")
    ready: dict[str, Timed] = {}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not an answer
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            name = line.strip()
            if name not in ready:
                (place := Path(folder, name)).mkdir()
                ready[name] = _WORK[name](place)
            print(ready[name](), file=out, flush=True)


# The near end ---------------------------------------------------------------------------------------------------------


class Side:
    """A checkout, with a process that works and one that serves the explorer."""

    def __init__(self, name: str, source: Path, model: Path):
        self.name, self._model = name, model
        self._environment = {**os.environ, "PYTHONPATH": str(source)}
        here = f"import sys; sys.path.append({str(ROOT)!r}); from benchmarks.cases.commits import answer; answer()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._worker = subprocess.Popen([sys.executable, "-c", here], env=self._environment, text=True, **pipes)
        self._server: subprocess.Popen[str] | None = None
        self.page: Any = None

    def work(self, kind: str) -> float:
        """Seconds of a kind of work."""
        assert self._worker.stdin is not None and self._worker.stdout is not None
        print(kind, file=self._worker.stdin, flush=True)
        answer = self._worker.stdout.readline()
        if not answer:
            raise SystemExit(f"{kind} failed in {self.name}")
        return float(answer)

    def open(self, browser: Any) -> None:
        """Serve the explorer, and have a page for it."""
        command = "import sys; from clearhead.cli import main; main()"
        self._server = subprocess.Popen(
            [sys.executable, "-c", command, "explore", str(self._model), "--no-browser"],
            env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self._server.stdout is not None
        words = (word for line in self._server.stdout for word in line.split())
        self._address = next(word for word in words if word.startswith("http://"))
        self.page = new_page(browser)

    def first_view(self, turn: int) -> float:
        """Seconds until a text that was not asked before is drawn."""
        self.page.goto("about:blank")
        self.page.goto(self._state(turn, []))
        return float(self.page.evaluate("window.first")) / 1000

    def edit(self, turn: int) -> float:
        """Seconds until a changed weight, and all that follows, is drawn."""
        path = "encoder.blocks.0.self_attention.attention"
        edit = {"path": path, "where": [0, 0, 1, 1], "op": "set", "value": 0.1 + turn / 100, "step": "weights"}
        state = self._state(turn, [edit]).partition("#")[2]
        return float(self.page.evaluate("(hash) => window.changed(hash)", state)) / 1000

    def _state(self, turn: int, edits: list[dict[str, Any]]) -> str:
        texts = {"source": f"The red house is big {'and old ' * (turn % 5)}.", "target": "La casa roja es grande."}
        return f"{self._address}#s={quote(json.dumps({'texts': texts, 'edits': edits}))}"

    def close(self) -> None:
        """End both processes."""
        for process in (self._worker, self._server):
            if process is not None:
                process.kill()
                process.wait()


@contextmanager
def sides(commit: str) -> Iterator[list[Side]]:
    """The other commit and this checkout."""
    with checked_out(commit) as tree, tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "m")
        options = f"out={str(model)!r}, quiet=True, max_steps=2"
        command = f"import clearhead; clearhead.train('translate', {PAIRS!r}, {options})"
        environment = {**os.environ, "PYTHONPATH": str(tree / "src")}  # the older one makes what both open
        subprocess.run([sys.executable, "-c", command], env=environment, check=True, capture_output=True)
        both = [Side(commit, tree / "src", model), Side("here", ROOT / "src", model)]
        try:
            yield both
        finally:
            for side in both:
                side.close()


def measured(kind: str, both: list[Side], rounds: int) -> list[Cell]:
    """A row of the table."""

    def seconds(side: Side, turn: int) -> float:
        return getattr(side, kind)(turn) if kind in _PAGES else side.work(kind)

    rows = [Row(side.name, partial(seconds, side)) for side in both]
    in_turns(rows, rounds, steady=False, own_clock=True)
    before, now = rows
    return [kind.replace("_", " "), 1e3 * before.seconds, 1e3 * now.seconds, ratio(now, before)]


@case("commits", about="this checkout's speed beside another commit's, turn by turn", duration="15 min")
def commits(*, against: str, rounds: int = 7, cases: tuple[Kind, ...] = Kind.__args__) -> Iterator[Table]:
    """Measure each kind of work.

    Args:
        against: a commit, as git names it: HEAD~1, main, a hash.
        cases: kinds of work.
    """
    with sides(against) as both:
        rows = [measured(kind, both, rounds) for kind in cases if kind not in _PAGES]
        if pages := [kind for kind in cases if kind in _PAGES]:
            with launched() as browser:
                for side in both:
                    side.open(browser)
                rows += [measured(kind, both, rounds) for kind in pages]
    columns = {"": "", against: "{:,.1f} ms", "here": "{:,.1f} ms", "as fast": "{:.2f}"}
    yield Table(columns, rows)
