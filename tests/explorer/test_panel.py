"""Any panel as a figure: the numbers in it are the trace's, whatever the value."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.errors import ConfigError, NotSeenError
from clearhead.explorer.document import values
from clearhead.explorer.panel import panel
from clearhead.explorer.questions import Values
from clearhead.figures.canvas import save_figure
from clearhead.look import Trace
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.language_model import LanguageModel

pytest.importorskip("matplotlib", reason="figures need the extra")

ACT = "decoder.blocks.0.self_attention.attention"


@pytest.fixture(scope="module")
def trace() -> Trace:
    torch.manual_seed(0)
    tokenizer = text_tokenizer(["the cat sat on the mat "], TextTokenizerConfig(kind="byte"))
    sizes = {"preset": "modern", "d_model": 16, "d_ff": 24, "heads": 2, "layers": 1, "max_len": 32}
    return LanguageModel(Decoder(DecoderConfig.model_validate(sizes), tokenizer.vocab_size), tokenizer).trace("a cat")


@pytest.mark.parametrize("step", ["q", "k", "v", "similarities", "scaled", "masked", "weights", "context"])
def test_every_step_of_an_act(trace: Trace, step: str) -> None:
    table, figure = values(trace, Values(ACT, step, 1)), panel(trace, ACT, step, head=1)
    axes, bar = figure.axes
    assert len(axes.get_yticklabels()) == table.size(0) and len(axes.get_xticklabels()) == table.size(1)
    written = [text.get_text() for text in axes.texts]
    if step == "weights":
        assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "␣", "c", "a", "t"]
        return
    assert written == ["" if x == float("-inf") else f"{x:.2g}" for x in table.flatten().tolist()]
    low, high = (float(label.get_text().replace("−", "-")) for label in bar.get_yticklabels())
    assert low == -high == pytest.approx(-float(table[table.isfinite()].abs().max()), rel=1e-2)


def test_every_value_in_every_form(trace: Trace, tmp_path: Path) -> None:
    for path in trace:
        figure = panel(trace, path, columns=(0, 4))
        for form in ("svg", "png", "pdf"):
            save_figure(figure, tmp_path / f"panel.{form}")
            assert (tmp_path / f"panel.{form}").stat().st_size > 1000, (path, form)


def test_what_is_not_there_and_what_is_too_wide(trace: Trace) -> None:
    with pytest.raises(NotSeenError, match="nowhere"):
        panel(trace, "nowhere")
    trace = trace.again([])
    with pytest.raises(NotSeenError, match="head 9"):
        panel(trace, ACT, head=9)
    wide = LanguageModel(Decoder(DecoderConfig(d_model=16, d_ff=24, heads=2, layers=1), 600), trace.task.tokenizer)
    with pytest.raises(ConfigError, match="600"):
        panel(wide.trace("a cat"), "logits")
    assert panel(wide.trace("a cat"), "logits", columns=(40, 44)).axes[0].get_xticklabels()[0].get_text() == "40"
