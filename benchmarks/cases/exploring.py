"""The explorer in a browser: how long a person waits, and how much is sent, on a model of GPT-2's size.

12 layers of 12 heads, 768 wide, 50,257 tokens, random weights, in headless Chromium on this machine. Beside each wait
stands the forward pass alone without anybody watching (the trivial baseline: no view can come before it).

    first view     from the question to the drawn page, the forward pass taken off; bytes of all answers until then
    open a head    from the click to its drawn matrix (a middle layer, one that was not open)
    edit           one weight is changed: until everything after it is computed and drawn, the pass included
"""

from __future__ import annotations

import json
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

from benchmarks.browser import launched, new_page
from benchmarks.case import case
from benchmarks.results import Cell, Table
from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.explorer.app import explorer
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Pass
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.language_model import LanguageModel

PATH = "decoder.blocks.6.self_attention.attention"
SIZE = DecoderConfig(preset="gpt2", d_model=768, d_ff=3072, heads=12, layers=12, max_len=4096)
_WAITS = ("forward pass", "first view", "a head", "an edit")


@contextmanager
def served(inspector: Inspector) -> Iterator[str]:
    """The application in a thread; yields its address."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    port = place.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(explorer(inspector, "secret", port), log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}/secret/"
    server.should_exit = True
    thread.join()


class Person:
    """A browser's page, and what somebody does with it."""

    def __init__(self, browser: Any, address: str, ids: list[int]):
        self.page, self.bytes = new_page(browser), 0
        self.page.on("response", lambda response: self._count(response))
        state = json.dumps({"token_ids": {"tokens": ids}})
        self.address = f"{address}#s={quote(state)}"

    def _count(self, response: Any) -> None:
        self.bytes += int(response.headers.get("content-length", 0))

    def arrive(self) -> float:
        """Seconds until the first view is drawn."""
        self.page.goto(self.address)
        return float(self.page.evaluate("window.first")) / 1000

    def click(self, what: str, done: str) -> float:
        """Seconds from a click until what it leads to is drawn."""
        self.page.evaluate("(done) => { window.done = window.when(() => document.querySelector(done)); }", done)
        self.page.click(what)
        return float(self.page.evaluate("window.done.then((drawn) => drawn - window.clicked)")) / 1000


def measure(browser: Any, task: Any, length: int, rounds: int) -> list[Cell]:
    """The medians at one length."""
    waits: dict[str, list[float]] = {name: [] for name in _WAITS}
    sent = 0
    for turn in range(rounds):
        ids = torch.randint(10, 250, (length,), generator=torch.Generator().manual_seed(turn)).tolist()
        with torch.no_grad():
            start = time.perf_counter()
            task.module(torch.tensor([ids]))
            waits["forward pass"].append(time.perf_counter() - start)
        inspector = Inspector(task, "GPT-2 size")
        inspector.trace(Pass(token_ids={"tokens": ids}))  # the forward pass: the view's own time begins after it
        with served(inspector) as address:
            person = Person(browser, address, ids)
            waits["first view"].append(person.arrive())
            sent = person.bytes
            waits["a head"].append(person.click(f"[data-key='head {PATH} {turn % 12}']", "table.matrix"))
            person.click("[data-row='1'][data-column='1']", "[data-role='value']")
            person.page.fill("[data-key='another number']", "0.5")
            if length <= 128:  # beyond, it is the pass that one waits for
                waits["an edit"].append(person.click("[data-key='set']", "td.changed"))
            person.page.close()
    return [length, *(statistics.median(each) if each else None for each in waits.values()), sent / 1e6]


@case("exploring", about="the explorer in a browser on a model of GPT-2's size: waits, bytes", duration="5 min")
def exploring(*, tokens: tuple[int, ...] = (64, 128, 4096), rounds: int = 5) -> Iterator[Table]:
    """Measure each length; more than 1,024 tokens once."""
    torch.manual_seed(0)
    model = Decoder(SIZE, 50_257).eval()
    tokenizer = text_tokenizer(["the cat sat on the mat " * 50], TextTokenizerConfig(kind="byte"))
    task = LanguageModel(model, tokenizer).inside
    # The tokenizer is of bytes, the vocabulary of GPT-2's size: entries beyond the bytes have no text.
    type(task).vocabulary_sizes = property(lambda self: {"tokens": 50_257})  # type: ignore[assignment]
    with launched() as browser:
        rows = [measure(browser, task, length, 1 if length > 1024 else rounds) for length in tokens]
        about = f"Chromium {browser.version}"
    columns = {"tokens": "{:,}"} | dict.fromkeys(_WAITS, "{:.2f} s") | {"sent until the first view": "{:.2f} MB"}
    yield Table(columns, rows, title=about)
