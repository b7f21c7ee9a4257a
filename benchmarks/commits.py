"""This checkout's speed beside that of another commit, turn by turn in one run.

    .venv/bin/python benchmarks/commits.py COMMIT [--rounds 7] [--cases NAME ...]

Bar: each case at least 0.97 times as fast as before (medians of the rounds). Both sides are driven through the public
face alone (`train`, `load`, the models' verbs, `explore`), each in a process of its own that stays open, so that
whatever is rebuilt inside can be measured against what it was. Models are small or barely trained: only time counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from _rounds import machine, table

ROOT = Path(__file__).parent.parent
PAIRS = "sample:english-spanish/train:3000"
SENTENCES = ["The red house is big.", "A dog sees the small cats.", "The women do not eat the bread."] * 8
Case = Callable[[], float]


# What is measured: each makes, in a folder of its own, what works once and returns seconds ----------------------------


def train_translator(place: Path) -> Case:
    """60 steps of the demo."""
    return _training("translate", [PAIRS], place, recipe="demo", max_steps=60)


def train_language(place: Path) -> Case:
    """40 steps of a small GPT."""
    arch = {"d_model": 128, "d_ff": 512, "heads": 4, "layers": 4, "max_len": 128}
    training = {"batch_tokens": 2048, "precision": "float32", "compile": "no", "evaluations": 1}
    tokenizer = {"kind": "character", "min_count": 1}
    file = _text(place)
    return _training("language", [str(file)], place, arch=arch, training=training, tokenizer=tokenizer, max_steps=40)


def beam_decoding(place: Path) -> Case:
    """24 sentences, beam 4, by the default translator."""
    model = _model("translate", [PAIRS], place)
    return _timed(lambda: model.translate(SENTENCES))


def one_token_generation(place: Path) -> Case:
    """A text of 100 tokens, one by one, by the default language model."""
    model = _model("language", [str(_text(place))], place)
    return _timed(lambda: model.generate(["The red house"], max_tokens=100))


def several_generation(place: Path) -> Case:
    """8 texts of unequal prompts, 60 tokens each."""
    model = _model("language", [str(_text(place))], place)
    prompts = [" ".join(SENTENCES[: 1 + i]) for i in range(8)]
    return _timed(lambda: model.generate(prompts, max_tokens=60))


def watched_pass(place: Path) -> Case:
    """20 watched passes of the default translator over a pair."""
    model = _model("translate", [PAIRS], place)
    return _timed(lambda: [model.trace(SENTENCES[0], "La casa roja es grande.") for _ in range(20)])


CASES: dict[str, Callable[[Path], Case]] = {
    case.__name__: case
    for case in (
        train_translator,
        train_language,
        beam_decoding,
        one_token_generation,
        several_generation,
        watched_pass,
    )
}
PAGES = ("first_view", "edit")  # in a browser


def _training(task: str, files: list[str], place: Path, **options: Any) -> Case:
    import clearhead

    def work() -> float:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            clearhead.train(task, files, out=f"{folder}/m", quiet=True, **options)
            lines = Path(folder, "m/metrics.jsonl").read_text(encoding="utf-8").splitlines()
            trained = [line for line in map(json.loads, lines) if line["kind"] == "train"]
            return float(trained[-1]["seconds"] - trained[0]["seconds"])

    return work


def _timed(work: Callable[[], object]) -> Case:
    def timed() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return timed


def _model(task: str, files: list[str], place: Path) -> Any:
    import clearhead

    training = {"precision": "float32", "evaluations": 1} | ({"compile": "no"} if task == "language" else {})
    clearhead.train(task, files, out=place / "m", quiet=True, max_steps=2, training=training)
    return clearhead.load(place / "m")


def _text(place: Path) -> Path:
    file = place / "text.txt"
    file.write_text("\n".join(f"{i} {' '.join(SENTENCES)}" for i in range(200)), encoding="utf-8")
    return file


# The far end: a process of one checkout -------------------------------------------------------------------------------


def work() -> None:
    """Answer each line, the name of a case, with its seconds."""
    import warnings

    warnings.simplefilter("ignore")
    ready: dict[str, Case] = {}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            name = line.strip()
            if name not in ready:
                (place := Path(folder, name)).mkdir()
                ready[name] = CASES[name](place)
            print(ready[name](), file=out, flush=True)


# The near end ---------------------------------------------------------------------------------------------------------


class Side:
    """A checkout, with a process that works and one that serves the explorer."""

    def __init__(self, name: str, source: Path, model: Path):
        self.name, self._model = name, model
        self._environment = {**os.environ, "PYTHONPATH": str(source)}
        here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import commits; commits.work()"
        self._worker = subprocess.Popen(
            [sys.executable, "-c", here],
            env=self._environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._server: subprocess.Popen[str] | None = None
        self.page: Any = None

    def __call__(self, case: str) -> float:
        """Seconds of a case."""
        assert self._worker.stdin is not None and self._worker.stdout is not None
        print(case, file=self._worker.stdin, flush=True)
        answer = self._worker.stdout.readline()
        if not answer:
            raise SystemExit(f"{case} failed in {self.name}")
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
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.page.add_init_script(_CLOCK)

    def view(self, turn: int) -> float:
        """Seconds until a text that was not asked before is drawn."""
        self.page.goto("about:blank")
        self.page.goto(self._state(turn, []))
        return float(self.page.evaluate("window.drawn(0)")) / 1000

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


_CLOCK = """
window.drawn = (before) => new Promise((resolve) => {
  const look = () => {
    const drawn = document.querySelector("[data-drawn]");
    if (!drawn || +drawn.dataset.drawn <= before) return;
    watching.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
  };
  const watching = new MutationObserver(look);
  watching.observe(document, { subtree: true, childList: true, attributes: true });
  look();
});
window.changed = (hash) => {
  const start = performance.now(), before = +document.querySelector("[data-drawn]").dataset.drawn;
  location.hash = hash;
  return window.drawn(before).then((end) => end - start);
};
"""


@contextmanager
def sides(commit: str) -> Iterator[list[Side]]:
    """The other commit and this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        tree, model = Path(folder, "tree"), Path(folder, "m")
        subprocess.run(["git", "worktree", "add", "--detach", tree, commit], cwd=ROOT, check=True, capture_output=True)
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
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True, capture_output=True)


def measured(case: str, both: Sequence[Side], rounds: int) -> list[str]:
    """A row of the table."""
    times: list[list[float]] = [[] for _ in both]
    for turn in range(-1, rounds):  # once unmeasured
        for i in range(len(both)):
            number = (i + turn) % len(both)
            side = both[number]
            seconds = {"first_view": side.view, "edit": side.edit}[case](turn) if case in PAGES else side(case)
            if turn >= 0:
                times[number].append(seconds)
    before, now = (statistics.median(each) for each in times)
    ratios = [one / other for one, other in zip(*times, strict=True)]
    told = f"{before / now:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [case.replace("_", " "), f"{before * 1e3:,.1f}", f"{now * 1e3:,.1f}", told]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="as git names it: HEAD~1, main, a hash")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", nargs="+", choices=[*CASES, *PAGES], default=[*CASES, *PAGES])
    options = parser.parse_args()
    print(machine())
    with sides(options.commit) as both:
        rows = [measured(case, both, options.rounds) for case in options.cases if case in CASES]
        if pages := [case for case in options.cases if case in PAGES]:
            from playwright.sync_api import sync_playwright

            path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                for side in both:
                    side.open(browser)
                rows += [measured(case, both, options.rounds) for case in pages]
                browser.close()
    table(["", f"{options.commit} (ms)", "here (ms)", "as fast"], rows)


if __name__ == "__main__":
    main()
