"""How a model is trained, as data, without torch: sections of a TOML file, flags, and a part of config.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["OptimizerConfig", "ScheduleConfig", "TrainingConfig"]


class OptimizerConfig(BaseModel):
    """Which optimizer, and how fast it walks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["muon", "adamw", "sgd"] = Field(
        "muon",
        description="muon: matrices inside the blocks by Muon, all else by AdamW; adamw: everything by AdamW; "
        "sgd: plain steps, for word vectors, whose lr is then that of one prediction",
    )
    lr: float = Field(5e-3, gt=0, description="peak learning rate of AdamW")
    muon_lr: float = Field(3e-3, gt=0, description="peak learning rate of Muon, scaled to AdamW's size of step")
    weight_decay: float = Field(0.01, ge=0, description="decoupled decay of matrices (never of norms and biases)")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's memory of gradients")
    beta2: float = Field(0.98, ge=0, lt=1, description="AdamW's memory of their squares")
    momentum: float = Field(0.95, ge=0, lt=1, description="Muon's memory of gradients")
    clip: float = Field(1.0, ge=0, description="largest norm of a gradient (0 = no limit)")


class ScheduleConfig(BaseModel):
    """How the learning rate changes over the run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["wsd", "cosine", "inverse-sqrt"] = Field(
        "wsd", description="warm-up, stable, linear decay; cosine; or inverse square root"
    )
    warmup: int = Field(200, ge=0, description="steps of linear warm-up, at most a quarter of the run")
    decay: float = Field(0.6, ge=0, le=1, description="share of the steps after the warm-up in which it decays (wsd)")


class TrainingConfig(BaseModel):
    """How long, in which batches, how it is judged and what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: float = Field(10, gt=0, description="passes over the data, unless --max-steps says otherwise")
    batch_tokens: int = Field(4096, ge=16, description="padded tokens of a batch, source and target together")
    accumulate: int = Field(1, ge=1, description="batches a step")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of the target spread over all tokens")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of the passes; auto: the faster one, measured once"
    )
    compile: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="compile the blocks; auto: if batches are alike, the run is long and that is faster, measured once",
    )
    evaluations: int = Field(20, ge=1, description="how often the validation part is looked at")
    patience: int = Field(6, ge=0, description="evaluations without a better loss before stopping (0 = never stop)")
    average: int = Field(5, ge=0, description="average the weights of the last evaluations if that is better (0 = no)")
    checkpointing: bool = Field(
        False, description="compute activations a second time in the backward pass instead of keeping them all"
    )
    save_seconds: float = Field(30, gt=0, description="seconds between saved states")
    tensorboard: bool = Field(False, description="draw metrics.jsonl for TensorBoard too, in FOLDER/tensorboard")
