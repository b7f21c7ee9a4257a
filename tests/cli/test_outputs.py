"""Translations into a file: killed anywhere and gone on with, every byte is as without a kill."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import clearhead
from clearhead.cli import translate as command
from clearhead.cli.outputs import OutputFile
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ClearheadError, ConfigError, FolderError
from clearhead.tasks.translator import Translator
from command import without_notes

ARCH = {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "max_len": 24}
ROWS = [s.english for s in sentences("train", 11)]
ROWS[4] = ""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("models") / "m"
    clearhead.train("translate", "sample:english-spanish/train:80", out=out, quiet=True, max_steps=3, arch=ARCH)
    return str(out)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_CHUNK", 3)
    monkeypatch.setattr(Translator, "limit", staticmethod(lambda _: 8))  # it seldom comes to an end by itself
    (tmp_path / "in.txt").write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return tmp_path


def put(model: str, out: str, *, resume: bool = False, **options: Any) -> bytes:
    command.translate(
        model,
        "in.txt",
        destination=command.Destination(Path(out), resume),
        search=command.Search(beam=2),
        printed=command.Printed(**options),
    )
    return Path(out).read_bytes()


@pytest.mark.parametrize("options", [{}, {"n_best": 2}, {"alignments": True}, {"n_best": 2, "alignments": True}])
def test_killed_anywhere_it_goes_on_to_the_same_bytes(
    model: str, desk: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = put(model, "whole", **options)
    assert whole.count(b"\n") == 11 * options.get("n_best", 1)
    command.translate(model, "in.txt", search=command.Search(beam=2), printed=command.Printed(**options))
    assert capsys.readouterr().out.encode() == whole
    lines = [sum(map(len, whole.splitlines(keepends=True)[:n])) for n in range(0, 12)]
    anywhere = random.Random(0).sample(range(len(whole)), 6)
    for size in [0, *anywhere, *lines[2:5], len(whole) - 1, len(whole)]:
        (desk / "parts").write_bytes(whole[:size])
        assert put(model, "parts", resume=True, **options) == whole
    assert without_notes(capsys.readouterr().err) == ""


def test_whole_chunks_are_not_worked_out_again(model: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, seen = put(model, "whole"), list[int]()
    worked = command._Rows.of
    monkeypatch.setattr(
        command._Rows, "of", lambda self, chunk, first: seen.append(len(chunk)) or worked(self, chunk, first)
    )
    # Chunks of 3, 3, 3 and 2 lines: the last that is there is worked out again, and compared.
    for lines, wanted in ((11, [2]), (10, [2]), (9, [3, 2]), (7, [3, 2]), (6, [3, 3, 2])):
        seen.clear()
        (desk / "whole").write_bytes(b"".join(whole.splitlines(keepends=True)[:lines]))
        assert put(model, "whole", resume=True) == whole
        assert seen == wanted


def test_what_would_be_lost_or_mixed_is_refused(model: str, desk: Path) -> None:
    whole, other = put(model, "out"), str(desk / "other")
    clearhead.train(
        "translate", "sample:english-spanish/train:80", out=other, quiet=True, max_steps=3, arch=ARCH, seed=1
    )
    for wrong, message in (
        ({"resume": False}, "out: the file exists already\n  fix: add --resume"),
        ({"resume": True, "n_best": 2}, "out, line 1: the file was begun with other options"),
        ({"resume": True, "alignments": True}, "out, line 1: the file was begun with other options"),
        ({"resume": True, "model": other}, "out, line 10: what stands from here on is not what this model"),
    ):
        with pytest.raises(FolderError, match=message):
            put(**{"model": model, "out": "out", **wrong})
    assert (desk / "out").read_bytes() == whole
    with pytest.raises(FolderError, match=r"in\.txt: the input cannot be the output too"):
        put(model, "in.txt", resume=True)
    notes = b"my own notes\nthat nobody may cut\nor mix"
    for kept, line in ((b"", 1), (whole.splitlines(keepends=True)[0], 4)):  # the last chunk of 3 lines is compared
        (desk / "notes").write_bytes(kept + notes)
        with pytest.raises(FolderError, match=rf"notes, line {line}: what stands from here on is not what this model"):
            put(model, "notes", resume=True)
        assert (desk / "notes").read_bytes() == kept + notes
    (desk / "more").write_bytes(whole + b"one line more\n")
    with pytest.raises(FolderError, match="more: the file holds more than the 11 lines of this input"):
        put(model, "more", resume=True)
    with pytest.raises(FolderError, match=": this is not a file"):
        put(model, ".", resume=True)
    with pytest.raises(ConfigError, match="--resume goes on with a file\n  fix: name it: --out FILE"):
        command.translate(model, "in.txt", destination=command.Destination(resume=True))


def test_a_file_has_one_writer_and_must_stay(desk: Path) -> None:
    with OutputFile(desk / "deep/out", tabs=0, resume=False) as out:
        out.write(["one"])
        with pytest.raises(FolderError, match="another process writes this file"):
            OutputFile(desk / "deep/out", tabs=0, resume=True).__enter__()
        shutil.rmtree(desk / "deep")
        with pytest.raises(FolderError, match=r"the file was removed or replaced while it was written to \(1 line"):
            out.write(["two"])
    assert not (desk / "deep").exists()


def test_a_long_line_is_named(model: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "in.txt").write_text("\n" * 6 + "the house " * 300 + "\na house\n")
    whole = put(model, "out", alignments=True)
    assert whole.count(b"\n") == 8
    assert "note: in.txt, line 7 has 600 tokens and was cut to 23: the model's max_len\n" in capsys.readouterr().err


def test_how_far_it_came_is_said(model: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "pipe.txt").write_bytes(b"a\nb\nc\nd\n\xff\n")
    with pytest.raises(ClearheadError, match=r"pipe\.txt, line 5: not valid UTF-8"):
        command.translate(model, "pipe.txt", destination=command.Destination(Path("none")))
    assert not (desk / "none").exists()  # found before anything is translated

    written = OutputFile.write

    def stopped(self: OutputFile, lines: list[str]) -> None:
        if self.written == 6:
            raise KeyboardInterrupt
        written(self, lines)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(OutputFile, "write", stopped)
        put(model, "out")
    assert without_notes(capsys.readouterr().err) == "6 lines stand in out\n"
