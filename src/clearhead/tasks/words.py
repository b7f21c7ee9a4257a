"""Words: vectors of words from running text; their neighbours, and analogies ("king - man + woman")."""

from __future__ import annotations

import copy
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self
from unicodedata import normalize

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.sources.files import open_file, read_lines
from clearhead.data.tokenizers import Tokenizer, listed_words, word_tokenizer
from clearhead.data.words import Key, Stretch, WordSet, encode_words, read_text, split_lines
from clearhead.devices import find_device
from clearhead.errors import ConfigError, DataError, nearest
from clearhead.exchange.word2vec import read_vectors
from clearhead.folder import Folder, checkpoint_file
from clearhead.models.architecture import WordVectorsConfig
from clearhead.models.word_vectors import WordVectors
from clearhead.progress import doing
from clearhead.ranges import Count, Device, Steps, check
from clearhead.tasks.config import WordsConfig
from clearhead.tasks.metrics import Score
from clearhead.tasks.named import named
from clearhead.tasks.reading import refuse_string, unknown_share
from clearhead.tasks.room import check_room, fitted
from clearhead.tasks.run_folder import begun, described, same_run
from clearhead.tasks.session import Session, say
from clearhead.tasks.tokenizer_pair import open_tokenizer, tokenizer_fields
from clearhead.training.config import OptimizerConfig
from clearhead.training.cross_entropy import cross_entropy
from clearhead.training.job import Plan
from clearhead.training.negative_sampling import against_drawn, together
from clearhead.training.run import run

__all__ = ["Neighbour", "WordJob", "Words"]

_DRAWN = 256  # words drawn by chance that a stretch shares
_FIRST = 4  # the entries before are no words: the special tokens of clearhead's tokenizers


@dataclass(frozen=True)
class Neighbour:
    """A word and the cosine of the angle between its vector and the one asked for."""

    word: str
    cosine: float


class WordJob:
    """What the training loop asks of word vectors; see `clearhead.training.job.Job`."""

    varies: bool = False

    def __init__(
        self, module: WordVectors, train: WordSet, valid: WordSet, *, negatives: int, size: int, sparse: bool = False
    ):
        self.module, self._sparse = module, sparse
        self._train, self._valid, self._negatives, self._size = train, valid, negatives, size

    @property
    def words(self) -> int:
        """How many words of the text an epoch has, about."""
        return self._train.words

    def epoch(self, epoch: int) -> Sequence[Key]:
        """The stretches of an epoch."""
        return self._train.epoch(epoch, self._size)

    def batch(self, key: Key) -> Stretch:
        """The tensors of a stretch."""
        return self._train.stretch(key, self._size)

    def loss(self, module: WordVectors, batch: Stretch) -> tuple[Tensor, int]:
        """(sum of the losses in nats, predictions): pairs of words, or windows that predict their middle."""
        counts = batch.pairs.sum(-1)  # [blocks, words]
        if module.config.objective == "cbow":
            vectors = self._looked_up(batch.around, module.reads.weight)
            share = batch.pairs.to(vectors.dtype) / counts.clamp(min=1)[:, :, None]
            hidden, counts = torch.bmm(share, vectors), (counts > 0).long()
            return self._predicted(module, hidden, counts, batch), int(counts.sum())
        vectors = self._looked_up(batch.words, module.reads.weight)
        if not self._negatives:
            block, word, other = batch.pairs.nonzero().unbind(1)
            labels = batch.around[block, other].long()
            return cross_entropy(vectors[block, word], module.writes.weight, labels), len(labels)
        loss = together(vectors, self._looked_up(batch.around, module.writes.weight), batch.pairs)
        return loss + self._drawn(module, vectors, counts, batch), int(counts.sum())

    def _predicted(self, module: WordVectors, hidden: Tensor, counts: Tensor, batch: Stretch) -> Tensor:
        """The loss of the words in the middle, given what is read off their windows."""
        if not self._negatives:
            return cross_entropy(hidden[counts > 0], module.writes.weight, batch.words[counts > 0].long())
        scores = (hidden * self._looked_up(batch.words, module.writes.weight)).sum(-1)
        return F.softplus(-scores).mul(counts).sum() + self._drawn(module, hidden, counts, batch)

    def _drawn(self, module: WordVectors, vectors: Tensor, counts: Tensor, batch: Stretch) -> Tensor:
        drawn = self._looked_up(batch.drawn, module.writes.weight)
        return against_drawn(vectors.flatten(0, 1), drawn, counts.flatten().float(), self._negatives)

    def _looked_up(self, words: Tensor, table: Tensor) -> Tensor:
        """The vectors of words; their gradient, where few of all words have one, holds the rows of these words only."""
        return F.embedding(words, table, sparse=self._sparse)

    def held_out(self) -> Iterator[Stretch]:
        """The validation part, against the same words drawn every time."""
        return (self._valid.stretch(key, self._size) for key in self._valid.in_order(self._size))

    def measure(self, module: WordVectors, batch: Stretch) -> dict[str, float]:
        """The loss (nats) and the predictions."""
        loss, count = self.loss(module, batch)
        return {"loss": loss.item(), "count": count}

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """ "loss" (nats a prediction)."""
        return {"loss": sums["loss"] / max(1, sums["count"])}

    def floors(self) -> dict[str, float]:
        """None: what plain models reach depends on what is drawn."""
        return {}

    def sample(self, module: Any) -> str:
        """Nothing: what is learned shows in the numbers."""
        return ""

    def order(self) -> str:
        """How batches are made."""
        return f"stretches of about {self._size:,} words, shuffled anew each epoch"


class Words:
    """Trained word vectors.

    Args:
        module: the network.
        tokenizer: of its words.
        folder: where it was loaded from or trained into.
        words: that have a vector, where they are not the entries of the tokenizer.
    """

    name: ClassVar[str] = "words"
    config: ClassVar[type[WordsConfig]] = WordsConfig
    verbs: ClassVar[tuple[str, ...]] = ("nearest",)
    __repr__ = named

    def __init__(
        self,
        module: WordVectors,
        tokenizer: Tokenizer,
        folder: Folder | None = None,
        words: Sequence[str] | None = None,
    ):
        self.module, self.tokenizer, self.folder, self._listed = module.eval(), tokenizer, folder, words
        self._device = torch.device("cpu")

    # Training and loading --------------------------------------------------------------------------------------------

    @classmethod
    def train(
        cls,
        files: Sequence[str],
        config: WordsConfig,
        folder: Folder,
        session: Session,
        *,
        valid: Sequence[str] = (),
    ) -> Self:
        """Train on files of running text into a folder, or go on with what the folder holds.

        Raises:
            DataError, FolderError, ConfigError: the files, the place or the options cannot be used.
        """
        started = begun(folder, resume=session.resume)
        lines = read_text(files, config.data.text)
        train, held = (
            (lines, read_text(valid, config.data.text)) if valid else split_lines(lines, config.vocabulary.valid_share)
        )
        digest = hashlib.sha256("\n".join([*train, "", *held]).encode()).hexdigest()
        if started:
            same_run(folder, config, digest, "text")
            tokenizer = open_tokenizer(folder, "word vectors")
        else:
            vocabulary = config.vocabulary.model_dump(include={"vocab_size", "min_count", "lowercase"})
            doing("counting the words")
            tokenizer = word_tokenizer(train, **vocabulary)
            folder.write_text("tokenizer.json", tokenizer.to_json())
            fields = tokenizer_fields(tokenizer)
            folder.write_json("config.json", described(cls.name, config, fields, files, valid, digest))
        check_room(lambda: WordVectors(config.arch, tokenizer.vocab_size))
        torch.manual_seed(config.seed)
        module = WordVectors(config.arch, tokenizer.vocab_size)
        doing("tokenising")
        job = _job(module, tokenizer, train, held, config, session.say)
        moments = max(
            config.keep_checkpoints, 2 if config.arch.d_model <= 2 else 0
        )  # a plane is shown before and after
        plan = Plan(
            config.seed,
            config.max_steps,
            moments,
            _optimizer(config, job.words),
            config.schedule,
            config.training,
            config.device,
        )
        outcome = run(job, plan, folder, resume=session.resume, quiet=session.quiet)
        folder.write_json("config.json", {**folder.config(), "results": outcome.to_json()})
        return cls(module, tokenizer, folder)

    @classmethod
    def preview(cls, files: Sequence[str], config: WordsConfig, *, valid: Sequence[str] = ()) -> Any:
        """Not there for running text.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("--dry-run shows sentence pairs; running text has none", "leave it out")

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open trained word vectors.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        arch: WordVectorsConfig = folder.part("arch", WordVectorsConfig, "word vectors")
        tokenizer = open_tokenizer(folder, "word vectors")
        return cls(fitted(folder, arch, lambda: WordVectors(arch, tokenizer.vocab_size)), tokenizer, folder)

    @classmethod
    def of_file(cls, file: str | os.PathLike[str]) -> Self:
        """Vectors in word2vec's text form, from wherever they come; they are read and not predicted with.

        Raises:
            DataError: the file cannot be read, or holds a word twice.
        """
        words, vectors = read_vectors(file)
        module = WordVectors(WordVectorsConfig(d_model=vectors.size(1)), len(words) + _FIRST)
        with torch.no_grad():
            module.reads.weight.zero_()[_FIRST:] = vectors
        return cls(module, listed_words([]), words=words)

    def at_step(self, step: int) -> Self:
        """The vectors at a moment of the training that was kept.

        Raises:
            FolderError: it was not.
        """
        if self.folder is None:
            raise ConfigError("these vectors have no folder, and so no history", "load them from a model folder")
        check(Steps, "step", step)
        module = copy.deepcopy(self.module)
        self.folder.load_into(module, checkpoint_file(step))
        return type(self)(module, self.tokenizer, self.folder, self._listed)

    # Asking ----------------------------------------------------------------------------------------------------------

    def write_on(self, device: Device) -> None:
        """Compare and measure there from now on.

        Raises:
            ConfigError: there is no such device.
        """
        self._device = find_device(device)

    @property
    def words(self) -> list[str]:
        """All words that have a vector, the most frequent first."""
        if self._listed is not None:
            return list(self._listed)
        backend = self.tokenizer.backend
        return [str(backend.id_to_token(i)) for i in range(_FIRST, self.tokenizer.vocab_size)]

    @property
    def vectors(self) -> Tensor:
        """[words, d_model], in the order of `words`."""
        return self.module.reads.weight.detach()[_FIRST:]

    def stacked(self, words: Sequence[str]) -> Tensor:
        """[words, d_model]: the vectors of these words.

        Raises:
            ConfigError: one has none.
        """
        return self.vectors[[self._place(word) for word in words]]

    def nearest(self, queries: Sequence[str], *, n: int = 10) -> list[list[Neighbour]]:
        """The `n` words whose vectors point most nearly the same way as each query, those of the query left out.

        A query is a word or a sum of words: "king - man + woman" (Mikolov et al., 2013).

        Raises:
            ConfigError: a word has no vector, there is none, or what is asked for points nowhere.
        """
        refuse_string("nearest", queries=queries)
        check(Count, "n", n)
        names, unit = self.words, _unit(self.vectors.to(self._device))
        found = []
        for query in queries:
            terms = self._sum(query)
            wanted = _unit(torch.stack([sign * unit[place] for sign, place in terms]).sum(0))
            if not wanted.any():
                raise ConfigError(f"{query!r} comes to nothing: its vector is zero everywhere", "ask for other words")
            cosines, asked = unit @ wanted, {place for _, place in terms}
            cosines[list(asked)] = float("-inf")
            best = cosines.topk(min(n, len(names) - len(asked)))
            found.append(
                [Neighbour(names[i], c) for c, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
            )
        return found

    # Measuring -------------------------------------------------------------------------------------------------------

    def evaluate(self, files: Sequence[str]) -> dict[str, Any]:
        """Agreement with people, or analogies solved.

        A file holds, on each line, two words and how alike people find them (TAB or comma between them: Spearman's rank
        correlation), or four words of which the last is to be found ("man king woman queen": per cent right).

        Raises:
            DataError: a file holds neither, or no word of it has a vector.
        """
        scores: dict[str, Any] = {}
        for file in files:
            rows = list(_rows(file))
            if all(len(row) == 3 for _, row in rows):
                scores[f"{Path(file).name}: rank correlation"] = self._similarity(rows, file)
            else:
                scores[f"{Path(file).name}: analogies"] = self._analogies(rows, file)
        return scores

    def describe(self) -> dict[str, Any]:
        """What is in the model."""
        saved = {} if self.folder is None else self.folder.config()
        parameters = sum(p.numel() for p in self.module.parameters())
        return {
            "task": self.name,
            "architecture": self.module.config.model_dump(mode="json"),
            "words": len(self.words),
            "parameters": parameters,
            "memory of the weights (float32)": f"{parameters * 4 / 1e6:.1f} MB",
            "training": saved.get("results", "not finished"),
            "data": saved.get("data", {}),
        }

    # ------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each word stands; one that is written with marks of its own also where it is composed (NFC)."""
        places = {word: place for place, word in enumerate(self.words)}
        for word, place in list(places.items()):
            places.setdefault(normalize("NFC", word), place)
        return places

    def _known(self, word: str) -> int | None:
        place = self._places.get(word)
        return self._places.get(self.tokenizer.normalized(word)) if place is None else place

    def _sum(self, query: str) -> list[tuple[float, int]]:
        """(1 or -1, place) of each word of a query; a word may have blanks in it."""
        if (place := self._known(query)) is not None:
            return [(1.0, place)]
        terms = [(sign, self._place(word)) for sign, word in _terms(query)]
        if not terms:
            raise ConfigError(f"{query!r} asks for no word", 'give one, or a sum: "king - man + woman"')
        return terms

    def _place(self, word: str) -> int:
        place = self._known(word)
        if place is None:
            raise ConfigError(
                f"there is no vector of {word!r}", nearest(word, self.words) or "it is too rare in the text"
            )
        return place

    def _similarity(self, rows: list[tuple[int, list[str]]], file: str) -> Score:
        pairs = []
        for number, (one, other, value) in rows:
            places = self._known(one), self._known(other)
            if places[0] is not None and places[1] is not None:
                pairs.append((places, _number(value, file, number)))
        _say_unscored(len(rows) - len(pairs), "pair", file)
        if len(pairs) < 2:
            raise DataError("fewer than two of its pairs have vectors of both words", "take another file", file=file)
        unit = _unit(self.vectors)
        ours = [float(unit[a] @ unit[b]) for (a, b), _ in pairs]
        theirs = [value for _, value in pairs]
        correlation = float(np.corrcoef(_ranks(ours), _ranks(theirs))[0, 1])
        return Score(100 * correlation, f"Spearman, {len(pairs)} of {len(rows)} pairs have vectors")

    def _analogies(self, rows: list[tuple[int, list[str]]], file: str) -> Score:
        asked, right = 0, 0
        for number, row in rows:
            if len(row) != 4:
                raise DataError(f"{len(row)} words, not 4", "write: man king woman queen", file=file, line=number)
            if all(self._known(word) is not None for word in row):
                one, other, third, wanted = row
                best = self.nearest([f"{other} - {one} + {third}"], n=1)[0][0]
                asked, right = asked + 1, right + (best.word == self.tokenizer.normalized(wanted))
        _say_unscored(len(rows) - asked, "analogy", file)
        if not asked:
            raise DataError("of none of its analogies all words have vectors", "take another file", file=file)
        return Score(100 * right / asked, f"{asked} of {len(rows)} analogies have vectors, the nearest word counts")


def _job(
    module: WordVectors,
    tokenizer: Tokenizer,
    train: Sequence[str],
    valid: Sequence[str],
    config: WordsConfig,
    say: Callable[[str], None],
) -> WordJob:
    def corpus(lines: Sequence[str], seed: int) -> WordSet:
        window = 0 if config.arch.objective == "next" else config.arch.window
        every = list(encode_words(tokenizer, lines, known=False))
        for remark in unknown_share(every, tokenizer.specials.unk, f"{len(lines):,} lines"):
            say(f"{remark}: they are left out (--vocabulary.min-count)")
        rows = [row[row != tokenizer.specials.unk] for row in every]
        return WordSet(
            rows, tokenizer.vocab_size, window=window, sample=config.vocabulary.sample, drawn=_DRAWN, seed=seed
        )

    sets = corpus(train, config.seed), corpus(valid, config.seed + 1)
    if not sets[0].has_pairs:
        problem = (
            f"no line has two words that stand {config.vocabulary.min_count} times in the text, so none has neighbours"
        )
        raise DataError(problem, "bring more text, or lower --vocabulary.min-count")
    if not sets[1].has_pairs:
        say("note: no line for validation has two known words: the lines of training are taken")
        sets = sets[0], corpus(train, config.seed + 1)
    words = tokenizer.vocab_size - _FIRST
    say(f"{len(train):,} lines, {len(sets[0].ids):,} words of {words:,} kinds; {len(valid):,} lines for validation")
    sparse = config.optimizer.kind == "sgd"
    return WordJob(module, *sets, negatives=config.negatives, size=config.training.batch_tokens, sparse=sparse)


def _optimizer(config: WordsConfig, words: int) -> OptimizerConfig:
    """Plain steps are as long for a batch as those of all its predictions together, which pull at many vectors.

    Args:
        words: of the text, which may be fewer than those of a batch.
    """
    if config.optimizer.kind != "sgd":
        return config.optimizer
    arch = config.arch
    each = arch.window + 1 if arch.objective == "skip-gram" else 1  # predictions of a word: twice the mean reach
    return config.optimizer.model_copy(
        update={"lr": config.optimizer.lr * min(words, config.training.batch_tokens) * each}
    )


def _unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1, however long or short they were; those that are zero stay so."""
    largest = vectors.abs().amax(-1, keepdim=True)
    return F.normalize(vectors / largest.where(largest > 0, 1.0), dim=-1)


def _terms(query: str) -> Iterator[tuple[float, str]]:
    """(1 or -1, word) of "king - man + woman"."""
    sign = 1.0
    for part in re.findall(r"(?<!\S)[+-](?!\S)|[^\s]+", query):
        if part in "+-":
            sign = 1.0 if part == "+" else -1.0
        else:
            yield sign, part


def _rows(file: str) -> Iterator[tuple[int, list[str]]]:
    """(line, its fields): cut at TABs, else at commas, else at spaces; ": section" and "# comment" are left out."""
    with open_file(Path(file)) as stream:
        for number, text in read_lines(stream, Path(file)):
            if text.strip() and not text.startswith((":", "#")):
                cut = "\t" if "\t" in text else "," if "," in text else None
                yield number, [field.strip() for field in text.split(cut)]


def _say_unscored(count: int, what: str, file: str) -> None:
    if count:
        many = {"pair": "pairs are", "analogy": "analogies are"}[what]
        say(f"{file}: {count:,} {f'{what} is' if count == 1 else many} not scored: a word has no vector")


def _number(text: str, file: str, line: int) -> float:
    with suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise DataError(f"{text!r} is no number", "write two words and how alike they are", file=file, line=line)


def _ranks(values: Sequence[float]) -> np.ndarray:
    """From 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[places]
