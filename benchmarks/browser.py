"""Headless Chromium, and the explorer's page with a clock of its own.

A test driver asks a page every now and then, up to half a second apart, whether something has come: the page's own
clock reports the waits.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_CLOCK = """
// When a condition first holds: the moment its frame is drawn, in milliseconds since the page was asked for.
window.when = (holds) => new Promise((resolve) => {
  const look = () => {
    if (!holds()) return;
    watching.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
  };
  const watching = new MutationObserver(look);
  watching.observe(document, { subtree: true, childList: true, attributes: true });
  look();
});
window.count = () => +(document.querySelector("[data-drawn]")?.dataset.drawn ?? 0);
window.first = window.when(() => window.count() > 0);
window.changed = (hash) => {
  const start = performance.now(), before = window.count();
  location.hash = hash;
  return window.when(() => window.count() > before).then((end) => end - start);
};
addEventListener("click", (event) => { window.clicked = event.timeStamp; }, true);
"""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def new_page(browser: Any) -> Any:
    """A page of a desktop's size."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.add_init_script(_CLOCK)
    return page
