"""Sentence pairs: cleaned, counted, linked and held out."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clearhead.data import samples
from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, format_links, hold_out, overlap, parse_links, read_pairs
from clearhead.errors import DataError

DEFAULT = DataConfig()


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# Reading


def test_pairs_are_cleaned_and_every_drop_is_counted(tmp_path: Path) -> None:
    text = "  Go \u00a0on. \tSigue.\nGo on.\t Sigue. \nGo on.\tVe.\n\nx\t \nx\t123456789\nn\u0303\tn\u0303 \u2028 o\n"
    path = write(tmp_path / "a.tsv", text)
    pairs, report = read_pairs([path], DataConfig(max_chars=8))
    assert pairs == [Pair("Go on.", "Sigue."), Pair("Go on.", "Ve."), Pair("ñ", "ñ o")]
    assert report.lines() == [
        "6 pairs read, 3 kept",
        f"1 pair dropped: the same pair stood earlier (first: {path}, line 2)",
        f"1 pair dropped: a side is empty (first: {path}, line 5)",
        f"1 pair dropped: a side is longer than 8 characters (max_chars) (first: {path}, line 6)",
    ]
    assert (report.read, report.kept, report.duplicates.count, report.empty.count, report.over_long.count) == (
        6,
        3,
        1,
        1,
        1,
    )


def test_duplicates_are_found_across_files_and_kept_on_demand(tmp_path: Path) -> None:
    a, b = (
        write(tmp_path / "a.tsv", "a\tb\n"),
        write(tmp_path / "b.jsonl", '{"en": "c", "es": "d"}\n{"en": "a", "es": "b"}\n'),
    )
    pairs, report = read_pairs([a, b], DEFAULT)
    assert pairs == [Pair("a", "b"), Pair("c", "d")]
    assert report.duplicates.first == f"{b}, line 2"
    pairs, report = read_pairs([a, b], DEFAULT, keep_duplicates=True)
    assert len(pairs) == 3
    assert report.lines() == ["3 pairs read, 3 kept"]
    assert read_pairs(str(a), DEFAULT)[0] == [Pair("a", "b")]


def test_the_columns_of_the_configuration_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,es,en,gold\n1,uno dos,one two,0-0 1?1\n")
    links = frozenset({(0, 0)}), frozenset({(0, 0), (1, 1)})
    assert read_pairs([path], DataConfig(source="en", target="es"))[0] == [Pair("one two", "uno dos")]
    pairs, _ = read_pairs([path], DataConfig(source="3", target=2, links="gold"))
    assert pairs == [Pair("one two", "uno dos", *links)]


def test_no_pair_left_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\t\nabcdef\tb\n")
    with pytest.raises(
        DataError, match=r"no pair is left: 2 pairs read, 0 kept; 1 pair dropped: a side is empty .*line 1"
    ):
        read_pairs([path], DataConfig(max_chars=3))
    with pytest.raises(DataError, match="0 pairs read"):
        read_pairs([], DEFAULT)


# Links

link_sets = st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30)))


@given(link_sets, link_sets)
def test_links_are_read_back(sure: frozenset[tuple[int, int]], possible: frozenset[tuple[int, int]]) -> None:
    assert parse_links(format_links(sure, possible), 31, 31) == (sure, sure | possible)


def test_links_by_hand() -> None:
    assert format_links([(1, 0), (0, 10), (0, 2)]) == "0-2 0-10 1-0"
    assert format_links([(0, 0)], [(0, 0), (1, 1)]) == "0-0 1?1"
    assert parse_links(" 0-0  0?0 ", 1, 1) == (frozenset({(0, 0)}), frozenset({(0, 0)}))
    assert parse_links("", 1, 1) == (frozenset(), frozenset())


@pytest.mark.parametrize("text", ["0", "0-", "a-b", "0-0,1-1", "-1-0", "0--1", "٣-0", "0-" + "9" * 5000])
def test_what_is_no_link(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.tsv", f"a\tb\t0-0\na b\tc d\t{text}\n")
    with pytest.raises(DataError, match="is not a word link") as caught:
        read_pairs([path], DataConfig(links=3))
    assert (caught.value.file, caught.value.line) == (str(path), 2)


@pytest.mark.parametrize("text", ["2-0", "0?3"])
def test_links_must_point_at_words(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.tsv", f"a  b\tc d e\t1-2\na b\tf d e\t{text}\n")
    with pytest.raises(DataError, match="points outside: 2 source and 3 target words") as caught:
        read_pairs([path], DataConfig(links=3))
    assert (caught.value.file, caught.value.line) == (str(path), 2)


# Configuration


@pytest.mark.parametrize("field", ["source", "target", "links"])
def test_columns_of_digits_are_positions(field: str) -> None:
    assert getattr(DataConfig.model_validate({field: "12"}), field) == 12
    assert getattr(DataConfig.model_validate({field: "en2"}), field) == "en2"
    for wrong in (0, "0", -1, "", True):
        with pytest.raises(ValidationError, match="is not a column"):
            DataConfig.model_validate({field: wrong})


@pytest.mark.parametrize("wrong", [{"max_chars": 0}, {"valid_share": 1.0}, {"valid_rows": 0}, {"sources": 1}])
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DataConfig.model_validate(wrong)


def test_every_option_is_described_in_a_line() -> None:
    for name, option in DataConfig.model_fields.items():
        assert option.description and "\n" not in option.description, name


# Built-in sentences


@dataclass(frozen=True)
class Made:
    english: str
    spanish: str
    sure: frozenset[tuple[int, int]]
    possible: frozenset[tuple[int, int]]


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A stand-in for the built-in sentences; the list of what was asked of it."""
    asked: list[tuple[str, int]] = []

    def sentences(split: str, count: int) -> list[Made]:
        asked.append((split, count))
        sure = frozenset({(0, 0), (1, 2)})
        return [Made(f"red {n}", f"el {n} rojo", sure, sure | {(1, 0)}) for n in ("house", "car")]

    module = ModuleType("clearhead.data.samples.english_spanish")
    module.sentences = sentences  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(samples, "english_spanish", module, raising=False)
    return asked


@pytest.mark.parametrize(
    ("spec", "asked"),
    [
        ("sample:english-spanish", ("train", 40_000)),
        ("sample:english-spanish:7", ("train", 7)),
        ("sample:english-spanish/train:30000", ("train", 30_000)),
        ("sample:english-spanish/valid", ("valid", 1_000)),
        ("sample:english-spanish/test", ("test", 1_000)),
    ],
)
def test_samples_are_asked_for_by_name(sample: list[tuple[str, int]], spec: str, asked: tuple[str, int]) -> None:
    pairs, report = read_pairs([spec], DEFAULT)
    assert sample == [asked]
    assert pairs[1] == Pair("red car", "el car rojo", frozenset({(0, 0), (1, 2)}), frozenset({(0, 0), (1, 0), (1, 2)}))
    assert report.kept == 2


@pytest.mark.parametrize("columns", [{"source": 2, "target": 1}, {"source": "spanish", "target": "english"}])
def test_samples_can_be_turned_round(sample: list[tuple[str, int]], columns: dict[str, int | str]) -> None:
    pairs, _ = read_pairs(["sample:english-spanish/test"], DataConfig.model_validate(columns))
    assert pairs[0] == Pair(
        "el house rojo", "red house", frozenset({(0, 0), (2, 1)}), frozenset({(0, 0), (0, 1), (2, 1)})
    )


@pytest.mark.parametrize(
    ("spec", "config", "said"),
    [
        (
            "sample:english-spansh",
            DEFAULT,
            "no built-in sample 'english-spansh'\n  fix: did you mean 'english-spanish'?",
        ),
        ("sample:", DEFAULT, "there is one: sample:english-spanish"),
        ("sample:a\nb", DEFAULT, "there is one: sample:english-spanish"),
        ("sample:english-spanish/vaild", DEFAULT, "no part 'vaild'\n  fix: did you mean 'valid'?"),
        ("sample:english-spanish/", DEFAULT, "its parts are train, valid and test"),
        ("sample:english-spanish/test:0", DEFAULT, "'0' is not a number of sentences"),
        ("sample:english-spanish:many", DEFAULT, "'many' is not a number of sentences"),
        ("sample:english-spanish", DataConfig(source="spanish"), "name both, or none"),
        ("sample:english-spanish", DataConfig(source="german", target=2), "from column 'german' to column 2"),
    ],
)
def test_bad_samples(sample: list[tuple[str, int]], spec: str, config: DataConfig, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_pairs([spec], config)
    assert said in str(caught.value)
    assert str(caught.value).startswith(spec)
    assert not sample


def test_the_real_sample_is_read() -> None:
    pytest.importorskip("clearhead.data.samples.english_spanish")
    pairs, report = read_pairs(["sample:english-spanish/test:50"], DEFAULT)
    assert report.read == 50
    assert all(pair.sure and pair.possible and pair.sure <= pair.possible for pair in pairs)


# Parts

words = st.lists(
    st.tuples(st.sampled_from(["Go", "go!", "GO?", "run", "Run.", "sit", "...", "😀"]), st.sampled_from("abc")),
    min_size=1,
)


@given(words, st.floats(0.01, 0.9), st.integers(1, 9), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_held_out_sources_stand_nowhere_else(
    words: list[tuple[str, str]], share: float, rows: int, chance: random.Random
) -> None:
    pairs = [Pair(source, target) for source, target in words]
    if len({"".join(filter(str.isalpha, source.lower())) or source for source, _ in words}) < 2:
        with pytest.raises(DataError, match=r"at least two .*\n.*give a validation file with --valid FILE"):
            hold_out(pairs, share, rows)
        return
    train, valid = hold_out(pairs, share, rows)
    assert train and valid
    assert overlap(train, valid) == 0
    chosen = set(valid)
    assert [pair for pair in pairs if pair in chosen] == valid
    assert [pair for pair in pairs if pair not in chosen] == train
    chance.shuffle(pairs)
    assert set(hold_out(pairs, share, rows)[1]) == chosen


def test_the_share_and_the_most_rows_are_kept() -> None:
    pairs = [Pair(f"sentence {n // 2}", str(n)) for n in range(1000)]
    assert [len(part) for part in hold_out(pairs, 0.02, 1000)] == [980, 20]
    assert [len(part) for part in hold_out(pairs, 0.02, 7)] == [994, 6]  # two rows a sentence: 7 cannot be met
    assert [len(part) for part in hold_out(pairs, 0.02, 1)] == [998, 2]  # nor 1: the rarest sentence has two


def test_overlap_counts_pairs_of_the_validation_part() -> None:
    train = [Pair("Let's go!", "a"), Pair("Stop", "b")]
    assert overlap(train, [Pair("lets  go", "x"), Pair("Let's go?", "y"), Pair("Wait", "z")]) == 2
