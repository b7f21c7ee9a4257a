"""Labels that are boxes of a picture or spans of time: in Python they are text, in a page they are drawn too."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import clearhead
from clearhead.errors import ConfigError
from clearhead.explorer.document import text
from clearhead.figures.terminal import attention_table
from clearhead.models.architecture import DecoderConfig
from clearhead.models.stack import Stack
from clearhead.regions import Box, Span

BOXES = [Box(x / 2, y / 2, (x + 1) / 2, (y + 1) / 2) for y in range(2) for x in range(2)]
SPANS = [Span(0.2 * i, 0.2 * (i + 1)) for i in range(4)]
ACT = "encoder.blocks.0.self_attention.attention"


class Perceives(torch.nn.Module):
    """Vectors of no text go into an encoder."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"d_model": 16, "d_ff": 24, "heads": 2, "layers": 1, "max_len": 8}
        self.encoder = Stack(DecoderConfig.model_validate(sizes), 1, cross=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Nothing is hidden."""
        return self.encoder(x, mask=None)


def seen(labels: list[Any]) -> clearhead.Trace:
    torch.manual_seed(0)
    model = Perceives().eval()
    with torch.no_grad(), clearhead.watch(model) as trace:
        model(torch.randn(1, len(labels), 16))
    trace.labels["source"] = labels
    return trace


def test_a_region_is_its_text() -> None:
    assert BOXES[1] == "x 50–100 %, y 0–50 %" and f"{SPANS[1]}" == "0.20–0.40 s"
    assert Box(0, 1 / 3, 2 / 3, 1) == "x 0–66.7 %, y 33.3–100 %"
    for made in (copy.deepcopy(BOXES[1]), pickle.loads(pickle.dumps(BOXES[1]))):
        assert isinstance(made, Box) and (made, made.left, made.bottom) == (BOXES[1], 0.5, 0.5)
    assert repr(copy.copy(SPANS[0])) == "Span(start=0.0, end=0.2)"


@pytest.mark.parametrize("edges", [(0.5, 0, 0.5, 1), (0, 0.2, 1, 1.2), (-0.1, 0, 1, 1), (0, float("nan"), 1, 1)])
def test_no_part_of_a_picture(edges: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="not a part of a picture"):
        Box(*edges)


def test_no_time() -> None:
    with pytest.raises(ConfigError, match="start < end"):
        Span(1, 0.5)


def test_the_terminal_shows_the_text() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    console.print(attention_table(seen(BOXES)[ACT].weights()[0, 0], ["a", "b", "c", "d"], BOXES, title=""))
    assert "x 50–100 %" in console.export_text()


def test_a_document_tells_where_regions_are() -> None:
    trace = seen([*SPANS[:2], "<end>"])
    labels = text(trace, {})["labels"]
    assert labels == trace.to_json()["labels"]
    assert labels["source"][1:] == [{"text": "0.20–0.40 s", "span": [0.2, 0.4]}, "<end>"]
    assert text(seen(BOXES), {})["labels"]["source"][3] == {"text": BOXES[3], "box": [0.5, 0.5, 1.0, 1.0]}


@pytest.mark.parametrize("labels", [BOXES, SPANS], ids=["boxes", "spans"])
def test_a_page_draws_them_beside_their_text(labels: list[Any], tmp_path: Path, new_page: Callable[..., Any]) -> None:
    clearhead.show(seen(labels)).save(tmp_path / "p.html")
    page = new_page(viewport={"width": 1400, "height": 1000}, offline=True)
    page.goto((tmp_path / "p.html").as_uri())
    page.wait_for_selector("[data-drawn]")
    page.click(f"[data-key='head {ACT} 1']")
    page.wait_for_selector("table.matrix")
    for axis in ("row", "col"):
        heads = page.locator(f"table.matrix th[scope='{axis}']")
        assert heads.all_inner_texts() == [str(label) for label in labels]
        assert heads.locator("svg.region").count() == 4
    drawn = page.locator("th[scope='col'] .part").nth(2)
    numbers = [float(drawn.get_attribute(name)) for name in ("x", "width")]
    assert numbers == pytest.approx([0, 7] if labels is BOXES else [7, 3.5])
    assert page.locator(".sentence svg.region").count() == 4
    page.click("td[data-row='0'][data-column='1']")
    page.wait_for_selector("[data-role='value']")
    assert f"“{labels[0]}” looks at “{labels[1]}”" in page.inner_text(".chosen .place")
