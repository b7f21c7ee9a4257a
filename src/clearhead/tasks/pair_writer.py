"""Writing a text from a text: sources, as tokens, in batches of like length; targets are searched for or drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from clearhead.data.batches import by_length, pad
from clearhead.devices import move
from clearhead.generation.beam import search
from clearhead.generation.prepared import Precision, Ready
from clearhead.generation.sampling import Drawn, Sampling, continue_texts
from clearhead.generation.writer import WriterMemory
from clearhead.models.seq2seq import Seq2Seq
from clearhead.ranges import Device
from clearhead.tasks.notes import Note, stopped
from clearhead.tasks.tokenizer_pair import TokenizerPair

__all__ = ["PairWriter", "Written"]

_ROW_TOKENS = 4096  # beams * source tokens that are decoded together


@dataclass(frozen=True)
class Written:
    """A text that was written; `score` is its log-probability in nats over length^penalty.

    `notes` say what of its source is not known or was cut, and whether it was stopped before its end.
    """

    text: str
    score: float
    notes: tuple[Note, ...] = ()


class PairWriter:
    """Writes a target for each source, which is given as tokens with their end.

    Args:
        module: an encoder-decoder of any family.
        tokenizers: of the sources and of what is written.
        limit: the most tokens to write for a source of so many.
    """

    def __init__(self, module: Seq2Seq, tokenizers: TokenizerPair, limit: Callable[[int], int]):
        self.module, self.tokenizers, self.limit = module, tokenizers, limit
        self._ready: Ready[Seq2Seq] = Ready()

    def write_on(self, device: Device) -> None:
        """Write and measure there from now on.

        Raises:
            ConfigError: there is no such device.
        """
        self._ready = Ready(device)

    def search(
        self,
        ids: Sequence[list[int]],
        *,
        n: int = 1,
        beam: int = 4,
        length_penalty: float = 1.0,
        precision: Precision = "float32",
    ) -> list[list[Written]]:
        """The `n` best of each source with their scores, best first; of a source that is nothing but its end, ""."""
        target = self.tokenizers.target
        found: list[list[Written]] = [[Written("", 0.0)] * n for _ in ids]
        for rows, module, memory in self._encoded(ids, beam, precision):
            begin, limits = self._begun(ids, rows)
            hypotheses = search(
                module,
                begin,
                limits,
                memory,
                eos=target.specials.end,
                forbidden=target.unwritten(),
                beam=beam,
                length_penalty=length_penalty,
            )
            for i, limit, best in zip(rows, limits, hypotheses, strict=True):
                texts = target.decode([h.ids for h in best[:n]])
                found[i] = [
                    Written(text, h.score, () if h.ended else (stopped(limit),))
                    for text, h in zip(texts, best, strict=False)
                ]
        return found

    def sample(
        self,
        ids: Sequence[list[int]],
        sampling: Sampling,
        *,
        seed: int = 0,
        first: int = 0,
        precision: Precision = "float32",
    ) -> list[Written]:
        """What is drawn for each source, token by token, with its score; `first` is the number of the first source."""
        target = self.tokenizers.target
        found, tokens = [Written("", 0.0) for _ in ids], [list[int]() for _ in ids]
        for rows, module, memory in self._encoded(ids, 1, precision):
            strategy = Drawn(sampling, eos=target.specials.end, forbidden=target.unwritten(), seed=seed, scored=True)
            begin, limits = self._begun(ids, rows)
            for step in continue_texts(module, begin, limits, strategy, memory, numbers=[first + i for i in rows]):
                for number, token in step.items():
                    tokens[number - first].append(token)
            for i, text, limit in zip(rows, target.decode([tokens[i] for i in rows]), limits, strict=True):
                ended = len(tokens[i]) < limit
                score = strategy.log_p[first + i] / (len(tokens[i]) + ended)
                found[i] = Written(text, score, () if ended else (stopped(limit),))
        return found

    def _begun(self, ids: Sequence[list[int]], rows: Sequence[int]) -> tuple[list[list[int]], list[int]]:
        """(what targets begin with, the most tokens that are written for each, the end's included)."""
        most = self.module.config.max_len - 1
        return [[self.tokenizers.target.specials.begin]] * len(rows), [min(most, self.limit(len(ids[i]))) for i in rows]

    def _encoded(
        self, ids: Sequence[list[int]], beam: int, precision: Precision
    ) -> Iterator[tuple[list[int], Seq2Seq, WriterMemory]]:
        """(row numbers, the model made ready, the memory of these sources) of texts that are not empty."""
        module = self._ready(self.module, precision)
        around = sum(map(len, self.tokenizers.frame))
        written = [i for i, row in enumerate(ids) if len(row) > around]
        for batch in by_length([beam * len(ids[i]) for i in written], _ROW_TOKENS):
            rows = [written[i] for i in batch]
            src, lengths = move(pad([ids[i] for i in rows], self.tokenizers.source.specials.fill), module.device)
            with torch.inference_mode():
                memory = module.encode(src, lengths)
            yield rows, module, memory
