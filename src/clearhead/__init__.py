"""clearhead: transformers whose every number can be seen and changed.

    import clearhead
    translator = clearhead.train("translate", ["pairs.tsv"], out="models/mine")
    translator.translate(["Good morning."])
    with clearhead.watch(translator.module) as trace: ...

Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Attention": "clearhead.attention.act",
    "ClearheadError": "clearhead.errors",
    "Edit": "clearhead.edits",
    "Trace": "clearhead.look",
    "load": "clearhead.tasks.load",
    "see": "clearhead.look",
    "show": "clearhead.explorer.show",
    "train": "clearhead.tasks.train",
    "watch": "clearhead.look",
}

_ROOMS = ("check",)  # reached whole, as clearhead.check.softmax

__all__ = [
    "Attention",
    "ClearheadError",
    "Edit",
    "Trace",
    "__version__",
    "check",
    "load",
    "see",
    "show",
    "train",
    "watch",
]

if TYPE_CHECKING:
    from clearhead import check
    from clearhead.attention.act import Attention
    from clearhead.edits import Edit
    from clearhead.errors import ClearheadError
    from clearhead.explorer.show import show
    from clearhead.look import Trace, see, watch
    from clearhead.tasks.load import load
    from clearhead.tasks.train import train


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'clearhead' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
