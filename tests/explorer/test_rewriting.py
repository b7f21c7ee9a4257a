"""A text written anew with edits: each holds where it has a place, whatever the length, and what ends is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.edits import Edit
from clearhead.explorer.carried import CarriedEdits
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Asked, Pass, Rewriting
from clearhead.look import Trace
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.text_inside import TextInside

EOS = 2  # as tokenizers that are trained here number it

ACT = "decoder.blocks.1.self_attention.attention"
TOKENS = [70, 71, 72, 73, 74]


@pytest.fixture(scope="module")
def task() -> TextInside:
    torch.manual_seed(0)
    tokenizer = text_tokenizer(["the cat sat"], TextTokenizerConfig(kind="byte"))
    sizes = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 32}
    model = Decoder(DecoderConfig.model_validate(sizes), tokenizer.vocab_size)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        model.head.weight[EOS] = 0.0
    return LanguageModel(model, tokenizer).inside


def averaged(rows: int) -> Edit:
    """What the page makes of "average it": the same for every place that may be looked at."""
    table = torch.zeros(rows, rows).masked_fill(torch.ones(rows, rows).triu(1).bool(), float("-inf"))
    return Edit(ACT, (0, 2), "set", table.tolist(), step="masked")


def weights(trace: Trace) -> torch.Tensor:
    found: torch.Tensor = trace[ACT].weights()[0, 2]
    return found


def test_an_averaged_head_is_averaged_as_far_as_it_was(task: TextInside) -> None:
    question = Pass(token_ids={"tokens": TOKENS}, edits=[averaged(5).to_json()])
    (answer,) = Inspector(task, "m").answer(Asked(of=question, questions=[Rewriting()]))
    ids = answer["token_ids"]["tokens"]
    assert len(ids) == 25 and ids[:5] == TOKENS
    wanted = list(TOKENS)  # by hand: the first five rows averaged, those behind them the model's own
    while len(wanted) < 25:
        edits = [Edit(ACT, (0, 2, (0, 5), (0, 5)), "set", averaged(5).value, step="masked")]
        wanted.append(int(task.trace_tokens({"tokens": wanted}, edits=edits)["logits"][0, -1].argmax()))
    assert ids == wanted
    assert ids != list(plain(task, 25))
    shown = task.trace_tokens({"tokens": ids}, edits=[Edit.from_json(edit) for edit in answer["edits"]])
    for row in range(5):
        torch.testing.assert_close(weights(shown)[row, : row + 1], torch.full((row + 1,), 1 / (row + 1)))
    assert weights(shown)[6].std() > 1e-3
    said = "decoder block 1, self-attention, head 2, masked was changed in 5 tokens: after them it is the model's own"
    assert answer["remarks"][-1] == said  # the first says that it was stopped


def plain(task: TextInside, count: int) -> list[int]:
    ids = list(TOKENS)
    while len(ids) < count:
        ids.append(int(task.trace_tokens({"tokens": ids})["logits"][0, -1].argmax()))
    return ids


def test_a_shorter_text_has_the_first_rows(task: TextInside) -> None:
    trace = task.trace_tokens({"tokens": [*TOKENS, 75, 76, 77, 78, 79]})
    (edit,) = CarriedEdits(trace, [averaged(10)]).at(4)
    assert edit.where == (0, 2, (0, 4), (0, 4)) and edit.value == averaged(4).value
    shown = task.trace_tokens({"tokens": TOKENS[:4]}, edits=[edit])
    torch.testing.assert_close(weights(shown)[3], torch.full((4,), 0.25))
    assert CarriedEdits(trace, [averaged(10)]).remarks(4) == []


FIVE, FOUR = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0]
CASES: list[tuple[Edit, int, Edit | None]] = [
    (Edit(ACT, (0, 2), "set", 0.0, step="context"), 9, Edit(ACT, (0, 2, None, None), "set", 0.0, step="context")),
    (Edit("logits", (0, 4, 3), "add", 1.0), 4, None),
    (Edit("logits", (0, 4, 3), "add", 1.0), 5, Edit("logits", (0, 4, 3), "add", 1.0)),
    (Edit("logits", (0, (1, 5)), "add", 1.0), 3, Edit("logits", (0, (1, 3), None), "add", 1.0)),
    (
        Edit("decoder.embedded", (0, (1, 4), 2), "add", [[1.0], [2.0], [3.0]]),
        3,
        Edit("decoder.embedded", (0, (1, 3), 2), "add", [[1.0], [2.0]]),
    ),
    (Edit(ACT, (0, 0, 3), "set", FIVE, "masked"), 3, None),
    (Edit(ACT, (0, 0, 3), "set", FIVE, "masked"), 7, Edit(ACT, (0, 0, 3, (0, 5)), "set", FIVE, "masked")),
    (Edit(ACT, (0, 0, 3), "set", FOUR, "k"), 7, Edit(ACT, (0, 0, 3, None), "set", FOUR, "k")),
]


@pytest.mark.parametrize(("edit", "rows", "wanted"), CASES)
def test_where_an_edit_has_its_place(task: TextInside, edit: Edit, rows: int, wanted: Edit | None) -> None:
    placing = CarriedEdits(task.trace_tokens({"tokens": TOKENS}), [edit])
    assert placing.at(rows) == ([] if wanted is None else [wanted])
    if wanted is None:
        assert placing.remarks(rows)[0].endswith(f"the new text of {rows} tokens has no such place")
    else:
        task.trace_tokens({"tokens": [*TOKENS, *TOKENS][:rows]}, edits=[wanted])  # it has one indeed


def test_what_is_read_keeps_its_places_and_steps_are_calls() -> None:
    """A recurrent decoder's averaged steps, an edit of the encoder, and one of the keys, which are the source's."""
    from clearhead.look import watch
    from clearhead.models.architecture import RecurrentConfig
    from clearhead.models.seq2seq import make_seq2seq

    model: Any = make_seq2seq(RecurrentConfig(d_model=8), 20, 20).eval()
    with torch.no_grad(), watch(model) as trace:
        model(torch.tensor([[5, 6, 7, 8, 2]]), torch.tensor([[1, 4, 9]]))
    path = "decoder.cross_attention.attention"
    steps = [Edit(path, (0, 0, 0), "set", [0.0] * 5, "masked", call) for call in range(3)]
    others = [Edit("encoder.embedded", (0, 4), "set", [0.0] * 8), Edit(path, (0, 0, 4), "set", 1.0, "k")]
    placing = CarriedEdits(trace, [*steps, *others])
    assert [(edit.path, edit.call) for edit in placing.at(2)] == [
        (path, 0),
        (path, 1),
        ("encoder.embedded", None),
        (path, None),
    ]
    assert len(placing.at(9)) == 5
    assert placing.remarks(9) == [
        "decoder.cross-attention, head 0, masked was changed in 3 tokens: after them it is the model's own"
    ]
    assert placing.remarks(2) == ["decoder.cross-attention, head 0, masked: the new text of 2 tokens has no such place"]
