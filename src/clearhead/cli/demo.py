"""`clearhead demo`: the main job on built-in data, from nothing to a picture of where the model looked."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["demo"]

_SENTENCES = (
    "The white cats do not see the small red house.",
    "Did the girl buy the new shoes?",
    "My old friends will open the green door.",
)


def demo(*, out: Path = Path("models/demo"), say: str | None = None) -> None:
    """Train an English-Spanish translator on the built-in grammar, measure it, translate, and show where it looked.

    Example: clearhead demo --say "The black dog sees the yellow birds."

    Parameters
    ----------
    out
        the model folder (a finished one is used again)
    say
        a sentence of yours to translate and to look at
    """
    from clearhead.cli.report import finished
    from clearhead.errors import MissingError, StoppedError
    from clearhead.explorer.show import save, show
    from clearhead.folder import Folder
    from clearhead.tasks.load import load
    from clearhead.tasks.train import train

    begun = (out / "config.json").exists()
    if begun and "alignment" in Folder(out).config():
        print(f"{out} is trained already (delete it to train again)\n")
        translator = load(out, task="translate")
    else:
        files, valid = ["sample:english-spanish/train:30000"], ["sample:english-spanish/valid:500"]
        try:
            translator = train(
                "translate", files, valid=valid, out=out, recipe="demo", keep_checkpoints=8, resume=begun
            )
        except StoppedError as stop:
            raise StoppedError(stop.problem, "the same command goes on with it", stop.number) from None
        finished(out)
    scores = translator.evaluate(["sample:english-spanish/test"], beam=1)
    print("1,000 held-out sentences, each with a combination of words that training never showed:")
    print(f"  exact match {scores['exact match'].value:.1f} %")
    rate = scores["alignment error rate"]
    print(f"  alignment error rate {rate.value / 100:.3f} against gold links ({rate.signature})\n")
    sentences = [*_SENTENCES, *([say] if say else [])]
    for source, target in zip(sentences, translator.translate(sentences), strict=True):
        print(f"  {source}\n  -> {target}\n")
    alignment = translator.look(sentences[-1] if say else sentences[0])
    show(alignment)
    try:
        for path in (out / "attention.svg", out / "attention.png"):
            save(alignment, path)
            print(f"saved {path}")
    except MissingError as missing:
        print(f"note: no pictures: {missing}", file=sys.stderr)
    print(
        f"\ntry next:\n"
        f'  clearhead translate {out} "The girl bought the old books." --show\n'
        f'  clearhead explore {out} "The red house is big."\n'
        f'  clearhead show {out} "The houses are not white." --layer 0\n'
        f"  clearhead train translate your-pairs.tsv --out models/mine\n"
        f"  clearhead explore FOLDER    a model of Hugging Face or sentence-transformers that you have"
    )
