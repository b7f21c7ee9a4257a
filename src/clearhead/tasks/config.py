"""The whole configuration of a run, as data, without torch: TOML file, flags and config.json are this one object.

The names of its sections are disjoint from the names of the commands.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.data.config import ChatDataConfig, ColumnConfig, DataConfig, TextConfig, VocabularyConfig
from clearhead.data.tokenizers import TextTokenizerConfig, TokenizerConfig
from clearhead.errors import ConfigError
from clearhead.models.architecture import (
    DecoderConfig,
    EncoderDecoderConfig,
    LoRAConfig,
    Seq2SeqConfig,
    WordVectorsConfig,
)
from clearhead.ranges import Device, Moments, Seed, Steps
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = [
    "DecoderRunConfig",
    "PairConfig",
    "RunConfig",
    "no_device",
]


class RunConfig(BaseModel):
    """What every run is told; a task adds `task` (its name), `data`, `arch` and what else there is to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    plain_steps: ClassVar[bool] = False  # whether the optimizer sgd is of use

    recipe: str = Field(description="the recipe this began with")
    seed: Seed = Field(0, description="of everything that is drawn: weights, order, dropout")
    max_steps: Steps | None = Field(None, gt=0, description="optimizer steps (default: training.epochs decide)")
    keep_checkpoints: Moments = Field(
        0, description="moments of the run to keep, spread evenly, the first and last too"
    )
    device: Device = Field("auto", description="where it is trained; auto: on an NVIDIA GPU if there is one")
    optimizer: OptimizerConfig = Field(default_factory=lambda: OptimizerConfig(), description="how weights are changed")
    schedule: ScheduleConfig = Field(
        default_factory=lambda: ScheduleConfig(), description="the learning rate over time"
    )
    training: TrainingConfig = Field(default_factory=lambda: TrainingConfig(), description="how long, in which batches")

    @property
    def begins_trained(self) -> bool:
        """Whether the run goes on with the weights of a trained model."""
        return False

    @model_validator(mode="after")
    def _walks(self) -> RunConfig:
        if self.optimizer.kind == "sgd" and not self.plain_steps:
            raise ValueError("optimizer.kind sgd is for word vectors; take muon or adamw")
        return self


class PairConfig(RunConfig):
    """Everything that makes a model on pairs of texts what it is, its data apart."""

    data: DataConfig = Field(default_factory=lambda: DataConfig(), description="which columns, what is left out")
    tokenizer: TokenizerConfig = Field(default_factory=lambda: TokenizerConfig(), description="how text is cut")
    arch: Seq2SeqConfig = Field(default_factory=lambda: EncoderDecoderConfig(), description="the model")

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


class WordsConfig(RunConfig):
    """Everything that makes word vectors what they are, their text apart."""

    plain_steps: ClassVar[bool] = True

    task: Literal["words"] = Field("words", description="the task")
    recipe: str = Field("words", description="the recipe this began with")
    device: Device = Field("cpu", description="where it is trained: for so little arithmetic a GPU is rarely faster")
    negatives: Moments = Field(
        5,
        description="words drawn by chance for each pair (0: the softmax over all words, for small vocabularies)",
    )
    data: ColumnConfig = Field(default_factory=lambda: ColumnConfig(), description="which text of tables")
    vocabulary: VocabularyConfig = Field(default_factory=lambda: VocabularyConfig(), description="which words")
    arch: WordVectorsConfig = Field(default_factory=lambda: WordVectorsConfig(), description="the network")
    optimizer: OptimizerConfig = Field(
        default_factory=lambda: OptimizerConfig(kind="sgd", lr=0.025, clip=0.2, weight_decay=0.0),
        description="how weights are changed",
    )
    schedule: ScheduleConfig = Field(
        default_factory=lambda: ScheduleConfig(warmup=0, decay=1.0), description="the learning rate over time"
    )
    training: TrainingConfig = Field(
        default_factory=lambda: TrainingConfig(
            epochs=5,
            batch_tokens=1024,
            label_smoothing=0.0,
            precision="float32",
            evaluations=10,
            patience=0,
            average=0,
        ),
        description="how long, in which batches",
    )

    @model_validator(mode="after")
    def _is_told_apart(self) -> WordsConfig:
        if self.optimizer.kind == "sgd" and not self.negatives:
            raise ValueError("a softmax over all words (negatives 0) takes optimizer.kind adamw and optimizer.lr 0.01")
        if self.training.label_smoothing and self.negatives:
            raise ValueError("training.label_smoothing smooths a softmax; take negatives 0, or label_smoothing 0")
        return self


class DecoderRunConfig(RunConfig):
    """Everything that makes a decoder-only model what it is, its text apart."""

    base: str | None = Field(
        None,
        min_length=1,
        title="from",
        description="a trained model to begin with: its weights, tokenizer and architecture",
    )
    arch: DecoderConfig = Field(default_factory=lambda: DecoderConfig(dropout=0.0), description="the model")
    optimizer: OptimizerConfig = Field(
        default_factory=lambda: OptimizerConfig(beta2=0.95), description="how weights are changed"
    )
    training: TrainingConfig = Field(
        default_factory=lambda: TrainingConfig(epochs=4, batch_tokens=8192, label_smoothing=0.0, average=0),
        description="how long, in which batches",
    )

    @property
    def begins_trained(self) -> bool:
        """Whether the run goes on with the weights of a trained model."""
        return self.base is not None


class LanguageConfig(DecoderRunConfig):
    """Everything that makes a language model what it is, its text apart."""

    task: Literal["language"] = Field("language", description="the task")
    recipe: str = Field("language", description="the recipe this began with")
    data: TextConfig = Field(default_factory=lambda: TextConfig(), description="which text, what is held out")
    tokenizer: TextTokenizerConfig = Field(
        default_factory=lambda: TextTokenizerConfig(), description="how text is cut into tokens"
    )


class ChatConfig(DecoderRunConfig):
    """Everything that makes a chat model what it is, its conversations and the model it began with apart."""

    task: Literal["chat"] = Field("chat", description="the task")
    recipe: str = Field("chat", description="the recipe this began with")
    data: ChatDataConfig = Field(default_factory=lambda: ChatDataConfig(), description="the template, what is held out")
    lora: LoRAConfig = Field(
        default_factory=lambda: LoRAConfig(), description="small matrices beside the model, trained instead of it"
    )
    arch: DecoderConfig = Field(
        default_factory=lambda: DecoderConfig(dropout=0.1), description="that of the model it begins with; its dropout"
    )

    @model_validator(mode="after")
    def _moves_little(self) -> ChatConfig:
        if self.lora.rank and (self.optimizer.kind != "adamw" or self.optimizer.weight_decay):
            raise ValueError("lora.rank trains small matrices: take optimizer.kind adamw, optimizer.weight_decay 0")
        return self


def no_device(option: str) -> ConfigError | None:
    """The answer to a device ("--device=cuda", "device") where none can be chosen; None if another option is meant."""
    name = option.partition("=")[0]
    if name.lstrip("-") not in ("device", "devices", "cpu", "cuda", "gpu", "mps"):
        return None
    return ConfigError(
        f"there is no option {name} here",
        "leave it out: to train, write or measure there is --device auto, cpu, cuda or mps; all else runs on the CPU",
    )
