"""Recipes for chat models."""

from __future__ import annotations

from clearhead.models.architecture import DecoderConfig
from clearhead.tasks.config import ChatConfig
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = ["chat"]


def chat() -> ChatConfig:
    """A language model of one's own taught to answer, on some thousand chats, on a few CPU cores."""
    return ChatConfig(
        arch=DecoderConfig(dropout=0.1),
        optimizer=OptimizerConfig(kind="adamw", lr=1e-3, beta2=0.95, weight_decay=0.0),
        schedule=ScheduleConfig(warmup=50),
        training=TrainingConfig(epochs=2, batch_tokens=4096, label_smoothing=0.0, evaluations=6, average=0),
    )
