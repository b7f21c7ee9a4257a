"""A paper as a LaTeX document, matrices as matrices."""

from __future__ import annotations

from clearhead.worksheet.cells import MISSING, TERMS, grid, in_full, proof
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable, symbol

__all__ = ["latex"]

_HEAD = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage[T1]{fontenc}
\usepackage[a4paper,margin=2cm]{geometry}
\setcounter{MaxMatrixCols}{20}
\begin{document}
"""

_ESCAPES = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", MISSING: r"\dots{}"}
_ESCAPES |= {c: f"\\{c}" for c in "&%$#_{}"}
_ESCAPES |= {"×": r"$\times$", "√": r"$\surd$", "Σ": r"$\Sigma$", "ᵀ": r"$^\top$", "²": r"$^2$", "·": r"$\cdot$"}


def latex(paper: Paper) -> str:
    """The whole document."""
    lines = [f"\\section*{{{escaped(paper.title)}}}"]
    for section in paper.sections:
        lines += ["", f"\\subsection*{{{escaped(section.title)}}}", escaped(section.text)]
        for table in section.tables:
            lines += ["", *_block(table)]
    return _HEAD + "\n".join([*lines, "", f"\\emph{{{escaped(proof(paper))}}}", r"\end{document}", ""])


def _block(table: NumberTable) -> list[str]:
    rows, columns = table.values.shape
    _, cells = grid(table)
    body = r" \\ ".join(" & ".join(_entry(x) for x in row[1:]) for row in cells)
    formula = symbol(table) if table.given else f"{symbol(table)} = {table.op.latex}"
    lines = [
        f"\\noindent {escaped(table.title)} (${rows} \\times {columns}$):",
        f"\\[ {formula} = \\begin{{bmatrix}} {body} \\end{{bmatrix}} \\]",
    ]
    return lines if table.given else [*lines, f"{{\\small {escaped(in_full(table, terms=TERMS))}}}"]


def _entry(x: str) -> str:
    return r"\dots" if x == MISSING else x.replace("inf", r"\infty").replace(" %", r"\,\%")


def escaped(text: str) -> str:
    """Without what LaTeX would take for its own."""
    return "".join(_ESCAPES.get(c, c) for c in text)
