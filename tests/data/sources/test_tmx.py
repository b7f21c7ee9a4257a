"""TMX: languages chosen and told, marks of the layout left out, entities refused, every error with its line."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead.data.sources.readers import Column, Record, read_records
from clearhead.errors import DataError

PAIR: list[Column | None] = [None, None]
HEADER = '<tmx version="1.4">\n<header srclang="{}" segtype="sentence"/>\n<body>\n'
END = "</body></tmx>\n"


def unit(**texts: str) -> str:
    """One line: a unit with `language=segment`; en_US stands for en-US."""
    inner = (f'<tuv xml:lang="{code.replace("_", "-")}"><seg>{seg}</seg></tuv>' for code, seg in texts.items())
    return f"<tu>{''.join(inner)}</tu>\n"


def memory(path: Path, *units: str, srclang: str = "en", before: str = "") -> Path:
    path.write_bytes((before + HEADER.format(srclang) + "".join(units) + END).encode())
    return path


def values(path: Path, columns: list[Column | None] = PAIR) -> list[tuple[str, ...]]:
    return [record.values for record in read_records(path, columns)]


def error(path: Path, columns: list[Column | None] = PAIR) -> DataError:
    with pytest.raises(DataError) as caught:
        values(path, columns)
    assert caught.value.fix and str(path) in str(caught.value)
    return caught.value


# Languages


def test_the_header_says_which_language_is_the_source(tmp_path: Path) -> None:
    path = memory(tmp_path / "a.tmx", unit(en="one"), unit(de="eins", en="one"), unit(en="two", de="zwei"))
    assert list(read_records(path, PAIR)) == [
        Record(str(path), 5, ("one", "eins")),
        Record(str(path), 6, ("two", "zwei")),
    ]
    assert values(memory(tmp_path / "b.tmx", unit(en="one", de="eins"), srclang="DE")) == [("eins", "one")]
    assert values(memory(tmp_path / "c.tmx", unit(de="eins", en="one"), srclang="*all*")) == [("eins", "one")]
    assert values(memory(tmp_path / "d.tmx", unit(de="eins", en_US="one"), srclang="en")) == [("one", "eins")]


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        (["de", "en"], [("eins", "one"), ("zwei", "exact")]),
        (["en-us", "DE"], [("one", "eins"), ("other", "zwei")]),
        (["en", "fr"], [("one", "un")]),
        (["de", "en", "fr"], [("eins", "one", "un")]),
    ],
)
def test_languages_by_code(tmp_path: Path, columns: list[Column | None], read: list[tuple[str, ...]]) -> None:
    path = memory(tmp_path / "a.tmx", unit(fr="un", en_US="one", de="eins"), unit(en_US="other", de="zwei", EN="exact"))
    assert values(path, columns) == read


def test_one_language_told_and_positions(tmp_path: Path) -> None:
    path = memory(tmp_path / "a.tmx", unit(en_GB="one", de="eins"), srclang="en-GB")
    assert values(path, ["de", None]) == values(path, [2, 1]) == [("eins", "one")]
    assert values(path, [None, "en"]) == [("eins", "one")]


@pytest.mark.parametrize(
    ("columns", "line", "said"),
    [
        (PAIR, 5, "here begins a third language; there are 'en', 'de', 'fr'"),
        (["en", None], 5, "third language"),
        (["en", "dee"], None, "no unit is in 'dee'; the languages are 'en', 'de', 'fr'\n  fix: did you mean 'de'?"),
        ([3, "en"], None, "there is no column 3; the languages are 'en', 'de'"),
        ([None, None, None], None, "no language is left for the third value"),
    ],
)
def test_bad_languages(tmp_path: Path, columns: list[Column | None], line: int | None, said: str) -> None:
    caught = error(memory(tmp_path / "a.tmx", unit(en="one", de="eins"), unit(fr="un", en="one")), columns)
    assert caught.line == line
    assert said in str(caught)


def test_no_unit_with_both(tmp_path: Path) -> None:
    path = memory(tmp_path / "a.tmx", unit(en="one"), unit(de="eins"))
    assert "no unit has text in every language wanted; the languages are 'en', 'de'" in str(error(path))
    assert "every language wanted" in str(error(path, ["en", "de"]))
    assert "the languages are 'en'\n" in str(error(memory(tmp_path / "c.tmx", unit(en="one"))))
    assert "no record" in str(error(memory(tmp_path / "b.tmx")))


# Text


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ("a <b>x</b> c".replace("b>", "hi>"), "a x c"),
        ('<bpt i="1">&lt;b></bpt>bold<ept i="1">&lt;/b></ept> end', "bold end"),
        ("<ph>&lt;img alt='<sub>a <hi>flow</hi></sub>'/></ph>After<it pos='begin'>{\\i </it>", "After"),
        ("<hi>in <ph>code</ph>side</hi>", "in side"),
        ("a &amp; b &#x2028; &lt;c&gt; <![CDATA[<d>]]>", "a & b \u2028 <c> <d>"),
        ("two\nlines", "two\nlines"),
        ("<!-- no --><?no no?>yes", "yes"),
    ],
)
def test_marks_of_the_layout_are_left_out(tmp_path: Path, segment: str, text: str) -> None:
    assert values(memory(tmp_path / "a.tmx", unit(en=segment, de="x"))) == [(text, "x")]


text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


@given(st.lists(st.tuples(text, text), min_size=1, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    units = [unit(en=escape(a), de=escape(b)) for a, b in rows]
    assert values(memory(tmp_path_factory.getbasetemp() / "back.tmx", *units)) == rows


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin1"])
def test_encodings_and_packing(tmp_path: Path, encoding: str) -> None:
    declared = "" if encoding == "utf-8-sig" else f'<?xml version="1.0" encoding="{encoding}"?>\r\n'
    content = declared + HEADER.format("en") + unit(en="one", de="fünf").replace("tuv xml:lang", "tuv lang") + END
    path = tmp_path / "a.tmx.gz"
    path.write_bytes(gzip.compress(content.replace("\n", "\r\n").encode(encoding), mtime=0))
    assert values(path) == [("one", "fünf")]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    line = unit(en="a sentence of some length " * 8, de="ein Satz von einiger Länge " * 8)
    memory(path, *([line] * 20_000))
    assert path.stat().st_size > 8_000_000
    tracemalloc.start()
    assert sum(1 for _ in read_records(path, PAIR)) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_500_000


# What is refused


def test_a_plain_doctype_is_fine_and_never_fetched(tmp_path: Path) -> None:
    before = '<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
    assert values(memory(tmp_path / "a.tmx", unit(en="a", de="b"), before=before)) == [("a", "b")]
    comment = "<!DOCTYPE tmx [<!ELEMENT tmx ANY>]>\n"
    assert values(memory(tmp_path / "b.tmx", unit(en="a", de="b"), before=comment)) == [("a", "b")]
    caught = error(memory(tmp_path / "c.tmx", unit(en="a&nbsp;b", de="b"), before=before))
    assert caught.line == 6 and "the entity &nbsp; is not known" in caught.problem


def test_entities_are_refused_before_one_is_expanded(tmp_path: Path) -> None:
    tenfold = ((f"&{a};" * 10, b) for a, b in pairwise("abcdefghi"))
    bomb = '<!ENTITY a "ha">\n' + "".join(f'<!ENTITY {b} "{a}">\n' for a, b in tenfold)
    for declaration in (bomb, '<!ENTITY a SYSTEM "file:///etc/passwd">\n', '<!ENTITY % a "b">\n'):
        path = memory(tmp_path / "a.tmx", unit(en="&i;", de="b"), before=f"<!DOCTYPE tmx [\n{declaration}]>\n")
        caught = error(path)
        assert caught.line == 2
        assert "declares an entity of its own, 'a'" in caught.problem and "<!ENTITY" in caught.fix


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (HEADER + unit(en="a", de="b") + "<tu></tuv>\n", 5, "not valid XML (mismatched tag)"),
        (HEADER + unit(en="a", de="b"), 5, "not valid XML (no element found)"),
        (HEADER + unit(en="a & b", de="b") + END, 4, "not valid XML"),
        (HEADER + unit(en="a &b; c", de="b") + END, 4, "not valid XML (undefined entity)"),
        (HEADER + "<tu>\n<tuv><seg>a</seg></tuv></tu>" + END, 5, "does not say its language\n  fix: write e.g. <tuv"),
        ('\n<xliff version="1.2"></xliff>', 2, "a <tmx> was wanted, this XML begins with <xliff>"),
        ('<?xml version="1.0" encoding="nope"?><tmx/>', 1, "not valid XML"),
        ("one\teins\n", 1, "not valid XML"),
        ("", 1, "not valid XML (no element found)"),
        ("<tmx/>", None, "no record"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, line: int | None, said: str) -> None:
    path = tmp_path / "a.tmx"
    path.write_text(content)
    caught = error(path)
    assert caught.line == line
    assert said in str(caught)


def test_bytes_that_are_no_text_and_damaged_packing(tmp_path: Path) -> None:
    path = memory(tmp_path / "a.tmx", unit(en="a", de="b"), unit(en="~", de="b"))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"~", b"\xff"))
    assert error(path).line == 5
    packed = tmp_path / "b.tmx.gz"
    packed.write_bytes(gzip.compress(data)[:-12])
    assert "damaged or cut off" in str(error(packed))
