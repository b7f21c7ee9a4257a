"""What holds for every test: shapes are checked, torch uses one thread, random examples are the same each time."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import settings

from kinds import KINDS, kinds_of
from signatures import check

# Before anything of the two rooms is imported: from here on their signatures are checked, axis by axis.
check(["clearhead.attention", "clearhead.models"])

pytest_plugins = ["browser"]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of commands, whose bits are compared, too

# A processor that only imitates another must not meet what was compiled for the one that it is.
_KERNELS = f"clearhead-compiled-{os.environ.get('ATEN_CPU_CAPABILITY', 'own')}"
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(gettempdir()) / _KERNELS))

settings.register_profile("clearhead", deadline=None, derandomize=True)
settings.load_profile("clearhead")


def pytest_configure(config: pytest.Config) -> None:
    for kind, meaning in KINDS.items():
        config.addinivalue_line("markers", f"{kind}: {meaning}")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for kind in sorted(kinds_of(item)):
            item.add_marker(kind)


def pytest_collection_finish() -> None:
    """What was imported stays to the end, and tests are small: the collector need not walk again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # new objects before a walk through them; Python's own number is 700


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Workers share the machine's cores; a test that never imports torch does not pay for its import here."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
