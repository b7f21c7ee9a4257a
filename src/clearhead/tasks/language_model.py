"""A trained language model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.sources.records import Dropped
from clearhead.data.text import Piece, read_pieces
from clearhead.data.tokenizers import Tokenizer
from clearhead.folder import Folder
from clearhead.generation.beam import check_beam, search
from clearhead.generation.precision import Precision, Ready
from clearhead.generation.sampling import Choice, Drawn, Sampling, check_writing, continue_texts
from clearhead.generation.streaming import TextStream
from clearhead.generation.writer import Writer
from clearhead.look import watch
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.ranges import Count, Device, check
from clearhead.tasks.config import LanguageConfig
from clearhead.tasks.metrics import Score
from clearhead.tasks.reading import TextWarning, cut, full, refuse_string, unknown_share
from clearhead.tasks.room import fitted
from clearhead.tasks.session import say, say_empty
from clearhead.tasks.text_inside import TextInside
from clearhead.tasks.tokenizer_pair import open_tokenizer
from clearhead.training.cross_entropy import perplexity

__all__ = ["Beginnings", "LanguageModel", "Shown"]


@dataclass(frozen=True, eq=False)
class Shown:
    """One token that was written: its candidates (text, probability before, after the cut), and whom it attended to."""

    text: str
    candidates: list[tuple[str, float, float]]
    attended: list[tuple[str, float]]


@dataclass(frozen=True)
class Beginnings:
    """Token ids of texts that are written on, the most tokens that may follow each, and how many were asked for."""

    ids: list[list[int]]
    limits: list[int]
    wanted: int

    def full(self, number: int) -> bool:
        """Whether a text can get fewer tokens than were asked for: the model's max_len is full."""
        return self.limits[number] < self.wanted


class LanguageModel(TextInside):
    """A trained language model.

    Args:
        module: a decoder-only transformer.
        tokenizer: of its text.
        folder: where it was loaded from or trained into.
    """

    name: ClassVar[str] = "language"
    verbs: ClassVar[tuple[str, ...]] = ("generate",)

    def __init__(self, module: Decoder, tokenizer: Tokenizer, folder: Folder | None = None):
        self.module, self.tokenizer, self.folder = module.eval(), tokenizer, folder
        self._end = tokenizer.specials.end
        self._ready: Ready[Decoder] = Ready()

    # Training and loading --------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open a trained language model.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        arch, make, tokenizer = cls._described(folder)
        return cls(fitted(folder, arch, make), tokenizer, folder)

    @staticmethod
    def _described(folder: Folder) -> tuple[DecoderConfig, Callable[[], Decoder], Tokenizer]:
        """(the architecture that config.json names, what makes its model, its tokenizer)."""
        of = "a language model"
        arch: DecoderConfig = folder.part("arch", DecoderConfig, of)
        tokenizer = open_tokenizer(folder, of)
        return arch, lambda: Decoder(arch, tokenizer.vocab_size), tokenizer

    # Writing ---------------------------------------------------------------------------------------------------------

    def write_on(self, device: Device) -> None:
        """Write and measure there from now on.

        Raises:
            ConfigError: there is no such device.
        """
        self._ready = Ready(device)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
        beam: int = 1,
        precision: Precision = "float32",
        first: int = 0,
    ) -> list[str]:
        """How each text goes on, the prompt not repeated. An empty prompt begins a new document.

        A text ends, with a warning, when the model's max_len is full. A prompt longer than that is cut to its end, with
        a warning; there is then room for max_tokens, but at least half of max_len is the prompt's.

        Args:
            max_tokens: most tokens that are written.
            sampling: how tokens are chosen; temperature 0 is greedy.
            seed: of what is drawn; what one text becomes depends on no other.
            stop: the text ends before one of these.
            beam: above 1, the most probable continuation found by beam search; nothing is drawn.
            precision: of the arithmetic.
            first: the number of the first text, where these are a part of more texts with the same seed.

        Raises:
            ConfigError: a number is impossible.
        """
        refuse_string("generate", prompts=prompts, stop=stop)
        check_writing(max_tokens, seed, first)
        check_beam(beam, self.tokenizer.vocab_size)
        if beam > 1:
            return self._searched(prompts, max_tokens, beam, stop, precision)
        texts = [""] * len(prompts)
        for number, more in self.stream(
            prompts, max_tokens=max_tokens, sampling=sampling, seed=seed, stop=stop, precision=precision, first=first
        ):
            texts[number] += more
        return texts

    def stream(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        stop: Sequence[str] = (),
        precision: Precision = "float32",
        first: int = 0,
        told: Callable[[int, Choice], None] | None = None,
    ) -> Iterator[tuple[int, str]]:
        """(number of the text, what is written next of it), whole characters, as they come; see `generate`.

        What cannot be is said by the call itself, before the first text comes.
        """
        refuse_string("stream", prompts=prompts, stop=stop)
        check_writing(max_tokens, seed, first)
        beginnings = self._beginnings(prompts, max_tokens)
        strategy = self._strategy(self.tokenizer.specials.end, sampling, seed, told)
        return self._written(self._ready(self.module, precision), beginnings, strategy, stop, first)

    def _strategy(
        self,
        end: int,
        sampling: Sampling | None,
        seed: int,
        on_choice: Callable[[int, Choice], None] | None = None,
    ) -> Drawn:
        """How texts are written that this token ends."""
        banned = self.tokenizer.unwritten(end)
        return Drawn(sampling or Sampling(), eos=end, forbidden=banned, seed=seed, on_choice=on_choice)

    def _written(
        self, model: Writer, beginnings: Beginnings, strategy: Drawn, stop: Sequence[str], first: int = 0
    ) -> Iterator[tuple[int, str]]:
        """(number of the text, what is written next of it), until its end, a stop or the limit comes.

        A text whose limit is less than what was asked for is warned of when it comes there.
        """
        ids, limits = beginnings.ids, beginnings.limits
        streams = [TextStream(self.tokenizer, stop) for _ in ids]
        steps = continue_texts(model, ids, limits, strategy, numbers=range(first, first + len(ids)))
        written, left = next(steps, None), list(limits)
        while written is not None:
            for number, token in written.items():
                left[number - first] -= 1
                if more := streams[number - first].add(token):
                    yield number - first, more
            try:
                written = steps.send({number for number in written if streams[number - first].stopped})
            except StopIteration:
                written = None
        for number, stream in enumerate(streams):
            if more := stream.rest():
                yield number, more
            if not left[number] and beginnings.full(number) and not stream.stopped:
                self._warn_full(number)

    def _beginnings(self, prompts: Sequence[str], max_tokens: int) -> Beginnings:
        """What `_read` gives; prompts that are cut are warned of."""
        ids, limits = self._read(prompts, max_tokens)
        for number, (prompt, row) in enumerate(zip(prompts, ids, strict=True), 1):
            if (given := len(self.tokens_of("tokens", prompt))) > len(row):
                said = f"{cut(given, len(row), which='its last ')}, less the room to write"
                warnings.warn(TextWarning(number, said), stacklevel=3)
        return Beginnings(ids, limits, max_tokens)

    def _warn_full(self, number: int) -> None:
        warnings.warn(TextWarning(number + 1, full(self.module.config.max_len)), stacklevel=3)

    def shown(
        self, prompt: str, *, max_tokens: int = 20, sampling: Sampling | None = None, seed: int = 0, n: int = 5
    ) -> list[Shown]:
        """What `generate` writes, token by token: the `n` best candidates, and whom it looked at in one forced pass."""
        check(Count, "n", n)
        choices: list[Choice] = []

        def note(_: int, choice: Choice) -> None:
            choices.append(choice)

        list(self.stream([prompt], max_tokens=max_tokens, sampling=sampling, seed=seed, told=note))
        choices = [choice for choice in choices if choice.token != self.tokenizer.specials.end]
        before = self._read([prompt], max_tokens)[0][0]
        ids = [*before, *(choice.token for choice in choices)]
        if not choices:
            return []
        names, weights = [self._named(token) for token in ids], self._attended(ids[:-1])  # nothing follows the last
        shown = []
        for place, choice in enumerate(choices, len(before)):
            best = choice.before.topk(min(n, len(choice.before))).indices.tolist()
            most = weights[place - 1, :place].topk(min(n, place))
            shown.append(
                Shown(
                    names[place],
                    [(self._named(t), float(choice.before[t]), float(choice.after[t])) for t in best],
                    [(names[i], w) for w, i in zip(most.values.tolist(), most.indices.tolist(), strict=True)],
                )
            )
        return shown

    # Measuring -------------------------------------------------------------------------------------------------------

    def evaluate(self, files: Sequence[str], *, precision: Precision = "float32") -> dict[str, Any]:
        """Bits per byte and perplexity of whole files, each token predicted once, in windows that do not overlap.

        A `precision` below float32 is measured beside it.

        Raises:
            DataError: a file cannot be read.
        """
        scores: dict[str, Any] = {}
        given = self._measured(files)
        for arithmetic in dict.fromkeys((precision, "float32")):
            judged = self._judge(given, arithmetic)
            scores |= judged if arithmetic == precision else {f"{k}, {arithmetic}": v for k, v in judged.items()}
        return scores

    def _measured(self, files: Sequence[str]) -> Any:
        """What is measured."""
        return files

    def _judge(self, files: Sequence[str], precision: Precision) -> dict[str, Score]:
        run = self.folder.part("run", LanguageConfig, "a language model") if self.folder else LanguageConfig()
        empty = Dropped()
        pieces = read_pieces(files, column=run.data.text, separator=run.data.separator, empty=empty)
        total, tokens, size, read = 0.0, 0, 0, list[np.ndarray]()
        module, length = self._ready(self.module, precision), self.module.config.max_len
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
            for remark in unknown_share(read, self.tokenizer.specials.unk, "these texts"):
                say(f"note: {remark}")
        how = f"whole files, windows of {length} tokens that do not overlap, each document from its beginning"
        return {
            "bits per byte": Score(total / math.log(2) / max(1, size), f"{size:,} bytes; {how}", 4),
            "perplexity": Score(perplexity(total / max(1, tokens)), f"{tokens:,} tokens of this model's own; {how}", 3),
        }

    def describe(self) -> dict[str, Any]:
        """What is in the model."""
        saved = {} if self.folder is None else self.folder.config()
        parameters, config = sum(p.numel() for p in self.module.parameters()), self.module.config
        return {
            "task": self.name,
            "architecture": config.model_dump(mode="json"),
            "vocabulary": self.tokenizer.vocab_size,
            "parameters": parameters,
            "memory of the weights (float32)": f"{parameters * 4 / 1e6:.1f} MB",
            f"memory of the cache at {config.max_len} tokens (float32)": (
                f"{self.module.remembered * config.max_len * 4 / 1e6:.1f} MB"
            ),
            "training": saved.get("results", "not finished"),
            "data": saved.get("data", {}),
        }

    # ------------------------------------------------------------------------------------------------------------------

    def _named(self, token: int) -> str:
        return "<eos>" if token == self.tokenizer.specials.end else self.tokenizer.exactly([token])

    def _searched(
        self, prompts: Sequence[str], max_tokens: int, beam: int, stop: Sequence[str], precision: Precision
    ) -> list[str]:
        beginnings, end = self._beginnings(prompts, max_tokens), self.tokenizer.specials.end
        model, banned = self._ready(self.module, precision), self.tokenizer.unwritten(end)
        found = search(model, beginnings.ids, beginnings.limits, eos=end, forbidden=banned, beam=beam)
        texts = []
        for number, best in enumerate(found):
            stream = TextStream(self.tokenizer, stop)
            texts.append("".join(stream.add(token) for token in best[0].ids) + stream.rest())
            if not best[0].ended and beginnings.full(number) and not stream.stopped:
                self._warn_full(number)
        return texts

    def _attended(self, ids: list[int]) -> Tensor:
        """[queries, keys]: the weights of one pass, the mean over all layers and heads."""
        with torch.inference_mode(), watch(self.module) as trace:
            self.module(torch.tensor([ids]))
        acts = [trace[path] for path in trace.find("self_attention.attention")]
        return torch.stack([act.weights()[0].mean(0) for act in acts]).mean(0)


def _documents(pieces: Iterator[Piece]) -> Iterator[str]:
    held: list[str] = []
    for piece in pieces:
        held.append(piece.text)
        if piece.ends:
            yield "".join(held)
            held = []
