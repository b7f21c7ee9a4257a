"""Models that read: what stands at a mask, which class a text is of, the vector of a text."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError
from clearhead.exchange.leaving import Leaving
from clearhead.exchange.pooling import Pooling
from clearhead.folder import Folder
from clearhead.models.encoder import Encoder
from clearhead.ranges import Count, check
from clearhead.tasks.encoder_inside import EncoderInside
from clearhead.tasks.metrics import Metric
from clearhead.tasks.model_repr import model_repr
from clearhead.tasks.notes import TextWarning, cut
from clearhead.tasks.reading import refuse_string

__all__ = ["Classified", "Classifier", "Embedder", "EncoderModel", "Filled", "Filler"]


@dataclass(frozen=True)
class Filled:
    """One token that may stand at a mask, and how probable it is."""

    token: str
    probability: float


@dataclass(frozen=True)
class Classified:
    """The class of a text, and how probable each is; with one class alone, the number that is given instead."""

    label: str
    probabilities: dict[str, float] = field(default_factory=dict)
    value: float | None = None


class EncoderModel(ABC):
    """What models that read share; a task is a subclass that nobody subclasses further.

    Args:
        module: an encoder.
        tokenizer: of its texts.
        folder: where it was loaded from or trained into.
        max_len: most tokens of a text that are read (default: the module's).
    """

    name: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]
    carried: Mapping[str, object] = MappingProxyType({})  # the configuration of another library that it came with
    __repr__ = model_repr

    def __init__(
        self, module: Encoder, tokenizer: Tokenizer, folder: Folder | None = None, *, max_len: int | None = None
    ):
        self.module, self.tokenizer, self.folder = module.eval(), tokenizer, folder
        self.inside = inside = EncoderInside(self.name, self.module, tokenizer, folder, max_len)
        # What its parts can do is asked of the model too.
        self.write_on, self.describe = inside.write_on, inside.describe
        self.trace, self.trace_tokens, self.look = inside.trace, inside.trace_tokens, inside.look

    def leaving(self) -> Leaving:
        """What leaves into the forms of other libraries."""
        return Leaving(self.module, self.tokenizer, self.name, self.carried, frame=self.tokenizer.frame)

    @abstractmethod
    def evaluate(self, files: Sequence[str]) -> dict[str, Metric]:
        """The task's own metrics on files."""

    def _rows(self, texts: Sequence[str], seconds: Sequence[str] | None = None) -> list[list[int]]:
        """The tokens of each text; what is cut is warned of.

        Raises:
            ConfigError: there are not as many second texts as first ones.
        """
        refuse_string(self.verbs[0], texts=texts)
        if seconds is not None and len(seconds) != len(texts):
            raise ConfigError(f"{len(texts)} texts and {len(seconds)} second texts", "give one for each")
        pairs = zip(texts, [None] * len(texts) if seconds is None else seconds, strict=True)
        return [self._cut(number, self.tokenizer.framed(*pair)) for number, pair in enumerate(pairs, 1)]

    def _cut(self, number: int, ids: list[int]) -> list[int]:
        kept = self.inside.cut(ids)
        if len(kept) < len(ids):
            warnings.warn(TextWarning(number, cut(len(ids), len(kept))), stacklevel=4)
        return kept


class Filler(EncoderModel):
    """A masked language model: it says what stands at the masks of a text."""

    name: ClassVar[str] = "fill"
    verbs: ClassVar[tuple[str, ...]] = ("fill",)

    @property
    def mask(self) -> str:
        """How what is to be guessed is written in a text.

        Raises:
            ConfigError: the vocabulary has no such mark.
        """
        found = next((name for name, id_ in self.tokenizer.marks.items() if id_ == self.tokenizer.specials.mask), None)
        if found is None:
            raise ConfigError("the vocabulary of this model has no mask", "take a masked language model")
        return found

    def fill(self, texts: Sequence[str], *, n: int = 5) -> list[list[list[Filled]]]:
        """For each text and each mask in it, the `n` most probable tokens, best first.

        Raises:
            ConfigError: a text has no mask, or holds another mark of the model.
        """
        refuse_string("fill", texts=texts)
        check(Count, "n", n)
        for number, text in enumerate(texts, 1):
            if self.mask not in text:
                raise ConfigError(
                    f"text {number} has no {self.mask}", f"write {self.mask} where a word is to be guessed"
                )
        mask = self.tokenizer.specials.mask
        rows = [self._cut(number, self.tokenizer.masked(text)) for number, text in enumerate(texts, 1)]
        found: list[list[list[Filled]]] = [[] for _ in rows]
        for numbers, module, ids, lengths, kinds in self.inside.batches(rows):
            with torch.inference_mode():
                states = module.encode(ids, lengths, kinds)
                at = ids.eq(mask).nonzero() if mask is not None else ids.new_empty(0, 2)
                chances = module.read_off(states[at[:, 0], at[:, 1]][None])[0].float().softmax(-1)
                best = chances.topk(min(n, chances.size(-1)))
            for row, tokens, values in zip(*(x.tolist() for x in (at[:, 0], best.indices, best.values)), strict=True):
                names = [name.strip() or name for name in self.tokenizer.pieces(tokens)]
                found[numbers[row]].append([Filled(*one) for one in zip(names, values, strict=True)])
        return found

    def evaluate(self, files: Sequence[str]) -> dict[str, Metric]:
        """Not there yet.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("masked language models are not measured yet", "use .fill([...])")


class Classifier(EncoderModel):
    """A model that says which class a text is of, or how much of something it has.

    Args:
        labels: the names of the classes, in the order of the module's scores.
        several: whether a text may be of several classes, each probable by itself.
    """

    name: ClassVar[str] = "classify"
    verbs: ClassVar[tuple[str, ...]] = ("classify",)

    def __init__(
        self,
        module: Encoder,
        tokenizer: Tokenizer,
        folder: Folder | None = None,
        *,
        labels: Sequence[str],
        several: bool = False,
        max_len: int | None = None,
    ):
        super().__init__(module, tokenizer, folder, max_len=max_len)
        self.labels, self.several = list(labels), several

    def classify(self, texts: Sequence[str], seconds: Sequence[str] | None = None) -> list[Classified]:
        """The class of each text, or of each pair of texts.

        Raises:
            ConfigError: there are not as many second texts as first ones.
        """
        rows = self._rows(texts, seconds)
        found: list[Classified] = [Classified("")] * len(rows)
        for numbers, module, ids, lengths, kinds in self.inside.batches(rows):
            with torch.inference_mode():
                logits = module(ids, lengths, kinds).float().cpu()
            for number, scores in zip(numbers, logits, strict=True):
                found[number] = self._classified(scores)
        return found

    def _classified(self, scores: Tensor) -> Classified:
        if len(scores) == 1 and not self.several:
            return Classified(self.labels[0], value=float(scores))
        chances = (scores.sigmoid() if self.several else scores.softmax(-1)).tolist()
        return Classified(self.labels[int(scores.argmax())], dict(zip(self.labels, chances, strict=True)))

    def evaluate(self, files: Sequence[str]) -> dict[str, Metric]:
        """Not there yet.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("classifiers are not measured yet", "use .classify([...])")


class Embedder(EncoderModel):
    """A model that gives the vector of a text.

    Args:
        pooling: how the vectors of its tokens become that of a text (default: their mean).
    """

    name: ClassVar[str] = "embed"
    verbs: ClassVar[tuple[str, ...]] = ("embed",)

    def __init__(
        self,
        module: Encoder,
        tokenizer: Tokenizer,
        folder: Folder | None = None,
        *,
        pooling: Pooling | None = None,
    ):
        self.pooling = pooling or Pooling()
        super().__init__(module, tokenizer, folder, max_len=self.pooling.max_len)

    def leaving(self) -> Leaving:
        """What leaves into the forms of other libraries."""
        return replace(super().leaving(), pooling=self.pooling)

    def embed(self, texts: Sequence[str], *, prompt: str | None = None) -> Tensor:
        """[texts, width]: the vector of each text, in float32 on the CPU.

        Args:
            prompt: the kind of the texts, where the model has prompts ("query", "document").

        Raises:
            ConfigError: there is no such prompt.
        """
        refuse_string("embed", texts=texts)
        prompts, kind = self.pooling.prompts, self.pooling.prompt if prompt is None else prompt
        if kind is not None and kind not in prompts:
            known = ", ".join(prompts) or "none"
            raise ConfigError(f"the model has no prompt {kind!r}", f"its prompts are: {known}")
        before, small = "" if kind is None else prompts[kind], self.pooling.lowercase
        rows = self._rows([before + (text.lower() if small else text) for text in texts])
        found: list[Tensor] = [torch.empty(0)] * len(rows)
        for numbers, module, ids, lengths, kinds in self.inside.batches(rows):
            with torch.inference_mode():
                vectors = self.pooling(module.encode(ids, lengths, kinds), lengths).float().cpu()
            for number, vector in zip(numbers, vectors, strict=True):
                found[number] = vector
        return torch.stack(found) if found else torch.empty(0, self.module.config.d_model)

    def evaluate(self, files: Sequence[str]) -> dict[str, Metric]:
        """Not there yet.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("embedding models are not measured yet", "use .embed([...])")
