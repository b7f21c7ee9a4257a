"""What training on running text needs: the corpus, tokenised once, and what the loop asks of a language model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from clearhead.data.floors import floors
from clearhead.data.parts import Survey, digest_of, hold_out_text, survey
from clearhead.data.shards import Tokens, open_tokens, write_tokens
from clearhead.data.sources.records import Dropped
from clearhead.data.text import Piece, read_pieces
from clearhead.data.text_preview import TextPreview, describe_text
from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import Tokenizer
from clearhead.data.windows import TextBatch, Windows
from clearhead.errors import ConfigError, DataError
from clearhead.folder import Folder
from clearhead.generation.sampling import Drawn, Sampling, continue_texts
from clearhead.generation.template import ChatTemplate
from clearhead.models.decoder import Decoder
from clearhead.progress import Bar, doing
from clearhead.tasks.config import DecoderRunConfig, LanguageConfig
from clearhead.tasks.notes import unknown_share
from clearhead.tasks.opened import load_for
from clearhead.tasks.run_folder import differing
from clearhead.tasks.session import say_empty
from clearhead.tasks.task import Parts, TrainingRequest
from clearhead.tasks.tokenizer_pair import open_tokenizer, tokenizer_fields
from clearhead.training.cross_entropy import cross_entropy

if TYPE_CHECKING:
    from clearhead.tasks.language_model import LanguageModel

__all__ = [
    "Base",
    "Corpus",
    "LanguageJob",
    "TextJob",
    "TextParts",
    "base_of",
    "judged_rows",
    "preview_text",
    "put_in",
    "text_loss",
]

_VALID_TOKENS = 4096  # of a batch that is only judged
_COUNTED = 2**22  # tokens that floors are counted on
_PROMPT, _SAMPLE = 8, 48  # tokens of a sample that is shown during training


class Base(Protocol):
    """The trained model that a run begins with; its template where it knows conversations."""

    module: Decoder
    tokenizer: Tokenizer

    @property
    def template(self) -> ChatTemplate | None:
        """How it writes conversations."""
        ...


class Rows(Protocol):
    """A part of the data in rows of tokens: so many a batch, of such a length."""

    rows: int
    length: int

    def epoch(self, epoch: int) -> list[tuple[int, int]]:
        """The batches of an epoch, as keys."""
        ...

    def batch(self, key: tuple[int, int]) -> TextBatch:
        """One of them."""
        ...

    def in_order(self) -> list[int]:
        """Batches in which everything is predicted just once."""
        ...

    def whole(self, start: int) -> TextBatch:
        """One of them."""
        ...


class Corpus:
    """The text of a run, walked through as often as need be; `empty`: rows without a text that a survey met."""

    def __init__(self, files: Sequence[str], valid: Sequence[str], config: LanguageConfig):
        self._files, self._valid, self._config = files, valid, config
        self.empty = Dropped()

    def pieces(self) -> Iterator[Piece]:
        """The text to train on."""
        return self._pieces(self._files)

    def survey(self) -> Survey:
        """How much text there is; what it hashes to, the validation part's with it."""
        about = survey(self._pieces(self._files, self.empty))
        if not self._valid:
            return about
        other = survey(self._pieces(self._valid, self.empty))
        both = digest_of([f"{about.digest} {other.digest}"])
        return Survey(about.documents, about.characters, both, about.sample)

    def tokens(self, folder: Folder, tokenizer: Tokenizer, about: Survey, *, quiet: bool) -> dict[str, Tokens]:
        """The parts, tokenised if they are not yet."""
        place = folder.path / "tokens"
        if (found := open_tokens(place, about.digest, tokenizer.vocab_size)) is None:
            with Bar("tokenising", about.characters, "characters", quiet=quiet) as bar:
                write_tokens(place, self._parted(about), tokenizer, about.digest, told=bar.advance)
            found = open_tokens(place, about.digest, tokenizer.vocab_size)
        assert found is not None, "the index was just written"
        return found

    def _parted(self, about: Survey) -> Iterator[tuple[str, Piece]]:
        if not self._valid:
            yield from hold_out_text(self.pieces(), about, self._config.data.valid_share)
            return
        yield from (("train", piece) for piece in self.pieces())
        yield from (("valid", piece) for piece in self._pieces(self._valid))

    def _pieces(self, files: Sequence[str], empty: Dropped | None = None) -> Iterator[Piece]:
        data = self._config.data
        return read_pieces(files, column=data.text, separator=data.separator, empty=empty)


R = TypeVar("R", bound=Rows)


class TextJob(Generic[R]):
    """What the training loop asks of every decoder-only model; see `clearhead.training.job.Job`."""

    varies: bool = False

    def __init__(self, module: Decoder, train: R, valid: R):
        self.module, self._train, self._valid = module, train, valid

    def epoch(self, epoch: int) -> list[tuple[int, int]]:
        """The batches of an epoch."""
        return self._train.epoch(epoch)

    def batch(self, key: tuple[int, int]) -> TextBatch:
        """The tensors of a batch."""
        return self._train.batch(key)

    def loss(self, module: Decoder, batch: TextBatch) -> tuple[Tensor, int]:
        """(sum of the losses in nats, tokens that are predicted)."""
        return text_loss(module, batch)

    def held_out(self) -> Iterator[TextBatch]:
        """The validation part, each token predicted once."""
        return map(self._valid.whole, self._valid.in_order())

    def measure(self, module: Decoder, batch: TextBatch) -> dict[str, float]:
        """The loss (nats) and the tokens that are predicted."""
        loss, count = text_loss(module, batch)
        return {"loss": loss.item(), "count": count}


class LanguageJob(TextJob[Windows]):
    """What it asks of a language model."""

    def __init__(self, module: Decoder, train: Windows, valid: Windows, tokenizer: Tokenizer):
        super().__init__(module, train, valid)
        self._tokenizer = tokenizer

    def summary(self, sums: Mapping[str, float]) -> dict[str, float]:
        """ "loss" (nats a token), and the same as bits for a byte of the text."""
        total, about = sums["loss"], self._valid.tokens.about
        return {"loss": total / max(1, sums["count"]), "bits per byte": total / math.log(2) / max(1, about.bytes)}

    def floors(self) -> dict[str, float]:
        """What models reach which know less, counted on the first tokens of both parts."""
        train, valid = (windows.tokens[:_COUNTED] for windows in (self._train, self._valid))
        return floors([train], [valid], self.module.head.out_features) if len(valid) > 1 else {}

    def sample(self, module: Decoder) -> str:
        """How the validation part goes on after its first tokens, as the model would have it."""
        prompt = self._valid.tokens[:_PROMPT].tolist()
        eos, banned = self._tokenizer.specials.end, self._tokenizer.unwritten()
        steps = continue_texts(module, [prompt], [_SAMPLE], Drawn(Sampling(), eos=eos, forbidden=banned))
        return self._tokenizer.exactly([token for step in steps for token in step.values()])

    def order(self) -> str:
        """How batches are made."""
        windows = self._train
        return f"{windows.rows} windows of {windows.length} tokens a batch, begun elsewhere and shuffled in each epoch"


def text_loss(module: Decoder, batch: TextBatch) -> tuple[Tensor, int]:
    """(sum of the losses in nats, tokens that are predicted) of a batch."""
    x = module.decode(batch.ids, where=batch.where()).flatten(0, 1)
    labels = batch.labels.flatten()
    if batch.predicted is not None:
        x, labels = x.index_select(0, batch.predicted), labels.index_select(0, batch.predicted)
    return cross_entropy(x, module.head.weight, labels, cap=module.config.soft_cap), len(labels)


def judged_rows(length: int) -> int:
    """How many rows of so many tokens are judged together."""
    return max(1, _VALID_TOKENS // length)


def put_in(module: Decoder, config: DecoderRunConfig, base: Base) -> None:
    """Give a module the weights of the model that its run begins with.

    Raises:
        ConfigError: the options give it another shape than the base has.
    """
    state = base.module.state_dict()
    for name in ("embedding.weight", "head.weight"):  # those of some have rows that no token of their tokenizer has
        state[name] = state[name][: module.embedding.num_embeddings]
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line for line in differing(base.module.config, config.arch) if "dropout" not in line]
        told = "; ".join(f"arch.{line}" for line in lines)
        raise ConfigError(
            f"--from {config.base} brings its own architecture: its weights do not fit another ({told})",
            "leave --arch.* out, or --from",
        ) from error


def base_of(config: DecoderRunConfig) -> Base | None:
    """The trained model that a run begins with, if it does.

    Raises:
        ConfigError, FolderError: it is no language model, or none at all.
    """
    if config.base is None:
        return None
    base: Base = load_for("generate", config.base, device="cpu")
    return base


class TextParts(Parts[LanguageConfig, Decoder]):
    """Running text, and what is trained on it; it is tokenised once, into FOLDER/tokens."""

    what: ClassVar[str] = "text"

    def __init__(self, asked: TrainingRequest[LanguageConfig]):
        super().__init__(asked)
        self._corpus = Corpus(asked.files, asked.valid, asked.config)
        self._about = self._corpus.survey()
        self._base = base_of(asked.config)
        self._tokens: dict[str, Tokens] = {}
        self._tokenizer: Tokenizer | None = None
        self.digest = self._about.digest

    @property
    def tokenizer(self) -> Tokenizer:
        """The one that was learned, or opened."""
        assert self._tokenizer is not None, "learn or reopen comes first"
        return self._tokenizer

    def learn(self, folder: Folder) -> Mapping[str, object]:
        """Train a tokenizer, or take that of the model that the run begins with."""
        about, say = self._about, self.asked.session.say
        say(f"{about.documents:,} document{'s' * (about.documents != 1)}, {about.characters:,} characters")
        say_empty(self._corpus.empty, say)
        doing("training the tokenizer")
        learned = self._base.tokenizer if self._base else text_tokenizer(about.sample, self.asked.config.tokenizer)
        folder.write_text("tokenizer.json", learned.to_json())
        self._tokenizer = learned
        return tokenizer_fields(learned)

    def reopen(self, folder: Folder) -> None:
        """Open the tokenizer."""
        self._tokenizer = open_tokenizer(folder, "a language model")

    def prepare(self, folder: Folder) -> None:
        """The text as tokens."""
        doing("tokenising")
        session = self.asked.session
        self._tokens = self._corpus.tokens(folder, self.tokenizer, self._about, quiet=session.quiet)
        for name, tokens in self._tokens.items():
            if not len(tokens):
                raise DataError(f"the {name} part is empty", "bring more text, or name a validation file: --valid FILE")
        for name, tokens in self._tokens.items():
            unk = self.tokenizer.specials.unk
            for share in unknown_share([tokens[:_COUNTED]], unk, f"the {name} part's beginning"):
                session.say(f"note: {share}")

    def make(self) -> Decoder:
        """A new model."""
        return Decoder(self.asked.config.arch, self.tokenizer.vocab_size)

    def job(self, module: Decoder) -> LanguageJob:
        """The prediction of each token from those before it."""
        config = self.asked.config
        if self._base is not None:
            put_in(module, config, self._base)
        length, apart = config.arch.max_len, config.data.apart
        rows = max(1, config.training.batch_tokens // length)
        eos = self.tokenizer.specials.end
        train = Windows(self._tokens["train"], length=length, rows=rows, eos=eos, apart=apart, seed=config.seed)
        valid = Windows(self._tokens["valid"], length=length, rows=judged_rows(length), eos=eos, apart=apart)
        return LanguageJob(module, train, valid, self.tokenizer)

    def sizes(self) -> str:
        """The size of the vocabulary, and the tokens of both parts."""
        train, valid = (f"{len(self._tokens[name]):,}" for name in ("train", "valid"))
        return f"vocabulary of {self.tokenizer.vocab_size:,}; {train} tokens to train on, {valid} for validation"

    def finish(self, module: Decoder, folder: Folder) -> LanguageModel:
        """The trained model."""
        from clearhead.tasks.language_model import LanguageModel

        return LanguageModel(module, self.tokenizer, folder)


def preview_text(asked: TrainingRequest[LanguageConfig]) -> TextPreview:
    """What a training would be given; a tokenizer is trained to tell, and nothing is written.

    Raises:
        DataError: the files cannot be used.
    """
    corpus = Corpus(asked.files, asked.valid, asked.config)
    about = corpus.survey()
    tokenizer = text_tokenizer(about.sample, asked.config.tokenizer)
    return describe_text(corpus.pieces(), about, tokenizer, asked.config.arch.max_len)
