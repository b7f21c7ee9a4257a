"""`clearhead export MODEL --to FORM --out PLACE`: a model in the form of other libraries."""

from __future__ import annotations

from pathlib import Path

from clearhead.errors import ConfigError

__all__ = ["export"]

_FORMS = ("word2vec",)
_IN_PYTHON = (
    "language models of preset gpt2, llama or qwen3 go to Hugging Face's form from Python alone: "
    "clearhead.exchange.huggingface.to_huggingface"
)


def export(model: str, *, to: str, out: Path) -> None:
    """Write a model in the form of other libraries.

    Example: clearhead export models/words --to word2vec --out vectors.txt

    Parameters
    ----------
    model
        a model folder
    to
        word2vec: word vectors as text, which gensim, spaCy and fastText read
    out
        the file to make
    """
    if to not in _FORMS:
        raise ConfigError(f"no model is written as {to!r}", f"take {' or '.join(_FORMS)}; {_IN_PYTHON}")

    from clearhead.exchange.word2vec import write_vectors
    from clearhead.tasks.load import load

    vectors = load(model)
    if "nearest" not in vectors.verbs:
        raise ConfigError(f"{to} holds word vectors, and the task of {model} is {vectors.name}", _IN_PYTHON)
    write_vectors(out, vectors.words, vectors.vectors)
    print(f"saved {out}: {len(vectors.words):,} words of {vectors.vectors.size(1)} numbers")
