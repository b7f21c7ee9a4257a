"""A trained model of a pair task: one text in, another out, and where it looked. A task adds its verb and its metrics.

Axes: written words, source words.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Self

from pydantic import ValidationError

from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, Report, read_pairs
from clearhead.errors import ConfigError, FolderError, MissingError
from clearhead.exchange.leaving import Leaving
from clearhead.fields import INTACT
from clearhead.folder import Folder
from clearhead.generation.beam import check_beam
from clearhead.generation.prepared import Precision
from clearhead.generation.sampling import Sampling, check_writing
from clearhead.insight.alignment import AlignmentHead, Gold, choose_head, error_rate
from clearhead.models.architecture import RecurrentConfig, Seq2SeqConfig
from clearhead.models.seq2seq import Seq2Seq, make_seq2seq
from clearhead.ranges import among
from clearhead.tasks.metrics import Metric, beside_float32
from clearhead.tasks.model_repr import describe_model, model_repr
from clearhead.tasks.notes import Note, unknown_share, warn_of
from clearhead.tasks.pair_inside import PairInside
from clearhead.tasks.pair_writer import PairWriter, Written
from clearhead.tasks.reading import refuse_string
from clearhead.tasks.room import fitted
from clearhead.tasks.run_folder import pair_data
from clearhead.tasks.session import Session, say, say_dropped
from clearhead.tasks.tokenizer_pair import TokenizerPair

__all__ = ["PairModel"]

_GOLD_ROWS = 500  # sentences on which the alignment head is chosen
_JUDGED_ROWS = 500  # validation pairs that are written and scored when a training ends


class PairModel(ABC):
    """What the tasks on pairs of texts share; a task is a subclass that nobody subclasses further.

    Args:
        module: an encoder-decoder of any family.
        tokenizers: of the sources and of what is written.
        head: where alignments are read; by default chosen by rule.
        folder: where it was loaded from or trained into.
    """

    name: ClassVar[str]
    verbs: ClassVar[tuple[str, ...]]
    carried: Mapping[str, object] = MappingProxyType({})  # the configuration of another library that it came with
    cased: ClassVar[bool] = True  # its metrics tell capital letters from small ones
    __repr__ = model_repr

    def __init__(
        self,
        module: Seq2Seq,
        tokenizers: TokenizerPair,
        head: AlignmentHead | None = None,
        folder: Folder | None = None,
    ):
        self.module, self.tokenizers, self.folder = module.eval(), tokenizers, folder
        self.writer = PairWriter(self.module, tokenizers, self.limit)
        self.inside = inside = PairInside(self.name, self.writer, head, folder)
        # What its parts can do is asked of the model too.
        self.write_on, self.head = self.writer.write_on, inside.head
        self.trace, self.trace_tokens, self.look = inside.trace, inside.trace_tokens, inside.look
        self.align, self.arithmetic = inside.align, inside.arithmetic

    # What a task adds -------------------------------------------------------------------------------------------------

    @staticmethod
    def read_files(files: Sequence[str], config: DataConfig) -> tuple[list[Pair], Report]:
        """The pairs of files; by default those of tables, of parallel texts and of translation memories."""
        return read_pairs(files, config)

    @staticmethod
    @abstractmethod
    def limit(source_tokens: int) -> int:
        """The most tokens to write for a source of so many."""

    @staticmethod
    @abstractmethod
    def metrics(
        outputs: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
    ) -> dict[str, Metric]:
        """The task's metrics of `outputs`, each with its signature; `references[i]` are all that output i may equal."""

    # Training and loading --------------------------------------------------------------------------------------------

    @classmethod
    def finished(
        cls, module: Seq2Seq, tokenizers: TokenizerPair, folder: Folder, held_out: Sequence[Pair], session: Session
    ) -> Self:
        """A model that was just trained: where it is found to look and how well it writes is added to its folder."""
        trained = cls(module, tokenizers, folder=folder)
        gold = [p for p in held_out if p.sure][:_GOLD_ROWS]
        if gold and module.cross_attentions:
            head = _choose_head(trained.inside, gold)
            trained = cls(module, tokenizers, head, folder)
            session.say(f"alignments are read from {head} (error rate {head.error_rate:.3f} on validation)")
        trained.write_on(folder.config()["run"].get("device", "cpu"))
        judged = trained._judge_validation(held_out[:_JUDGED_ROWS], session)
        results = {**folder.config()["results"], "written": {k: round(v.value, 2) for k, v in judged.items()}}
        folder.write_json("config.json", {**folder.config(), "results": results, "alignment": trained.head.to_json()})
        return trained

    def _judge_validation(self, pairs: Sequence[Pair], session: Session) -> dict[str, Metric]:
        """What the trained model writes of the validation part, judged; nothing where no library can."""
        small = self.tokenizers.target.lowercase
        how = "beam 4, compared in lower case as it writes" if small else "beam 4"
        try:
            judged = self._judge(pairs, beam=4, lowercase=small)
        except MissingError as missing:
            session.say(f"note: what it writes was not compared: {missing}")
            return {}
        session.say(f"validation, written with {how}: " + "  ".join(f"{k} {v.value:.2f}" for k, v in judged.items()))
        return judged

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open a trained model.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        of = f"a model that can {cls.name}"
        arch: Seq2SeqConfig = folder.part("arch", Seq2SeqConfig, of)
        tokenizers = TokenizerPair.load(folder, of)
        if arch.tied == "all" and not tokenizers.joint:
            raise FolderError(
                "arch.tied all is of one vocabulary, and there are two", INTACT, file=folder.path / "config.json"
            )
        sizes = tokenizers.source.vocab_size, tokenizers.target.vocab_size
        head = _saved_head(folder, arch, of)
        return cls(fitted(folder, arch, lambda: make_seq2seq(arch, *sizes)), tokenizers, head, folder)

    # Writing ---------------------------------------------------------------------------------------------------------

    def write(
        self,
        texts: Sequence[str],
        *,
        beam: int = 4,
        length_penalty: float = 1.0,
        sampling: Sampling | None = None,
        seed: int = 0,
        precision: Precision = "float32",
    ) -> list[str]:
        """What is written for each text, in order. An empty text stays empty; of one that is cut a warning says so.

        Args:
            beam: hypotheses that are followed at once; 1 is greedy.
            length_penalty: 0 prefers short texts, 1 compares the mean log-probability of a token.
            sampling: draws each token instead; no beam is followed then.
            seed: of what is drawn; what one text becomes depends on no other.
            precision: of the arithmetic; bfloat16 and int8 are faster, `evaluate` reports what they cost.
        """
        if sampling is not None:
            found = self.sample(texts, sampling=sampling, seed=seed, precision=precision)
        else:
            best = self.n_best(texts, beam=beam, length_penalty=length_penalty, precision=precision)
            found = [first for (first,) in best]
        for number, one in enumerate(found):
            for note in one.notes:
                warn_of(number, note)
        return [one.text for one in found]

    def n_best(
        self,
        texts: Sequence[str],
        *,
        n: int = 1,
        beam: int = 4,
        length_penalty: float = 1.0,
        precision: Precision = "float32",
    ) -> list[list[Written]]:
        """The `n` best of each text with their scores, best first; see `write`.

        Raises:
            ConfigError: `n`, `beam` or `length_penalty` is impossible.
        """
        refuse_string(self.name, texts=texts)
        check_beam(beam, self.tokenizers.target.vocab_size, length_penalty)
        if not among(n, beam + 1) or not n:
            raise ConfigError(f"n {n} must lie between 1 and the beam ({beam})", "widen the beam or ask for fewer")
        sources = self.inside.sources(texts)
        ids = [ids for ids, _ in sources]
        found = self.writer.search(ids, n=n, beam=beam, length_penalty=length_penalty, precision=precision)
        return [[_noted(one, notes) for one in best] for best, (_, notes) in zip(found, sources, strict=True)]

    def sample(
        self,
        texts: Sequence[str],
        *,
        sampling: Sampling | None = None,
        seed: int = 0,
        first: int = 0,
        precision: Precision = "float32",
    ) -> list[Written]:
        """What is drawn for each text, token by token, with its score; see `write`.

        Args:
            first: the number of the first text, where these are a part of more texts with the same seed.

        Raises:
            ConfigError: a number is impossible.
        """
        refuse_string(self.name, texts=texts)
        check_writing(1, seed, first)
        sources, how = self.inside.sources(texts), sampling or Sampling()
        found = self.writer.sample([ids for ids, _ in sources], how, seed=seed, first=first, precision=precision)
        return [_noted(one, notes) for one, (_, notes) in zip(found, sources, strict=True)]

    # Measuring -------------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        files: Sequence[str],
        *,
        beam: int = 4,
        length_penalty: float = 1.0,
        lowercase: bool = False,
        precision: Precision = "float32",
        columns: Mapping[str, int | str] | None = None,
    ) -> dict[str, Metric]:
        """The task's metrics on files of pairs, and the alignment error rate where they have gold links.

        Rows with the same source are several references of one target. A `precision` below float32 is measured beside
        it. `columns` overrides where the source, target and links stand; by default as in training. Pairs that training
        would drop are not scored, and said on standard error.
        """
        pairs, report = self.read_files(files, self._data_config(columns or {}))
        say_dropped(report.lines())
        for side, tokenizer in (("source", self.tokenizers.source), ("target", self.tokenizers.target)):
            for share in unknown_share(
                tokenizer.encode([getattr(p, side) for p in pairs]), tokenizer.specials.unk, f"these {side}s"
            ):
                say(f"note: {share}")
        if self.cased and self.tokenizers.target.lowercase and not lowercase:
            say("note: this model writes lower case only; --lowercase compares so")
        counts = {"sentences": len({p.source for p in pairs}), "references": len(pairs)}
        scores = {name: Metric(count, "", 0) for name, count in counts.items()}
        judge = partial(self._judge, pairs, beam=beam, length_penalty=length_penalty, lowercase=lowercase)
        scores |= beside_float32(judge, precision)
        gold = [p for p in pairs if p.sure is not None]
        if gold and self.module.cross_attentions:
            found = self.align([p.source for p in gold], [p.target for p in gold])
            rate = 100 * error_rate(found, [_gold(p) for p in gold])
            scores["alignment error rate"] = Metric(rate, f"{len(gold)} sentences, forced pass, {self.head}", 3)
        return scores

    def _data_config(self, columns: Mapping[str, int | str]) -> DataConfig:
        data = pair_data(self.folder).model_dump()
        try:
            return DataConfig.model_validate({**data, **columns})
        except ValidationError as error:
            said = error.errors()[0]
            problem = f"{'.'.join(map(str, said['loc']))}: {said['msg'].removeprefix('Value error, ')}"
            raise ConfigError(problem, "name the columns as in training") from error

    def describe(self) -> dict[str, object]:
        """What is in the model."""
        written, source = (4 * n / 1e3 for n in self.module.remembered)
        reads = {
            "vocabulary": self.tokenizers.sizes,
            "writes": "lower case only" if self.tokenizers.target.lowercase else "case as in training",
        }
        costs = {
            "cache of a token (float32)": f"{written:.1f} kB if written, {source:.1f} kB if of the source",
            "alignments": str(self.head) if self.module.cross_attentions else "none: the model has no attention",
        }
        return describe_model(self, self.module.config.model_dump(mode="json", exclude_none=True), reads, costs)

    # ------------------------------------------------------------------------------------------------------------------

    def leaving(self) -> Leaving:
        """What leaves into the forms of other libraries.

        Raises:
            ConfigError: it has two vocabularies.
        """
        if self.tokenizers.source.backend is not self.tokenizers.target.backend:
            fix = "train with --tokenizer.vocabularies joint"
            raise ConfigError("the model has two vocabularies, and their forms one", fix)
        target = self.tokenizers.target
        said = {
            "decoder_start_token_id": target.specials.begin,
            "eos_token_id": target.specials.end,
            "pad_token_id": target.specials.fill,
            "suppress_tokens": list(target.unwritten()),
            "num_beams": 4,
            "max_length": self.module.config.max_len,
        }
        return Leaving(self.module, target, self.name, self.carried, said, frame=self.tokenizers.frame)

    def _judge(
        self,
        pairs: Sequence[Pair],
        precision: Precision = "float32",
        *,
        beam: int,
        length_penalty: float = 1.0,
        lowercase: bool = False,
    ) -> dict[str, Metric]:
        """The metrics of what the model writes for the sources of `pairs`, against all their targets."""
        self.metrics(["one"], [["one"]])  # a library that is missing is missed before an hour of writing
        references: dict[str, list[str]] = {}
        for pair in pairs:
            references.setdefault(pair.source, []).append(pair.target)
        outputs = self.write(list(references), beam=beam, length_penalty=length_penalty, precision=precision)
        return self.metrics(outputs, list(references.values()), lowercase=lowercase)


def _noted(written: Written, notes: tuple[Note, ...]) -> Written:
    """What was written, with the notes on its source first."""
    return replace(written, notes=(*notes, *written.notes))


def _choose_head(inside: PairInside, pairs: Sequence[Pair]) -> AlignmentHead:
    """The head that aligns pairs best as their gold links do."""
    weights, sources, targets = zip(*inside.forced([p.source for p in pairs], [p.target for p in pairs]), strict=True)
    return choose_head(weights, sources, targets, [_gold(p) for p in pairs])


def _saved_head(folder: Folder, arch: Seq2SeqConfig, of: str) -> AlignmentHead | None:
    """Where config.json says that alignments are read, if it does."""
    if "alignment" not in folder.config():
        return None
    head: AlignmentHead = folder.part("alignment", AlignmentHead, of)
    layers = 1 if isinstance(arch, RecurrentConfig) else arch.decoder_layers or arch.layers
    if not (among(head.layer, layers) and (head.head is None or among(head.head, arch.attention.heads))):
        problem = (
            f"alignments are read from {head.place}, and there are {layers} layers of {arch.attention.heads} heads"
        )
        raise FolderError(problem, INTACT, file=folder.path / "config.json")
    return head


def _gold(pair: Pair) -> Gold:
    return Gold(pair.sure or frozenset(), pair.possible or frozenset())
