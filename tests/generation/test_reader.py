"""Reading on from what was read: the same text as from the beginning, of fewer tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clearhead.generation.reader import Reader
from clearhead.generation.sampling import Choice, Sampling
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from tests.generation.writing import continued

SIZES = {"d_model": 16, "d_ff": 16, "heads": 2, "layers": 2, "max_len": 64}
GREEDY = Sampling(temperature=0)
EOS = 2


def make(**config: Any) -> Decoder:
    torch.manual_seed(0)
    model = Decoder(DecoderConfig.model_validate({**SIZES, **config}), 20).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8)  # far from uniform: what is most probable is no matter of rounding
    return model


class Counted:
    """A model that tells how many tokens it was given at once."""

    def __init__(self, model: Decoder):
        self._model, self.read, self.fails = model, [], False

    @property
    def device(self) -> torch.device:
        return self._model.device

    def new_cache(self, *, forgets: bool = True) -> Any:
        return self._model.new_cache(forgets=forgets)

    def decode(self, token_ids: Tensor, memory: Any = None, **more: Any) -> Tensor:
        self.read.append(token_ids.size(1))
        x = self._model.decode(token_ids, **more)
        if self.fails:
            raise KeyboardInterrupt
        return x

    def logits(self, x: Tensor) -> Tensor:
        return self._model.logits(x)


def written(model: Any, prompt: list[int], count: int = 4) -> tuple[list[int], list[Tensor]]:
    """(the tokens after a prompt, each one's probabilities)."""
    choices: list[Choice] = []
    list(continued(model, [prompt], [count], GREEDY, eos=EOS, on_choice=lambda _, choice: choices.append(choice)))
    return [choice.token for choice in choices], [choice.before for choice in choices]


@pytest.mark.parametrize("config", [{}, {"preset": "llama"}, {"preset": "modern", "window": 3}], ids=str)
@settings(max_examples=15)
@given(
    st.lists(st.lists(st.integers(4, 19), min_size=1, max_size=6), min_size=2, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_a_conversation_reads_as_from_its_beginning(
    config: dict[str, Any], said: list[list[int]], kept: list[bool]
) -> None:
    """Turns that go on from the answer as it was written, or (not kept) from another one."""
    model = make(**config)
    counted, reader, prompt = Counted(model), Reader(), [EOS]
    for words, goes_on in zip(said, kept, strict=False):
        prompt = prompt + words
        found, wanted = written(reader.of(counted), prompt), written(model, prompt)
        assert found[0] == wanted[0]
        for a, b in zip(found[1], wanted[1], strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
        prompt = prompt + (found[0] if goes_on else [3, *found[0][1:]])


def test_what_was_read_is_not_read_again() -> None:
    model = Counted(make())
    reader = Reader()
    first = [EOS, 5, 6, 7]
    answer, _ = written(reader.of(model), first)
    held = [*first, *answer[:3]]  # what was chosen last is not read
    assert answer[3] != EOS and model.read == [4, 1, 1, 1]
    for prompt, reads in (
        ([*first, *answer, 8], 2),  # the last word of the answer, and the next
        ([EOS, 5, 6, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], 13),  # another text
        (held, 7),  # shorter than what is held by now
    ):
        model.read.clear()
        written(reader.of(model), prompt, 3)
        assert model.read == [reads, 1, 1]
    model.read.clear()
    other = Counted(make(layers=1))
    written(reader.of(other), [*held, 4], 1)
    assert other.read == [8] and not model.read, "another model has read nothing"


def test_a_pass_that_was_interrupted_leaves_nothing() -> None:
    model, reader = Counted(make()), Reader()
    answer, _ = written(reader.of(model), [EOS, 5, 6])
    model.fails = True
    with pytest.raises(KeyboardInterrupt):
        written(reader.of(model), [EOS, 5, 6, *answer, 7])
    model.fails = False
    model.read.clear()
    prompt = [EOS, 5, 6, *answer, 7]
    assert written(reader.of(model), prompt)[0] == written(make(), prompt)[0] and model.read[0] == len(prompt)
