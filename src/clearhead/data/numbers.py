"""A person's own numbers for the arithmetic of attention, as data, without torch; from YAML, JSON or CSV.

    title: Write a poem                      tokens, then what is known of: encodings, weights (or a seed to draw them),
    tokens: [Write, a, poem]                 q, k, v themselves, percentages; heads, score, mask, memory, o, residual,
    encodings: [[1.16, 0.23], ...]           norm. What is left out is not done: without weights q = k = v = encodings.
    weights: {seed: 42}
    mask: causal

CSV holds a token and its encoding a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearhead.data.sources.delimited import csv_rows
from clearhead.errors import DataError
from clearhead.parsing import parse_json, parse_yaml, read_file
from clearhead.ranges import Heads, Seed

__all__ = ["AttentionNumbers", "GivenMemory", "GivenWeights", "read_numbers"]

_MOST = 2**23  # bytes of a file: such arithmetic is for eyes
_ROUNDED = 0.015  # that a row of shares may be away from 1, by rounding


def _even(rows: list[list[float]]) -> list[list[float]]:
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise ValueError(f"row 1 has {len(rows[0])} numbers, row {number} has {len(row)}")
    if not rows or not rows[0]:
        raise ValueError("there are no numbers")
    return rows


Matrix = Annotated[list[list[float]], AfterValidator(_even)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GivenWeights(_Part):
    """The matrices that tokens are multiplied with, [width of the encoding, width of the result]."""

    q: Matrix | None = Field(None, description="gives the queries")
    k: Matrix | None = Field(None, description="gives the keys")
    v: Matrix | None = Field(None, description="gives the values")
    o: Matrix | None = Field(None, description="joins the heads")
    q_bias: list[float] | None = Field(None, description="added to the queries")
    k_bias: list[float] | None = Field(None, description="added to the keys")
    v_bias: list[float] | None = Field(None, description="added to the values")
    o_bias: list[float] | None = Field(None, description="added to the joined heads")
    bilinear: Matrix | None = Field(None, description="of the bilinear score, [width of q, width of k]")
    additive_q: Matrix | None = Field(None, description="of the additive score, [width of q, hidden]")
    additive_k: Matrix | None = Field(None, description="of the additive score, [width of k, hidden]")
    additive_v: list[float] | None = Field(None, description="of the additive score, [hidden]")
    seed: Seed | None = Field(
        None, description="draw q, k, v in this order as nn.Linear(width, width, bias=False) after this seed"
    )


class GivenMemory(_Part):
    """Who is asked, where it is somebody else: cross-attention."""

    tokens: list[str] = Field(description="one word each")
    encodings: Matrix | None = Field(None, description="one row a token; not needed where k and v are given")


class AttentionNumbers(_Part):
    """Everything that an arithmetic of attention begins with."""

    title: str = Field("Attention", description="what stands above")
    tokens: list[str] = Field(min_length=1, description="one word each")
    encodings: Matrix | None = Field(None, description="one row a token")
    positions: bool = Field(False, description="add sinusoidal positions to the encodings")
    memory: GivenMemory | None = Field(None, description="who is asked, in cross-attention")
    weights: GivenWeights = Field(
        default_factory=lambda: GivenWeights(), description="what q, k, v and the output come from"
    )
    q: Matrix | None = Field(None, description="the queries themselves")
    k: Matrix | None = Field(None, description="the keys themselves")
    v: Matrix | None = Field(None, description="the values themselves")
    percentages: Matrix | None = Field(None, description="the attention itself, rows of shares that sum to 1")
    heads: Heads = Field(1, description="into how many heads the columns of q, k and v are split")
    score: Literal["scaled-dot", "dot", "cosine", "bilinear", "additive"] = Field(
        "scaled-dot", description="how a query and a key are compared"
    )
    mask: Literal["none", "causal"] | list[list[bool]] = Field("none", description="who may look where (1 = may look)")
    bias: Matrix | None = Field(None, description="added to the similarities, one row a query")
    context: Matrix | None = Field(None, description="what it came to elsewhere (one head), to be compared")
    residual: bool = Field(False, description="add the encodings to the output")
    norm: bool = Field(False, description="layer norm of the output")

    @model_validator(mode="after")
    def _fits(self) -> AttentionNumbers:
        asked = self.tokens if self.memory is None else self.memory.tokens
        for name, rows, tokens in (
            ("encodings", self.encodings, self.tokens),
            ("memory.encodings", None if self.memory is None else self.memory.encodings, asked),
            ("q", self.q, self.tokens),
            ("k", self.k, asked),
            ("v", self.v, asked),
            ("percentages", self.percentages, self.tokens),
            ("bias", self.bias, self.tokens),
        ):
            if rows is not None and len(rows) != len(tokens):
                raise ValueError(f"{name} has {len(rows)} rows for {len(tokens)} tokens")
        for name, table in (("percentages", self.percentages), ("bias", self.bias)):
            _check_width(name, table, len(asked))
        if isinstance(self.mask, list) and len({len(row) for row in self.mask}) != 1:
            raise ValueError(
                f"the rows of mask have {', '.join(str(len(row)) for row in self.mask)} numbers: give all as many"
            )
        for number, row in enumerate(self.percentages or [], 1):
            if min(row) < 0 or abs(sum(row) - 1) > _ROUNDED:
                raise ValueError(f"percentages: row {number} is {row}; shares are not below 0 and sum to 1 in each row")
        if self.percentages is None and self.q is None and self.encodings is None:
            raise ValueError("give encodings, or q, k and v, or percentages and v")
        if self.percentages is not None and self.v is None and self.encodings is None:
            raise ValueError("percentages weigh values: give v, or encodings")
        return self


def _check_width(name: str, table: list[list[float]] | None, columns: int) -> None:
    """That each row of a table has a column for each token that is asked."""
    for number, row in enumerate(table or [], 1):
        if len(row) != columns:
            raise ValueError(f"{name}: row {number} has {len(row)} numbers for {columns} tokens that are asked")


def read_numbers(path: str | Path) -> AttentionNumbers:
    """The numbers of a file: .yaml, .yml, .json or .csv.

    Raises:
        DataError: the file cannot be read or understood; the message names line or field and the fix.
    """
    path = Path(path)
    readers = {".yaml": parse_yaml, ".yml": parse_yaml, ".json": parse_json, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path.suffix or 'no'} suffix", f"name it {', '.join(readers)}", file=path)
    text = read_file(path, missing="name a file of numbers in UTF-8", most=_MOST)
    found = readers[path.suffix.lower()](text, file=path)
    try:
        return AttentionNumbers.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        known = ", ".join(AttentionNumbers.model_fields)
        fix = f"the fields are {known}" if first["type"] == "extra_forbidden" else f"correct {where or 'it'}"
        raise DataError(f"{where}: {message}" if where else message, fix, file=path) from error


def _csv(text: str, *, file: Path) -> object:
    tokens, encodings = [], []
    fix = "write a token, then its numbers, with commas between them"
    for line, row in csv_rows(iter(enumerate(text.split("\n"), 1)), file):
        if len(row) == 1:
            raise DataError(f"there are no numbers after {row[0][:40]!r}", fix, file=file, line=line)
        try:
            encodings.append([float(x) for x in row[1:]])
        except ValueError as error:
            raise DataError(f"{error}", fix, file=file, line=line) from None
        tokens.append(row[0])
    return {"title": file.stem, "tokens": tokens, "encodings": encodings}
