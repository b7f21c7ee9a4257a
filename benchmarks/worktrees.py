"""Another commit of this project, checked out beside it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results import ROOT


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Yields a folder with the tree of a commit; it is removed at the end."""

    def git(*words: str | Path) -> None:
        subprocess.run(["git", "worktree", *words], cwd=ROOT, check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git("add", "--detach", tree, commit)
        try:
            yield tree
        finally:
            git("remove", "--force", tree)
