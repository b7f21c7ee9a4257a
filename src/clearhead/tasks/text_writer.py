"""Writing texts on, token by token: what is read of their beginnings, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clearhead.data.tokenizers import Tokenizer
from clearhead.generation.beam import check_beam, search
from clearhead.generation.prepared import Precision, Ready
from clearhead.generation.sampling import Choice, Drawn, Sampling, check_writing, continue_texts
from clearhead.generation.streaming import TextStream
from clearhead.generation.writer import Writer
from clearhead.look import watch
from clearhead.models.decoder import Decoder
from clearhead.ranges import Count, Device, check
from clearhead.tasks.notes import Note, OnNote, cut_in_front, full, not_known, warn_of
from clearhead.tasks.reading import refuse_string

__all__ = ["Beginnings", "Shown", "TextWriter"]


@dataclass(frozen=True, eq=False)
class Shown:
    """One token that was written: its candidates (text, probability before, after the cut), and whom it attended to."""

    text: str
    candidates: list[tuple[str, float, float]]
    attended: list[tuple[str, float]]


@dataclass(frozen=True)
class Beginnings:
    """Token ids of texts that are written on, and the most tokens that may follow each.

    `wanted` is how many were asked for; `notes` say of each text what of it is not known, and whether it was cut.
    """

    ids: list[list[int]]
    limits: list[int]
    wanted: int
    notes: list[list[Note]]

    def full(self, number: int) -> bool:
        """Whether a text can get fewer tokens than were asked for: the model's max_len is full."""
        return self.limits[number] < self.wanted


class TextWriter:
    """Writes texts on.

    Args:
        module: a decoder-only transformer.
        tokenizer: of its text.
    """

    def __init__(self, module: Decoder, tokenizer: Tokenizer):
        self.module, self.tokenizer = module, tokenizer
        self._ready: Ready[Decoder] = Ready()

    def ready(self, precision: Precision) -> Decoder:
        """The model made ready for a precision, where it writes."""
        return self._ready(self.module, precision)

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
        on_note: OnNote = warn_of,
    ) -> list[str]:
        """How each text goes on, the prompt not repeated. An empty prompt begins a new document.

        A text ends, with a note, when the model's max_len is full. A prompt longer than that is cut to its end, with a
        note; there is then room for max_tokens, but at least half of max_len is the prompt's.

        Args:
            max_tokens: most tokens that are written.
            sampling: how tokens are chosen; temperature 0 is greedy.
            seed: of what is drawn; what one text becomes depends on no other.
            stop: the text ends before one of these.
            beam: above 1, the most probable continuation found by beam search; nothing is drawn.
            precision: of the arithmetic.
            first: the number of the first text, where these are a part of more texts with the same seed.
            on_note: is given what is to be said about a text; by default a warning says what was lost of it.

        Raises:
            ConfigError: a number is impossible.
        """
        refuse_string("generate", prompts=prompts, stop=stop)
        check_writing(max_tokens, seed, first)
        check_beam(beam, self.tokenizer.vocab_size)
        beginnings, texts = self._begin(prompts, max_tokens, on_note), [""] * len(prompts)
        if beam > 1:
            return self._searched(beginnings, beam, stop, precision, on_note)
        strategy = self.strategy(self.tokenizer.specials.end, sampling, seed)
        for number, more in self.write(self.ready(precision), beginnings, strategy, stop, first=first, on_note=on_note):
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
        on_note: OnNote = warn_of,
    ) -> Iterator[tuple[int, str]]:
        """(number of the text, what is written next of it), whole characters, as they come; see `generate`.

        What cannot be is said by the call itself, before the first text comes.
        """
        refuse_string("stream", prompts=prompts, stop=stop)
        check_writing(max_tokens, seed, first)
        beginnings = self._begin(prompts, max_tokens, on_note)
        strategy = self.strategy(self.tokenizer.specials.end, sampling, seed)
        return self.write(self.ready(precision), beginnings, strategy, stop, first=first, on_note=on_note)

    def strategy(
        self,
        end: int,
        sampling: Sampling | None,
        seed: int,
        on_choice: Callable[[int, Choice], None] | None = None,
    ) -> Drawn:
        """How texts are written that this token ends."""
        banned = self.tokenizer.unwritten(end)
        return Drawn(sampling or Sampling(), eos=end, forbidden=banned, seed=seed, on_choice=on_choice)

    def write(
        self,
        model: Writer,
        beginnings: Beginnings,
        strategy: Drawn,
        stop: Sequence[str],
        *,
        first: int = 0,
        on_note: OnNote = warn_of,
    ) -> Iterator[tuple[int, str]]:
        """(number of the text, what is written next of it), until its end, a stop or the limit comes.

        Of a text whose limit is less than what was asked for a note is given when it comes there.
        """
        ids, limits = beginnings.ids, beginnings.limits
        streams = [TextStream(self.tokenizer, stop, row) for row in ids]
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
                on_note(number, full(self.module.config.max_len))

    def begin(self, prompts: Sequence[str], max_tokens: int) -> Beginnings:
        """What is read of prompts.

        Of a prompt longer than max_len the end is kept, with room for max_tokens, but at least half of max_len. The
        last token that is written is never read.
        """
        length, before, notes = self.module.config.max_len, self.tokenizer.frame[0], []
        kept = length - min(max_tokens - 1, length // 2)
        rows = [([*before, *row], strange) for row, strange in self.tokenizer.read(list(prompts))]
        ids = [row[-kept:] if len(row) > length else row or [self.tokenizer.specials.end] for row, _ in rows]
        for (row, strange), read in zip(rows, ids, strict=True):
            notes.append(not_known(strange, "characters"))
            if len(row) > len(read):
                notes[-1].append(cut_in_front(len(row), len(read), written=max_tokens > 1))
        return Beginnings(ids, [min(max_tokens, length - len(row) + 1) for row in ids], max_tokens, notes)

    def _begin(self, prompts: Sequence[str], max_tokens: int, on_note: OnNote) -> Beginnings:
        """The same; the notes are handed on."""
        beginnings = self.begin(prompts, max_tokens)
        for number, notes in enumerate(beginnings.notes):
            for note in notes:
                on_note(number, note)
        return beginnings

    def shown(
        self,
        prompt: str,
        *,
        max_tokens: int = 20,
        sampling: Sampling | None = None,
        seed: int = 0,
        n: int = 5,
        on_note: OnNote = warn_of,
    ) -> list[Shown]:
        """What `generate` writes, token by token: the `n` best candidates, and whom it looked at in one forced pass."""
        check(Count, "n", n)
        check_writing(max_tokens, seed)
        beginnings, choices = self._begin([prompt], max_tokens, on_note), list[Choice]()

        def keep(_: int, choice: Choice) -> None:
            choices.append(choice)

        strategy = self.strategy(self.tokenizer.specials.end, sampling, seed, keep)
        list(self.write(self.ready("float32"), beginnings, strategy, (), on_note=on_note))
        choices = [choice for choice in choices if choice.token != self.tokenizer.specials.end]
        before = beginnings.ids[0]
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

    def _named(self, token: int) -> str:
        return "<eos>" if token == self.tokenizer.specials.end else self.tokenizer.exactly([token])

    def _searched(
        self, beginnings: Beginnings, beam: int, stop: Sequence[str], precision: Precision, on_note: OnNote
    ) -> list[str]:
        end = self.tokenizer.specials.end
        model, banned = self.ready(precision), self.tokenizer.unwritten(end)
        found = search(model, beginnings.ids, beginnings.limits, eos=end, forbidden=banned, beam=beam)
        texts = []
        for number, best in enumerate(found):
            stream = TextStream(self.tokenizer, stop, beginnings.ids[number])
            texts.append("".join(stream.add(token) for token in best[0].ids) + stream.rest())
            if not best[0].ended and beginnings.full(number) and not stream.stopped:
                on_note(number, full(self.module.config.max_len))
        return texts

    def _attended(self, ids: list[int]) -> Tensor:
        """[queries, keys]: the weights of one pass, the mean over all layers and heads."""
        with torch.inference_mode(), watch(self.module) as trace:
            self.module(torch.tensor([ids]))
        acts = [trace[path] for path in trace.find("self_attention.attention")]
        return torch.stack([act.weights()[0].mean(0) for act in acts]).mean(0)
