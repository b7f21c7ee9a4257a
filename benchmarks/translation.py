"""Translators on real pairs: trains a recipe for each seed, scores the test part, prints a table and ten translations.

    .venv/bin/python benchmarks/translation.py TRAIN --valid VALID --test TEST --out FOLDER [--recipe NAME]
        [--seeds 0 1 2] [--beams 1 5] [--lowercase] [--spacy LANGUAGE] [OPTIONS]

TRAIN, VALID and TEST are files of sentence pairs (TRAIN and so on may each be two parallel files, joined by a comma);
OPTIONS go to `clearhead train translate` as they are. The model of seed N is FOLDER/seed-N. Rows with the same source
are several references of one translation. For each seed and width of beam: BLEU and chrF with signatures, seconds of
training (all in all: reading, tokenizer, evaluations and saving too) and of decoding; then mean and spread over the
seeds. --spacy scores the same output once more as pytorch-seq2seq does: lower-cased tokens of spaCy's blank pipeline.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sacrebleu
import spacy

import clearhead
from clearhead.data.config import DataConfig
from clearhead.data.pairs import read_pairs

SHOWN = 10


def main() -> None:
    """Train, score, print."""
    options, others = arguments()
    pairs, _ = read_pairs(options.test.split(","), DataConfig())
    references: dict[str, list[str]] = {}
    for pair in pairs:
        references.setdefault(pair.source, []).append(pair.target)
    found: dict[str, list[float]] = {}
    for seed in options.seeds:
        out = Path(options.out) / f"seed-{seed}"
        seconds = train(options, out, seed, others)
        found.setdefault("training, all in all, s", []).append(seconds)
        translator = clearhead.load(out)
        results = translator.folder.config()["results"]
        print(f"\nseed {seed}: {results}")
        for beam in options.beams:
            start = time.monotonic()
            outputs = translator.translate(list(references), beam=beam)
            found.setdefault(f"decoding with beam {beam}, s", []).append(time.monotonic() - start)
            for name, (value, signature) in score(outputs, list(references.values()), options).items():
                found.setdefault(f"beam {beam}, {name}", []).append(value)
                print(f"  beam {beam}  {name:<12}{value:6.2f}  {signature}")
    print(f"\n{len(references):,} sentences, {len(pairs):,} references; seeds {options.seeds}: mean (values)")
    for name, values in found.items():
        print(f"  {name:<34}{statistics.mean(values):8.2f}  ({', '.join(f'{v:.2f}' for v in values)})")
    chosen = list(references)[:: max(1, len(references) // SHOWN)][:SHOWN]
    for source, text in zip(chosen, translator.translate(chosen), strict=True):
        print(f"\n  source     {source}\n  translated {text}\n  reference  {references[source][0]}")


def arguments() -> tuple[argparse.Namespace, list[str]]:
    """Ours, and what goes on to the training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--valid", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--recipe", default="translator")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--lowercase", action="store_true")
    parser.add_argument("--spacy", default=None)
    return parser.parse_known_args()


def train(options: argparse.Namespace, out: Path, seed: int, others: Sequence[str]) -> float:
    """The seconds of the whole command."""
    command = [str(Path(sys.executable).with_name("clearhead")), "train", "translate", *options.train.split(",")]
    valid = [word for file in options.valid.split(",") for word in ("--valid", file)]
    start = time.monotonic()
    subprocess.run(
        [*command, *valid, "--out", str(out), "--recipe", options.recipe, "--seed", str(seed), *others], check=True
    )
    return time.monotonic() - start


def score(outputs: list[str], references: list[list[str]], options: argparse.Namespace) -> dict[str, tuple[float, Any]]:
    """Name -> (value, signature)."""
    most = max(len(r) for r in references)
    streams: Any = [[r[k] if k < len(r) else None for r in references] for k in range(most)]
    bleu, chrf = sacrebleu.BLEU(lowercase=options.lowercase), sacrebleu.CHRF(lowercase=options.lowercase)
    found = {
        "BLEU": (bleu.corpus_score(outputs, streams).score, bleu.get_signature()),
        "chrF": (chrf.corpus_score(outputs, streams).score, chrf.get_signature()),
    }
    if options.spacy:
        cut = spacy.blank(options.spacy).tokenizer

        def words(text: str) -> str:
            return " ".join(token.text for token in cut(text.lower()))

        plain = sacrebleu.BLEU(tokenize="none")
        tokens: Any = [[None if r is None else words(r) for r in stream] for stream in streams]
        value = plain.corpus_score([words(o) for o in outputs], tokens).score
        found["BLEU, spaCy"] = value, f"{plain.get_signature()}|spacy:{spacy.__version__} blank {options.spacy}"
    return found


if __name__ == "__main__":
    main()
