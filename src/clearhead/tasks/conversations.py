"""What training on conversations needs: the chats, their tokens in rows, and what the loop asks of a chat model.

A template says how a conversation is written, and which of it the assistant writes; only that is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest

from clearhead.data.chat.chat_rows import ChatRows, ChatTokens
from clearhead.data.chat.chats import Chat, Message, hold_out_chats, read_chats
from clearhead.data.tokenizers import Tokenizer
from clearhead.data.vocabulary import Specials
from clearhead.errors import DataError
from clearhead.generation.template import ChatStretch, ChatTemplate
from clearhead.models.decoder import Decoder
from clearhead.tasks.config import ChatConfig
from clearhead.tasks.notes import unknown_share
from clearhead.tasks.texts import TextJob
from clearhead.training.cross_entropy import perplexity

__all__ = ["ChatJob", "ending", "read_parts", "rows_of", "tokens_of"]


class ChatJob(TextJob[ChatRows]):
    """What the training loop asks of a chat model; the loss is of the assistant's tokens."""

    varies: bool = True

    def __init__(self, module: Decoder, train: ChatRows, valid: ChatRows):
        super().__init__(module, train, valid)

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """ "loss" (nats) and perplexity of the assistant's tokens in the validation part."""
        loss = sums["loss"] / sums["count"]
        return {"loss": loss, "perplexity": perplexity(loss)}

    def floors(self) -> dict[str, float]:
        """None: the model was trained before."""
        return {}

    def sample(self, module: object) -> str:
        """Nothing: what is learned shows in the numbers, and in `clearhead chat`."""
        return ""

    def order(self) -> str:
        """How batches are made."""
        rows = self._train
        return f"{rows.rows} rows of {rows.length} tokens a batch, chats packed again in each epoch, none sees another"


def read_parts(
    files: Sequence[str], valid: Sequence[str], config: ChatConfig, say: Callable[[str], None]
) -> tuple[list[Chat], list[Chat]]:
    """(the conversations to train on, those for validation).

    Raises:
        DataError: a file cannot be used.
    """
    chats, report = read_chats(files)
    for line in report.lines():
        say(line)
    if valid:
        train, (held_out, about) = chats, read_chats(valid)
        for line in about.lines()[1:]:
            say(f"validation: {line}")
    else:
        train, held_out = hold_out_chats(chats, config.data.valid_share, config.data.valid_rows)
    say(f"{len(train):,} chat{'s' * (len(train) != 1)} to train on, {len(held_out):,} for validation")
    return train, held_out


def rows_of(
    name: str,
    chats: Sequence[ChatTokens],
    say: Callable[[str], None],
    *,
    length: int,
    rows: int,
    specials: Specials,
    seed: int = 0,
) -> ChatRows:
    """The rows of a part of the data ("training"); `say` is told what did not fit into them.

    Raises:
        DataError: no answer fits.
    """
    part = ChatRows(chats, length=length, rows=rows, eos=specials.end, seed=seed)
    if not len(part):
        raise DataError(
            f"no answer of the {name} chats begins within {length} tokens", "begin with a model of longer texts"
        )
    learned = [[token for token, own in zip(chat.ids, chat.learned, strict=True) if own] for chat in chats]
    for rows_, what in (([chat.ids for chat in chats], f"the {name} chats"), (learned, f"the {name} answers")):
        for share in unknown_share(rows_, specials.unk, what):
            say(f"note: {share}")
    if part.cut:
        lost = f", {part.dropped:,} of them dropped: no answer is left" if part.dropped else ""
        what = f"{name} chat is" if part.cut == 1 else f"{name} chats are"
        say(f"{part.cut:,} {what} cut at {length} tokens{lost}")
    return part


def ending(template: ChatTemplate, tokenizer: Tokenizer) -> tuple[int, list[str]]:
    """(the token that ends an answer, texts that do).

    Raises:
        ConfigError: the template cannot be used.
    """
    end = template.ending()
    if end is not None and end.special:
        return tokenizer.marks[end.text], []
    return tokenizer.specials.end, [] if end is None else [end.text]


def tokens_of(
    chats: Sequence[Sequence[Message]], template: ChatTemplate, tokenizer: Tokenizer, *, ask: bool = False
) -> list[ChatTokens]:
    """The messages of conversations as tokens; where the template does not say that an answer ends, EOS does.

    With `ask` the assistant's turn is begun after them; what was said before reads as it was learned.

    Raises:
        ConfigError: the template cannot be used.
    """
    bare = template.ending() is None
    rendered = template.render(chats, ask=ask, answers=bare or not ask)
    if bare:
        eos = next(text for text, token in tokenizer.marks.items() if token == tokenizer.specials.end)
        rendered = [list(_ended(chat, eos)) for chat in rendered]
    return _encoded(rendered, tokenizer)


def _encoded(rendered: Sequence[Sequence[ChatStretch]], tokenizer: Tokenizer) -> list[ChatTokens]:
    """Rendered conversations as tokens: what is no special token is read as plain text, all at once."""
    plain = iter(tokenizer.encode([s.text for chat in rendered for s in chat if not s.special]))
    chats = []
    for stretches in rendered:
        ids = [[tokenizer.marks[s.text]] if s.special else next(plain) for s in stretches]
        learned = [[s.learned] * len(some) for s, some in zip(stretches, ids, strict=True)]
        chats.append(ChatTokens(list(chain(*ids)), list(chain(*learned))))
    return chats


def _ended(stretches: Sequence[ChatStretch], eos: str) -> Iterator[ChatStretch]:
    """The same with an end after each answer."""
    for one, following in zip_longest(stretches, stretches[1:]):
        yield one
        if one.answer and (following is None or (following.answer, following.learned) != (True, one.learned)):
            yield ChatStretch(eos, True, one.learned, True)
