"""`clearhead study NAME`: small measured experiments that show why things are as they are."""

from __future__ import annotations

import sys
import time
from pathlib import Path

__all__ = ["study"]


def study(name: str, *, out: Path = Path("studies")) -> None:
    """Run a small honest experiment and leave its table and figure (the figure where there is matplotlib).

    Example: clearhead study scaling

    Parameters
    ----------
    name
        scaling, order, positions, scores, heads, residual, size, context, lstm
    out
        the folder for NAME.md, NAME.svg, NAME.png and NAME.json (every number)
    """
    from rich.console import Console

    from clearhead.errors import MissingError
    from clearhead.figures.canvas import check_figures
    from clearhead.figures.findings_output import print_findings, save_findings
    from clearhead.studies import study as run_study

    start = time.monotonic()
    progress = Console(stderr=True)
    with progress.status(name) as status:
        findings = run_study(name, lambda line: status.update(f"{name}: {line}  {time.monotonic() - start:.0f} s"))
    print_findings(findings, Console())
    try:
        check_figures()
    except MissingError as missing:
        print(f"note: the numbers are saved without their pictures: {missing}", file=sys.stderr)
    for path in save_findings(findings, out):
        print(f"saved {path}")
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
