"""One loop for all: texts enter and leave while others are written, and become what they become alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearhead.generation.prepared import prepared
from clearhead.generation.sampling import Drawn, Sampling
from clearhead.generation.writer import Writing
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq
from tests.generation.writing import continued

EOS, VOCAB = 2, 20
SIZES: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64, "dropout": 0.0}
DECODERS: dict[str, dict[str, Any]] = {
    "llama": {"preset": "llama", "kv_heads": 2},
    "gpt2": {"preset": "gpt2"},
    "alibi": {"preset": "gpt2", "positions": "alibi"},
    "window": {"preset": "modern", "window": 3, "full_every": 2},
}
SEQ2SEQ: dict[str, Any] = {
    "transformer": EncoderDecoderConfig.model_validate(SIZES),
    "lstm": RecurrentConfig.model_validate({"d_model": 16, "layers": 2, "family": "lstm"}),
    "gru, luong": RecurrentConfig.model_validate({"d_model": 16, "family": "gru", "attention": "luong"}),
}


def shaken(model: Any) -> Any:
    """Far from uniform: what is most probable is no matter of rounding."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.5, generator=torch.Generator().manual_seed(weight.numel()))
    return model.eval()


def decoder(name: str) -> Decoder:
    return shaken(Decoder(DecoderConfig.model_validate({**SIZES, **DECODERS[name]}), VOCAB))


def in_turns(
    model: Any, texts: list[tuple[int, list[int], int]], entries: list[int], sampling: Sampling, memories: Any = None
) -> dict[int, list[int]]:
    """What is written of texts that enter in groups of these sizes, each a step after the one before."""
    strategy = Drawn(sampling, eos=EOS, seed=5)
    writing, written = Writing(model, strategy), {number: list[int]() for number, *_ in texts}
    waiting, going = list(texts), False
    for size in [*entries, len(texts)]:
        group, waiting = waiting[:size], waiting[size:]
        if group:
            strategy.enter(group)
            memory = None if memories is None else memories([number for number, *_ in group])
            writing.enter([ids for _, ids, _ in group], memory)
            going = True
        while going:
            for number, token in writing.step().items():
                written[number].append(token)
            going = writing.go_on()
            if waiting:
                break
    return written


TEXTS = st.lists(
    st.tuples(st.lists(st.integers(3, VOCAB - 1), min_size=1, max_size=9), st.integers(1, 9)), min_size=1, max_size=6
)
SAMPLINGS = st.sampled_from([Sampling(temperature=0), Sampling(temperature=1.0, repetition_penalty=1.3)])


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=20)
@given(some=TEXTS, entries=st.lists(st.integers(1, 3), max_size=3), sampling=SAMPLINGS)
@torch.no_grad()
def test_a_text_that_enters_becomes_what_it_is_alone(
    name: str, precision: Any, some: Any, entries: list[int], sampling: Sampling
) -> None:
    model = prepared(decoder(name), precision)
    texts = [(number, ids, limit) for number, (ids, limit) in enumerate(some)]
    found = in_turns(model, texts, entries, sampling)
    for number, ids, limit in texts:
        steps = continued(model, [ids], [limit], sampling, first=number, eos=EOS, seed=5)
        assert found[number] == [token for step in steps for token in step.values()]


@pytest.mark.parametrize("name", SEQ2SEQ)
@settings(max_examples=15)
@given(
    sources=st.lists(st.lists(st.integers(3, VOCAB - 1), min_size=1, max_size=7), min_size=1, max_size=5),
    entries=st.lists(st.integers(1, 3), max_size=3),
)
@torch.no_grad()
def test_a_translation_that_enters_brings_its_source(name: str, sources: list[list[int]], entries: list[int]) -> None:
    model = shaken(make_seq2seq(SEQ2SEQ[name], VOCAB, VOCAB))

    def memories(numbers: list[int]) -> Any:
        rows = [torch.tensor(sources[number]) for number in numbers]
        lengths = torch.tensor([len(row) for row in rows])
        return model.encode(nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)

    texts = [(number, [1], 8) for number in range(len(sources))]
    found = in_turns(model, texts, entries, Sampling(temperature=0), memories)
    for number, source in enumerate(sources):
        assert found[number] == by_hand(model, torch.tensor([source]))


def by_hand(model: Any, source: Tensor) -> list[int]:
    """The most probable token, again and again, the whole text read anew each time."""
    text = [1]
    while len(text) < 9:
        token = int(model(source, torch.tensor([text]))[0, -1].argmax())
        if token == EOS:
            break
        text.append(token)
    return text[1:]
