"""Metrics by the script of the references, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from clearhead.errors import DataError
from clearhead.tasks.metrics import exact_match, rouge_scores, text_scores

CHINESE = "他昨天在图书馆看了三个小时的书。", "他昨天在图书馆读了三个小时的书。"


@pytest.mark.parametrize(
    ("output", "reference", "cut"),
    [
        (*CHINESE, "zh"),
        ("我喜欢用 Python 编程。", "我很喜欢用 Python 编程。", "zh"),
        ("メロスは怒した。", "メロスは激怒した。", "char"),
        ("ฉันกินข้าวแล้ว", "ฉันกินข้าวอยู่", "char"),
        ("ខ្ញុំស្រឡាញ់អ្នក", "ខ្ញុំស្រឡាញ់គេ", "char"),
        ("a cat sat on the old mat", "the cat sat on the old mat", "13a"),
        ("나는 어제 오래된 책을 읽었다", "나는 어제 새로운 오래된 책을 읽었다", "13a"),
        ("मैं कल एक पुरानी किताब पढ़ता", "मैं कल एक पुरानी किताब पढ़ी", "13a"),
        ("Mr 习近平 said that he would come back", "Mr 习近平 said that he would come", "13a"),
    ],
)
def test_bleu_counts_what_the_script_parts(output: str, reference: str, cut: str) -> None:
    found = text_scores([output], [[reference]])
    assert f"|tok:{cut}|" in found["BLEU"].signature
    assert 20 < found["BLEU"].value < 95
    assert "nc:6" in found["chrF"].signature


@pytest.mark.parametrize(
    ("output", "reference", "shared"),
    [
        ("मेरी", "मारा", 0),  # "my" and "beat": other vowels on other consonants
        ("हिन्दी भाषा", "हिन्दी किताब", 1),
        ("e\u0301te\u0301 chaud", "été froid", 1),  # accents written apart, and not
        ("été", "t", 0),
        ("İstanbul", "istanbul", 1),
        ("İstanbul", "stanbul", 0),
        ("می\u200cخواهم", "خواهم", 0),
        ("ที่นี่", "ทุนนี้", 0),
    ],
)
def test_rouge_does_not_tear_words_at_their_marks(output: str, reference: str, shared: int) -> None:
    words = 2 if " " in output else 1
    assert rouge_scores([output], [[reference]])["ROUGE-1"].value == pytest.approx(100 * shared / words)


def test_rouge_counts_characters_where_no_blanks_are() -> None:
    """15 characters, 14 of them common; 14 pairs, 12 of them common."""
    found = rouge_scores([CHINESE[0]], [[CHINESE[1]]])
    values = [found[name].value for name in ("ROUGE-1", "ROUGE-2", "ROUGE-L")]
    assert values == pytest.approx([100 * 14 / 15, 100 * 12 / 14, 100 * 14 / 15])
    assert "each character in scripts without blanks" in found["ROUGE-1"].signature
    assert "character" not in rouge_scores(["a"], [["a"]])["ROUGE-1"].signature


@pytest.mark.parametrize("metric", [text_scores, rouge_scores, exact_match])
@pytest.mark.parametrize(("outputs", "references"), [([], []), (["a"], []), (["a"], [[]]), (["a", "b"], [["a"]])])
def test_nothing_to_compare_is_said(
    metric: Callable[..., Any], outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> None:
    with pytest.raises(DataError, match="cannot be compared"):
        metric(outputs, references)
