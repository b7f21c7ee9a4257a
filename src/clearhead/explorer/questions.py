"""What a page asks: questions of a few kinds, each with the fields that its kind needs, about one pass of a model.

    Asked(of=Pass(texts, edits, ...), questions=[Values("logits"), Lens(3), ...])  ->  one answer to each, in this order

A pass says all that its answers depend on, so any page may ask in any order, and a closed one leaves nothing behind.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from clearhead.edits import Edit
from clearhead.parsing import Json

__all__ = [
    "Asked", "Candidates", "Contributions", "Cuts", "Description", "Lens", "Names", "Overview", "Pass", "Proof",
    "Question", "ReadText", "Rewriting", "Roles", "TokensOf", "Values", "Weight", "WordsWith",
]  # fmt: skip

Index: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Window: TypeAlias = tuple[Index, Index] | None  # [start, stop), which may end after the matrix; None: all
_Path: TypeAlias = Annotated[str, Field(max_length=1_000)]
_STRICT = ConfigDict(extra="forbid")


def _possible(edit: Json) -> Json:
    """An edit that can be made somewhere: before anything else is done with it, which may be of any depth.

    Raises:
        EditError: it cannot.
    """
    return Edit.from_json(edit).to_json()


def _whole(text: str) -> str:
    """A text without halves of characters, which JSON may hold."""
    text.encode()
    return text


_Text: TypeAlias = Annotated[str, Field(max_length=10_000), AfterValidator(_whole)]


class Pass(BaseModel):
    """The pass that a page looks at.

    Args:
        texts: the texts by the names that the task gives them (`source`, `target`; `text`).
        token_ids: tokens instead of texts, by label, those at the ends included.
        edits: changes of single numbers.
        temperature: the logits are divided by it.
        moment: the step of a kept checkpoint; None: the model as it is.
        beside: whether the other model is asked, where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: dict[str, Annotated[str, AfterValidator(_whole)]] = Field(default_factory=dict)
    token_ids: dict[str, list[Index]] | None = None
    edits: list[Annotated[Json, AfterValidator(_possible)]] = Field(default_factory=list, max_length=1000)
    temperature: float = Field(1.0, ge=0, le=100)
    moment: Index | None = None
    beside: bool = False


@dataclass(frozen=True, config=_STRICT)
class Description:
    """What stands whatever the numbers are: it depends on how many tokens there are, and on the moment."""

    kind: Literal["description"] = "description"


@dataclass(frozen=True, config=_STRICT)
class ReadText:
    """The tokens that were read and written, with their labels and words; and remarks on how they were read."""

    kind: Literal["text"] = "text"


@dataclass(frozen=True, config=_STRICT)
class Overview:
    """Small pictures of all heads, and what comes after each token."""

    kind: Literal["overview"] = "overview"


@dataclass(frozen=True, config=_STRICT)
class Values:
    """Numbers of a value.

    Args:
        path: where the trace has it.
        step: of an act: q, k, v, similarities, scaled, biased, masked, weights or context.
        head: of values that have heads.
        pooled: the largest number of each patch instead, at most 256 x 256 patches.
    """

    path: _Path
    step: Annotated[str, Field(max_length=100)] = ""
    head: Index | None = None
    rows: Window = None
    columns: Window = None
    pooled: bool = False
    kind: Literal["values"] = "values"


@dataclass(frozen=True, config=_STRICT)
class Weight:
    """Numbers of one of the model's own tensors."""

    name: _Path
    rows: Window = None
    columns: Window = None
    kind: Literal["weight"] = "weight"


@dataclass(frozen=True, config=_STRICT)
class Proof:
    """max |weights . v - context used| of a head."""

    path: _Path
    head: Index = 0
    kind: Literal["proof"] = "proof"


@dataclass(frozen=True, config=_STRICT)
class Cuts:
    """What is left to draw from, as `Sampling` has it; `chance`, a number from 0 to 1, draws one."""

    top_k: Index = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.0
    chance: Annotated[float, Field(ge=0, lt=1)] | None = None


@dataclass(frozen=True, config=_STRICT)
class Candidates:
    """The best that the cuts leave after the token at `row`, and how many they leave."""

    row: Index
    cuts: Cuts = Field(default_factory=Cuts)
    kind: Literal["candidates"] = "candidates"


@dataclass(frozen=True, config=_STRICT)
class Contributions:
    """What each part adds to the logit of `token` after the token at `row`."""

    row: Index
    token: Index
    kind: Literal["contributions"] = "contributions"


@dataclass(frozen=True, config=_STRICT)
class Lens:
    """What the stream would write after the token at `row` if the model ended there, for each block."""

    row: Index
    kind: Literal["lens"] = "lens"


@dataclass(frozen=True, config=_STRICT)
class Names:
    """The texts of the entries [first, last) of the output vocabulary."""

    first: Index
    last: Index
    kind: Literal["names"] = "names"


@dataclass(frozen=True, config=_STRICT)
class TokensOf:
    """The tokens of a text as a label would have them, with remarks."""

    label: _Path
    text: _Text
    kind: Literal["tokens"] = "tokens"


@dataclass(frozen=True, config=_STRICT)
class WordsWith:
    """The words of a label's vocabulary that hold a text."""

    label: _Path
    text: _Text
    kind: Literal["words"] = "words"


@dataclass(frozen=True, config=_STRICT)
class Roles:
    """What each head does, measured on built-in texts."""

    kind: Literal["roles"] = "roles"


@dataclass(frozen=True, config=_STRICT)
class Rewriting:
    """The tokens when the model writes anew, greedily, with the edits; with remarks."""

    kind: Literal["written"] = "written"


Question: TypeAlias = Annotated[
    Description | ReadText | Overview | Values | Weight | Proof | Candidates | Contributions | Lens | Names | TokensOf
    | WordsWith | Roles | Rewriting,
    Field(discriminator="kind"),
]  # fmt: skip


class Asked(BaseModel):
    """One request: a pass, and what a page wants to know of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: Pass
    questions: list[Question] = Field(max_length=256)
