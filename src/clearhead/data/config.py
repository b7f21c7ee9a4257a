"""What tasks may be told about their files. Each description is the option's line in `--help`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from clearhead.ranges import Count, Entries, Part, Share

__all__ = ["ChatDataConfig", "ColumnConfig", "DataConfig", "TextConfig", "VocabularyConfig"]


class DataConfig(BaseModel):
    """How sentence pairs are read from files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: int | str | None = Field(
        default=None,
        description="Column of the source: position (from 1), header name, key (a.b for b in a) or language.",
    )
    target: int | str | None = Field(
        default=None,
        description="Column of the target: position (from 1), header name, key (a.b for b in a) or language.",
    )
    links: int | str | None = Field(
        default=None, description='Column of word links like "0-0 1-2" (i-j sure, i?j possible, words counted from 0).'
    )
    header: bool | None = Field(
        default=None,
        description="The first line names the columns (else: if one is asked for by name, or it reads like names).",
    )
    parallel: bool | None = Field(
        default=None, description="Take files two by two, line by line (else: if no name ends in a known suffix)."
    )
    quoted: bool = Field(default=False, description="Fields of .tsv and .txt are quoted as spreadsheet programs do it.")
    comment: str | None = Field(
        default=None, min_length=1, description='Leave out lines of text tables and parallel files that begin so ("#").'
    )
    max_chars: Count = Field(default=1000, description="Drop a pair with a side longer than this many characters.")
    valid_share: Share = Field(
        default=0.02, gt=0, description="Share of pairs held out for validation when no validation file is given."
    )
    valid_rows: Count = Field(default=1000, description="At most this many pairs are held out for validation.")

    @field_validator("source", "target", "links", mode="before")
    @classmethod
    def _column(cls, value: object) -> object:
        return _position_or_name(value)


def _position_or_name(value: object) -> object:
    """A column as it was given: digits are a position."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or value == "" or (isinstance(value, int) and value < 1):
        raise ValueError(f"{value!r} is not a column: give a position (counted from 1), a header name or a JSON key")
    return value


class ColumnConfig(BaseModel):
    """Which text of a table is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: int | str | None = Field(
        default=None, description='Column of the text in tables: position (from 1), header name or key (else: "text").'
    )

    @field_validator("text", mode="before")
    @classmethod
    def _column(cls, value: object) -> object:
        return _position_or_name(value)


class TextConfig(ColumnConfig):
    """How running text is read from files."""

    separator: str = Field(
        default="<|endoftext|>", description='A line of a text file that stands between documents ("": none does).'
    )
    apart: bool = Field(default=False, description="Documents in one row do not see each other, and count from 0 each.")
    valid_share: Share = Field(
        default=0.1, gt=0, description="Share of the text held out when no validation file is given."
    )


class ChatDataConfig(BaseModel):
    """How conversations are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str | None = Field(
        default=None,
        description="File of a chat template in the Hugging Face form (default: the base's, else our own).",
    )
    valid_share: Share = Field(
        default=0.05, gt=0, description="Share of chats held out when no validation file is given."
    )
    valid_rows: Count = Field(default=1000, description="At most this many chats are held out for validation.")


class VocabularyConfig(BaseModel):
    """Which words get a vector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: Entries = Field(100_000, ge=2, description="most words of the vocabulary")
    min_count: Count = Field(5, description="rarer words get no vector")
    lowercase: bool = Field(True, description="read small letters only")
    sample: Part = Field(1e-3, description="share above which a word is dropped now and then (0 = never)")
    valid_share: Share = Field(0.01, gt=0, description="share of lines held out when no validation file is given")
