"""`clearhead export MODEL --to FORM --out PLACE`: a model in the form of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clearhead.errors import ConfigError, FolderError

if TYPE_CHECKING:
    from clearhead.exchange.leaving import Leaving
    from clearhead.tasks.task import Model

__all__ = ["export"]

_FORMS = ("huggingface", "sentence-transformers", "word2vec")


def export(model: str, *, to: str, out: Path, check: Literal["auto", "none"] = "auto") -> None:
    """Write a model in the form of other libraries.

    Example: clearhead export models/mine --to huggingface --out models/mine-hf

    Word vectors: clearhead export models/words --to word2vec --out vectors.txt

    Parameters
    ----------
    model
        a model folder
    to
        huggingface: a folder that transformers opens; sentence-transformers: one for the vectors of texts; word2vec:
        word vectors as text, which gensim, spaCy and fastText read
    out
        the folder or file to make
    check
        auto: open it with the other library, where that is installed, and print how far its numbers are from ours
    """
    if to not in _FORMS:
        raise ConfigError(f"no model is written as {to!r}", f"take {' or '.join(_FORMS)}")

    from clearhead.tasks.load import load

    loaded = load(model)
    if to == "word2vec":
        _export_words(model, loaded, out)
        return
    leave = getattr(loaded, "leaving", None)
    if leave is None or (to == "sentence-transformers" and loaded.name != "embed"):
        fix = "word vectors go to word2vec, models for vectors of texts to sentence-transformers"
        raise ConfigError(f"the task of {model} is {loaded.name}, which {to} has no form for", fix)
    from clearhead.exchange.leaving import write_leaving

    leaving = leave()
    class_name = write_leaving(out, leaving, sentences=to == "sentence-transformers")
    print(f"saved {out}: {class_name}")
    if check == "auto":
        _check(out, leaving, class_name)


def _export_words(model: str, loaded: Model, out: Path) -> None:
    from clearhead.exchange.word2vec import write_vectors
    from clearhead.tasks.word_model import Words

    if not isinstance(loaded, Words):
        raise ConfigError(f"word2vec holds word vectors, and the task of {model} is {loaded.name}", "take another form")
    write_vectors(out, loaded.words, loaded.vectors)
    print(f"saved {out}: {len(loaded.words):,} words of {loaded.vectors.size(1)} numbers")


def _check(out: Path, leaving: Leaving, class_name: str) -> None:
    """Open what was written with the other library, and say how far its numbers are."""
    import sys

    from clearhead.exchange.leaving import check_leaving

    try:
        import transformers
    except ImportError:
        print("note: not compared, as transformers is not installed", file=sys.stderr)
        return
    difference = check_leaving(out, leaving, class_name)
    print(f"opened with transformers {transformers.__version__}: max |difference of the scores| {difference:.1e}")
    if difference > 1e-2:
        raise FolderError("the other library computes something else with it", "please report this", file=out)
