"""Words of a command line that cannot be: what cyclopts found, said as all our errors are."""

from __future__ import annotations

from cyclopts import CycloptsError, UnknownOptionError

from clearhead.errors import ConfigError
from clearhead.tasks.config import no_device

__all__ = ["refusal"]

_FIXES = (" Did you mean", " Choose from")  # where in its message cyclopts comes to the fix


def refusal(error: CycloptsError) -> ConfigError:
    """The problem and what to do about it."""
    message = str(error).partition(" Available commands")[0]  # it names the first eight
    if refused := no_device(_unknown(error)):
        return refused
    cut = min((at for fix in _FIXES if (at := message.find(fix)) > 0), default=len(message))
    page = " ".join(["clearhead", *(error.command_chain or ()), "--help"])
    return ConfigError(message[:cut].rstrip("."), message[cut:].strip().rstrip(".") or f"{page} says what can be given")


def _unknown(error: CycloptsError) -> str:
    """The word that nobody knows what to do with, if that is what is wrong."""
    if isinstance(error, UnknownOptionError):
        return error.token.keyword or error.token.value
    return next(iter(error.unused_tokens or []), "")
