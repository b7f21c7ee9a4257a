"""Word vectors against gensim's word2vec on the same text: words a second, agreement with people, neighbours.

Both get the same words (cut by clearhead's tokenizer), window 5, 5 negatives, sub-sampling 1e-3, least count 5, all
cores; gensim in its fastest mode (a corpus file, which its threads read by themselves). Words a second are all words of
the text times the epochs over the seconds of training, vocabulary and reading left out on both sides. Quality is
Spearman's rank correlation with people on WordSim-353 (Finkelstein et al., 2002) and SimLex-999 (Hill et al., 2015),
which gensim brings along, over the pairs that both know.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from gensim.models import Word2Vec
from gensim.test.utils import datapath

import clearhead
from benchmarks.case import case
from benchmarks.results import Cell, Table
from clearhead.data.word_corpus import encode_words, read_text
from clearhead.tasks.word_model import Words

ASKED = (
    *("ship", "king", "child", "house", "night", "red", "money", "letter", "horse", "sea", "walked", "happy"),
    *("three", "london", "doctor", "gold", "summer", "voice", "father", "terrible"),
)
UNK = 3


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """How both are trained.

    Args:
        text: a file.
        lr: clearhead's learning rate (default: the recipe's); as batch_words.
        neighbours: of twenty words, too.
    """

    text: str
    epochs: int = 5
    d_model: int = 100
    objective: Literal["skip-gram", "cbow"] = "skip-gram"
    lr: float | None = None
    batch_words: int | None = None
    neighbours: bool = False


def train_ours(options: Options, folder: Path) -> tuple[Words, float]:
    """(our vectors, words a second of training)."""
    training: dict[str, Any] = {"epochs": options.epochs, "evaluations": 2}
    if options.batch_words:
        training["batch_tokens"] = options.batch_words
    more = {"optimizer": {"lr": options.lr}} if options.lr else {}
    arch = {"objective": options.objective, "d_model": options.d_model}
    model: Words = clearhead.train("words", options.text, out=folder, arch=arch, training=training, **more)
    seconds = model.folder.config()["results"]["seconds"] if model.folder else 0.0
    words = sum(len(row) for row in encode_words(model.tokenizer, read_text([options.text])))
    return model, words * options.epochs / seconds


def train_theirs(options: Options, ours: Words, corpus: Path) -> tuple[Any, float]:
    """(gensim's vectors, words a second of training)."""
    backend, words = ours.tokenizer.backend, 0
    with corpus.open("w", encoding="utf-8") as file:
        for encoding in backend.encode_batch(read_text([options.text]), add_special_tokens=False):
            known = [token for token, i in zip(encoding.tokens, encoding.ids, strict=True) if i != UNK]
            words += len(known)
            file.write(" ".join(known) + "\n")
    shape: dict[str, Any] = {"vector_size": options.d_model, "window": 5, "negative": 5, "sample": 1e-3, "min_count": 5}
    skip_gram = int(options.objective == "skip-gram")
    model = Word2Vec(sg=skip_gram, workers=multiprocessing.cpu_count(), seed=0, **shape)
    model.build_vocab(corpus_file=str(corpus))
    start = time.monotonic()
    model.train(corpus_file=str(corpus), total_examples=model.corpus_count, total_words=words, epochs=options.epochs)
    return model, words * options.epochs / (time.monotonic() - start)


def similarities(place: Path, *models: Words) -> tuple[list[str], list[str]]:
    """The two lists of people's judgements, cut to the pairs that all models know: (files, remarks)."""
    files, remarks = [], []
    for source in ("wordsim353.tsv", "simlex999.txt"):
        lines = Path(datapath(source)).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        known = [set(model.words) for model in models]
        kept = [row for row in rows if all(row[0].lower() in k and row[1].lower() in k for k in known)]
        file = place / f"{source}.tsv"
        file.write_text("".join(f"{r[0].lower()}\t{r[1].lower()}\t{r[2]}\n" for r in kept), encoding="utf-8")
        files.append(str(file))
        remarks.append(f"{source}: {len(kept)} of {len(rows)} pairs")
    return files, remarks


@case("words", about="word vectors beside gensim's word2vec on the same text", duration="5 min")
def words(options: Annotated[Options, Parameter(name="*")]) -> Iterator[Table]:
    """Train both, score both, ask both for neighbours."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        ours, our_rate = train_ours(options, place / "model")
        theirs, their_rate = train_theirs(options, ours, place / "corpus.txt")
        theirs.wv.save_word2vec_format(str(place / "theirs.txt"))
        peer = clearhead.load(place / "theirs.txt")
        files, remarks = similarities(place, ours, peer)
        rows: list[list[Cell]] = []
        for title, model, rate in (("clearhead", ours, our_rate), ("gensim", peer, their_rate)):
            rows.append([title, rate, *(score.value for score in model.evaluate(files).values())])
    remarks += [f"clearhead / gensim: {our_rate / their_rate:.2f}", f"{len(theirs.wv):,} kinds of words"]
    columns = {"": "", "words/s": "{:,.0f}", "WordSim-353": "{:.1f}", "SimLex-999": "{:.1f}"}
    yield Table(columns, rows, remarks=remarks)
    if options.neighbours:
        yield Table({"word": "", "clearhead": "", "gensim": ""}, [[w, _near(ours, w), _near(peer, w)] for w in ASKED])


def _near(model: Words, word: str) -> str:
    return ", ".join(near.word for near in model.nearest([word], n=5)[0])
