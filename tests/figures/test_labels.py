"""Words beside points: every one is written, and none lies on another, on a point, or out of the picture."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes

from clearhead.figures.word_map import words_figure

WORDS = [f"{name}{i}" for i in range(5) for name in ("the", "king", "henry", "iv", "without", "ship")]


def heap() -> torch.Tensor:
    """Points of a plane that are the closer the nearer they are to its middle."""
    turns = torch.arange(len(WORDS)) * 2.4
    reach = torch.linspace(0.05, 1, len(WORDS)) ** 3
    return torch.stack([reach * turns.cos(), reach * turns.sin()], 1)


def covered(axes: Axes) -> list[str]:
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(boxes) == set(WORDS)
    dots = axes.transData.transform(heap().numpy())
    return [
        word
        for word, box in boxes.items()
        if any(other.overlaps(box) for name, other in boxes.items() if name != word)
        or any(box.contains(*dot) for dot in dots)
        or not (axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1)
    ]


def test_no_word_lies_on_another() -> None:
    figure = words_figure(WORDS, {"before": heap(), "after": heap()}, title="words", marked=["king0"])
    assert [covered(axes) for axes in figure.axes] == [[], []]


def test_the_words_that_a_picture_is_about_are_marked() -> None:
    (axes,) = words_figure(WORDS, {"": heap()}, marked=["king0"], title="nearest to king0").axes
    weights = {text.get_text(): text.get_fontweight() for text in axes.texts}
    assert [word for word, weight in weights.items() if weight == "bold"] == ["king0"]
    assert len(axes.collections[1].get_offsets()) == 1
