"""Studies: small honest experiments that measure why things are as they are. `STUDIES` names them.

To add a study: write its file, with a function `run(say)` that returns `Findings`, and name it here. A study makes its
own data, draws everything from fixed seeds, and takes less than ten minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from clearhead.errors import ConfigError, nearest
from clearhead.insight.findings import Findings

__all__ = ["STUDIES", "study"]

STUDIES = {
    "scaling": "why similarities are divided by the square root of head_dim",
    "order": "what attention knows of the order of words, with and without positions",
    "positions": "what positions look like, and how alike they are at a distance",
    "scores": "whether it matters how a query and a key are compared",
    "heads": "how many heads, how wide, and how many keys and values",
    "residual": "what residual connections and norms do for gradients and for numbers of any size",
    "size": "wide or deep, with the same compute",
    "context": "when a word becomes the word of its sentence",
    "lstm": "what attention replaced, and what for",
}


def study(name: str, say: Callable[[str], None] = lambda line: None) -> Findings:
    """Run a study; `say` is told how far it is.

    Raises:
        ConfigError: there is no such study.
    """
    if name not in STUDIES:
        raise ConfigError(
            f"there is no study {name!r}", nearest(name, STUDIES) or f"the studies are {', '.join(STUDIES)}"
        )
    found: Findings = import_module(f"clearhead.studies.{name}").run(say)
    return found
