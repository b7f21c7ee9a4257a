"""How tokens are drawn and a text is written, as options of every command that does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter

from clearhead.cli.machine import Precision
from clearhead.errors import ConfigError
from clearhead.ranges import Device

if TYPE_CHECKING:
    from clearhead.generation.sampling import Sampling

__all__ = ["AnswerOptions", "Drawing", "DrawingAnswers", "DrawingInstead", "WritingOptions"]

_HELP = {
    "temperature": "below 1 probable tokens become more so; 0 is greedy",
    "top_k": "draw from so many tokens only (0: all)",
    "top_p": "draw from the fewest tokens that together have this probability",
    "min_p": "draw from tokens only that have at least this share of the most probable one's probability",
    "repetition_penalty": "above 1 tokens of the text so far become less probable",
}
_Temperature: TypeAlias = Annotated[float, Parameter(help=_HELP["temperature"])]


@Parameter(name="*")
@dataclass(frozen=True)
class Drawing:
    """The fields of `generation.sampling.Sampling`, which needs torch."""

    temperature: _Temperature = 0.8
    top_k: Annotated[int, Parameter(help=_HELP["top_k"])] = 0
    top_p: Annotated[float, Parameter(help=_HELP["top_p"])] = 0.95
    min_p: Annotated[float, Parameter(help=_HELP["min_p"])] = 0.0
    repetition_penalty: Annotated[float, Parameter(help=_HELP["repetition_penalty"])] = 1.0

    def sampling(self) -> Sampling:
        """What the models are given.

        Raises:
            ConfigError: a number is out of its range.
        """
        from clearhead.generation.sampling import Sampling

        return Sampling(**asdict(self))


@Parameter(name="*")
@dataclass(frozen=True)
class DrawingAnswers(Drawing):
    """The same for a conversation: less is left to chance, and what was said is less often said again."""

    temperature: _Temperature = 0.7
    repetition_penalty: Annotated[
        float, Parameter(help="above 1 tokens of the conversation so far become less probable")
    ] = 1.1


def _usual(name: str) -> str:
    """The help of an option that is not set, with what `Drawing` has for it."""
    return f"{_HELP[name]} [default: {getattr(Drawing, name)}]"


@Parameter(name="*")
@dataclass(frozen=True)
class DrawingInstead:
    """The same where a beam search is usual: one option of these, and tokens are drawn."""

    sample: Annotated[
        bool, Parameter(negative=(), help="draw each token, as --temperature and the options after it do")
    ] = False
    seed: Annotated[
        int | None, Parameter(help="of what is drawn; what one text becomes depends on no other [default: 0]")
    ] = None
    temperature: Annotated[float | None, Parameter(help=_usual("temperature"))] = None
    top_k: Annotated[int | None, Parameter(help=_usual("top_k"))] = None
    top_p: Annotated[float | None, Parameter(help=_usual("top_p"))] = None
    min_p: Annotated[float | None, Parameter(help=_usual("min_p"))] = None
    repetition_penalty: Annotated[float | None, Parameter(help=_usual("repetition_penalty"))] = None

    def sampling(self) -> Sampling | None:
        """What the models are given; None where nothing is drawn.

        Raises:
            ConfigError: a number is out of its range, or there is a seed and nothing is drawn.
        """
        given = {name: value for name in _HELP if (value := getattr(self, name)) is not None}
        if self.sample or given:
            return Drawing(**given).sampling()
        if self.seed is not None:
            raise ConfigError("--seed is of texts that are drawn", "add --sample, or leave it out")
        return None


@Parameter(name="*")
@dataclass(frozen=True)
class WritingOptions:
    """How a text is written.

    Parameters
    ----------
    max_tokens
        most tokens that are written
    seed
        of what is drawn; what one text becomes depends on no other
    stop
        end before this text (may be given several times)
    precision
        of the arithmetic: bfloat16 and int8 are faster, `clearhead evaluate --precision` shows what they cost
    device
        where texts are written; auto: on an NVIDIA GPU if there is one
    """

    max_tokens: int = 200
    seed: int = 0
    drawing: Drawing = Drawing()
    stop: Annotated[list[str] | None, Parameter(negative=())] = None
    precision: Precision = "float32"
    device: Device = "auto"


@Parameter(name="*")
@dataclass(frozen=True)
class AnswerOptions(WritingOptions):
    """How an answer is written."""

    max_tokens: Annotated[int, Parameter(help="most tokens of an answer")] = 200
    seed: Annotated[int, Parameter(help="of what is drawn")] = 0
    drawing: DrawingAnswers = DrawingAnswers()
    stop: Annotated[
        list[str] | None, Parameter(negative=(), help="end an answer before this text (may be given several times)")
    ] = None
    precision: Annotated[Precision, Parameter(help="of the arithmetic")] = "float32"
    device: Annotated[Device, Parameter(help="where answers are written; auto: on an NVIDIA GPU if there is one")] = (
        "auto"
    )
