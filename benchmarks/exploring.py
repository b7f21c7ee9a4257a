"""The explorer in a browser: how long a person waits, and how much is sent, on a model of GPT-2's size.

    .venv/bin/python benchmarks/exploring.py [--tokens 64 128 4096] [--rounds 5]

12 layers of 12 heads, 768 wide, 50,257 tokens, random weights, in headless Chromium on this machine. Beside each wait
stands the forward pass alone without anybody watching (the trivial baseline: no view can come before it).

    first view     from the question to the drawn page, the forward pass taken off; bytes of all answers until then
    open a head    from the click to its drawn matrix (a middle layer, one that was not open)
    edit           one weight is changed: until everything after it is computed and drawn, the pass included
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import torch
import uvicorn

from _rounds import machine, table
from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.explorer.app import explorer
from clearhead.explorer.glass import Glass, Question
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.language_model import LanguageModel

PATH = "decoder.blocks.6.self_attention.attention"
SIZE = DecoderConfig(preset="gpt2", d_model=768, d_ff=3072, heads=12, layers=12, max_len=4096)


@contextmanager
def served(glass: Glass) -> Iterator[str]:
    """The application in a thread; yields its address."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    port = place.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(explorer(glass, "secret", port), log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/secret/"
    server.should_exit = True
    thread.join()


_CLOCK = """
// When something first stands on the page: the moment its frame is drawn, in milliseconds since the page was asked for.
window.seen = (selector) => new Promise((resolve) => {
  const look = () => {
    if (!document.querySelector(selector)) return;
    watching.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
  };
  const watching = new MutationObserver(look);
  watching.observe(document, { subtree: true, childList: true, attributes: true });
});
window.done = window.seen("[data-drawn]");
addEventListener("click", (event) => { window.clicked = event.timeStamp; }, true);
"""


class Person:
    """A browser's page, and what somebody does with it. The page's own clock tells the waits.

    A test driver asks a page every now and then, up to half a second apart, whether something has come.
    """

    def __init__(self, browser: Any, address: str, ids: list[int]):
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.page.add_init_script(_CLOCK)
        self.bytes = 0
        self.page.on("response", lambda response: self._count(response))
        state = json.dumps({"token_ids": {"tokens": ids}})
        self.address = f"{address}#s={quote(state)}"

    def _count(self, response: Any) -> None:
        self.bytes += int(response.headers.get("content-length", 0))

    def arrive(self) -> float:
        """Seconds until the first view is drawn."""
        self.page.goto(self.address)
        return float(self.page.evaluate("window.done")) / 1000

    def click(self, what: str, done: str) -> float:
        """Seconds from a click until what it leads to is drawn."""
        self.page.evaluate("(selector) => { window.done = window.seen(selector); }", done)
        self.page.click(what)
        return float(self.page.evaluate("window.done.then((drawn) => drawn - window.clicked)")) / 1000


def measure(browser: Any, model: Decoder, task: Any, length: int, rounds: int) -> list[str]:
    """The medians at one length."""
    waits: dict[str, list[float]] = {name: [] for name in ("pass", "view", "head", "edit")}
    sent = 0
    for turn in range(rounds):
        ids = torch.randint(10, 250, (length,), generator=torch.Generator().manual_seed(turn)).tolist()
        with torch.no_grad():
            start = time.perf_counter()
            model(torch.tensor([ids]))
            waits["pass"].append(time.perf_counter() - start)
        glass = Glass(task, "GPT-2 size")
        glass.trace(Question(token_ids={"tokens": ids}))  # the forward pass: the view's own time begins after it
        with served(glass) as address:
            person = Person(browser, address, ids)
            waits["view"].append(person.arrive())
            sent = person.bytes
            waits["head"].append(person.click(f"[data-key='head {PATH} {turn % 12}']", "table.matrix"))
            person.click("[data-row='1'][data-column='1']", "[data-role='value']")
            person.page.fill("[data-key='another number']", "0.5")
            if length <= 128:  # beyond, it is the pass that one waits for
                waits["edit"].append(person.click("[data-key='set']", "td.changed"))
            person.page.close()
    told = [f"{statistics.median(waits[name]):.2f} s" if waits[name] else "-" for name in waits]
    return [f"{length:,}", *told, f"{sent / 1e6:.2f} MB"]


def main() -> None:
    """Measure each length."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    torch.manual_seed(0)
    model = Decoder(SIZE, 50_257).eval()
    task = LanguageModel(model, text_tokenizer(["the cat sat on the mat " * 50], TextTokenizerConfig(kind="byte")))
    # The tokenizer is of bytes, the vocabulary of GPT-2's size: entries beyond the bytes have no text.
    type(task).vocabulary_sizes = property(lambda self: {"tokens": 50_257})  # type: ignore[assignment]
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        print(f"Chromium {browser.version}")
        rows = [
            measure(browser, model, task, length, 1 if length > 1024 else options.rounds) for length in options.tokens
        ]
        browser.close()
    table(["tokens", "forward pass", "first view", "open a head", "edit", "sent until the first view"], rows)


if __name__ == "__main__":
    main()
