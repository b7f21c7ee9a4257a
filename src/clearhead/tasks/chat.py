"""Chat: a language model is taught to answer, on conversations. Perplexity of the assistant"s tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig
from clearhead.parsing import Json
from clearhead.tasks.config import ChatConfig
from clearhead.tasks.task import Model, Parts, Task, TrainingRequest
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

if TYPE_CHECKING:
    from clearhead.exchange.opening import Opened
    from clearhead.models.decoder import Decoder


__all__ = ["TASK"]


def chat() -> ChatConfig:
    """A language model of one's own taught to answer, on some thousand chats, on a few CPU cores."""
    return ChatConfig(
        arch=DecoderConfig(dropout=0.1),
        optimizer=OptimizerConfig(kind="adamw", lr=1e-3, beta2=0.95, weight_decay=0.0),
        schedule=ScheduleConfig(warmup=50),
        training=TrainingConfig(epochs=2, batch_tokens=4096, label_smoothing=0.0, evaluations=6, average=0),
    )


def _read(asked: TrainingRequest[ChatConfig]) -> Parts[ChatConfig, Decoder]:
    from clearhead.tasks.chat_training import ChatParts

    return ChatParts(asked)


def _open(folder: Folder) -> Model:
    from clearhead.tasks.chat_model import ChatModel

    return ChatModel.load(folder)


def _preview(asked: TrainingRequest[ChatConfig]) -> object:
    from clearhead.tasks.chat_training import preview_chats

    return preview_chats(asked)


def _tries(folder: str, config: Json) -> list[str]:
    return [f"clearhead chat {folder}"]


def _adopt(opened: Opened) -> Model:
    from clearhead.errors import ConfigError
    from clearhead.generation.template import ChatTemplate
    from clearhead.tasks.chat_model import ChatModel

    tokenizer, module = opened.read_tokenizer, opened.module
    if opened.template is None:
        raise ConfigError("the model has no chat template", "clearhead generate goes on with a text")
    marks, specials = {number: name for name, number in tokenizer.marks.items()}, tokenizer.specials
    bos, eos = ("" if number is None else marks.get(number, "") for number in (specials.bos, specials.eos))
    template = ChatTemplate(opened.template, marks.values(), bos=bos, eos=eos)
    decoder: Any = module
    return ChatModel(decoder, tokenizer, template=template, before=[])


TASK = Task(
    name="chat",
    about="Teach a language model to answer.",
    files="conversations",
    help="""Files hold conversations: JSON lines with messages [{"role": "user", "content": "..."}, ...], or with prompt
    and completion, or with instruction, input and output; lists of such in .json, tables with these columns (Parquet,
    CSV, TSV), hub:NAME. They may be packed as .gz or .xz. Only what the assistant says is learned.

    Example: clearhead train chat chats.jsonl --from models/mine --out models/chat

    What is learned of a row of chats? clearhead train chat chats.jsonl --from models/mine --show-batch

    Small matrices beside the model instead of all of it: clearhead train chat chats.jsonl --from models/mine
    --lora.rank 8 --out models/chat""",
    example="chats.jsonl",
    config=ChatConfig,
    recipes={"chat": chat},
    read=_read,
    open=_open,
    preview=_preview,
    tries=_tries,
    adopt=_adopt,
)
