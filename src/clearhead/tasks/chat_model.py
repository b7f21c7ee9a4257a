"""A trained chat model: a language model that answers. Perplexity of what the assistant says.

loss = - sum over the assistant's tokens of log p(y_t | everything before)           (Ouyang et al., 2022, step 1)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

import torch
import torch.nn.functional as F

from clearhead.data.chat.chat_rows import ChatRows
from clearhead.data.chat.chats import Message, messages_of, read_chats
from clearhead.data.tokenizers import ROLES, Tokenizer
from clearhead.data.vocabulary import IGNORED
from clearhead.devices import move
from clearhead.disk import identity, named
from clearhead.errors import ConfigError, FolderError
from clearhead.exchange.leaving import Leaving
from clearhead.folder import Folder
from clearhead.generation.prepared import Precision
from clearhead.generation.reader import Reader
from clearhead.generation.sampling import Sampling, check_writing
from clearhead.generation.template import DEFAULT, ChatTemplate
from clearhead.models.decoder import Decoder
from clearhead.models.lora import add_adapter, add_lora, merge
from clearhead.parsing import read_file
from clearhead.tasks.config import ChatConfig
from clearhead.tasks.conversations import ending, rows_of, tokens_of
from clearhead.tasks.language_model import saved_decoder
from clearhead.tasks.metrics import Metric, beside_float32
from clearhead.tasks.model_repr import model_repr
from clearhead.tasks.notes import OnNote, warn_of
from clearhead.tasks.reading import refuse_string
from clearhead.tasks.room import check_room, fitted
from clearhead.tasks.session import say, say_dropped
from clearhead.tasks.text_inside import TextInside
from clearhead.tasks.text_writer import Beginnings, TextWriter
from clearhead.tasks.texts import Base, base_of, judged_rows, put_in
from clearhead.training.cross_entropy import perplexity

__all__ = ["ADAPTER", "TEMPLATE", "ChatModel", "chat_base", "chosen_template", "new_marks"]

TEMPLATE = "chat_template.jinja"  # the field's name for it
ADAPTER = "adapter.safetensors"
_WHOLE = "copy the model folder whole"
_LONGEST = 2**20  # bytes of a template
_MOST_BASES = 16  # models that were trained beside one another
_LEAST = 4  # a share of this of the length is kept free for an answer


class ChatModel:
    """A trained chat model; it continues plain text too.

    Args:
        module: a decoder-only transformer.
        tokenizer: of its text.
        folder: where it was loaded from or trained into.
        template: how conversations are written (default: with marks of our own).
        before: what stands before a conversation (default: the end of the text before it).
    """

    name: ClassVar[str] = "chat"
    verbs: ClassVar[tuple[str, ...]] = ("chat", "generate")
    carried: Mapping[str, object] = MappingProxyType({})  # the configuration of another library that it came with
    __repr__ = model_repr

    def __init__(
        self,
        module: Decoder,
        tokenizer: Tokenizer,
        folder: Folder | None = None,
        template: ChatTemplate | None = None,
        *,
        before: Sequence[int] | None = None,
    ):
        self.module, self.tokenizer, self.folder = module.eval(), tokenizer, folder
        self.template = template or _template(DEFAULT, tokenizer)
        try:
            self._end, self._stop = ending(self.template, tokenizer)
        except ConfigError:
            if before is None:
                raise
            self._end, self._stop = tokenizer.specials.end, []  # a foreign template may not say how an answer ends
        self._before = [tokenizer.specials.end] if before is None else list(before)
        self.writer = writer = TextWriter(self.module, tokenizer)
        self.inside = inside = TextInside(self.name, writer, folder, self._end)
        # What its parts can do is asked of the model too.
        self.write_on, self.generate = writer.write_on, writer.generate
        self.stream, self.shown = writer.stream, writer.shown
        self.trace, self.trace_tokens, self.look = inside.trace, inside.trace_tokens, inside.look
        self.describe = inside.describe

    # Training and loading --------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open a trained chat model; what was trained beside it is added to it.

        A folder that was handed on without model.safetensors has its adapter, and needs the model it was trained
        beside, where config.json names it.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        arch, make, tokenizer = saved_decoder(folder)
        config: ChatConfig = folder.part("run", ChatConfig, "a chat model")

        def beside() -> Decoder:
            module = make()
            if config.lora.rank:
                add_lora(module, config.lora, new_marks(tokenizer))
            return module

        if _is_alone(folder):
            _check_bases(folder)
            check_room(make)
            module = make()
            put_in(module, config, chat_base(config))
            add_adapter(module, config.lora, folder.tensors(ADAPTER)[0], new_marks(tokenizer))
        else:
            module = fitted(folder, arch, beside)
        merge(module)
        path = folder.path / TEMPLATE
        source = read_file(path, error=FolderError, missing=_WHOLE, fix=_WHOLE, most=_LONGEST)
        return cls(module, tokenizer, folder, _template(source, tokenizer, path))

    # Answering -------------------------------------------------------------------------------------------------------

    def chat(
        self,
        chats: Sequence[Sequence[Mapping[str, str]]],
        *,
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
        precision: Precision = "float32",
        on_note: OnNote = warn_of,
    ) -> list[str]:
        """The assistant's next message in each conversation, a list of {"role", "content"}; see `generate`.

        Of a conversation too long to be read, the oldest messages after the system's are left out.

        Raises:
            ConfigError: a number is impossible, or the last message alone is too long.
            DataError: a message is none.
        """
        refuse_string("chat", stop=stop)
        check_writing(max_tokens, seed)
        texts = [""] * len(chats)
        asked = self._asked([messages_of(chat) for chat in chats], max_tokens)
        model, strategy = self.writer.ready(precision), self.writer.strategy(self._end, sampling, seed)
        for number, more in self.writer.write(model, asked, strategy, [*stop, *self._stop], on_note=on_note):
            texts[number] += more
        return [text.strip() for text in texts]

    def stream_chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
        precision: Precision = "float32",
        reader: Reader | None = None,
        on_note: OnNote = warn_of,
    ) -> Iterator[str]:
        """What `chat` answers to one conversation, as it comes.

        With the same `reader` in each turn, what it has read of the conversation is not read again.
        """
        refuse_string("chat", stop=stop)
        check_writing(max_tokens, seed)
        asked = self._asked([messages_of(messages)], max_tokens)
        model, strategy = self.writer.ready(precision), self.writer.strategy(self._end, sampling, seed)
        reads = model if reader is None or model is self.module else reader.of(model)  # what is watched is read whole
        for _, more in self.writer.write(reads, asked, strategy, [*stop, *self._stop], on_note=on_note):
            yield more

    def _asked(self, chats: Sequence[tuple[Message, ...]], max_tokens: int) -> Beginnings:
        """(token ids of each conversation, the most tokens of its answer)."""
        length = self.module.config.max_len
        wanted = length - min(max_tokens, length // _LEAST)
        ids = []
        for chat in chats:
            while len(tokens := self._ids(chat)) > wanted:
                chat = _without_oldest(chat, len(tokens), wanted)
            ids.append(tokens)
        limits = [min(max_tokens, length - len(row)) for row in ids]
        return Beginnings(ids, limits, max_tokens, [[] for _ in ids])

    def _ids(self, messages: Sequence[Message]) -> list[int]:
        return [*self._before, *tokens_of([messages], self.template, self.tokenizer, ask=True)[0].ids]

    def leaving(self) -> Leaving:
        """What leaves into the forms of other libraries, its template with it."""
        said = {"eos_token_id": self._end, "pad_token_id": self.tokenizer.specials.fill}
        return Leaving(
            self.module, self.tokenizer, self.name, self.carried, said, self.template.source, self.tokenizer.frame
        )

    # Measuring -------------------------------------------------------------------------------------------------------

    def evaluate(self, files: Sequence[str], *, precision: Precision = "float32") -> dict[str, Metric]:
        """Perplexity of the assistant's tokens in conversations; what is left out of them is said.

        A `precision` below float32 is measured beside it.

        Raises:
            DataError: a file cannot be used.
        """
        chats, report = read_chats(files)
        say_dropped(report.lines())
        length = self.module.config.max_len
        tokens = tokens_of([chat.messages for chat in chats], self.template, self.tokenizer)
        own = self.tokenizer.specials
        rows = rows_of("given", tokens, say, length=length, rows=judged_rows(length), specials=own)
        return beside_float32(lambda arithmetic: self._judge(rows, arithmetic), precision)

    def _judge(self, rows: ChatRows, precision: Precision) -> dict[str, Metric]:
        length = self.module.config.max_len
        module, total, count = self.writer.ready(precision), 0.0, 0
        with torch.inference_mode():
            for batch in (move(rows.whole(number), module.device) for number in rows.in_order()):
                x = module.decode(batch.ids, where=batch.where())
                wanted = batch.labels != IGNORED
                logits = module.logits(x[wanted]).float()
                total += float(F.cross_entropy(logits, batch.labels[wanted], reduction="sum"))
                count += len(logits)
        chats_read = f"{len(rows):,} chat{'s' * (len(rows) != 1)}"
        how = f"{count:,} tokens of the assistant in {chats_read}, each cut at {length} tokens"
        return {"perplexity": Metric(perplexity(total / count), how, 3)}


def chat_base(config: ChatConfig) -> Base:
    """The language model that a chat model begins with.

    Raises:
        ConfigError, FolderError: there is none.
    """
    base = base_of(config)
    if base is None:
        raise ConfigError("a chat model begins with a language model", "name it: --from models/mine")
    return base


def _is_alone(folder: Folder) -> bool:
    """Whether a folder has only what was trained beside another model."""
    return not (folder.path / "model.safetensors").exists() and (folder.path / ADAPTER).exists()


def _check_bases(folder: Folder) -> None:
    """Follow the models that each was trained beside, to the one that has weights of its own.

    Raises:
        FolderError: there is none: they lead back to where they began.
    """
    seen: set[tuple[int, int]] = set()
    while folder.path.is_dir() and _is_alone(folder):
        if identity(folder.path) in seen:
            problem = "the model it was trained beside leads back to it"
            raise FolderError(problem, "name one with model.safetensors as run.base there", file=folder.path)
        if len(seen) > _MOST_BASES:
            problem = f"more than {_MOST_BASES} models, each trained beside the next, and none with weights of its own"
            raise FolderError(problem, "bring the model.safetensors of one of them", file=folder.path)
        seen.add(identity(folder.path))
        folder = Folder(folder.part("run", ChatConfig, "a chat model").base or folder.path)


def chosen_template(config: ChatConfig, base: Base) -> ChatTemplate:
    """The template that was asked for, or the base's own, or ours."""
    if config.data.template is None:
        return base.template or _template(DEFAULT, base.tokenizer)
    path = named(config.data.template)
    try:
        source = read_file(path, error=ConfigError, most=_LONGEST)
    except ConfigError as error:
        problem = f"the template cannot be read: {error.problem.removeprefix('cannot be read: ')}"
        raise ConfigError(problem, "name a file of text in UTF-8", file=path) from None
    return _template(source, base.tokenizer, path)


def _template(source: str, tokenizer: Tokenizer, file: Path | None = None) -> ChatTemplate:
    return ChatTemplate(source, tokenizer.marks, file=file)


def new_marks(tokenizer: Tokenizer) -> list[int]:
    """Tokens that no text before the first chat has shown."""
    return [tokenizer.marks[role] for role in ROLES if role in tokenizer.marks]


def _without_oldest(chat: tuple[Message, ...], tokens: int, wanted: int) -> tuple[Message, ...]:
    """A conversation without its oldest message after the system's, and without the answer to it."""
    system = chat[:1] if chat and chat[0].role == "system" else ()
    rest = chat[len(system) :]
    if len(rest) <= 1:
        raise ConfigError(
            f"the message has {tokens:,} tokens, the model reads {wanted:,} and leaves the rest for its answer",
            "shorten it, or the system prompt",
        )
    following = next((i for i in range(1, len(rest)) if rest[i].role == "user"), 1)
    return system + rest[following:]
