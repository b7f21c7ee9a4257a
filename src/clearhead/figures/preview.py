"""A preview of training data for the terminal: what was read, how long it is, and a part of it as the loss sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import groupby, pairwise
from operator import itemgetter

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from clearhead.data.pair_preview import Lengths, Preview, SeenPair
from clearhead.data.pairs import Pair
from clearhead.data.text_preview import TextPreview
from clearhead.figures.terminal import visible
from clearhead.tasks.chat_preview import ChatPreview

__all__ = ["print_preview"]

_BAR = 18  # cells of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LONGEST = 160  # characters of a sentence before it is shortened
_TOKENS = 40  # of a sentence as the loss sees it


@singledispatch
def print_preview(preview: object, console: Console) -> None:
    """Print a preview; the console says where (`Console(stderr=True)`) and how wide.

    How one of ours is drawn is registered below; one of another package's task is something that `rich` prints.
    """
    console.print(preview)


@print_preview.register
def _(preview: Preview, console: Console) -> None:
    dropped = [Text(visible(note), style="dim") for note in preview.notes]
    console.print(Text(f"{preview.read:,} pairs read, {preview.kept:,} kept", style="bold"), *dropped, sep="\n")
    console.print(Text("\nas read", style="bold"), _pairs(preview.first), sep="\n")
    console.print(Text("\nlengths in tokens", style="bold"), _lengths(preview), _over(preview), sep="\n")
    if preview.seen is not None:
        console.print(
            Text("\nthe first pair as the loss sees it", style="bold"), _Strips(_strips(preview.seen)), sep="\n"
        )


@print_preview.register
def _(preview: TextPreview, console: Console) -> None:
    count = f"{preview.documents:,} document{'s' * (preview.documents != 1)}, {preview.characters:,} characters"
    console.print(Text(f"{count}, about {preview.tokens:,} tokens", style="bold"))
    size = f"{preview.per_token:.2f} characters a token, vocabulary of {preview.vocabulary:,}"
    console.print(Text(f"{size}, windows of {preview.length:,} tokens (max_len)", style="dim"))
    console.print(Text("\nas read", style="bold"))
    for number, text in enumerate(preview.first, 1):
        console.print(Text(f"{number} ", style="dim"), _shortened(text), sep="")
    console.print(Text("\nthe first window as the loss sees it", style="bold"))
    console.print(_Strips([_strip(("model reads", "is to write"), ("", "green"), (preview.reads, preview.writes))]))


@print_preview.register
def _(preview: ChatPreview, console: Console) -> None:
    console.print(*(Text(visible(note), style="dim") for note in preview.notes), sep="\n")
    share = preview.predicted / max(1, preview.tokens)
    console.print(
        Text(f"\n{preview.chats:,} chats, {preview.tokens:,} tokens, {preview.predicted:,} learned ({share:.0%})")
    )
    filled = preview.tokens / (preview.rows * preview.length)
    console.print(Text(f"{preview.rows:,} rows of {preview.length:,} tokens, {filled:.0%} filled", style="dim"))
    console.print(
        Text("\nthe first row: ", style="bold"), _learned("[what is learned]"), Text(", the rest is read"), sep=""
    )
    for number in dict.fromkeys(number for _, number, _ in preview.row):
        line = Text(f"chat {number}  ", style="dim")
        pieces = [(piece, own) for piece, other, own in preview.row if other == number]
        for own, run in groupby(pieces, key=itemgetter(1)):
            text = visible("".join(piece for piece, _ in run))
            line.append(_learned(f"[{text}]") if own else Text(text, style="not dim"))
        console.print(line)


def _learned(text: str) -> Text:
    return Text(text, style="not dim bold green")


def _pairs(pairs: Sequence[Pair]) -> Table:
    table = Table.grid(padding=(0, 1))
    for number, pair in enumerate(pairs, 1):
        table.add_row(Text(str(number), style="dim"), Text("source", style="cyan"), _shortened(pair.source))
        table.add_row("", Text("target", style="green"), _shortened(pair.target))
    return table


def _shortened(text: str) -> Text:
    text = visible(text)
    return Text(text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…")


def _lengths(preview: Preview) -> Table:
    """A row a bucket, a bar a side; both sides on one scale."""
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "right", "left", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    most = max(*preview.source.counts, *preview.target.counts)
    table.add_row(*(Text(name, style="dim") for name in ("tokens", "source", "", "target", "")))
    for name, src, tgt in zip(_ranges(preview.source), preview.source.counts, preview.target.counts, strict=True):
        table.add_row(name, f"{src:,}", _bar(src, most, "cyan"), f"{tgt:,}", _bar(tgt, most, "green"))
    table.add_row(Text("mean", style="dim"), f"{preview.source.mean:.1f}", "", f"{preview.target.mean:.1f}", "")
    table.add_row(Text("median", style="dim"), f"{preview.source.median:g}", "", f"{preview.target.median:g}", "")
    table.add_row(Text("longest", style="dim"), f"{preview.source.longest:,}", "", f"{preview.target.longest:,}", "")
    return table


def _ranges(lengths: Lengths) -> list[str]:
    return [f"{low:,}-{high - 1:,}" if high - low > 1 else f"{low:,}" for low, high in pairwise(lengths.edges)]


def _bar(count: int, most: int, style: str) -> Text:
    """A bar of eighths of a cell; what is not nothing is seen."""
    eighths = max(round(8 * _BAR * count / most), count > 0)
    bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return Text(f"{bar:<{_BAR}}", style=style)


def _over(preview: Preview) -> Text:
    limit = f"a side of more than {preview.max_len:,} tokens (max_len)"
    if not preview.over:
        return Text(f"no pair has {limit}", style="dim")
    who = "1 pair has" if preview.over == 1 else f"{preview.over:,} pairs have"
    return Text(f"{who} {limit} and would be left out: {preview.share_over:.2%}", style="yellow")


# One pair: strips of tokens, cut where the console ends


@dataclass(frozen=True)
class _Strip:
    """Rows of tokens of which those of one place stand below each other."""

    names: tuple[str, ...]
    styles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int


def _strips(seen: SeenPair) -> list[_Strip]:
    return [
        _strip(("encoder reads",), ("cyan",), (seen.source,)),
        _strip(("decoder reads", "is to write"), ("", "green"), (seen.decoder, seen.labels)),
    ]


def _strip(names: tuple[str, ...], styles: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> _Strip:
    shown = tuple(tuple(visible(piece) for piece in row[:_TOKENS]) for row in rows)
    return _Strip(names, styles, shown, max(0, len(rows[0]) - _TOKENS))


@dataclass(frozen=True)
class _Strips:
    """How the strips are cut is known only when the console's width is."""

    strips: list[_Strip]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(options.max_width, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        margin = max(cell_len(name) for strip in self.strips for name in strip.names) + 1
        for strip in self.strips:
            yield from _lines(strip, margin, options.max_width)


def _lines(strip: _Strip, margin: int, width: int) -> Iterator[Text]:
    widths = [max(map(cell_len, place)) + 1 for place in zip(*strip.rows, strict=True)]
    for places in _cut(widths, width - margin):
        for name, style, row in zip(strip.names, strip.styles, strip.rows, strict=True):
            line = Text(f"{name if places.start == 0 else '':>{margin - 1}} ", style="dim", no_wrap=True)
            for i in places:
                line.append(row[i] + " " * (widths[i] - cell_len(row[i])), style=f"not dim {style}")
            yield line
    if strip.more:
        yield Text(f"{'':>{margin}}… and {strip.more:,} more", style="dim")


def _cut(widths: list[int], room: int) -> Iterator[range]:
    """Runs of places that fit side by side."""
    start, used = 0, 0
    for i, width in enumerate(widths):
        if i > start and used + width > room:
            yield range(start, i)
            start, used = i, 0
        used += width
    yield range(start, len(widths))
