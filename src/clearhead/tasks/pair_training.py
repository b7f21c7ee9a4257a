"""What every task on sentence pairs shares: the pair objective, and the way from files to a trained model.

loss = - sum_t log p(y_t | y_<t, x), smoothed over the vocabulary in training   (Szegedy et al., 2016)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.batches import PairBatch, PairSet
from clearhead.data.config import DataConfig
from clearhead.data.floors import floors
from clearhead.data.pair_preview import Preview, describe_pairs
from clearhead.data.pairs import Pair, Report, hold_out, overlap, pair_digest, read_pairs
from clearhead.data.subword_dropout import recut_pairs
from clearhead.errors import DataError
from clearhead.folder import Folder
from clearhead.models.seq2seq import Seq2Seq, make_seq2seq
from clearhead.progress import doing
from clearhead.tasks.config import PairConfig
from clearhead.tasks.notes import unknown_share
from clearhead.tasks.task import Parts, TrainingRequest
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.training.cross_entropy import cross_entropy

if TYPE_CHECKING:
    from clearhead.tasks.pair_model import PairModel

__all__ = ["PairJob", "PairParts", "preview"]

ReadPairs: TypeAlias = Callable[[Sequence[str], DataConfig], tuple[list[Pair], Report]]


class PairJob:
    """What the training loop asks of a pair task; see `clearhead.training.job.Job`."""

    varies: bool = True

    def __init__(
        self,
        module: Seq2Seq,
        train: PairSet,
        valid: PairSet,
        *,
        seed: int,
        batch_tokens: int,
        label_smoothing: float,
    ):
        self.module = module
        self._train, self._valid = train, valid
        self._seed, self._budget, self._smoothing = seed, batch_tokens, label_smoothing

    def epoch(self, epoch: int) -> Sequence[np.ndarray]:
        """The batches of an epoch, as row numbers."""
        return self._train.epoch(self._seed, epoch, self._budget)

    def batch(self, key: np.ndarray) -> PairBatch:
        """The tensors of a batch."""
        return self._train.batch(key)

    def loss(self, module: Seq2Seq, batch: PairBatch) -> tuple[Tensor, int]:
        """(sum of the smoothed losses in nats, predictions)."""
        x, labels = _predictions(module, batch)
        return cross_entropy(x, module.head.weight, labels, self._smoothing), len(labels)

    def held_out(self) -> Iterator[PairBatch]:
        """The validation pairs, by length."""
        return map(self._valid.batch, self._valid.in_order(self._budget))

    def measure(self, module: Seq2Seq, batch: PairBatch) -> dict[str, float]:
        """The loss (nats, without smoothing), the tokens that the model finds most probable, and all tokens."""
        x, labels = _predictions(module, batch)
        logits = module.logits(x).float()
        loss = F.cross_entropy(logits, labels, reduction="sum").item()
        return {"loss": loss, "hits": (logits.argmax(-1) == labels).sum().item(), "count": len(labels)}

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """ "loss" (nats per token) and "accuracy" (per cent of tokens)."""
        return {"loss": sums["loss"] / sums["count"], "accuracy": 100.0 * sums["hits"] / sums["count"]}

    def floors(self) -> dict[str, float]:
        """What uniform, unigram and bigram models of the target side reach; see `clearhead.data.floors`."""
        return floors(self._train.tgt, self._valid.tgt, self.module.head.weight.size(0))

    def sample(self, module: Seq2Seq) -> str:
        """Nothing: what is learned shows in the numbers."""
        return ""

    def order(self) -> str:
        """How batches are made."""
        return f"shuffled again in each epoch from seed {self._seed}, sentences of like length together"


def _predictions(module: Seq2Seq, batch: PairBatch) -> tuple[Tensor, Tensor]:
    """(the decoder's outputs, labels) of the real tokens only: padding costs nothing over the vocabulary."""
    memory: Any = module.encode(batch.src, batch.lengths)  # of the module's own kind
    x, labels = module.decode(batch.tgt, memory).flatten(0, 1), batch.labels.flatten()
    if batch.predicted is None:
        return x, labels
    return x.index_select(0, batch.predicted), labels.index_select(0, batch.predicted)


def preview(asked: TrainingRequest[PairConfig]) -> Preview:
    """What a training would be given; a tokenizer is trained to tell, and nothing is written.

    Raises:
        DataError: the files cannot be used.
    """
    config = asked.config
    pairs, report = read_pairs(asked.files, config.data)
    if asked.valid:
        read_pairs(asked.valid, config.data)  # what is wrong with them is said now
        train = pairs
    else:
        train, _ = hold_out(pairs, config.data.valid_share, config.data.valid_rows)
    tokenizers = TokenizerPair.train(train, config.tokenizer)
    return describe_pairs(pairs, report, tokenizers.source, tokenizers.target, config.arch.max_len)


class PairParts(Parts[PairConfig, Seq2Seq]):
    """Pairs of texts, and what is trained on them.

    Args:
        asked: what the training is asked for.
        model: the class of the trained model.
    """

    what: ClassVar[str] = "sentence pairs"

    def __init__(self, asked: TrainingRequest[PairConfig], model: type[PairModel]):
        super().__init__(asked)
        self._model = model
        self._tokenizers: TokenizerPair | None = None
        self._train, self._held_out = _read(asked, model.read_files)
        self.digest = pair_digest(self._train, self._held_out)

    @property
    def tokenizers(self) -> TokenizerPair:
        """Those that were learned, or opened."""
        assert self._tokenizers is not None, "learn or reopen comes first"
        return self._tokenizers

    def learn(self, folder: Folder) -> Mapping[str, object]:
        """Train the tokenizers."""
        doing("training the tokenizer")
        learned = TokenizerPair.train(self._train, self.asked.config.tokenizer)
        learned.save(folder)
        self._tokenizers = learned
        return learned.fields

    def reopen(self, folder: Folder) -> None:
        """Open the tokenizers."""
        self._tokenizers = TokenizerPair.load(folder)

    def make(self) -> Seq2Seq:
        """A new model."""
        return make_seq2seq(self.asked.config.arch, *self._vocab_sizes())

    def prepare(self, folder: Folder) -> None:
        """The pairs as tokens."""
        doing("tokenising")
        config = self.asked.config
        self._sets = (
            self._tokenised(self._train, "training", config.tokenizer.dropout),
            self._tokenised(self._held_out, "validation"),
        )

    def job(self, module: Seq2Seq) -> PairJob:
        """The pair objective."""
        config = self.asked.config
        return PairJob(
            module,
            *self._sets,
            seed=config.seed,
            batch_tokens=config.training.batch_tokens,
            label_smoothing=config.training.label_smoothing,
        )

    def sizes(self) -> str:
        """The sizes of the vocabularies."""
        source, target = self._vocab_sizes()
        if self.tokenizers.joint:
            return f"vocabulary of {target:,}"
        return f"vocabularies of {source:,} and {target:,}"

    def finish(self, module: Seq2Seq, folder: Folder) -> PairModel:
        """The model, where it is found to look, and how well it writes."""
        return self._model.finished(module, self.tokenizers, folder, self._held_out, self.asked.session)

    def _vocab_sizes(self) -> tuple[int, int]:
        return self.tokenizers.source.vocab_size, self.tokenizers.target.vocab_size

    def _tokenised(self, pairs: Sequence[Pair], name: str, dropout: float = 0.0) -> PairSet:
        config, tokenizers, say = self.asked.config, self.tokenizers, self.asked.session.say
        sources, targets = [p.source for p in pairs], [p.target for p in pairs]
        both = tokenizers.source, tokenizers.target
        recut = recut_pairs(sources, targets, both, dropout, config.seed) if dropout else None
        src, tgt = tokenizers.source.encode(sources), tokenizers.target.encode(targets)
        specials = tokenizers.source.specials, tokenizers.target.specials
        for rows, side, special in ((src, "sources", specials[0]), (tgt, "targets", specials[1])):
            for share in unknown_share(rows, special.unk, f"the {name} {side}"):
                say(f"note: {share}")
        made = PairSet(src, tgt, config.arch.max_len, specials, recut=recut)
        if made.dropped:
            say(f"{made.dropped:,} {name} pairs dropped: over {config.arch.max_len} tokens on a side (--arch.max-len)")
        if not len(made):
            raise DataError(
                f"no {name} pair is short enough", "raise --arch.max-len, or split the texts into sentences"
            )
        return made


def _read(asked: TrainingRequest[PairConfig], read: ReadPairs) -> tuple[list[Pair], list[Pair]]:
    config, say, valid = asked.config, asked.session.say, asked.valid
    pairs, report = read(asked.files, config.data)
    for line in report.lines():
        say(line)
    if not valid:
        train, held_out = hold_out(pairs, config.data.valid_share, config.data.valid_rows)
        say(f"{len(train):,} pairs to train on, {len(held_out):,} held out for validation")
        return train, held_out
    held_out, about = read(valid, config.data)
    for line in about.lines()[1:]:
        say(f"validation: {line}")
    say(f"{len(pairs):,} pairs to train on, {len(held_out):,} for validation")
    if shared := overlap(pairs, held_out):
        say(f"note: {shared:,} validation sources stand in the training pairs too; validation will look too good")
    return pairs, held_out
