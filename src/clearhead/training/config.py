"""How a model is trained, as data, without torch: sections of a TOML file, flags, and a part of config.json."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearhead.ranges import Count, Counted, Factor, Moments, Part, Rate, Share, Steps

__all__ = ["OptimizerConfig", "ScheduleConfig", "TrainingConfig"]


class OptimizerConfig(BaseModel):
    """Which optimizer, and how fast it walks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["muon", "adamw", "sgd"] = Field(
        "muon",
        description="muon: matrices inside the blocks by Muon, all else by AdamW; adamw: everything by AdamW; "
        "sgd: plain steps, for word vectors, whose lr is then that of one prediction",
    )
    lr: Rate = Field(5e-3, description="peak learning rate of AdamW")
    muon_lr: Rate = Field(3e-3, description="peak learning rate of Muon, scaled to AdamW's size of step")
    weight_decay: Factor = Field(0.01, description="decoupled decay of matrices (never of norms and biases)")
    beta1: Share = Field(0.9, description="AdamW's memory of gradients")
    beta2: Share = Field(0.98, description="AdamW's memory of their squares")
    momentum: Share = Field(0.95, description="Muon's memory of gradients")
    clip: Factor = Field(1.0, description="largest norm of a gradient (0 = no limit)")


class ScheduleConfig(BaseModel):
    """How the learning rate changes over the run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["wsd", "cosine", "inverse-sqrt"] = Field(
        "wsd", description="warm-up, stable, linear decay; cosine; or inverse square root"
    )
    warmup: Steps = Field(200, description="steps of linear warm-up, at most a quarter of the run")
    decay: Part = Field(0.6, description="share of the steps after the warm-up in which it decays (wsd)")


class TrainingConfig(BaseModel):
    """How long, in which batches, how it is judged and what is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Rate = Field(10, description="passes over the data, unless --max-steps says otherwise")
    batch_tokens: Count = Field(
        4096, ge=16, le=2**24, description="padded tokens of a batch, source and target together"
    )
    accumulate: Count = Field(1, description="batches a step")
    label_smoothing: Share = Field(0.1, description="share of the target spread over all tokens")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of the passes; auto: the faster one, measured once"
    )
    compile: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="compile the blocks; auto: if batches are alike, the run is long and that is faster, measured once",
    )
    evaluations: Moments = Field(20, ge=1, description="how often the validation part is looked at")
    patience: Counted = Field(6, description="evaluations without a better loss before stopping (0 = never stop)")
    average: Moments = Field(5, description="average the weights of the last evaluations if that is better (0 = no)")
    checkpointing: bool = Field(
        False, description="compute activations a second time in the backward pass instead of keeping them all"
    )
    save_seconds: Rate = Field(30, description="seconds between saved states")
    tensorboard: bool = Field(False, description="draw metrics.jsonl for TensorBoard too, in FOLDER/tensorboard")
