"""The worksheet: the arithmetic of attention as a person would write it on paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clearhead.disk import replacing
from clearhead.errors import ConfigError
from clearhead.figures.terminal import writable
from clearhead.worksheet.console import show
from clearhead.worksheet.html import html
from clearhead.worksheet.latex import latex
from clearhead.worksheet.markdown import markdown
from clearhead.worksheet.paper import Paper, Section, attention_paper
from clearhead.worksheet.spreadsheet import spreadsheet
from clearhead.worksheet.toy_translator import translator_paper

__all__ = ["Paper", "Section", "attention_paper", "save", "show", "translator_paper"]

_FORMS: dict[str, Callable[[Paper], str | bytes]] = {
    ".md": markdown,
    ".tex": latex,
    ".html": html,
    ".xlsx": spreadsheet,
}


def save(paper: Paper, path: Path) -> None:
    """Write a paper into a file; its suffix says in which form: .md, .tex, .html or .xlsx.

    Raises:
        ConfigError: another suffix.
        FolderError: the place cannot be written.
    """
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise ConfigError(f"{path} has no suffix of a worksheet", f"end it in {', '.join(_FORMS)}")
    made = form(paper)
    content = writable(made).encode("utf-8") if isinstance(made, str) else made
    with replacing(path, wanted=len(content)) as aside:
        aside.write_bytes(content)
