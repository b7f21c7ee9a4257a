"""The options of drawing: those of the library with its values, and each command's own."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from clearhead.cli import app
from clearhead.cli.drawing import Drawing, DrawingAnswers
from clearhead.errors import ConfigError
from clearhead.generation.sampling import Sampling


def test_they_are_the_librarys_with_its_values() -> None:
    assert Drawing().sampling() == Sampling()
    assert [field.name for field in fields(DrawingAnswers)] == [field.name for field in fields(Sampling)]
    with pytest.raises(ConfigError, match=r"top_p 2\.0 is not possible"):
        Drawing(top_p=2.0).sampling()


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("generate", Sampling(temperature=0.8, top_k=3, repetition_penalty=1.0)),
        ("chat", Sampling(temperature=0.7, top_k=3, repetition_penalty=1.1)),
    ],
)
def test_each_command_begins_with_its_own(command: str, wanted: Sampling) -> None:
    _, bound, _ = app.parse_args([command, "model", "--top-k", "3", "text"])
    assert asdict(bound.arguments["writing"].drawing.sampling()) == asdict(wanted)
    _, bound, _ = app.parse_args([command, "model"])
    assert "writing" not in bound.arguments, "the command's default stands"
