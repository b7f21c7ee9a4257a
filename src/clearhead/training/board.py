"""TensorBoard beside metrics.jsonl: the same numbers as curves, under the tags kind/name ("valid/loss").

metrics.jsonl stays the truth. A board only copies lines from it; a resumed run takes back all that was drawn before
(`purge_step` 0) and copies the file anew, so no point is drawn twice and none that a kill lost is missing.
"""

from __future__ import annotations

import json
import time
from typing import Any

from clearhead.errors import ClearheadError
from clearhead.folder import Folder
from clearhead.parsing import Json

__all__ = ["Board"]

_ABOUT = ("kind", "step", "seconds")


class Board:
    """Draws the metrics of a folder into FOLDER/tensorboard; nothing is written before the first `catch_up`.

    Raises:
        ClearheadError: the package tensorboard is missing.
    """

    def __init__(self, folder: Folder):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as missing:
            raise ClearheadError(
                f"--training.tensorboard needs tensorboard, which cannot be imported ({missing})",
                'pip install "clearhead[track]"',
            ) from None
        self._open, self._folder = SummaryWriter, folder
        self._writer: Any = None
        self._read = 0  # bytes of metrics.jsonl that are drawn
        self._began = 0.0

    def catch_up(self) -> None:
        """Draw the whole lines that metrics.jsonl has gained."""
        with (self._folder.path / "metrics.jsonl").open("rb") as file:
            file.seek(self._read)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        lines = [json.loads(line) for line in new.splitlines()]
        if self._writer is None:
            self._writer = self._open(str(self._folder.path / "tensorboard"), purge_step=0)
            self._began = time.time() - (lines[-1]["seconds"] if lines else 0.0)
        for line in lines:
            self._draw(line)
        self._writer.flush()

    def _draw(self, line: Json) -> None:
        for name, value in line.items():
            if name not in _ABOUT and isinstance(value, int | float):
                self._writer.add_scalar(
                    f"{line['kind']}/{name}", value, line["step"], walltime=self._began + line["seconds"]
                )

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        """Draw what is left, if anything was drawn, and close the file."""
        if self._writer is not None:
            self.catch_up()
            self._writer.close()
