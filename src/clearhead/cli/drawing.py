"""How tokens are drawn, as options of every command that draws them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

if TYPE_CHECKING:
    from clearhead.generation.continuation import Sampling

__all__ = ["Drawing", "DrawingAnswers"]

_Temperature: TypeAlias = Annotated[float, Parameter(help="below 1 probable tokens become more so; 0 is greedy")]


@Parameter(name="*")
@dataclass(frozen=True)
class Drawing:
    """The fields of `generation.continuation.Sampling`, which needs torch."""

    temperature: _Temperature = 0.8
    top_k: Annotated[int, Parameter(help="draw from so many tokens only (0: all)")] = 0
    top_p: Annotated[float, Parameter(help="draw from the fewest tokens that together have this probability")] = 0.95
    min_p: Annotated[
        float,
        Parameter(help="draw from tokens only that have at least this share of the most probable one's probability"),
    ] = 0.0
    repetition_penalty: Annotated[float, Parameter(help="above 1 tokens of the text so far become less probable")] = 1.0

    def sampling(self) -> Sampling:
        """What the models are given.

        Raises:
            ConfigError: a number is out of its range.
        """
        from clearhead.generation.continuation import Sampling

        return Sampling(**asdict(self))


@Parameter(name="*")
@dataclass(frozen=True)
class DrawingAnswers(Drawing):
    """The same for a conversation: less is left to chance, and what was said is less often said again."""

    temperature: _Temperature = 0.7
    repetition_penalty: Annotated[
        float, Parameter(help="above 1 tokens of the conversation so far become less probable")
    ] = 1.1
