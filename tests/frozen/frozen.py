"""Ten model folders of the first edition, and what they write: whatever is rebuilt, these numbers stay.

    .venv/bin/python tests/frozen/frozen.py --make       # once, by the first commit: the folders, and expected.json
    .venv/bin/python tests/frozen/frozen.py OUT.json     # what the folders give now (see the benchmark `frozen`)

Tiny models of every task and family, LoRA and checkpoints; three are trainings that were stopped, one writes texts of
several lengths in one batch. Everything runs in float32 on one thread, through the public face alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: bits depend on it

import numpy as np

import clearhead

HERE = Path(__file__).parent
FOLDERS, EXPECTED = HERE / "folders", HERE / "expected.json"
TEXT, CHATS, ARTICLES = HERE / "text.txt", HERE / "chats.jsonl", HERE / "articles.tsv"
PAIRS = "sample:english-spanish/train:150"
ENGLISH = ["The red house is big.", "A dog sees the small cats.", "The women do not eat."]
PROMPTS = ["The red", "A dog sees the", "the small cats do not eat the big red"]
STOPPED = ("translate-stopped", "language-stopped", "chat-stopped")

_PROGRAM = [sys.executable, "-c", "from clearhead.cli import main; main()"]  # of the clearhead that is imported here
_TINY = "--arch.d-model 16 --arch.heads 2 --arch.layers 2 --arch.max-len 64 --seed 3 --training.precision float32"
_PAIRS = f"{_TINY} --arch.d-ff 24 --max-steps STEPS --training.batch-tokens 256 --tokenizer.vocab-size 300"
_TEXT = f"{_TINY} --arch.d-ff 24 --max-steps STEPS --training.batch-tokens 256 --tokenizer.vocab-size 300"
_CHAT = "--from FOLDERS/language --max-steps STEPS --training.batch-tokens 256 --seed 3 --training.precision float32"
RUNS = {
    "translate": f"translate {PAIRS} {_PAIRS} --keep-checkpoints 3",
    "translate-lstm": f"translate {PAIRS} --arch.family lstm --arch.attention bahdanau --arch.d-model 16"
    " --max-steps STEPS --training.precision float32 --training.batch-tokens 256 --tokenizer.vocab-size 300",
    "summarize": f"summarize {ARTICLES} {_PAIRS} --arch.positions relative --arch.kv-heads 1 --arch.norm rms",
    "language": f"language {TEXT} {_TEXT} --arch.window 8",
    "language-gpt2": f"language {TEXT} {_TEXT} --arch.preset gpt2",
    "chat-lora": f"chat {CHATS} {_CHAT} --lora.rank 2",
    "words": f"words {TEXT} --arch.d-model 8 --vocabulary.min-count 2 --training.epochs 2 --seed 3",
    "translate-stopped": f"translate {PAIRS} {_PAIRS} --arch.positions rotary",
    "language-stopped": f"language {TEXT} {_TEXT} --arch.positions alibi",
    "chat-stopped": f"chat {CHATS} {_CHAT}",
}


def make() -> None:
    """Train the folders, stop three of them on the way, and write down what they give."""
    for name, words in RUNS.items():
        shutil.rmtree(FOLDERS / name, ignore_errors=True)
        command = _train(words.replace("STEPS", "120" if name in STOPPED else "40"), FOLDERS / name)
        if name not in STOPPED:
            subprocess.run(command, check=True, cwd=HERE)
            if name != "translate":  # one has all that a finished training leaves, checkpoints too
                shutil.rmtree(FOLDERS / name / "training")
            continue
        running = subprocess.Popen(command, cwd=HERE)
        while not _steps(FOLDERS / name) and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 143, "it ended before it was stopped"
    EXPECTED.write_text(json.dumps(outputs(), indent=1) + "\n", encoding="utf-8")


def _train(words: str, out: Path) -> list[str]:
    words = words.replace("FOLDERS", str(FOLDERS)).replace(f"{HERE}/", "")  # saved names of files are of no machine
    return [*_PROGRAM, "train", *words.split(), "--out", os.path.relpath(out, HERE)]


def _steps(folder: Path) -> int:
    """How many steps a training has reported."""
    file = folder / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return sum('"train"' in line for line in lines if line.endswith("}"))


def outputs() -> dict[str, Any]:
    """What each folder gives: texts as they are, numbers by their sum and a digest of their bytes."""
    return {name: (resumed if name in STOPPED else opened)(name) for name in RUNS}


def opened(name: str) -> dict[str, Any]:
    """What one of them gives that is done."""
    return _KINDS[name](FOLDERS / name)


def _translator(folder: Path) -> dict[str, Any]:
    model = clearhead.load(folder)
    trace = model.trace(ENGLISH[0])
    return {"texts": model.translate(ENGLISH, beam=3), "logits": _numbers(trace["logits"])}


def _summarizer(folder: Path) -> dict[str, Any]:
    model = clearhead.load(folder)
    texts = [line.split("\t")[0] for line in ARTICLES.read_text(encoding="utf-8").splitlines()[:3]]
    return {"texts": model.summarize(texts), "logits": _numbers(model.trace(texts[0])["logits"])}


def _language(folder: Path) -> dict[str, Any]:
    model = clearhead.load(folder)
    drawn = model.generate(PROMPTS, max_tokens=12, seed=5)  # of unequal lengths: padded in front
    beams = model.generate(PROMPTS, max_tokens=8, beam=3)
    return {"drawn": drawn, "beams": beams, "logits": _numbers(model.trace(PROMPTS[2])["logits"])}


def _chat(folder: Path) -> dict[str, Any]:
    model = clearhead.load(folder)
    asked = [[{"role": "user", "content": text}] for text in ENGLISH]
    return {
        "texts": model.chat(asked, max_tokens=12, seed=5),
        "logits": _numbers(model.trace(ENGLISH[0])["logits"]),
    }


def _words(folder: Path) -> dict[str, Any]:
    model = clearhead.load(folder)
    near = [[n.word for n in found] for found in model.nearest(["the", "red"], n=4)]
    return {"nearest": near, "vectors": _numbers(model.vectors)}


def resumed(name: str) -> dict[str, Any]:
    """The losses and weights of a copy of one that was stopped, trained to its end."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, name)
        shutil.copytree(FOLDERS / name, copy)
        task, *_ = RUNS[name].split()
        command = [*_PROGRAM, "train", task, "--out", str(copy), "--resume"]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (copy / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        losses = [line["loss"] for line in lines if line["kind"] == "train"]
        weights = clearhead.load(copy).module.state_dict()
        return {"losses": losses, **{name: _numbers(weights[name]) for name in sorted(weights)[:4]}}


_KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "translate": _translator,
    "translate-lstm": _translator,
    "summarize": _summarizer,
    "language": _language,
    "language-gpt2": _language,
    "chat-lora": _chat,
    "words": _words,
}


def _numbers(x: Any) -> dict[str, Any]:
    array = np.ascontiguousarray(x.detach().float().numpy())
    size = float(np.abs(array.astype(np.float64)).sum())
    return {"shape": list(array.shape), "size": size, "sha256": hashlib.sha256(array.tobytes()).hexdigest()}


if __name__ == "__main__":
    if sys.argv[1:] == ["--make"]:
        make()
    else:
        Path(sys.argv[1]).write_text(json.dumps(outputs(), indent=1) + "\n", encoding="utf-8")
