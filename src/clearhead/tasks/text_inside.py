"""Looking inside a language model: the tokens that it reads of a text, and a watched pass over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.folder import Folder
from clearhead.insight.alignment import Alignment, AlignmentHead
from clearhead.insight.word_weights import words_of
from clearhead.look import Trace, watch
from clearhead.ranges import among
from clearhead.tasks.examples import Example, TextExamples
from clearhead.tasks.model_repr import describe_model
from clearhead.tasks.reading import Reading
from clearhead.tasks.run_folder import module_at
from clearhead.tasks.text_writer import TextWriter

__all__ = ["TextInside"]

_MORE = 20  # tokens after a text that is written anew


class TextInside:
    """What there is to see in a language model.

    Args:
        name: of its task.
        writer: what reads the beginnings of texts; the model and its tokenizer are its.
        folder: where the model was loaded from or trained into.
        end: the token that ends a text (default: the tokenizer's).
    """

    inputs: tuple[str, ...] = ("text",)
    head: AlignmentHead | None = None  # no head of it aligns

    def __init__(self, name: str, writer: TextWriter, folder: Folder | None = None, end: int | None = None):
        self.name, self.folder, self.module, self.tokenizer = name, folder, writer.module, writer.tokenizer
        self.end = self.tokenizer.specials.end if end is None else end
        self._writer, self.examples = writer, TextExamples(self.tokenizer, self.module.config.max_len)

    def at_step(self, step: int) -> TextInside:
        """The same model at a moment of the training that was kept.

        Raises:
            FolderError: it was not.
        """
        writer = TextWriter(module_at(self.folder, self.module, step), self.tokenizer)
        return TextInside(self.name, writer, self.folder, self.end)

    def trace(self, text: str | Sequence[int], *, edits: Sequence[Edit] = (), grad: bool = False) -> Trace:
        """One pass over a text (or over tokens), watched.

        `trace.labels` names the tokens, `trace.again(edits)` repeats the pass edited.
        """
        if not isinstance(text, str):
            return self.trace_tokens({"tokens": list(text)}, edits=edits, grad=grad)
        reading = self.read(text)
        return self.trace_tokens(reading.token_ids, edits=edits, grad=grad, notes=reading.notes)

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
        return Alignment(labels, labels, shown, where, gap, trace, "self-attention", written=False)

    def trace_example(self, example: Example, *, grad: bool = False) -> Trace:
        """One watched pass over an example: over its beginning, where the words are those of its facts."""
        given = example.text
        ids = self.tokens_of("tokens", given) if isinstance(given, str) else given
        return self.trace(ids[: self.module.config.max_len] or "", grad=grad)

    def rewritten(self, token_ids: Mapping[str, Sequence[int]]) -> tuple[int, int]:
        """(how many tokens stand when the text is written anew, the most it then has): it is written on."""
        given = len(token_ids["tokens"])
        return given, min(self.module.config.max_len, given + _MORE)

    def read(self, text: str) -> Reading:
        """What the model reads of a text: its last tokens, where there are too many."""
        beginnings = self._writer.begin([text], 1)
        said = [note.of("the text") if note.lost else note.said for note in beginnings.notes[0]]
        return Reading({"text": text}, {"tokens": beginnings.ids[0]}, said)

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
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary has."""
        return {"tokens": self.tokenizer.vocab_size}

    def trace_tokens(
        self,
        token_ids: Mapping[str, Sequence[int]],
        *,
        edits: Sequence[Edit] = (),
        grad: bool = False,
        notes: Sequence[str] = (),
    ) -> Trace:
        """The same of tokens: {"tokens": ids}. `notes` are what the trace says beside its own."""
        ids = list(token_ids["tokens"])
        with torch.set_grad_enabled(grad), watch(self.module, edits=edits, grad=grad) as trace:
            self.module(torch.tensor([ids]))
        trace.labels["tokens"] = pieces = self.tokenizer.pieces(ids)
        trace.words["tokens"], trace.next_ids = words_of(pieces), ids[1:]
        trace.token_ids, trace.module, trace.read_out = {"tokens": ids}, self.module, self.module.read_out
        trace.name_of = lambda token: self.tokenizer.pieces([token])[0]
        trace.task, trace.forbidden = self, self.tokenizer.unwritten(self.end)
        trace.notes.extend(notes)
        trace.again = lambda again: self.trace_tokens(trace.token_ids, edits=again, grad=grad, notes=notes)
        return trace

    def describe(self) -> dict[str, object]:
        """What is in the model."""
        config, remembered = self.module.config, self.module.remembered
        memory = f"{remembered * config.max_len * 4 / 1e6:.1f} MB"
        cache = {f"memory of the cache at {config.max_len} tokens (float32)": memory}
        return describe_model(self, config.model_dump(mode="json"), {"vocabulary": self.tokenizer.vocab_size}, cache)
