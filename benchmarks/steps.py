"""Whole training steps: the very step of clearhead's loop, and a peer's made as well as it can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.data.batches import PairSet
from clearhead.data.windows import TextBatch
from clearhead.folder import Folder
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.tasks.pair_training import PairJob
from clearhead.tasks.texts import text_loss
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from clearhead.training.job import Plan
from clearhead.training.loop import Loop
from clearhead.training.precision import MasterWeights
from clearhead.training.run import begin

LENGTH = 256  # tokens of a random text


class RandomText:
    """Batches of random tokens, as the loop asks for them."""

    varies = False

    def __init__(self, module: Decoder, rows: int, vocab: int):
        self.module, self._rows, self._vocab = module, rows, vocab

    def epoch(self, epoch: int) -> list[int]:
        return list(range(1000))

    def batch(self, key: Any) -> TextBatch:
        ids = key if isinstance(key, Tensor) else torch.randint(4, self._vocab, (self._rows, LENGTH + 1))
        return TextBatch(ids[:, :-1], ids[:, 1:])

    def loss(self, module: Decoder, batch: TextBatch) -> tuple[Tensor, int]:
        return text_loss(module, batch)

    def held_out(self) -> list[TextBatch]:
        return []

    def measure(self, module: Decoder, batch: TextBatch) -> dict[str, float]:
        raise NotImplementedError("nothing is held out")

    def summary(self, sums: Any) -> dict[str, float]:
        return {"loss": 0.0}

    def floors(self) -> dict[str, float]:
        return {}

    def sample(self, module: Decoder) -> str:
        return ""

    def order(self) -> str:
        return "random"


def pair_job(module: EncoderDecoder, pairs: PairSet, batch_tokens: int, smoothing: float) -> PairJob:
    """A translator's training on pairs, without evaluations that take time."""
    job = PairJob(module, pairs, pairs, seed=0, batch_tokens=batch_tokens, label_smoothing=smoothing)
    job.held_out, job.summary = list, lambda sums: {"loss": 1.0}
    return job


class TimedLoop(Loop):
    """The loop's own run, which also knows how long its optimizers took."""

    updating = 0.0

    def _update(self) -> None:
        start = time.perf_counter()
        super()._update()
        self.updating += time.perf_counter() - start


def loop(
    job: Any,
    place: Path,
    *,
    optimizer: OptimizerConfig,
    training: TrainingConfig,
    schedule: ScheduleConfig = ScheduleConfig(),  # noqa: B008 (frozen)
) -> TimedLoop:
    """A training that has begun, as `clearhead train` begins it: `step([key])` takes its very step."""
    run = TimedLoop(job, Plan(0, 10**6, 0, optimizer, schedule, training), Folder(place), quiet=True)
    begin(run, resume=False)
    return run


def adamw(module: nn.Module, lr: float, *, beta2: float = 0.99, weight_decay: float = 0.1) -> torch.optim.AdamW:
    """Matrices decayed, vectors not; fused."""
    groups = [
        {"params": [w for w in module.parameters() if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in module.parameters() if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), fused=True)


def peer_step(
    weights: MasterWeights, optimizer: torch.optim.Optimizer, loss: Callable[..., Tensor], *, autocast: bool = False
) -> Callable[..., None]:
    """A peer's whole step: the loss of what is given, backward, gradients clipped to 1, the optimizer.

    bfloat16 weights over float32 masters are clearhead's `MasterWeights`, lent to the peer.
    """

    def step(*given: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = loss(*given)
        value.backward()
        value.item()
        weights.gather()
        nn.utils.clip_grad_norm_(weights.master.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        weights.publish()

    return step
