"""Looking inside an encoder: the tokens that it reads of a text, and a watched pass over them; and reading many texts.

Axes: batch, tokens, d_model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from clearhead.data.batches import by_length, pad
from clearhead.data.tokenizers import Tokenizer
from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.folder import Folder
from clearhead.generation.prepared import Precision, Ready
from clearhead.insight.alignment import Alignment, AlignmentHead
from clearhead.insight.word_weights import words_of
from clearhead.look import Trace, watch
from clearhead.models.encoder import Encoder
from clearhead.ranges import Device, among
from clearhead.tasks.examples import Example, TextExamples
from clearhead.tasks.model_repr import describe_model
from clearhead.tasks.notes import cut, not_known
from clearhead.tasks.reading import Reading
from clearhead.tasks.run_folder import module_at

__all__ = ["EncoderInside"]

_BATCH_TOKENS = 8192  # tokens, padding with them, that are read together


class EncoderInside:
    """What an encoder reads, and what there is to see in it.

    Args:
        name: of its task.
        module: the encoder.
        tokenizer: of its texts.
        folder: where it was loaded from or trained into.
        max_len: most tokens that are read (default: the module's).
    """

    inputs: tuple[str, ...] = ("text",)
    head: AlignmentHead | None = None  # no head of it aligns

    def __init__(
        self, name: str, module: Encoder, tokenizer: Tokenizer, folder: Folder | None = None, max_len: int | None = None
    ):
        self.name, self.module, self.tokenizer, self.folder = name, module, tokenizer, folder
        self.max_len = min(max_len or module.config.max_len, module.config.max_len)
        self.end = tokenizer.specials.end
        self.examples = TextExamples(tokenizer, self.max_len)
        self._ready: Ready[Encoder] = Ready()

    def write_on(self, device: Device) -> None:
        """Read there from now on.

        Raises:
            ConfigError: there is no such device.
        """
        self._ready = Ready(device)

    def at_step(self, step: int) -> EncoderInside:
        """The same model at a moment of the training that was kept.

        Raises:
            FolderError: it was not.
        """
        module = module_at(self.folder, self.module, step)
        return EncoderInside(self.name, module, self.tokenizer, self.folder, self.max_len)

    # Reading ----------------------------------------------------------------------------------------------------------

    def cut(self, ids: list[int]) -> list[int]:
        """A row of at most as many tokens as are read: its last ones stay, what is too much before them goes."""
        if len(ids) <= self.max_len:
            return ids
        after = len(self.tokenizer.frame[1])
        return [*ids[: self.max_len - after], *ids[len(ids) - after :]]

    def kinds(self, ids: Tensor) -> Tensor | None:
        """Which kind of text each token stands in: the second after the first one's end, where the model tells them
        apart."""
        sep = self.tokenizer.specials.sep
        if self.module.config.types < 2 or sep is None:
            return None
        ends = (ids == sep).int()
        return ((ends.cumsum(1) - ends) > 0).long()

    def batches(
        self, rows: Sequence[list[int]], precision: Precision = "float32"
    ) -> Iterator[tuple[list[int], Encoder, Tensor, Tensor, Tensor | None]]:
        """(row numbers, the model made ready, token ids, how many are real, their kinds), like lengths together."""
        module = self._ready(self.module, precision)
        for numbers in by_length([len(row) for row in rows], _BATCH_TOKENS):
            some = [rows[i] for i in numbers]
            ids, lengths = pad(some, self.tokenizer.specials.fill)
            lengths = torch.tensor([len(row) for row in some]) if lengths is None else lengths
            kinds = self.kinds(ids)
            ids, lengths = ids.to(module.device), lengths.to(module.device)
            yield numbers, module, ids, lengths, None if kinds is None else kinds.to(module.device)

    # Looking ----------------------------------------------------------------------------------------------------------

    def read(self, text: str) -> Reading:
        """What the model reads of a text: its first tokens, where there are too many."""
        ids, strange = self.tokenizer.framed(text), not_known(self.unknown("tokens", text), "words")
        kept, said = self.cut(ids), [note.said for note in strange]
        if len(kept) < len(ids):
            said.append(cut(len(ids), len(kept)).of("the text"))
        return Reading({"text": text}, {"tokens": kept}, said)

    def trace(self, text: str | Sequence[int], *, edits: Sequence[Edit] = (), grad: bool = False) -> Trace:
        """One pass over a text (or over tokens), watched.

        `trace.labels` names the tokens, `trace.again(edits)` repeats the pass edited.
        """
        if not isinstance(text, str):
            return self.trace_tokens({"tokens": list(text)}, edits=edits, grad=grad)
        reading = self.read(text)
        return self.trace_tokens(reading.token_ids, edits=edits, grad=grad, notes=reading.notes)

    def trace_tokens(
        self,
        token_ids: Mapping[str, Sequence[int]],
        *,
        edits: Sequence[Edit] = (),
        grad: bool = False,
        notes: Sequence[str] = (),
    ) -> Trace:
        """The same of tokens: {"tokens": ids}, what stands around the text included."""
        ids = list(token_ids["tokens"])
        row = torch.tensor([ids])
        with torch.set_grad_enabled(grad), watch(self.module, edits=edits, grad=grad) as trace:
            self.module(row, None, self.kinds(row))
        pieces = self.tokenizer.pieces(ids)
        trace.labels["tokens"], trace.words["tokens"], trace.token_ids = pieces, words_of(pieces), {"tokens": ids}
        trace.task = self
        if self.module.config.readout.kind == "tokens":
            trace.next_ids, trace.read_out = ids, self.module.read_off
            trace.name_of = lambda token: self.tokenizer.pieces([token])[0]
            trace.forbidden = tuple(self.tokenizer.marks.values())
        trace.notes.extend(notes)
        trace.again = lambda again: self.trace_tokens(trace.token_ids, edits=again, grad=grad, notes=notes)
        return trace

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
        weights, labels = trace[path].weights()[0], trace.labels["tokens"]
        gap = trace[path].gap(trace[path.removesuffix("attention") + "context"])
        shown = weights.mean(0) if head is None else weights[head]
        where = AlignmentHead(layer, head, "reads", stack="encoder")
        return Alignment(labels, labels, shown, where, gap, trace, "self-attention", written=False)

    def trace_example(self, example: Example, *, grad: bool = False) -> Trace:
        """One watched pass over an example."""
        given = example.text
        return self.trace(given if isinstance(given, str) else list(given), grad=grad)

    def rewritten(self, token_ids: Mapping[str, Sequence[int]]) -> tuple[int, int]:
        """An encoder writes nothing: every token stands."""
        return (len(token_ids["tokens"]),) * 2

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
        """The words of the text that the model does not know."""
        return self.tokenizer.unknown(text)

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary has."""
        return {"tokens": self.tokenizer.vocab_size}

    def describe(self) -> dict[str, object]:
        """What is in the model."""
        reads = {"vocabulary": self.tokenizer.vocab_size, "tokens of a text": self.max_len}
        return describe_model(self, self.module.config.model_dump(mode="json"), reads, trained=False)
