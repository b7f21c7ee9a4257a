"""`clearhead nearest MODEL WORDS`: which words stand near others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from clearhead.cli.pictures import pictures
from clearhead.ranges import Device

__all__ = ["nearest"]


def nearest(
    model: str,
    *words: str,
    n: int = 10,
    json: Annotated[bool, Parameter(negative=())] = False,
    picture: Path | None = None,
    by: Literal["pca", "tsne"] = "pca",
    device: Device = "auto",
) -> None:
    """The words nearest to a word, or to a sum of words, with the cosine of the angle between them.

    One line for each: the word, a TAB, its neighbours. Without words, those that stand in standard input, one a line.

    Example: clearhead nearest models/words ship "king - man + woman"

    As a picture: clearhead nearest models/words ship king child --picture words.png

    Parameters
    ----------
    model
        a folder of word vectors, or a file of them (word2vec's text form)
    words
        words or sums of words
    n
        neighbours of each
    json
        print a list of {"query", "neighbours"} instead
    picture
        save the words and their neighbours as points of a plane: .svg, .png or .pdf
    by
        how vectors of many numbers come into a plane
    device
        where vectors are compared; auto: on an NVIDIA GPU if there is one
    """
    pictures(picture)
    from json import dumps

    from clearhead.tasks.opened import load_for

    vectors = load_for("nearest", model, device=device)
    queries = list(words) or [line.strip() for line in sys.stdin if line.strip()]
    found = vectors.nearest(queries, n=n)
    if json:
        rows = [
            {"query": query, "neighbours": [{"word": f.word, "cosine": round(f.cosine, 6)} for f in row]}
            for query, row in zip(queries, found, strict=True)
        ]
        print(dumps(rows, indent=1, ensure_ascii=False))
    else:
        for query, row in zip(queries, found, strict=True):
            print(f"{query}\t{'  '.join(f'{f.word} {f.cosine:.2f}' for f in row)}")
    if picture is not None:
        from clearhead.figures.canvas import save_figure
        from clearhead.figures.word_map import words_figure

        asked = [query for query in queries if " " not in query]
        shown = list(dict.fromkeys([*asked, *(near.word for row in found for near in row)]))
        title = f"nearest to {', '.join(queries)}"
        figure = words_figure(shown, {"": vectors.stacked(shown)}, by=by, title=title, marked=asked)
        save_figure(figure, picture)
        print(f"saved {picture}", file=sys.stderr)
