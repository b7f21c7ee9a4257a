"""Data sets by name, with the real library on local folders; what the hub answers is played by a stand-in."""

from __future__ import annotations

import json
import logging
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, read_pairs
from clearhead.data.sources.readers import Column, read_records
from clearhead.errors import DataError

datasets = pytest.importorskip("datasets")

PAIR: list[Column | None] = [None, None]
WANTED = ("source", "target")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As with HF_HUB_OFFLINE, which the libraries read when they are imported."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def folder(path: Path, **parts: list[dict[str, Any]]) -> Path:
    """A folder with a file of JSON lines for each split."""
    path.mkdir(exist_ok=True)
    for name, rows in parts.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def values(spec: str, columns: list[Column | None] = PAIR) -> list[tuple[str, ...]]:
    return [record.values for record in read_records(spec, columns, wanted=WANTED)]


def error(spec: str, columns: list[Column | None] = PAIR) -> DataError:
    with pytest.raises(DataError) as caught:
        values(spec, columns)
    assert caught.value.fix and str(caught.value).startswith(spec)
    return caught.value


BOOKS = [{"id": str(n), "translation": {"de": f"Satz {n}", "en": f"sentence\u2028 {n}"}} for n in range(5)]


def test_a_translation_of_two_languages_is_read_without_being_told(tmp_path: Path) -> None:
    here = folder(tmp_path / "books", train=BOOKS, test=BOOKS[:1])
    records = list(read_records(f"hub:{here}", PAIR, wanted=WANTED))
    assert [(r.file, r.line, r.values) for r in records[:2]] == [
        (f"hub:{here}", 1, ("Satz 0", "sentence\u2028 0")),
        (f"hub:{here}", 2, ("Satz 1", "sentence\u2028 1")),
    ]
    assert len(records) == 5
    turned = DataConfig(source="translation.en", target="translation.de")
    assert read_pairs([f"hub:{here},split=test"], turned)[0] == [Pair("sentence 0", "Satz 0")]


def test_rows_end_the_reading(tmp_path: Path) -> None:
    here = folder(tmp_path / "books", train=BOOKS)
    assert len(values(f"hub:{here},rows=2")) == 2
    assert len(values(f"hub:{here},rows=9,split=train")) == 5


def test_synonyms_and_nulls(tmp_path: Path) -> None:
    here = folder(tmp_path / "a", train=[{"tgt": "b", "n": 1, "src": "a"}, {"tgt": None, "n": 2, "src": "c"}])
    pairs, report = read_pairs([f"hub:{here}"], DataConfig())
    assert pairs == [Pair("a", "b")]
    assert report.empty.first == f"hub:{here}, line 2"
    assert "the value of 'n' is a number" in str(error(f"hub:{here}", ["src", "n"]))
    assert "no key 'srk'" in str(error(f"hub:{here}", ["srk", "tgt"]))


def test_splits(tmp_path: Path) -> None:
    here = folder(tmp_path / "a", train=BOOKS, test=BOOKS)
    assert "there is no split 'trian'; there are 'train', 'test'\n  fix: did you mean 'train'?" in str(
        error(f"hub:{here},split=trian")
    )
    one = folder(tmp_path / "b", test=BOOKS[:2])
    assert len(values(f"hub:{one}")) == 2
    folder(one, validation=BOOKS)
    caught = error(f"hub:{one}")
    assert "does not say which split is meant; there are 'validation', 'test'" in caught.problem
    assert caught.fix == "add e.g. ,split=validation"


def test_configs(tmp_path: Path) -> None:
    here = folder(tmp_path / "a", books=BOOKS, films=BOOKS[:2])
    configs = "".join(f"- config_name: de-{name}\n  data_files: {name}.jsonl\n" for name in ("books", "films"))
    (here / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    assert len(values(f"hub:{here},config=de-films")) == 2
    caught = error(f"hub:{here}")
    assert "does not say which config is meant; there are 'de-books', 'de-films'" in caught.problem
    assert caught.fix == "add e.g. ,config=de-books"
    assert "did you mean 'de-films'" in error(f"hub:{here},config=films").fix


def test_damaged_files(tmp_path: Path) -> None:
    here = folder(tmp_path / "a", train=BOOKS)
    (here / "train.jsonl").write_text('{"source": "a", "target"\n', encoding="utf-8")
    assert "cannot be read on from this row" in str(error(f"hub:{here}"))
    (here / "train.jsonl").unlink()
    assert "no data files are there" in str(error(f"hub:{here}"))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("hub:", "the data set has no name\n  fix: write hub:NAME,config=CONFIG,split=SPLIT,rows=COUNT"),
        ("hub:a/b,splt=x", "'splt=x' is nothing that can be said of a data set\n  fix: did you mean 'split'?"),
        ("hub:a/b,split=", "'split=' is nothing that can be said"),
        ("hub:a/b,rows=1,rows=2", "'rows=2' is nothing that can be said"),
        ("hub:a/b,rows=0", "'0' is not a number of rows"),
        ("hub:./no-such", "there is no such folder"),
        (f"hub:{__file__}", "this is a file, a folder was wanted"),
        ("hub:pandas", "'pandas' is a form of files, no data set\n  fix: give a folder of files"),
        ("hub:JSON", "'JSON' is a form of files, no data set"),
        ("hub:~nobody-of-this-name/books", "the folder cannot be found"),
        ("hub:hf://datasets/pandas", "there is no such folder"),
        ("hub:books/../pandas", "there is no such folder"),
        ("hub:owner/books", "switched off (HF_HUB_OFFLINE)\n  fix: unset HF_HUB_OFFLINE, or give a folder"),
    ],
)
def test_bad_names(spec: str, said: str) -> None:
    assert said in str(error(spec))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            ConnectionError("Couldn't reach 'a/b' on the Hub"),
            "the hub is not reached (Couldn't reach 'a/b' on the Hub)",
        ),
        (datasets.exceptions.DatasetNotFoundError("'a/b' doesn't exist"), "no such data set, or you may not read it"),
        (RuntimeError("Dataset scripts are no longer supported\nx"), "cannot be opened (Dataset scripts are no longer"),
    ],
)
def test_what_the_hub_may_answer(monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str) -> None:
    def load(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    assert said in str(error("hub:a/b"))


class Builder:
    """What the library hands out for a data set, as far as it is asked."""

    __module__ = "datasets.packaged_modules.json.json"

    def __init__(self, rows: Iterable[dict[str, str]], *files: str):
        self.config, self._rows = SimpleNamespace(data_files={"train": list(files)}), rows

    def as_streaming_dataset(self) -> dict[str, Iterable[dict[str, str]]]:
        return {"train": self._rows}


ROW = {"source": "a", "target": "b"}


def test_only_streaming_and_no_foreign_code(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def load(*args: object, **options: object) -> Builder:
        asked.append((args, options))
        return Builder([ROW], "hf://datasets/a/b@main/train.jsonl")

    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    assert values("hub:a/b,config=c") == [("a", "b")]
    assert asked == [(("a/b", "c"), {})]


@pytest.mark.parametrize("file", ["/etc/passwd", "file:///etc/passwd", "../x.jsonl"])
def test_a_data_set_of_the_hub_names_no_file_of_this_machine(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_: Builder([ROW], file))
    assert "it names a file from outside" in str(error("hub:a/b"))


FORMS = ["csv", "json", "pandas", "parquet", "text", "webdataset", "arrow", "generator", "sql"]
SPELLINGS = [
    "./{}",
    "././{}",
    "{}/",
    "./{}/",
    "{}//",
    "../here/{}",
    "../here/./{}/../{}",
    "{here}/{}",
    "./link-{}",
    "~/{}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_that_is_called_as_a_form_is_read_alone(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would read the working folder by these names, some of it by unpickling."""
    here = folder(tmp_path / "here", train=[{"source": "outside", "target": "outside"}])
    (here / "train.pkl").write_bytes(b"cos\nmkdir\n(Vran\ntR.")  # makes a folder where it is unpickled
    (here / "train.csv").write_text("source,target\noutside,outside\n", encoding="utf-8")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    for form in FORMS if spelling == "./{}" else ("csv", "pandas"):
        (folder(here / form, train=[ROW]) / "x").touch()
        (here / f"link-{form}").symlink_to(form)
        assert values("hub:" + spelling.format(form, form, here=here)) == [("a", "b")]
    assert not (here / "ran").exists()


def test_a_name_of_the_hub_is_never_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(folder(tmp_path / "owner") / "books", train=[ROW])
    caught = error("hub:owner/books")
    assert caught.problem == "'owner/books' is a folder here too"
    assert "write hub:./owner/books" in caught.fix


@pytest.mark.parametrize("named", ["../secret.jsonl", "{}/secret.jsonl", "part/../../secret.jsonl"])
def test_a_folder_names_no_file_outside(named: str, tmp_path: Path) -> None:
    folder(tmp_path, secret=[ROW])
    here = folder(tmp_path / "books", train=[ROW])
    (here / "part").mkdir()
    card = f"---\nconfigs:\n- config_name: default\n  data_files: {named.format(tmp_path)}\n---\n"
    (here / "README.md").write_text(card, encoding="utf-8")
    assert "it names a file from outside" in str(error(f"hub:{here}"))


def test_a_folder_whose_name_is_a_pattern_stands_for_itself(tmp_path: Path) -> None:
    folder(tmp_path / "books2", train=[ROW])
    star = folder(tmp_path / "books*", train=[ROW])
    assert "outside" in str(error(f"hub:{star}"))


def test_a_form_that_is_not_plain_data_is_not_read(tmp_path: Path) -> None:
    here = folder(tmp_path / "books")
    with tarfile.open(here / "train.tar", "w") as tar:
        tar.add(__file__, "a.txt")
    assert "would be read as 'webdataset', which is not done here" in str(error(f"hub:{here}"))


def test_an_old_library_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "__version__", "4.0.0")
    assert "need version 5" in str(error("hub:a/b"))


def test_a_break_of_the_network_names_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[dict[str, str]]:
        yield ROW
        raise ConnectionError("the line went dead")

    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_: Builder(rows()))
    caught = error("hub:a/b")
    assert caught.line == 2 and "the line went dead" in caught.problem


def test_the_library_is_quiet_and_then_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = logging.getLogger("huggingface_hub").level, datasets.utils.are_progress_bars_disabled()
    seen: list[tuple[int, bool]] = []

    def load(*_: object) -> Builder:
        seen.append((logging.getLogger("huggingface_hub").level, datasets.utils.are_progress_bars_disabled()))
        return Builder([ROW])

    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    values("hub:a/b")
    assert seen == [(logging.CRITICAL, True)]
    assert (logging.getLogger("huggingface_hub").level, datasets.utils.are_progress_bars_disabled()) == before


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert error("hub:a/b").fix == 'pip install "clearhead[data]"'
