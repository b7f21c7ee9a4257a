"""What a command draws: what is missing for it is said before the work, and numbers never depend on pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import clearhead
from clearhead.cli.head_report import heads
from clearhead.cli.nearest import nearest
from clearhead.cli.pictures import Pictures
from clearhead.cli.show_text import show
from clearhead.cli.study import study
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ConfigError, MissingError
from clearhead.folder import Folder


@pytest.mark.parametrize(
    "command",
    [
        lambda: heads("no-model", figures=Pictures(png=Path("h.png"))),
        lambda: show("no-model", "the house", figures=Pictures(svg=Path("a.svg"))),
        lambda: nearest("no-model", "ship", picture=Path("w.pdf")),
    ],
    ids=["heads", "show", "nearest"],
)
def test_a_picture_that_cannot_be_drawn_is_refused_before_the_work(
    command: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match=r"figures need matplotlib.*\n  fix: pip install \"clearhead\[plot\]\""):
        command()


@pytest.mark.parametrize(("name", "better"), [(".", "name"), ("..", r"\.\./name"), ("a.b", "a"), ("/", "/name")])
@pytest.mark.parametrize("form", ["html", "pdf", "svg"])
def test_a_file_of_another_form_is_refused_with_a_better_name(name: str, better: str, form: str) -> None:
    with pytest.raises(ConfigError, match=rf"does not end in \.{form}\n  fix: write --{form} {better}\.{form}$"):
        if form == "html":
            show("no-model", "the house", html=Path(name))
        else:
            show("no-model", "the house", figures=Pictures(**{form: Path(name)}))


def test_a_study_without_matplotlib_leaves_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    study("positions", out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"positions.md", "positions.json"}
    assert json.loads((tmp_path / "positions.json").read_text(encoding="utf-8"))["tables"]
    assert "![" not in (tmp_path / "positions.md").read_text(encoding="utf-8")
    assert "note: the numbers are saved without their pictures: figures need matplotlib" in capsys.readouterr().err


def test_a_training_without_the_libraries_of_metrics_and_figures_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    rows = "\n".join(f"{s.english}\t{s.spanish}" for s in sentences("train", 60))
    (tmp_path / "pairs.tsv").write_text(rows, encoding="utf-8")
    arch = {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2}
    out = tmp_path / "m"
    clearhead.train(
        "translate", tmp_path / "pairs.tsv", out=out, arch=arch, max_steps=1, training={"precision": "float32"}
    )
    assert "what it writes was not compared: BLEU and chrF need sacrebleu" in capsys.readouterr().err
    assert "alignment" in Folder(out).config()
    with pytest.raises(MissingError, match="sacrebleu"):
        clearhead.load(out).evaluate([str(tmp_path / "pairs.tsv")])
