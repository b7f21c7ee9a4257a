"""Figures: what they say, that nothing is cut or overlaps, and that saving is whole, repeatable and in three forms."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.dom.minidom import parseString

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from clearhead.errors import ClearheadError, ConfigError, DataError, FolderError
from clearhead.figures.canvas import save_figure
from clearhead.figures.figure import attention_figure, loss_figure

SRC = ["I", "know", "$x^2$", "</s>"]
OUT = ["je", "sais"]
WEIGHTS = [[0.36, 0.6, 0.035, 0.005], [0.0, 0.25, 0.25, 0.5]]
METRICS: list[dict[str, object]] = [
    {"step": 0, "kind": "train", "loss": 4.0, "lr": 0.1},
    {"step": 100, "kind": "train", "loss": 2.0},
    {"step": 100, "kind": "valid", "loss": 3.0, "bleu": 20.0},
    {"step": 200, "kind": "valid", "loss": 2.5},
    {"step": 300, "kind": "valid", "loss": 2.75},
    {"step": 400, "kind": "valid", "loss": float("nan")},
    {"step": 400, "kind": "health", "remark": "no loss here"},
]


def test_the_legend_says_what_raises_the_training_loss_and_covers_no_line() -> None:
    floors = {"kind": "floors", "step": 0, "uniform": 9.0}
    figure = loss_figure([floors, *METRICS], title="demo", training=["label smoothing", "dropout"])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "training, with label smoothing and dropout"
    assert legend.get_window_extent().y0 >= axes.bbox.y1


def test_the_map_says_every_number_word_and_axis() -> None:
    axes, bar = attention_figure(WEIGHTS, OUT, SRC).axes
    assert [t.get_text() for t in axes.texts] == ["36", "60", "4", "·", "·", "25", "25", "50"]
    assert [t.get_text() for t in axes.get_xticklabels()] == SRC
    assert [t.get_text() for t in axes.get_yticklabels()] == OUT
    assert "source word, attended" in axes.get_xlabel() and "written word, attends" in axes.get_ylabel()
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0 %", "60 %"]


def test_numbers_contrast_with_their_cells() -> None:
    axes = attention_figure([[0.0, 1.0]], ["x"], ["a", "b"]).axes[0]
    assert [t.get_color() for t in axes.texts] == ["#222222", "white"]


def test_the_first_row_is_on_top() -> None:
    axes = attention_figure(WEIGHTS, OUT, SRC).axes[0]
    first, fifth = axes.texts[0], axes.texts[4]
    assert axes.transData.transform(first.get_position())[1] > axes.transData.transform(fifth.get_position())[1]


@pytest.mark.parametrize("count", [1, 3, 20, 30])
def test_nothing_is_cut_and_no_words_overlap(count: int) -> None:
    words = [f"wonderful{i}" for i in range(count)]
    figure = attention_figure(torch.eye(count), words, words, title="A title longer than a small map", caption="remark")
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    whole = figure.bbox
    for part in [*figure.axes, *figure.texts]:
        box = part.get_tightbbox(renderer)
        assert box is not None
        assert box.x0 >= whole.x0 and box.y0 >= whole.y0 and box.x1 <= whole.x1 and box.y1 <= whole.y1
    axes = figure.axes[0]
    assert not _overlap([label.get_window_extent(renderer) for label in axes.get_yticklabels()])
    assert not _overlap([text.get_tightbbox(renderer) for text in [*figure.texts, figure.axes[0]]])
    assert bool(axes.texts) == (count**2 <= 400)


def _overlap(boxes: Sequence[Bbox | None]) -> bool:
    return any(a is not None and b is not None and a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_dollar_is_a_dollar_and_controls_are_visible(tmp_path: Path) -> None:
    save_figure(
        attention_figure([[1.0]], ["$\\frac{$"], ["a\nb\x00\ufffe"], title="$t$", caption="\x1b[1m"), tmp_path / "a.svg"
    )
    svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    parseString(svg.encode())
    for text in ("$\\frac{$", "a␊b␀�", "$t$", "␛[1m"):
        assert f">{text}</text>" in svg


def test_words_of_other_scripts_and_nan_are_drawn(tmp_path: Path) -> None:
    save_figure(attention_figure([[float("nan"), 1.0]], ["猫"], ["はい", "नमस्ते"]), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_the_losses_and_the_best_step_are_drawn() -> None:
    axes = loss_figure(METRICS, title="run $1$").axes[0]
    train, valid, best = axes.lines
    assert train.get_xydata().tolist() == [[0, 4], [100, 2]]  # type: ignore[union-attr]
    assert valid.get_xydata().tolist() == [[100, 3], [200, 2.5], [300, 2.75]]  # type: ignore[union-attr]
    assert best.get_xydata().tolist() == [[200, 2.5]]  # type: ignore[union-attr]
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["training", "validation", "best: 2.500 at step 200"]
    assert "nats per token" in axes.get_ylabel() and "step" in axes.get_xlabel()


def test_floors_are_thin_lines_with_their_names_beside(tmp_path: Path) -> None:
    """Names of floors that lie close stand apart, inside the figure, and the lines stand at their losses."""
    floors = {
        "kind": "floors",
        "step": 0,
        "seconds": 0.0,
        "untrained": 4.5,
        "uniform": 4.2,
        "unigram": 3.02,
        "bigram": 3,
    }
    figure = loss_figure([floors, *METRICS])
    axes = figure.axes[0]
    train, valid, _, *lines = axes.lines
    assert [line.get_ydata()[0] for line in lines] == [4.2, 3.02, 3]  # type: ignore[index]
    assert all(line.get_linewidth() < train.get_linewidth() < valid.get_linewidth() for line in lines)
    assert [text.get_text() for text in axes.texts] == ["bigram 3.00", "unigram 3.02", "uniform 4.20"]
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert not _overlap(boxes)
    right = axes.get_window_extent(renderer).x1
    assert all(right < box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert len(axes.get_legend().get_texts()) == 3  # type: ignore[union-attr]
    save_figure(figure, tmp_path / "a.svg")
    assert ">unigram 3.02</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_floors_without_a_number_are_left_out() -> None:
    rows = [{"kind": "floors", "uniform": float("inf"), "unigram": None, "note": "x"}, *METRICS]
    assert list(loss_figure(rows).axes[0].texts) == []


@pytest.mark.parametrize("kind", ["train", "valid"])
def test_one_point_of_one_kind_is_enough(kind: str, tmp_path: Path) -> None:
    save_figure(loss_figure([{"step": 1, "kind": kind, "loss": 2.0}]), tmp_path / "a.png")


@pytest.mark.parametrize(
    "metrics", [[], [{"step": 1, "kind": "train", "loss": None}], [{"kind": "valid", "loss": 1.0}]]
)
def test_no_losses_is_an_error(metrics: list[dict[str, object]]) -> None:
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        loss_figure(metrics)


@pytest.mark.parametrize(
    ("end", "head"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_saving_twice_gives_the_same_bytes(end: str, head: bytes, tmp_path: Path) -> None:
    one, two = tmp_path / f"one{end}", tmp_path / f"two{end}"
    save_figure(attention_figure(WEIGHTS, OUT, SRC, title="t"), one)
    save_figure(attention_figure(WEIGHTS, OUT, SRC, title="t"), two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(head)
    assert sorted(tmp_path.iterdir()) == [one, two]


@pytest.mark.parametrize("name", ["figure.jpg", "figure"])
def test_another_form_is_refused_with_the_three_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.svg, \.png, \.pdf"):
        save_figure(Figure(), tmp_path / name)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    figure = attention_figure(WEIGHTS, OUT, SRC)
    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(FolderError, match="disk full"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("No module named 'matplotlib'")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ClearheadError, match=r'pip install "clearhead\[plot\]"'):
        loss_figure(METRICS)


def test_no_pyplot_no_torch_and_quiet_without_a_writable_cache(tmp_path: Path) -> None:
    code = (
        "import sys; from clearhead.figures.canvas import *; from clearhead.figures.figure import *\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"save_figure(attention_figure([[1.0]], ['a'], ['b']), {str(tmp_path / 'a.svg')!r})\n"
        "assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)"
    )
    cache = tmp_path / "a file, no folder"
    cache.touch()
    env = {**os.environ, "MPLCONFIGDIR": str(cache)}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
