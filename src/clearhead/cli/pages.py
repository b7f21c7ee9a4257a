"""Help pages: panels within 80 columns; the options that most people want, and with --help-all every one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from cyclopts.help.protocols import ColumnSpecBuilder
    from cyclopts.help.specs import ColumnSpec
    from rich.console import Console, ConsoleOptions

__all__ = ["ALL", "HELP", "Pages"]

ALL = "--help-all"
HELP = ("--help", "-h", ALL)
# Of the options of a section those that a first model is made with; options without a section always stand on the page.
_COMMON = frozenset(
    f"--{name}"
    for name in (
        *("data.source", "data.target", "data.text", "data.template"),
        *("tokenizer.kind", "tokenizer.vocab-size", "vocabulary.min-count"),
        *(
            "arch.family",
            "arch.preset",
            "arch.objective",
            "arch.layers",
            "arch.d-model",
            "arch.attention.heads",
            "arch.dropout",
        ),
        *("arch.max-len", "lora.rank", "optimizer.lr", "training.epochs", "training.batch-tokens"),
    )
)


class Pages:
    """What cyclopts lays its help out with. Everything is imported late: most commands print no help."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print a panel, if anything in it belongs on the page."""
        self._formatter(_columns if panel.format == "parameter" else None)(
            console, options, panel.copy(entries=[e for e in panel.entries if _belongs(e)])
        )

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """Print the line of usage."""
        self._formatter().render_usage(console, options, usage)

    def _formatter(self, columns: ColumnSpecBuilder | None = None) -> Any:
        from cyclopts.help.formatters import DefaultFormatter

        return DefaultFormatter(column_specs=columns)


def _belongs(entry: HelpEntry) -> bool:
    dotted = [name for name in entry.positive_names if "." in name]
    return ALL in sys.argv or not dotted or (not _COMMON.isdisjoint(dotted) and len(entry.choices or ()) != 1)


def _columns(console: Console, options: ConsoleOptions, entries: list[HelpEntry]) -> tuple[ColumnSpec, ...]:
    """Names, each on a line of its own and never broken; what they mean."""
    from cyclopts.help.specs import AsteriskColumn, ColumnSpec, DescriptionColumn

    names = ColumnSpec(renderer=_names, style="cyclopts.name", no_wrap=True)
    needed = (AsteriskColumn,) if any(entry.required for entry in entries) else ()
    return (*needed, names, DescriptionColumn)


def _names(entry: HelpEntry) -> str:
    return ("  " if entry.positional_label else "\n").join(entry.display_labels_with_metavar)
