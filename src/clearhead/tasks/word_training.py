"""The training of word vectors: running text as words, and what the loop asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.parts import digest_of
from clearhead.data.tokenizer_training import word_tokenizer
from clearhead.data.tokenizers import Tokenizer
from clearhead.data.word_corpus import Key, WordSet, WordStretch, encode_words, read_text, split_lines
from clearhead.errors import DataError
from clearhead.folder import Folder
from clearhead.models.word_vectors import WordVectors
from clearhead.progress import doing
from clearhead.tasks.config import WordsConfig
from clearhead.tasks.notes import unknown_share
from clearhead.tasks.task import Parts, TrainingRequest
from clearhead.tasks.tokenizer_pair import open_tokenizer, tokenizer_fields
from clearhead.tasks.word_model import FIRST, Words
from clearhead.training.config import OptimizerConfig
from clearhead.training.cross_entropy import cross_entropy
from clearhead.training.job import Plan
from clearhead.training.negative_sampling import against_drawn, together

__all__ = ["WordJob", "WordParts"]

_DRAWN = 256  # words drawn by chance that a stretch shares


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

    def batch(self, key: Key) -> WordStretch:
        """The tensors of a stretch."""
        return self._train.stretch(key, self._size)

    def loss(self, module: WordVectors, batch: WordStretch) -> tuple[Tensor, int]:
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

    def _predicted(self, module: WordVectors, hidden: Tensor, counts: Tensor, batch: WordStretch) -> Tensor:
        """The loss of the words in the middle, given what is read off their windows."""
        if not self._negatives:
            return cross_entropy(hidden[counts > 0], module.writes.weight, batch.words[counts > 0].long())
        scores = (hidden * self._looked_up(batch.words, module.writes.weight)).sum(-1)
        return F.softplus(-scores).mul(counts).sum() + self._drawn(module, hidden, counts, batch)

    def _drawn(self, module: WordVectors, vectors: Tensor, counts: Tensor, batch: WordStretch) -> Tensor:
        drawn = self._looked_up(batch.drawn, module.writes.weight)
        return against_drawn(vectors.flatten(0, 1), drawn, counts.flatten().float(), self._negatives)

    def _looked_up(self, words: Tensor, table: Tensor) -> Tensor:
        """The vectors of words; their gradient, where few of all words have one, holds the rows of these words only."""
        return F.embedding(words, table, sparse=self._sparse)

    def held_out(self) -> Iterator[WordStretch]:
        """The validation part, against the same words drawn every time."""
        return (self._valid.stretch(key, self._size) for key in self._valid.in_order(self._size))

    def measure(self, module: WordVectors, batch: WordStretch) -> dict[str, float]:
        """The loss (nats) and the predictions."""
        loss, count = self.loss(module, batch)
        return {"loss": loss.item(), "count": count}

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """ "loss" (nats a prediction)."""
        return {"loss": sums["loss"] / max(1, sums["count"])}

    def floors(self) -> dict[str, float]:
        """None: what plain models reach depends on what is drawn."""
        return {}

    def sample(self, module: WordVectors) -> str:
        """Nothing: what is learned shows in the numbers."""
        return ""

    def order(self) -> str:
        """How batches are made."""
        return f"stretches of about {self._size:,} words, shuffled again in each epoch"


class WordParts(Parts[WordsConfig, WordVectors]):
    """Running text, and the vectors that are trained on it."""

    what: ClassVar[str] = "text"

    def __init__(self, asked: TrainingRequest[WordsConfig]):
        super().__init__(asked)
        config = asked.config
        lines = read_text(asked.files, config.data.text)
        self._train, self._held_out = (
            (lines, read_text(asked.valid, config.data.text))
            if asked.valid
            else split_lines(lines, config.vocabulary.valid_share)
        )
        self.digest = digest_of(["\n".join([*self._train, "", *self._held_out])])
        self._tokenizer: Tokenizer | None = None
        self._sets: tuple[WordSet, WordSet] | None = None

    @property
    def tokenizer(self) -> Tokenizer:
        """The one that was learned, or opened."""
        assert self._tokenizer is not None, "learn or reopen comes first"
        return self._tokenizer

    def learn(self, folder: Folder) -> Mapping[str, object]:
        """Count the words."""
        vocabulary = self.asked.config.vocabulary.model_dump(include={"vocab_size", "min_count", "lowercase"})
        doing("counting the words")
        self._tokenizer = word_tokenizer(self._train, **vocabulary)
        folder.write_text("tokenizer.json", self._tokenizer.to_json())
        return tokenizer_fields(self._tokenizer)

    def reopen(self, folder: Folder) -> None:
        """Open the vocabulary."""
        self._tokenizer = open_tokenizer(folder, "word vectors")

    def make(self) -> WordVectors:
        """New vectors."""
        return WordVectors(self.asked.config.arch, self.tokenizer.vocab_size)

    def prepare(self, folder: Folder) -> None:
        """The text as numbers of words."""
        doing("tokenising")
        config, say, tokenizer, train, valid = (
            self.asked.config,
            self.asked.session.say,
            self.tokenizer,
            self._train,
            self._held_out,
        )
        sets = self._corpus(train, config.seed), self._corpus(valid, config.seed + 1)
        if not sets[0].has_pairs:
            least = config.vocabulary.min_count
            problem = f"no line has two words that stand {least} times in the text, so none has neighbours"
            raise DataError(problem, "bring more text, or lower --vocabulary.min-count")
        if not sets[1].has_pairs:
            say("note: no line for validation has two known words: the lines of training are taken")
            sets = sets[0], self._corpus(train, config.seed + 1)
        words = tokenizer.vocab_size - FIRST
        say(f"{len(train):,} lines, {len(sets[0].ids):,} words of {words:,} kinds; {len(valid):,} lines for validation")
        self._sets = sets

    def _corpus(self, lines: Sequence[str], seed: int) -> WordSet:
        config, tokenizer = self.asked.config, self.tokenizer
        window = 0 if config.arch.objective == "next" else config.arch.window
        every = list(encode_words(tokenizer, lines, known=False))
        for share in unknown_share(every, tokenizer.specials.unk, f"{len(lines):,} lines"):
            self.asked.session.say(f"{share}: they are left out (--vocabulary.min-count)")
        rows = [row[row != tokenizer.specials.unk] for row in every]
        return WordSet(
            rows, tokenizer.vocab_size, window=window, sample=config.vocabulary.sample, drawn=_DRAWN, seed=seed
        )

    def job(self, module: WordVectors) -> WordJob:
        """The prediction of what stands around a word."""
        assert self._sets is not None, "prepare comes first"
        config = self.asked.config
        sparse = config.optimizer.kind == "sgd"
        size, negatives = config.training.batch_tokens, config.negatives
        return WordJob(module, *self._sets, negatives=negatives, size=size, sparse=sparse)

    def plan(self) -> Plan:
        """Steps as long as a batch's predictions together; of a plane, which is drawn, the beginning is kept too."""
        assert self._sets is not None, "prepare comes first"
        config = self.asked.config
        moments = max(config.keep_checkpoints, 2 if config.arch.d_model <= 2 else 0)
        return replace(super().plan(), keep_checkpoints=moments, optimizer=_optimizer(config, self._sets[0].words))

    def sizes(self) -> str:
        """The size of the vocabulary."""
        return f"vocabulary of {self.tokenizer.vocab_size:,}"

    def finish(self, module: WordVectors, folder: Folder) -> Words:
        """The trained vectors."""
        return Words(module, self.tokenizer, folder)


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
