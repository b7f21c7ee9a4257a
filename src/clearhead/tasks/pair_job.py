"""The pair objective: given a source, predict the target token by token; the job of every task on sentence pairs.

loss = - sum_t log p(y_t | y_<t, x), smoothed over the vocabulary in training   (Szegedy et al., 2016)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.batches import PairBatch, PairSet
from clearhead.data.tokenizers import PAD
from clearhead.models.encoder_decoder import EncoderDecoder

__all__ = ["PairJob"]


class PairJob:
    """What the training loop asks of a pair task; see `clearhead.training.loop.Job`."""

    def __init__(
        self,
        module: EncoderDecoder,
        train: PairSet,
        valid: PairSet,
        *,
        seed: int,
        batch_tokens: int,
        label_smoothing: float,
    ):
        self.module = module
        self._train, self._valid = train, valid
        self._seed, self._budget, self._smoothing = seed, batch_tokens, label_smoothing

    def epoch(self, epoch: int) -> Sequence[np.ndarray]:
        """The batches of an epoch, as row numbers."""
        return self._train.epoch(self._seed, epoch, self._budget)

    def batch(self, key: np.ndarray) -> PairBatch:
        """The tensors of a batch."""
        return self._train.batch(key)

    def loss(self, module: EncoderDecoder, batch: PairBatch) -> tuple[Tensor, int]:
        """(sum of the smoothed losses in nats, predictions)."""
        x, labels = _predictions(module, batch)
        # Without ever holding the logits of all tokens: half the time at a vocabulary of 8,000.
        loss = F.linear_cross_entropy(x, module.head.weight, labels, label_smoothing=self._smoothing, reduction="sum")
        return loss, len(labels)

    @torch.inference_mode()
    def validate(self, module: EncoderDecoder) -> dict[str, float]:
        """ "loss" (nats per token, without smoothing) and "accuracy" (per cent of tokens) on the validation part."""
        loss = hits = count = 0.0
        for key in self._valid.in_order(self._budget):
            x, labels = _predictions(module, self._valid.batch(key))
            logits = module.logits(x).float()
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            hits += (logits.argmax(-1) == labels).sum().item()
            count += len(labels)
        return {"loss": loss / count, "accuracy": 100.0 * hits / count}


def _predictions(module: EncoderDecoder, batch: PairBatch) -> tuple[Tensor, Tensor]:
    """(the decoder's outputs, labels) of the real tokens only: padding costs nothing over the vocabulary."""
    x = module.decode(batch.tgt, module.encode(batch.src, batch.lengths))
    real = batch.labels != PAD
    return x[real], batch.labels[real]
