"""Translators on real pairs: trains a recipe for each seed, scores the test part, shows ten translations.

--train, --valid and --test name files of sentence pairs (each may be two parallel files, with a comma between); options
that are not of this case go to `clearhead train translate` as they are. The model of seed N is OUT/seed-N. Rows with
the same source are several references of one translation. For each seed and width of beam: BLEU and chrF with
signatures, seconds of training (all in all: reading, tokenizer, evaluations and saving too) and of decoding; then mean
and spread over the seeds. --spacy scores the same output once more as pytorch-seq2seq does: lower-cased tokens of
spaCy's blank pipeline.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import clearhead
from benchmarks.case import case
from benchmarks.commands import PROGRAM
from benchmarks.results import Cell, Table, ends
from benchmarks.scores import read_references, score

SHOWN = 10


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Options:
    """What is trained and scored."""

    train: str
    valid: str
    test: str
    out: Path
    recipe: str = "translator"
    seeds: tuple[int, ...] = (0,)
    beams: tuple[int, ...] = (1, 4)
    lowercase: bool = False
    spacy: str | None = None


def train(options: Options, out: Path, seed: int, others: Sequence[str]) -> float:
    """The seconds of the whole command."""
    valid = [word for file in options.valid.split(",") for word in ("--valid", file)]
    words = [*options.train.split(","), *valid, "--out", out, "--recipe", options.recipe, "--seed", seed, *others]
    start = time.monotonic()
    subprocess.run([*PROGRAM, "train", "translate", *map(str, words)], check=True)
    return time.monotonic() - start


def shown(translator: clearhead.tasks.Translator, references: dict[str, list[str]]) -> Table:
    """Some sources, their translations and references."""
    chosen = list(references)[:: max(1, len(references) // SHOWN)][:SHOWN]
    rows = [
        [source, text, references[source][0]] for source, text in zip(chosen, translator.translate(chosen), strict=True)
    ]
    return Table({"source": "", "translated": "", "reference": ""}, rows)


@case("translation", about="a recipe trained on your pairs for each seed, scored on the test part", duration="hours")
def translation(
    *others: Annotated[str, Parameter(allow_leading_hyphen=True)], options: Annotated[Options, Parameter(name="*")]
) -> Iterator[Table]:
    """Train and score each seed."""
    references = read_references(options.test)
    values: dict[str, list[float]] = {}
    signatures: dict[str, str] = {}
    for seed in options.seeds:
        out = options.out / f"seed-{seed}"
        values.setdefault("training, all in all, s", []).append(train(options, out, seed, others))
        translator = clearhead.load(out)
        for beam in options.beams:
            start = time.monotonic()
            outputs = translator.translate(list(references), beam=beam)
            values.setdefault(f"beam {beam}, decoding, s", []).append(time.monotonic() - start)
            scores = score(outputs, list(references.values()), lowercase=options.lowercase, spacy=options.spacy)
            for name, (value, signature) in scores.items():
                values.setdefault(f"beam {beam}, {name}", []).append(value)
                signatures[name] = signature
    rows: list[list[Cell]] = [[name, statistics.mean(each), ends(each)] for name, each in values.items()]
    count = sum(len(texts) for texts in references.values())
    title = f"{len(references):,} sentences, {count:,} references; seeds {', '.join(map(str, options.seeds))}"
    remarks = [*(f"{name}: {signature}" for name, signature in signatures.items()), _results(translator)]
    yield Table({"": "", "mean": "{:.2f}", "seeds": "{:.2f}"}, rows, title=title, remarks=remarks)
    yield shown(translator, references)


def _results(translator: clearhead.tasks.Translator) -> str:
    return f"the last seed's own results: {translator.folder.config()['results']}"
