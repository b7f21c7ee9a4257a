"""A trained language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F

from clearhead.data.sources.records import Dropped
from clearhead.data.text import Piece, read_pieces
from clearhead.data.tokenizers import Tokenizer
from clearhead.exchange.leaving import Leaving
from clearhead.folder import Folder
from clearhead.generation.prepared import Precision
from clearhead.generation.template import ChatTemplate
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.config import LanguageConfig
from clearhead.tasks.metrics import Metric, beside_float32
from clearhead.tasks.model_repr import model_repr
from clearhead.tasks.notes import unknown_share
from clearhead.tasks.room import fitted
from clearhead.tasks.session import say, say_empty
from clearhead.tasks.text_inside import TextInside
from clearhead.tasks.text_writer import TextWriter
from clearhead.tasks.tokenizer_pair import open_tokenizer
from clearhead.training.cross_entropy import perplexity

__all__ = ["LanguageModel", "saved_decoder"]


class LanguageModel:
    """A trained language model.

    Args:
        module: a decoder-only transformer.
        tokenizer: of its text.
        folder: where it was loaded from or trained into.
    """

    name: ClassVar[str] = "language"
    verbs: ClassVar[tuple[str, ...]] = ("generate",)
    template: ChatTemplate | None = None  # it knows no conversations
    carried: Mapping[str, object] = MappingProxyType({})  # the configuration of another library that it came with
    __repr__ = model_repr

    def __init__(self, module: Decoder, tokenizer: Tokenizer, folder: Folder | None = None):
        self.module, self.tokenizer, self.folder = module.eval(), tokenizer, folder
        self.writer = writer = TextWriter(self.module, tokenizer)
        self.inside = inside = TextInside(self.name, writer, folder)
        # What its parts can do is asked of the model too.
        self.write_on, self.generate = writer.write_on, writer.generate
        self.stream, self.shown = writer.stream, writer.shown
        self.trace, self.trace_tokens, self.look = inside.trace, inside.trace_tokens, inside.look
        self.describe = inside.describe

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open a trained language model.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        arch, make, tokenizer = saved_decoder(folder)
        return cls(fitted(folder, arch, make), tokenizer, folder)

    def leaving(self) -> Leaving:
        """What leaves into the forms of other libraries."""
        end = self.tokenizer.specials.end
        said = {"eos_token_id": end, "pad_token_id": self.tokenizer.specials.fill}
        return Leaving(self.module, self.tokenizer, self.name, self.carried, said, frame=self.tokenizer.frame)

    def evaluate(self, files: Sequence[str], *, precision: Precision = "float32") -> dict[str, Metric]:
        """Bits per byte and perplexity of whole files, each token predicted once, in windows that do not overlap.

        A `precision` below float32 is measured beside it.

        Raises:
            DataError: a file cannot be read.
        """
        return beside_float32(lambda arithmetic: self._judge(files, arithmetic), precision)

    def _judge(self, files: Sequence[str], precision: Precision) -> dict[str, Metric]:
        run = self.folder.part("run", LanguageConfig, "a language model") if self.folder else LanguageConfig()
        empty = Dropped()
        pieces = read_pieces(files, column=run.data.text, separator=run.data.separator, empty=empty)
        total, tokens, size, read = 0.0, 0, 0, list[np.ndarray]()
        module, length = self.writer.ready(precision), self.module.config.max_len
        with torch.inference_mode():
            for text in _documents(pieces):
                ids = [self.tokenizer.specials.end, *self.tokenizer.encode([text])[0], self.tokenizer.specials.end]
                read.append(np.array(ids, dtype=np.int32))
                size += len(text.encode())
                for start in range(0, len(ids) - 1, length):
                    row = torch.tensor([ids[start : start + length + 1]], device=module.device)
                    logits = module.logits(module.decode(row[:, :-1]))[0].float()
                    total += float(F.cross_entropy(logits, row[0, 1:], reduction="sum"))
                    tokens += row.size(1) - 1
        if precision == "float32":  # which is always measured
            say_empty(empty)
            for share in unknown_share(read, self.tokenizer.specials.unk, "these texts"):
                say(f"note: {share}")
        how = f"whole files, windows of {length} tokens that do not overlap, each document from its beginning"
        return {
            "bits per byte": Metric(total / math.log(2) / max(1, size), f"{size:,} bytes; {how}", 4),
            "perplexity": Metric(
                perplexity(total / max(1, tokens)), f"{tokens:,} tokens of this model's own; {how}", 3
            ),
        }


def saved_decoder(folder: Folder) -> tuple[DecoderConfig, Callable[[], Decoder], Tokenizer]:
    """(the architecture that config.json names, what makes its model, its tokenizer)."""
    of = "a language model"
    arch: DecoderConfig = folder.part("arch", DecoderConfig, of)
    tokenizer = open_tokenizer(folder, of)
    return arch, lambda: Decoder(arch, tokenizer.vocab_size), tokenizer


def _documents(pieces: Iterator[Piece]) -> Iterator[str]:
    held: list[str] = []
    for piece in pieces:
        held.append(piece.text)
        if piece.ends:
            yield "".join(held)
            held = []
