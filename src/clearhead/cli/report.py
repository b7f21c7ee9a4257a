"""What commands say when something is done."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clearhead.errors import ClearheadError
from clearhead.folder import Folder
from clearhead.models.bricks import nested
from clearhead.parsing import Json
from clearhead.tasks import find_task
from clearhead.training.log import read_metrics

if TYPE_CHECKING:
    from clearhead.tasks.metrics import Metric

__all__ = ["finished", "loss_picture", "scores", "words_picture"]

_COMMON, _SHOWN = 150, 60  # words of a picture, after those that stand everywhere


def finished(folder: Path) -> None:
    """After a training: what it reached, its loss curve, and what to try next."""
    config = Folder(folder).config()
    results = config["results"]
    numbers = "  ".join(f"{name} {value:.4g}" for name, value in results["validation"].items())
    minutes, seconds = divmod(round(results["seconds"]), 60)

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    say(f"trained {results['steps']} steps in {minutes} min {seconds} s ({results['precision']})")
    say(f"validation, {results['weights']} weights: {numbers}")
    if before := results.get("before"):
        say(f"before: {'  '.join(f'{name} {value:.4g}' for name, value in before.items())}")
    task = find_task(config["task"])
    for name in task.pictures:
        if picture := _PICTURES[name](folder):
            say(f"{'loss curve' if name == 'loss' else name}: {picture}")
    say(f"model: {folder}")
    for words, command in zip(("  try: ", *[" " * 7] * 9), task.tries(str(folder), config), strict=False):
        say(f"{words}{command}")


def loss_picture(folder: Path) -> Path | None:
    """Draw metrics.jsonl as loss.png in the folder; None (and a note) where figures cannot be drawn."""
    from clearhead.figures.canvas import save_figure
    from clearhead.figures.figure import loss_figure

    picture = folder / "loss.png"
    try:
        metrics, extras = read_metrics(Folder(folder)), _only_in_training(Folder(folder).config()["run"])
        save_figure(loss_figure(metrics, title=folder.name, training=extras), picture)
    except ClearheadError as error:
        print(f"note: no loss curve: {error}", file=sys.stderr)
        return None
    return picture


def _only_in_training(run: Json) -> list[str]:
    """What raises the loss of training batches and not that of validation."""
    arch = nested(run["arch"])
    dropped = arch.get("dropout") or arch.get("attention", {}).get("dropout")
    return [*["label smoothing"] * bool(run["training"]["label_smoothing"]), *["dropout"] * bool(dropped)]


def words_picture(folder: Path) -> Path | None:
    """Draw frequent words in a plane, before the training too where that moment was kept."""
    from clearhead.figures.canvas import save_figure
    from clearhead.figures.word_map import words_figure
    from clearhead.tasks.word_model import Words

    of = Folder(folder)
    model, picture = Words.load(of), folder / "words.png"
    first = _COMMON if len(model.words) > _COMMON + _SHOWN else 0
    shown = model.words[first : first + _SHOWN]
    panels = {"after training": model.stacked(shown)}
    if any(moment["step"] == 0 for moment in of.checkpoints()):
        panels = {"before training": model.at_step(0).stacked(shown), **panels}
    try:
        save_figure(words_figure(shown, panels, title=folder.name), picture)
    except ClearheadError as error:
        print(f"note: no picture: {error}", file=sys.stderr)
        return None
    return picture


_PICTURES = {"loss": loss_picture, "words": words_picture}


def scores(found: Mapping[str, Metric]) -> list[str]:
    """One line a metric: its name, value and signature; counts with commas."""
    width = max([21, *(len(name) + 1 for name in found)])
    return [
        f"{name:<{width}}{score.value:>8{'' if score.digits else ','}.{score.digits}f}  {score.signature}".rstrip()
        for name, score in found.items()
    ]
