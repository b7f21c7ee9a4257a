"""Is this curve normal? What a loss says in plain words: before the first step, at each evaluation, when a step fails.

    floors         what models reach that know less than this one should (`clearhead.data.floors`)
    over-fitting   the validation loss rises from its best on while the training loss goes on falling   (Prechelt, 1998)
    a lost step    its loss or gradient is not a finite number, or the loss is beyond what any model would have:
                   it changes nothing, and too many of them end the run

All that these judgements remember is one value, `Health`, a part of the saved state: a resumed run says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from clearhead.errors import ConfigError

__all__ = ["Health", "expectations", "passed"]

_FAR = 0.5  # nats; even scores with a spread of 1 cost as much
_BEYOND = 100.0  # nats; and ten times the untrained loss: no model that learns gets there
_RISE = 0.005  # of the best validation loss; less is noise
_IN_A_ROW, _WINDOW, _IN_WINDOW = 10, 200, 10
_LOST = {
    "loss": "loss is not a finite number",
    "gradient": "gradient is not a finite number",
    "explosion": "loss is far above that of an untrained model",
}
_LOWER = "train again with a lower --optimizer.lr and --optimizer.muon-lr"
_MEANING = {
    "uniform": "it has begun to learn",
    "unigram": "it knows more than how common each token is",
    "bigram": "it uses more than the last word",
}


def expectations(untrained: float, floors: Mapping[str, float], *, trained: bool = False) -> list[str]:
    """What to expect, said before the first step.

    Args:
        untrained: validation loss before the first step, nats a token.
        floors: as `clearhead.data.floors.floors` gives them, the plainest first; {} where there are none.
        trained: the model was trained before, on whatever text.
    """
    name = "before this training" if trained else "untrained"
    if "uniform" not in floors:
        return [f"{name}: loss {untrained:.2f}"]
    even = floors["uniform"]
    start = "" if trained else f" ({_start(untrained - even)})"
    lines = [f"{name}: {untrained:.2f} nats a token against ln V = {even:.2f}{start}"]
    if others := [f"{name} {floor:.2f}" for name, floor in floors.items() if name != "uniform"]:
        lines.append(f"floors of this data, in nats a token: {', '.join(others)}; a model that reads must get below")
    return lines


def _start(above: float) -> str:
    """What it means that an untrained loss lies so far above ln V."""
    if above > _FAR:
        return (
            "above: it favours some tokens for no reason yet; usual where input and output share a matrix, "
            "as a token read scores itself high; else the first weights are too large"
        )
    if above < -_FAR:
        return "below: these weights were trained before, or the answer stands in the input"
    return "as it should be: no token is favoured yet"


def passed(floors: Mapping[str, float], before: float, loss: float) -> str:
    """What it means that the best loss went from `before` to `loss`: the last floor it passed, in words, or ""."""
    found, lowest = "", math.inf
    for name, floor in floors.items():
        lowest = min(lowest, floor)
        if loss < lowest <= before:
            meaning = f": {_MEANING[name]}" if name in _MEANING else ""
            found = f"below the {name} floor ({floor:.2f}){meaning}"
    return found


def overfits(valid: list[float], train: list[float]) -> bool:
    """Whether the losses of the evaluations from the best one on, and of the training before each, part company.

    Two evaluations or more after the best, the first and the last of them above it and rising, by half a per cent in
    all; the training loss falling at the same three points. Levels are never compared, so smoothing and dropout, which
    only the training loss has, do not matter.
    """
    if len(valid) < 3:
        return False
    rising = valid[0] < valid[1] < valid[-1] and valid[-1] - valid[0] > _RISE * abs(valid[0])
    return rising and train[0] > train[1] > train[-1]


@dataclass
class Health:
    """What was seen so far.

    `valid` and `train` are the losses of the evaluations from the best one on and of the training before each;
    `loss` and `count` sum up the training since the last one. `told` is the best step after which over-fitting was
    told. `skipped` are the steps skipped among the last 200, `skips` how many there ever were. `untrained` is the
    validation loss before the first step.
    """

    floors: dict[str, float] = field(default_factory=dict)
    loss: float = 0.0
    count: int = 0
    valid: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    told: int = -1
    skipped: list[int] = field(default_factory=list)
    skips: int = 0
    untrained: float = 0.0

    def is_sane(self, loss: float) -> bool:
        """Whether a model that learns may have this loss, in nats a prediction."""
        return math.isfinite(loss) and loss <= max(_BEYOND, 10 * self.untrained)

    def trained(self, loss: float, count: int) -> None:
        """After a step: the sum of its losses and how many predictions they are of."""
        self.loss, self.count = self.loss + loss, self.count + count

    def evaluated(self, loss: float, step: int, best_step: int) -> dict[str, object]:
        """After an evaluation: {"remark": ..., "since": best_step} of what goes wrong, once for a best step, or {}."""
        if not self.is_sane(loss):
            return self._diverged(loss, best_step)
        if step == best_step:
            self.valid, self.train = [], []
        if step == best_step or self.valid:
            self.valid.append(loss)
            self.train.append(self.loss / self.count if self.count else math.nan)
        self.loss, self.count = 0.0, 0
        if self.told == best_step or not overfits(self.valid, self.train):
            return {}
        self.told = best_step
        remark = (
            f"over-fitting since step {best_step}: the validation loss rose from {self.valid[0]:.3f} to {loss:.3f} "
            f"while the training loss fell from {self.train[0]:.3f} to {self.train[-1]:.3f}; the weights of step "
            f"{best_step} are kept; more data, more dropout or a smaller model would help"
        )
        return {"remark": remark, "since": best_step}

    def _diverged(self, loss: float, best_step: int) -> dict[str, object]:
        if self.told == best_step:
            return {}
        self.told = best_step
        remark = (
            f"the training has diverged: the validation loss is {loss:.3g} nats, before the first step it was "
            f"{self.untrained:.3g}; {_LOWER}"
        )
        return {"remark": remark, "since": best_step}

    def lost(self, step: int, what: str) -> dict[str, object]:
        """After a step that was lost by `what` (see `_LOST`): {"remark": ..., "skipped": count} or {}.

        Told at the first and then at every power of two.

        Raises:
            ConfigError: ten steps in a row, or more than ten (5 %) of the last 200.
        """
        self.skipped = [*(s for s in self.skipped if s > step - _WINDOW), step]
        self.skips += 1
        row = next((i for i, s in enumerate(reversed(self.skipped)) if s != step - i), len(self.skipped))
        if row >= _IN_A_ROW:
            raise _hopeless(f"{row} steps in a row", self.skipped[-row], what)
        if len(self.skipped) > _IN_WINDOW:
            raise _hopeless(f"{len(self.skipped)} of the last {_WINDOW} steps", self.skipped[0], what)
        if self.skips & (self.skips - 1):
            return {}
        so_far = "" if self.skips == 1 else f"; {self.skips} steps so far"
        remark = f"step {step} skipped: its {_LOST[what]}; no weight was changed{so_far}"
        return {"remark": remark, "skipped": self.skips}


def _hopeless(steps: str, began: int, what: str) -> ConfigError:
    return ConfigError(
        f"{steps}, from step {began} on, had to be skipped: the {_LOST[what]}; "
        "the best model so far and the last good state are kept",
        f"{_LOWER}, or with --training.precision float32; "
        f"if it happens near step {began} whatever the rate, look for broken rows in the data",
    )
