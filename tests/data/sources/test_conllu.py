"""CoNLL-U: what is read of it, and what is said about a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearhead.data.sources.conllu import Parsed, read_conllu
from clearhead.errors import DataError

ROWS = """\
# text = vámonos al mar
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj:refl\t_\t_
3\tal mar\tmar\t_\t_\t_\t1\tobl\t_\t_
3.1\tnada\t_\t_\t_\t_\t_\t_\t_\t_

1\tya\tya\tADV\t_\t_\t_\t_\t_\t_
"""


def test_words_parts_of_speech_and_arcs(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(ROWS, encoding="utf-8")
    first, second = read_conllu(tmp_path / "a.conllu")
    assert first == Parsed(("vamos", "nos", "al\u00a0mar"), ("VERB", "PRON", ""), (("obj", 1, 0), ("obl", 2, 0)))
    assert first.text == "vamos nos al\u00a0mar"
    assert second == Parsed(("ya",), ("ADV",), ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\tya\n", r"a\.conllu, line 1: a line of CoNLL-U has 10 columns .* this one 2"),
        (ROWS.replace("\t1\tobl", "\t4\tobl"), r"line 5: the head '4' is not a word of the sentence"),
        (ROWS.replace("2\tnos", "4\tnos"), r"line 4: word 2 has the ID 4"),
        ("# nothing\n\n", r"a\.conllu: the file holds no sentence"),
    ],
    ids=["columns", "head", "count", "empty"],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.conllu").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_conllu(tmp_path / "a.conllu"))
