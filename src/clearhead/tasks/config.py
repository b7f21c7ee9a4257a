"""The whole configuration of a run, as data, without torch: TOML file, flags and config.json are this one object.

The names of its sections are disjoint from the names of the commands.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.data.config import DataConfig
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.models.architecture import EncoderDecoderConfig, Seq2SeqConfig
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = ["PairConfig", "SummarizeConfig", "TranslateConfig"]


class PairConfig(BaseModel):
    """Everything that makes a model on pairs of texts what it is, its data apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(description="the recipe this began with")
    seed: int = Field(0, description="of everything that is drawn: weights, order, dropout")
    max_steps: int | None = Field(None, gt=0, description="optimizer steps (default: training.epochs decide)")
    keep_checkpoints: int = Field(
        0, ge=0, description="moments of the run to keep, spread evenly, the first and last too"
    )
    data: DataConfig = Field(default_factory=lambda: DataConfig(), description="which columns, what is left out")
    tokenizer: TokenizerConfig = Field(default_factory=lambda: TokenizerConfig(), description="how text is cut")
    arch: Seq2SeqConfig = Field(default_factory=lambda: EncoderDecoderConfig(), description="the model")
    optimizer: OptimizerConfig = Field(default_factory=lambda: OptimizerConfig(), description="how weights are changed")
    schedule: ScheduleConfig = Field(
        default_factory=lambda: ScheduleConfig(), description="the learning rate over time"
    )
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig(), description="how long, in which batches")

    @model_validator(mode="after")
    def _shares(self) -> PairConfig:
        if self.tokenizer.vocabularies == "separate" and self.arch.tied == "all":
            raise ValueError(
                "separate vocabularies (tokenizer.vocabularies) cannot share one matrix (arch.tied all); "
                "take arch.tied target or none"
            )
        return self


class TranslateConfig(PairConfig):
    """Everything that makes a translator what it is."""

    task: Literal["translate"] = Field("translate", description="the task")
    recipe: str = Field("translator", description="the recipe this began with")


class SummarizeConfig(PairConfig):
    """Everything that makes a summarizer what it is: texts are longer than sentences."""

    task: Literal["summarize"] = Field("summarize", description="the task")
    recipe: str = Field("summarizer", description="the recipe this began with")
    data: DataConfig = Field(
        default_factory=lambda: DataConfig(max_chars=20_000), description="which columns, what is left out"
    )
    arch: Seq2SeqConfig = Field(default_factory=lambda: EncoderDecoderConfig(max_len=512), description="the model")
