"""A translator on real pairs: trains with a recipe's options, then scores the test part and prints ten translations.

    .venv/bin/python benchmarks/translation.py TRAIN --valid VALID --test TEST --out FOLDER [--lowercase] [OPTIONS]

TRAIN, VALID and TEST are files of sentence pairs; OPTIONS go to `clearhead train translate` as they are. Rows with the
same source are several references of one translation. Prints BLEU and chrF with signatures for greedy and for beam 4,
seconds of training and decoding, and ten test sentences with the translation and a reference, evenly spread.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import clearhead
from clearhead.cli.report import scores
from clearhead.data.config import DataConfig
from clearhead.data.pairs import read_pairs


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--valid", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--lowercase", action="store_true")
    options, others = parser.parse_known_args()
    command = [str(Path(sys.executable).with_name("clearhead")), "train", "translate", options.train]
    start = time.monotonic()
    subprocess.run([*command, "--valid", options.valid, "--out", options.out, *others], check=True)
    print(f"training, all in all: {time.monotonic() - start:.0f} s")
    translator = clearhead.load(options.out)
    for beam in (1, 4):
        start = time.monotonic()
        found = translator.evaluate([options.test], beam=beam, lowercase=options.lowercase)
        print(f"\nbeam {beam}, {time.monotonic() - start:.1f} s", *scores(found), sep="\n  ")
    pairs, _ = read_pairs([options.test], DataConfig())
    chosen = pairs[:: max(1, len(pairs) // 10)][:10]
    for pair, text in zip(chosen, translator.translate([p.source for p in chosen]), strict=True):
        print(f"\n  source     {pair.source}\n  translated {text}\n  reference  {pair.target}")


if __name__ == "__main__":
    main()
