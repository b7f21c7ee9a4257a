"""The training of a chat model: conversations, and what is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clearhead.data.chat.chat_rows import ChatRows
from clearhead.data.chat.chats import chat_digest
from clearhead.folder import Folder
from clearhead.models.decoder import Decoder
from clearhead.models.lora import adapter, add_lora, merge
from clearhead.progress import doing
from clearhead.tasks.chat_model import ADAPTER, TEMPLATE, ChatModel, chat_base, chosen_template, new_marks
from clearhead.tasks.chat_preview import ChatPreview, describe_chats
from clearhead.tasks.config import ChatConfig
from clearhead.tasks.conversations import ChatJob, read_parts, rows_of, tokens_of
from clearhead.tasks.task import Parts, TrainingRequest
from clearhead.tasks.texts import judged_rows, put_in
from clearhead.tasks.tokenizer_pair import tokenizer_fields
from clearhead.training.cross_entropy import perplexity
from clearhead.training.job import Outcome
from clearhead.training.log import reports

__all__ = ["ChatParts", "preview_chats"]


class ChatParts(Parts[ChatConfig, Decoder]):
    """Conversations, and what is trained on them: a language model, or small matrices beside it."""

    what: ClassVar[str] = "chats"

    def __init__(self, asked: TrainingRequest[ChatConfig]):
        super().__init__(asked)
        config = asked.config
        self._base = chat_base(config)
        self._train, self._held_out = read_parts(asked.files, asked.valid, config, asked.session.say)
        self.digest = chat_digest(self._train, self._held_out)
        self._tokenizer, self._template = self._base.tokenizer, chosen_template(config, self._base)
        self._rows: tuple[ChatRows, ChatRows] | None = None

    def learn(self, folder: Folder) -> Mapping[str, object]:
        """The base's tokenizer, and the template."""
        folder.write_text("tokenizer.json", self._tokenizer.to_json())
        folder.write_text(TEMPLATE, self._template.source)
        return tokenizer_fields(self._tokenizer)

    def reopen(self, folder: Folder) -> None:
        """Nothing: the base has the tokenizer, the configuration names the template."""

    def prepare(self, folder: Folder) -> None:
        """The conversations as rows of tokens."""
        doing("tokenising")
        config, say, own = self.asked.config, self.asked.session.say, self._tokenizer.specials
        parts = (self._train, self._held_out)
        chats = [tokens_of([chat.messages for chat in part], self._template, self._tokenizer) for part in parts]
        length = config.arch.max_len
        rows = max(1, config.training.batch_tokens // length)
        learned = rows_of("training", chats[0], say, length=length, rows=rows, specials=own, seed=config.seed)
        judged = rows_of("validation", chats[1], say, length=length, rows=judged_rows(length), specials=own)
        self._rows = learned, judged

    def make(self) -> Decoder:
        """A new model."""
        return Decoder(self.asked.config.arch, self._tokenizer.vocab_size)

    def job(self, module: Decoder) -> ChatJob:
        """The prediction of what the assistant says."""
        assert self._rows is not None, "prepare comes first"
        config = self.asked.config
        put_in(module, config, self._base)
        if config.lora.rank:
            add_lora(module, config.lora, new_marks(self._tokenizer))
            beside = sum(value.numel() for value in adapter(module).values())
            size = sum(p.numel() for p in self._base.module.parameters())
            self.asked.session.say(f"{beside:,} numbers beside the model's {size:,} are trained")
        return ChatJob(module, *self._rows)

    def sizes(self) -> str:
        """The size of the vocabulary."""
        return f"vocabulary of {self._tokenizer.vocab_size:,}"

    def results(self, outcome: Outcome, folder: Folder) -> Mapping[str, object]:
        """The same with what the model reached before."""
        before = float(reports(folder, "floors")[0]["untrained"])
        reached = {"loss": round(before, 4), "perplexity": round(perplexity(before), 4)}
        return {**outcome.to_json(), "before": reached}

    def finish(self, module: Decoder, folder: Folder) -> ChatModel:
        """The trained model; what was trained beside it is written apart too, and added to it."""
        lora = self.asked.config.lora
        if lora.rank:
            about = {"rank": str(lora.rank), "alpha": str(lora.alpha), "beside": lora.beside}
            folder.write_tensors(ADAPTER, adapter(module), {**about, "base": str(self.asked.config.base)})
            merge(module)
        return ChatModel(module, self._tokenizer, folder, self._template)


def preview_chats(asked: TrainingRequest[ChatConfig]) -> ChatPreview:
    """What a training would be given, a packed row with what the loss sees; nothing is written.

    Raises:
        DataError, ConfigError: the files or the base cannot be used.
    """
    config = asked.config
    base = chat_base(config)
    notes: list[str] = []
    train, _ = read_parts(asked.files, asked.valid, config, notes.append)
    chats = tokens_of([chat.messages for chat in train], chosen_template(config, base), base.tokenizer)
    length, own = config.arch.max_len, base.tokenizer.specials
    rows = rows_of("training", chats, notes.append, length=length, rows=1, specials=own, seed=config.seed)
    return describe_chats(notes, rows, base.tokenizer)
