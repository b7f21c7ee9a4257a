"""Looking inside a model of pairs: the tokens of a source and a target, a watched pass over both, and where it looked.

Axes: written words, source words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from clearhead.data.numbers import AttentionNumbers
from clearhead.data.pairs import clean
from clearhead.data.tokenizers import Tokenizer
from clearhead.edits import Edit
from clearhead.errors import ConfigError
from clearhead.folder import Folder
from clearhead.insight.alignment import Alignment, AlignmentHead, Links, cross_weights, find_links, word_weights
from clearhead.insight.arithmetic import head_numbers, inputs_of
from clearhead.insight.word_weights import words_of
from clearhead.look import Trace, watch
from clearhead.ranges import among
from clearhead.tasks.examples import Example, PairExamples
from clearhead.tasks.notes import Note, cut, not_known
from clearhead.tasks.pair_writer import PairWriter
from clearhead.tasks.reading import Reading, refuse_string
from clearhead.tasks.run_folder import module_at

__all__ = ["PairInside", "Part"]

Part: TypeAlias = Literal["encoder", "decoder", "cross"]
_ATTENTIONS = {
    "encoder": ("encoder", "self_attention"),
    "decoder": ("decoder", "self_attention"),
    "cross": ("decoder", "cross_attention"),
}


class PairInside:
    """What there is to see in a model of pairs.

    Args:
        name: of its task.
        writer: what writes a target where none is given; the model and its tokenizers are its.
        head: where alignments are read; by default chosen by rule.
        folder: where the model was loaded from or trained into.
    """

    inputs: tuple[str, ...] = ("source", "target")

    def __init__(self, name: str, writer: PairWriter, head: AlignmentHead | None = None, folder: Folder | None = None):
        self.name, self.folder, self.module, self.tokenizers = name, folder, writer.module, writer.tokenizers
        self.head = head or AlignmentHead.by_rule(len(self.module.cross_attentions))
        self.writer, self.examples, self.end = writer, PairExamples(folder), self.tokenizers.target.specials.end

    def at_step(self, step: int) -> PairInside:
        """The same model at a moment of the training that was kept.

        Raises:
            FolderError: it was not.
        """
        writer = PairWriter(module_at(self.folder, self.module, step), self.tokenizers, self.writer.limit)
        return PairInside(self.name, writer, self.head, self.folder)

    def trace(self, source: str, target: str | None = None, *, edits: Sequence[Edit] = (), grad: bool = False) -> Trace:
        """One forced pass over a source and its target (default: the model's own), watched.

        `trace.labels` names the tokens; `trace.again(edits)` repeats the pass with edits.
        """
        reading = self.read(source, target)
        return self.trace_tokens(reading.token_ids, edits=edits, grad=grad, notes=reading.notes)

    def trace_example(self, example: Example, *, grad: bool = False) -> Trace:
        """One watched pass over an example."""
        assert isinstance(example.text, str), "examples of pairs are texts"
        return self.trace(example.text, example.target, grad=grad)

    def rewritten(self, token_ids: Mapping[str, Sequence[int]]) -> tuple[int, int]:
        """(how many tokens of the target stand when it is written anew, the most it then has)."""
        return 1, self.module.config.max_len

    def read(self, source: str, target: str | None = None) -> Reading:
        """What the encoder and the decoder read in a forced pass: the source's end and the target's begin included.

        The target is by default the model's own: then of a source over `max_len` only what is read to write it.
        """
        source, most = clean(source), None
        if target is None:
            src, notes = self.sources([source])[0]
            (best,) = self.writer.search([src])[0]
            target, most = best.text, self.module.config.max_len  # read again, it may be of more tokens
            tgt, told = self.tokens_of("target", target), [*notes, *best.notes]
        else:
            target = clean(target)
            (src, of_source), (tgt, of_target) = self._whole("source", source), self._whole("target", target)
            before, after = self.tokenizers.frame
            src, told = [*before, *src, *after], of_source + of_target
        ids = {"source": src, "target": [self.tokenizers.target.specials.begin, *tgt][:most]}
        said = [note.of("the source") if note.lost else note.said for note in told]
        return Reading({"source": source, "target": target}, ids, said)

    def _whole(self, label: str, text: str) -> tuple[list[int], list[Note]]:
        """(all tokens of a text, what is to be said of it)."""
        ((ids, strange),) = self._tokenizer(label).read([text])
        return ids, not_known(strange, "words")

    def sources(self, texts: Sequence[str]) -> list[tuple[list[int], tuple[Note, ...]]]:
        """(the tokens that are read of each source to write from it, its frame included, what is to be said of it)."""
        before, after = self.tokenizers.frame
        most, found = self.module.config.max_len - len(before) - len(after), []
        for ids, strange in self.tokenizers.source.read([clean(text) for text in texts]):
            notes = [*not_known(strange, "words"), *([cut(len(ids), most)] if len(ids) > most else [])]
            found.append(([*before, *ids[:most], *after], tuple(notes)))
        return found

    def texts_of(self, token_ids: Mapping[str, Sequence[int]]) -> dict[str, str]:
        """The texts of such tokens; <unk> stands where one is not known."""
        return {name: self._said(name, ids) for name, ids in token_ids.items()}

    def _said(self, label: str, ids: Sequence[int]) -> str:
        unk = self._tokenizer(label).specials.unk
        parts = [(unknown, list(some)) for unknown, some in groupby(ids, lambda token: token == unk)]
        said = iter(self._tokenizer(label).decode([some for unknown, some in parts if not unknown]))
        return " ".join(
            filter(None, (" ".join(["<unk>"] * len(some)) if unknown else next(said) for unknown, some in parts))
        )

    def tokens_of(self, label: str, text: str) -> list[int]:
        """The tokens of a part of the "source" or the "target"."""
        return self._tokenizer(label).encode([clean(text)])[0]

    def entries(self, label: str) -> list[str]:
        """The text of each entry of the vocabulary of the "source" or the "target"."""
        tokenizer = self._tokenizer(label)
        return tokenizer.pieces(range(tokenizer.vocab_size))

    def unknown(self, label: str, text: str) -> list[str]:
        """The words of a "source" or a "target" that the model does not know: it reads <unk> instead."""
        return self._tokenizer(label).unknown(clean(text))

    def _tokenizer(self, label: str) -> Tokenizer:
        return self.tokenizers.source if label == "source" else self.tokenizers.target

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """How many entries the vocabulary of each text has."""
        return {"source": self.tokenizers.source.vocab_size, "target": self.tokenizers.target.vocab_size}

    def trace_tokens(
        self,
        token_ids: Mapping[str, Sequence[int]],
        *,
        edits: Sequence[Edit] = (),
        grad: bool = False,
        notes: Sequence[str] = (),
    ) -> Trace:
        """The same of tokens, those that stand at the ends included: {"source": ids, "target": ids}.

        `notes` are what the trace says beside its own.
        """
        given = {name: list(token_ids[name]) for name in ("source", "target")}
        with torch.set_grad_enabled(grad), watch(self.module, edits=edits, grad=grad) as trace:
            self.module(*(torch.tensor([ids]) for ids in given.values()))
        for name, tokenizer in (("source", self.tokenizers.source), ("target", self.tokenizers.target)):
            pieces = tokenizer.pieces(given[name])
            trace.words[name] = words_of(pieces)
            trace.labels[name] = [piece.strip() or piece for piece in pieces]
        trace.next_ids = [*given["target"][1:], self.end]
        trace.token_ids, trace.module, trace.read_out = given, self.module, self.module.read_out
        trace.name_of = lambda token: self.tokenizers.target.pieces([token])[0]
        trace.task, trace.forbidden = self, self.tokenizers.target.unwritten()
        trace.notes.extend(notes)
        trace.again = lambda again: self.trace_tokens(given, edits=again, grad=grad, notes=notes)
        return trace

    def look(
        self, source: str, target: str | None = None, *, layer: int | None = None, head: int | None = None
    ) -> Alignment:
        """Where the model looked for each written word; by default in the head that aligns best.

        Raises:
            ConfigError: there is no such layer or head.
        """
        where, reading = self._where(layer, head), self.read(source, target)
        trace = self.trace_tokens(reading.token_ids, notes=reading.notes)
        path = trace.find("cross_attention.attention")[where.layer]
        contexts = trace.calls(path.removesuffix("attention") + "context")
        (source_words, asked), (target_words, asks) = (self._words(reading, label) for label in ("source", "target"))
        weights = word_weights(cross_weights(trace), asked, asks, where)
        gap = max(act.gap(context) for act, context in zip(trace.calls(path), contexts, strict=True))
        return Alignment(source_words, target_words, weights, where, gap, trace)

    def _words(self, reading: Reading, label: str) -> tuple[list[str], list[int]]:
        """The words of a text that was read, and which of them each token belongs to; the mark at its end is none's."""
        text, count = reading.texts[label], len(reading.token_ids[label]) - 1
        words = self._tokenizer(label).tokens(text)[2][:count]
        return text.split()[: max(words, default=-1) + 1], words

    def arithmetic(
        self, source: str, target: str | None = None, *, part: Part = "cross", layer: int = 0, head: int = 0
    ) -> AttentionNumbers:
        """The numbers that one head's attention to a sentence begins with, for a worksheet.

        Args:
            part: the encoder's or the decoder's self-attention, or the decoder's "cross" attention to the source.
            layer, head: from 0.

        Raises:
            ConfigError: there is no such attention, layer or head.
        """
        stack, kind = _ATTENTIONS.get(part, ("", "none"))
        attentions = [name for name, _ in self.module.named_modules() if re.fullmatch(rf"{stack}\.(.+\.)?{kind}", name)]
        if not (among(layer, len(attentions)) and among(head, self.module.config.attention.heads)):
            there = (
                f"{len(attentions)} layers of {self.module.config.attention.heads} heads"
                if attentions
                else "no such attention"
            )
            raise ConfigError(
                f"there is no layer {layer}, head {head} of {part}: there are {there}",
                "both count from 0; the parts are encoder, decoder and cross",
            )
        reading, path = self.read(source, target), attentions[layer]
        with inputs_of(self.module.get_submodule(path)) as given:
            trace = self.trace_tokens(reading.token_ids, notes=reading.notes)
        asks, asked = ("source" if part == "encoder" else "target"), ("target" if part == "decoder" else "source")
        return head_numbers(
            self.module.get_submodule(path),
            trace.calls(f"{path}.attention"),
            given,
            head,
            title=f"{' '.join(reading.texts['target'].split())}: {path}, head {head}",
            tokens=trace.labels[asks],
            memory=trace.labels[asked] if part == "cross" else None,
        )

    def align(self, sources: Sequence[str], targets: Sequence[str]) -> list[Links]:
        """Word links {(source word, target word)} of each pair, from one forced pass; words are split at spaces.

        Raises:
            ConfigError: the model has no attention, or there are not as many targets as sources.
        """
        refuse_string("align", sources=sources, targets=targets)
        if len(sources) != len(targets):
            raise ConfigError(
                f"{len(sources):,} sources are aligned with {len(targets):,} targets", "give a target for each source"
            )
        where = self._where(None, None)
        return [
            find_links(word_weights(weights, source, target, where))
            for weights, source, target in self.forced(sources, targets)
        ]

    def forced(self, sources: Sequence[str], targets: Sequence[str]) -> Iterator[tuple[Tensor, list[int], list[int]]]:
        """For each pair: cross-attention [layers, heads, rows, keys] and the word of each source and target piece."""
        end, begin = self.tokenizers.source.specials.end, self.tokenizers.target.specials.begin
        for source, target in zip(sources, targets, strict=True):
            src_ids, _, src_words = self.tokenizers.source.tokens(source)
            tgt_ids, _, tgt_words = self.tokenizers.target.tokens(target)
            with torch.no_grad(), watch(self.module) as trace:
                self.module(torch.tensor([[*src_ids, end]]), torch.tensor([[begin, *tgt_ids]]))
            yield cross_weights(trace), src_words, tgt_words

    def _where(self, layer: int | None, head: int | None) -> AlignmentHead:
        if not self.module.cross_attentions:
            raise ConfigError(
                "this model has one fixed vector of the source and no attention: there is nowhere it looked",
                "train one with --arch.attention bahdanau or luong",
            )
        if layer is None and head is None:
            return self.head
        layers, heads = len(self.module.cross_attentions), self.module.config.attention.heads
        where = replace(self.head, layer=self.head.layer if layer is None else layer, head=head, error_rate=None)
        if not among(where.layer, layers) or not (head is None or among(head, heads)):
            raise ConfigError(
                f"there is no layer {layer}, head {head}: the decoder has {layers} layers of {heads} heads",
                "both count from 0",
            )
        return where
