"""A paper as one HTML page that needs nothing else: point at a number, and it says how it came about."""

from __future__ import annotations

from html import escape

from clearhead.worksheet.cells import TERMS, cell, digits_of, in_full, proof
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable

__all__ = ["html"]

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 1.2rem 0; overflow-x: auto; }
figcaption b { font-family: ui-monospace, monospace; }
figcaption span, p.proof, .cell { color: light-dark(#666, #aaa); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .3rem 0; }
th { font-weight: normal; color: light-dark(#666, #aaa); text-align: right; padding: .1rem .7rem; }
th:first-child { text-align: left; padding-left: 0; }
td { text-align: right; padding: .1rem .7rem; border-radius: .2rem; }
td.given { background: light-dark(#e3efff, #1c3350); }
td.share { background: color-mix(in srgb, light-dark(#0060eb, #4f9bff) calc(var(--share) * 60%), transparent); }
td:hover, td:focus { outline: 2px solid light-dark(#0060eb, #4f9bff); }
.cell { font: .85rem ui-monospace, monospace; }
"""


def html(paper: Paper) -> str:
    """The whole page."""
    title = escape(paper.title)
    parts = [f"<h1>{title}</h1>"]
    for number, section in enumerate(paper.sections, 1):
        parts.append(f"<section><h2>{number}. {escape(section.title)}</h2><p>{escape(section.text)}</p>")
        parts += [_block(table) for table in section.tables]
        parts.append("</section>")
    parts.append(f'<p class="proof">{escape(proof(paper))}</p>')
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return f'<!doctype html>\n<html lang="en">\n<head>{head}\n<style>{_STYLE}</style></head>\n<body>\n' + (
        "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _block(table: NumberTable) -> str:
    rows, columns = table.values.shape
    formula = "" if table.given else f" = {table.op.text}"
    caption = f"<b>{escape(table.name)}{escape(formula)}</b> <span>{escape(table.title)}, {rows} × {columns}</span>"
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in ("", *table.columns))
    body = "".join(_row(table, row) for row in range(rows))
    first = "" if table.given else f'<div class="cell">{escape(in_full(table, terms=TERMS))}</div>'
    return f"<figure><figcaption>{caption}</figcaption><table><tr>{head}</tr>{body}</table>{first}</figure>"


def _row(table: NumberTable, row: int) -> str:
    cells, digits = [], digits_of(table)
    for column in range(len(table.columns)):
        kind = ' class="given"' if table.given else ""
        if table.percent:
            kind = f' class="share" style="--share: {float(table.values[row, column]):.3f}"'
        said = escape(in_full(table, row, column, terms=TERMS), quote=True)
        cells.append(f'<td{kind} tabindex="0" title="{said}">{escape(cell(table, row, column, digits=digits))}</td>')
    return f'<tr><th scope="row">{escape(table.rows[row])}</th>{"".join(cells)}</tr>'
