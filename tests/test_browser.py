"""The browser that tests of pages run in fails a test whose page has an error or talks to the world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

WRONG = """
import pytest

@pytest.mark.parametrize("script", [
    "console.error('worn out')",
    "setTimeout(() => { throw new Error('lost') })",
    "fetch('https://example.org/x').catch(() => 0)",
    "console.log('all is well')",
])
def test_page(page, script):
    page.evaluate(script)
    page.wait_for_timeout(100)
"""


def test_a_page_computes_and_is_at_our_site(page: Any, site: str) -> None:
    page.goto(site)
    assert page.title() == "test"
    assert page.evaluate("[0.1 + 0.2, location.hostname]") == [0.1 + 0.2, "127.0.0.1"]


def test_what_a_page_does_wrong_fails_its_test(
    browser: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    pytester.makeconftest("pytest_plugins = ['browser']")
    pytester.makepyfile(WRONG)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=4, errors=3)
    for complaint in ("logged worn out", "threw lost", "asked for https://example.org/x"):
        done.stdout.fnmatch_lines([f"*the page {complaint}*"])
