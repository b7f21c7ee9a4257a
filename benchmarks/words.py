"""Word vectors against gensim's word2vec on the same text: words a second, agreement with people, neighbours.

    .venv/bin/python benchmarks/words.py TEXT [--epochs 5] [--d-model 100] [--objective skip-gram]
        [--lr 0.01] [--batch-words 16384] [--neighbours]

Both get the same words (cut by clearhead's tokenizer), window 5, 5 negatives, sub-sampling 1e-3, least count 5, all
cores; gensim in its fastest mode (a corpus file, which its threads read by themselves). Words a second are all words of
the text times the epochs over the seconds of training, vocabulary and reading left out on both sides. Quality is
Spearman's rank correlation with people on WordSim-353 (Finkelstein et al., 2002) and SimLex-999 (Hill et al., 2015),
which gensim brings along, over the pairs that both know.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import gensim
import torch
from gensim.models import Word2Vec
from gensim.test.utils import datapath

import clearhead
from clearhead.data.words import encode_words, read_text
from clearhead.tasks.word_model import Words

ASKED = (
    *("ship", "king", "child", "house", "night", "red", "money", "letter", "horse", "sea", "walked", "happy"),
    *("three", "london", "doctor", "gold", "summer", "voice", "father", "terrible"),
)

UNK = 3


def main() -> None:
    """Train both, print the table and the neighbours of twenty words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--d-model", type=int, default=100)
    parser.add_argument("--objective", default="skip-gram", choices=["skip-gram", "cbow"])
    parser.add_argument("--lr", type=float, default=None)
    parser.add_argument("--batch-words", type=int, default=None)
    parser.add_argument("--neighbours", action="store_true")
    options = parser.parse_args()
    print(f"gensim {gensim.__version__}, torch {torch.__version__}, {multiprocessing.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as place:
        ours, ours_rate = train_ours(options, Path(place) / "model")
        theirs, their_rate = train_theirs(options, ours, Path(place) / "corpus.txt")
        write(theirs, Path(place) / "theirs.txt")
        peer = clearhead.load(Path(place) / "theirs.txt")
        files = similarities(Path(place), ours, peer)
        print(f"\n{'':<12}{'words/s':>12}{'WordSim-353':>14}{'SimLex-999':>12}")
        for name, model, rate in (("gensim", peer, their_rate), ("clearhead", ours, ours_rate)):
            scores = [score.value for score in model.evaluate([str(f) for f in files]).values()]
            print(f"{name:<12}{rate:>12,.0f}{scores[0]:>14.1f}{scores[1]:>12.1f}")
        print(f"{'ratio':<12}{ours_rate / their_rate:>12.2f}")
        for word in ASKED if options.neighbours else ():
            for name, model in (("gensim", peer), ("clearhead", ours)):
                near = "  ".join(f"{n.word} {n.cosine:.2f}" for n in model.nearest([word], n=8)[0])
                print(f"{word:<10}{name:<11}{near}")


def train_ours(options: argparse.Namespace, folder: Path) -> tuple[Words, float]:
    """(our vectors, words a second of training)."""
    training: dict[str, Any] = {"epochs": options.epochs, "evaluations": 2}
    if options.batch_words:
        training["batch_tokens"] = options.batch_words
    more = {"optimizer": {"lr": options.lr}} if options.lr else {}
    arch = {"objective": options.objective, "d_model": options.d_model}
    start = time.monotonic()
    model: Words = clearhead.train("words", options.text, out=folder, arch=arch, training=training, **more)
    config = model.folder.config() if model.folder else {}
    words = sum(len(row) for row in encode_words(model.tokenizer, read_text([options.text])))
    print(f"clearhead: {time.monotonic() - start:.0f} s all in all, {config['results']}")
    return model, words * options.epochs / config["results"]["seconds"]


def train_theirs(options: argparse.Namespace, ours: Words, corpus: Path) -> tuple[Any, float]:
    """(gensim's vectors, words a second of training)."""
    backend, words = ours.tokenizer.backend, 0
    with corpus.open("w", encoding="utf-8") as file:
        for encoding in backend.encode_batch(read_text([options.text]), add_special_tokens=False):
            known = [token for token, i in zip(encoding.tokens, encoding.ids, strict=True) if i != UNK]
            words += len(known)
            file.write(" ".join(known) + "\n")
    model = Word2Vec(
        sg=int(options.objective == "skip-gram"),
        vector_size=options.d_model,
        window=5,
        negative=5,
        sample=1e-3,
        min_count=5,
        workers=multiprocessing.cpu_count(),
        seed=0,
    )
    model.build_vocab(corpus_file=str(corpus))
    start = time.monotonic()
    model.train(corpus_file=str(corpus), total_examples=model.corpus_count, total_words=words, epochs=options.epochs)
    seconds = time.monotonic() - start
    print(f"gensim: {seconds:.0f} s of training, {words:,} words an epoch, {len(model.wv):,} kinds")
    return model, words * options.epochs / seconds


def write(model: Any, path: Path) -> None:
    """Save gensim's vectors as text."""
    model.wv.save_word2vec_format(str(path))


def similarities(place: Path, *models: Words) -> list[Path]:
    """The two lists of people's judgements, cut to the pairs that all models know."""
    files = []
    for source in ("wordsim353.tsv", "simlex999.txt"):
        lines = Path(datapath(source)).read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
        known = [set(model.words) for model in models]
        kept = [row for row in rows if all(row[0].lower() in k and row[1].lower() in k for k in known)]
        files.append(place / f"{source}.tsv")
        files[-1].write_text("".join(f"{r[0].lower()}\t{r[1].lower()}\t{r[2]}\n" for r in kept), encoding="utf-8")
        print(f"{source}: {len(kept)} of {len(rows)} pairs")
    return files


if __name__ == "__main__":
    main()
