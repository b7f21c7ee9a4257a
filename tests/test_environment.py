"""The environment that the tests run in is the one we mean, and the project names no registry of its own."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent

# Why: they break imports beside a CPU torch, pull gigabytes of CUDA, are GPL, or bring a second framework.
DENIED = {
    *("torchvision", "torchaudio", "torchcodec", "litdata", "lightning", "pytorch-lightning"),
    *("translate-toolkit", "tensorflow", "tensorflow-cpu"),
    *(() if torch.version.cuda or torch.version.hip else ("triton",)),
}
ADDRESS = re.compile(r"--(?:extra-)?index-url[ =]+[\"']?[^\"'$\s]|--find-links|\bhttps?://\S*(?:simple|whl)\b|file://")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_nothing_of_the_deny_list_is_installed() -> None:
    installed = {canonical(d.metadata["Name"]) for d in distributions() if d.metadata["Name"]}
    assert "torch" in installed
    assert not DENIED & installed


def test_nothing_of_the_deny_list_is_pinned() -> None:
    assert not DENIED & {canonical(name) for name in pins()}


@pytest.mark.parametrize("name", ["Makefile", "constraints.txt", "pyproject.toml", "package-lock.json", ".ci/run"])
def test_no_registry_address_is_written_down(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not ADDRESS.findall(text)


@pytest.mark.parametrize(
    ("line", "is_address"),
    [
        ("pip install --extra-index-url https://example.org/simple x", True),
        ("pip install --index-url=https://example.org x", True),
        ('url = "https://download.example.org/whl/cpu"', True),
        ("--find-links wheels", True),
        ('pip install --index-url "$(TORCH_INDEX)" torch', False),
        ('Homepage = "https://example.org/clearhead"', False),
    ],
)
def test_an_address_is_known_when_seen(line: str, is_address: bool) -> None:
    assert bool(ADDRESS.search(line)) == is_address


def test_constraints_are_exact_public_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9a-z.]+", line) for line in requirements)
    assert "torch" in pins()
    assert "clearhead" not in pins()


def pins() -> dict[str, str]:
    """Name -> version, of constraints.txt."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return dict(line.split("==") for line in text.splitlines() if "==" in line)
