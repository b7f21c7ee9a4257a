"""Looking inside a language model: the tokens that it reads of a text, and a watched pass over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from clearhead.data.tokenizers import Tokenizer
from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.insight.alignment import Alignment, AlignmentHead
from clearhead.insight.words import words_of
from clearhead.look import Trace, watch
from clearhead.models.decoder import Decoder
from clearhead.ranges import among
from clearhead.tasks.named import named
from clearhead.tasks.reading import Reading, cut, not_known

__all__ = ["TextInside"]


class TextInside:
    """What there is to see in a language model; `LanguageModel` trains it and lets it write."""

    inputs: ClassVar[tuple[str, ...]] = ("text",)
    module: Decoder
    tokenizer: Tokenizer
    _end: int  # what ends a text
    __repr__ = named

    def trace(self, text: str | Sequence[int], *, edits: Sequence[Edit] = (), grad: bool = False) -> Trace:
        """One pass over a text (or over tokens), watched.

        `trace.labels` names the tokens, `trace.again(edits)` repeats the pass edited.
        """
        if not isinstance(text, str):
            return self.trace_tokens({"tokens": list(text)}, edits=edits, grad=grad)
        reading = self.read(text)
        return self.trace_tokens(reading.token_ids, edits=edits, grad=grad, remarks=reading.remarks)

    def look(self, text: str, *, layer: int | None = None, head: int | None = None) -> Alignment:
        """Whom each token of a text attended to: in one layer (default: the last but one), one head or their mean.

        Raises:
            ConfigError: there is no such layer or head.
        """
        config = self.module.config
        layer = max(0, config.layers - 2) if layer is None else layer
        if not (among(layer, config.layers) and (head is None or among(head, config.attention.heads))):
            raise ConfigError(
                f"there is no layer {layer}, head {head}",
                f"there are {config.layers} layers of {config.attention.heads} heads, counted from 0",
            )
        trace = self.trace(text)
        path = trace.find("self_attention.attention")[layer]
        weights = trace[path].weights()[0]
        gap = trace[path].gap(trace[path.removesuffix("attention") + "context"])
        labels, where = trace.labels["tokens"], AlignmentHead(layer, head, "reads")
        shown = weights.mean(0) if head is None else weights[head]
        return Alignment(labels, labels, shown, where, gap, trace, "self-attention")

    def read(self, text: str) -> Reading:
        """What the model reads of a text: its last tokens, where there are too many."""
        ids, given = self._read([text], 1)[0][0], len(self.tokens_of("tokens", text))
        remarks = not_known(self.unknown("tokens", text))
        if given > len(ids):
            remarks.append(f"the text {cut(given, len(ids), which='its last ')}")
        return Reading({"text": text}, {"tokens": ids}, remarks)

    def texts_of(self, token_ids: Mapping[str, Sequence[int]]) -> dict[str, str]:
        """The text of such tokens."""
        return {"text": self.tokenizer.exactly(token_ids["tokens"])}

    def tokens_of(self, label: str, text: str) -> list[int]:
        """The tokens of a part of the text."""
        return self.tokenizer.encode([text])[0]

    def entries(self, label: str) -> list[str]:
        """The text of each entry of the vocabulary."""
        return self.tokenizer.pieces(range(self.tokenizer.vocab_size))

    def unknown(self, label: str, text: str) -> list[str]:
        """The characters of the text that the model does not know: it reads <unk> instead."""
        return self.tokenizer.unknown(text)

    @property
    def end(self) -> int:
        """The token that ends a text."""
        return self._end

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary has."""
        return {"tokens": self.tokenizer.vocab_size}

    def trace_tokens(
        self,
        token_ids: Mapping[str, Sequence[int]],
        *,
        edits: Sequence[Edit] = (),
        grad: bool = False,
        remarks: Sequence[str] = (),
    ) -> Trace:
        """The same of tokens: {"tokens": ids}. `remarks` are what the trace says beside its own."""
        ids = list(token_ids["tokens"])
        with torch.set_grad_enabled(grad), watch(self.module, edits=edits, grad=grad) as trace:
            self.module(torch.tensor([ids]))
        trace.labels["tokens"] = pieces = self.tokenizer.pieces(ids)
        trace.words["tokens"], trace.next_ids = words_of(pieces), ids[1:]
        trace.token_ids, trace.module, trace.read_out = {"tokens": ids}, self.module, self.module.read_out
        trace.name_of = lambda token: self.tokenizer.pieces([token])[0]
        trace.task, trace.forbidden = self, self.tokenizer.unwritten(self._end)
        trace.remarks.extend(remarks)
        trace.again = lambda again: self.trace_tokens(trace.token_ids, edits=again, grad=grad, remarks=remarks)
        return trace

    def _read(self, prompts: Sequence[str], max_tokens: int) -> tuple[list[list[int]], list[int]]:
        """(token ids of each prompt, the most tokens that may be written after it).

        Of a prompt longer than max_len the end is kept, with room for max_tokens, but at least half of max_len. The
        last token that is written is never read.
        """
        room = self.module.config.max_len
        kept = room - min(max_tokens - 1, room // 2)
        begin, rows = [self.tokenizer.specials.end], self.tokenizer.encode(list(prompts))
        ids = [row[-kept:] if len(row) > room else row or begin for row in rows]
        return ids, [min(max_tokens, room - len(row) + 1) for row in ids]
