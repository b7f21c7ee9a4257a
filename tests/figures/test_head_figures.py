"""Pictures of heads: every head has a cell, a name and its score; words are not cut."""

from __future__ import annotations

from pathlib import Path

import torch

from clearhead.figures.canvas import save_figure
from clearhead.figures.head_figures import heads_figure, joins_figure
from clearhead.insight.head_scores import HeadScore
from clearhead.insight.joins import Joins
from clearhead.insight.roles import HeadRole


def role(kind: str, layer: int, head: int, label: str | None) -> HeadRole:
    part = "cross_attention" if kind == "cross" else "self_attention"
    stack = "decoder" if kind == "cross" else kind
    scores = {} if label is None else {label: HeadScore(label, 0.8, 0.2, 50, away=9.0)}
    return HeadRole(f"{stack}.blocks.{layer}.{part}.attention", layer, head, label, scores)


def test_each_head_has_its_cell_and_its_name(tmp_path: Path) -> None:
    found = [role("encoder", layer, head, "next token" if (layer, head) == (1, 0) else None)
             for layer in range(2) for head in range(3)]  # fmt: skip
    found += [role("cross", 0, head, "alignment" if head == 2 else None) for head in range(3)]
    figure = heads_figure(found, title="What $heads$ do")
    encoder, cross = figure.axes
    assert [t.get_text() for t in encoder.texts] == ["-", "-", "-", "next token\n75%", "-", "-"]  # (0.8 - 0.2) / 0.8
    assert [t.get_text() for t in cross.texts] == ["-", "-", "alignment\n75%"]
    assert [t.get_text() for t in encoder.get_yticklabels()] == ["0", "1"]
    assert [t.get_text() for t in cross.get_xticklabels()] == ["0", "1", "2"]
    assert cross.get_title(loc="left") == "decoder to source"
    for suffix in (".svg", ".png", ".pdf"):
        save_figure(figure, tmp_path / f"a{suffix}")
    assert "alignment" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_where_a_word_looks_is_one_row_a_head() -> None:
    weights = torch.tensor([[0.0, 0.5], [0.25, 0.1]])
    joins = Joins(["big", "cats"], 0, ["encoder 0.0", "encoder 0.1"], weights, weights, torch.tensor([1 / 3, 2 / 3]),
                  torch.tensor([0.6, 0.3]), torch.tensor([0.7, 0.2]))  # fmt: skip
    axes = joins_figure(joins).axes[0]
    assert [t.get_text() for t in axes.texts] == ["33", "67", "·", "50", "25", "10", "60", "30", "70", "20"]
    assert [t.get_text() for t in axes.get_yticklabels()][3:] == ["all layers: rollout", "all layers: flow"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["big", "cats"]
    assert axes.get_yticklabels()[0].get_text() == "chance" and 'where "big" looks' in axes.get_title(loc="left")
