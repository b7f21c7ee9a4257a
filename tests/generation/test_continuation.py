"""Continuation: the cuts, what is drawn, batches that do not mix, and whole characters and stops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.errors import ConfigError
from clearhead.generation.beam import search
from clearhead.generation.sampling import Choice, Sampling
from clearhead.generation.streaming import TextStream
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from tests.generation.writing import continued

EOS = 2  # as tokenizers that are trained here number it

VOCAB = 20
GREEDY = Sampling(temperature=0)


def make(**config: Any) -> Decoder:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64, "dropout": 0.0}
    module = Decoder(DecoderConfig.model_validate({**sizes, "preset": "llama", **config}), VOCAB).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(std=0.5)
    return module


def written(
    model: Decoder, prompts: list[list[int]], limits: list[int], sampling: Sampling, first: int = 0, **more: Any
) -> list[list[int]]:
    texts: list[list[int]] = [[] for _ in prompts]
    for step in continued(model, prompts, limits, sampling, eos=EOS, first=first, **more):
        for number, token in step.items():
            texts[number - first].append(token)
    return texts


@torch.no_grad()
def by_hand(model: Decoder, prompt: list[int], limit: int, forbidden: tuple[int, ...] = ()) -> list[int]:
    """The most probable token, again and again, the whole text read anew each time."""
    text: list[int] = []
    while len(text) < limit:
        logits = model(torch.tensor([[*prompt, *text]]))[0, -1]
        logits[list(forbidden)] = float("-inf")
        token = int(logits.argmax())
        if token == EOS:
            break
        text.append(token)
    return text


PROMPTS = [[4], [5, 6, 7, 8, 9], [7, 3], [10, 11, 12], [4, 4, 4, 4, 4, 4, 4]]
LIMITS = [20, 3, 20, 11, 1]


@pytest.mark.parametrize("config", [{}, {"window": 4, "kv_heads": 2}, {"preset": "modern"}, {"positions": "learned"}])
def test_greedy_is_what_one_finds_by_hand(config: dict[str, Any]) -> None:
    """Many prompts of unequal length and limits in one batch, cached: each as if alone and uncached."""
    model = make(**config)
    found = written(model, PROMPTS, LIMITS, GREEDY, forbidden=(0, 1))
    assert found == [by_hand(model, p, limit, (0, 1)) for p, limit in zip(PROMPTS, LIMITS, strict=True)]
    assert any(len(text) < limit for text, limit in zip(found, LIMITS, strict=True)) or max(map(len, found)) == 20


def test_a_text_does_not_depend_on_its_neighbours() -> None:
    model, sampling = make(), Sampling(temperature=1.0, repetition_penalty=1.3)
    together = written(model, PROMPTS, [20] * 5, sampling, seed=3)
    assert together == written(model, PROMPTS, [20] * 5, sampling, seed=3)
    assert together != written(model, PROMPTS, [20] * 5, sampling, seed=4)
    assert together[0] == written(model, PROMPTS[:1], [20], sampling, seed=3)[0]


def test_a_consumer_ends_a_text() -> None:
    model = make()
    steps = continued(model, [[4], [5]], [10, 10], GREEDY, eos=-1)
    lengths = {0: 0, 1: 0}
    step = next(steps)
    try:
        while True:
            for number in step:
                lengths[number] += 1
            step = steps.send({0} if lengths[0] == 3 else set())
    except StopIteration:
        pass
    assert lengths == {0: 3, 1: 10}


def test_draws_follow_the_probabilities() -> None:
    model = make()
    told: list[Choice] = []
    sampling = Sampling(temperature=0.7, top_p=0.9)
    tokens = [
        written(model, [[4, 5]], [1], sampling, seed=seed, on_choice=lambda _, choice: told.append(choice))[0]
        for seed in range(400)
    ]
    wanted = told[0].after
    counts = np.bincount([t[0] if t else EOS for t in tokens], minlength=VOCAB)
    assert counts[wanted.numpy() == 0].sum() == 0
    error = (wanted * (1 - wanted) / 400).sqrt().numpy()
    assert (np.abs(counts / 400 - wanted.numpy()) <= 4 * error + 1e-9).all()


logits = st.lists(st.floats(-6, 6) | st.integers(-1, 1), min_size=4, max_size=30).map(
    lambda x: torch.tensor([x, x[::-1]], dtype=torch.float64)
)


@given(logits=logits, k=st.integers(1, 40), p=st.floats(0.05, 1.0), least=st.floats(0.0, 1.0))
def test_the_cuts_are_their_definitions(logits: Tensor, k: int, p: float, least: float) -> None:
    """Of equal ones the earlier: `order` holds the places of the best, then of the second best, ..."""
    whole = logits.softmax(-1)
    ordered, order = whole.sort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    needed = (ordered.cumsum(1) - ordered < p - 1e-14).sum(1, keepdim=True).clamp(min=1)
    for cut, kept in (
        (Sampling(1.0, top_k=k, top_p=1.0), rank < k),
        (Sampling(1.0, min_p=least, top_p=1.0), whole >= least * ordered[:, :1]),
        (Sampling(1.0, top_p=p), rank < needed),
    ):
        wanted = torch.where(kept, whole, 0.0)
        torch.testing.assert_close(
            cut.probabilities(logits), wanted / wanted.sum(1, keepdim=True), rtol=1e-6, atol=1e-9
        )


def test_of_equal_tokens_as_many_are_left_as_were_asked_for() -> None:
    level, rough = torch.zeros(1, 10), torch.randn(200, 4000).bfloat16().float()
    for k in (1, 3, 5):
        assert (Sampling(1.0, top_k=k, top_p=1.0).probabilities(level) > 0)[0].tolist() == [i < k for i in range(10)]
        assert ((Sampling(1.0, top_k=k, top_p=1.0).probabilities(rough) > 0).sum(1) == k).all()
    assert (Sampling(1.0, top_k=1).probabilities(rough).argmax(1) == rough.argmax(1)).all()
    for share in (0.1, 0.3, 0.5, 0.7):  # ten of a tenth each: the sums are rounded, the number is not
        for numbers in (torch.float32, torch.float64):
            left = Sampling(1.0, top_p=share).probabilities(level.to(numbers)) > 0
            assert int(left.sum()) == round(10 * share)
    tied = torch.tensor([[3.0, 1.0, 1.0, 1.0, 1.0]])
    assert (Sampling(1.0, top_k=2, top_p=1.0).probabilities(tied) > 0)[0].tolist() == [True, True, False, False, False]
    assert (Sampling(1.0, top_k=3, top_p=0.5).probabilities(level) > 0)[0].tolist() == [i < 2 for i in range(10)]


@pytest.mark.parametrize("temperature", [1e-30, 1e-38, 1e-45, 5e-324])
def test_the_smallest_temperatures_are_greedy(temperature: float) -> None:
    logits = torch.randn(20, 50)
    logits[:, 3] = -math.inf
    for cuts in ({}, {"top_k": 5}, {"min_p": 0.1}):
        assert torch.equal(Sampling(temperature, **cuts).probabilities(logits), GREEDY.probabilities(logits))


@pytest.mark.parametrize("penalty", [1e-300, 1e-45, 1e6])
def test_no_penalty_makes_a_number_that_is_none(penalty: float) -> None:
    logits, seen = torch.tensor([[2.0, -1.0, 0.0, -math.inf, 1.0]]), torch.tensor([[True, True, True, True, False]])
    p = Sampling(1.0, top_p=1.0, repetition_penalty=penalty).probabilities(logits, seen)
    assert p.isfinite().all() and p[0, 3] == 0 and float(p.sum()) == pytest.approx(1)


def test_each_text_draws_by_its_number_in_all_batches() -> None:
    model, sampling = make(), Sampling(temperature=1.5, top_p=1.0)
    whole = written(model, [[4]] * 7, [12] * 7, sampling, seed=1)
    parts = [written(model, [[4]] * n, [12] * n, sampling, seed=1, first=first) for first, n in ((0, 3), (3, 4))]
    assert [*parts[0], *parts[1]] == whole
    assert len({tuple(text) for text in whole}) == 7


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("sampling", [GREEDY, Sampling()])
def test_a_model_whose_logits_are_no_numbers_writes_nothing(sampling: Sampling, value: float) -> None:
    model = make()
    with torch.no_grad():
        model.head.weight.fill_(value)
    with pytest.raises(ConfigError, match="are not numbers"):
        written(model, [[4]], [3], sampling)


def test_temperature_and_penalty() -> None:
    scores, seen = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[True, True, False]])
    plain = Sampling(1.0, top_p=1.0)
    assert torch.equal(plain.probabilities(scores), scores.softmax(-1))
    assert torch.allclose(Sampling(0.5, top_p=1.0).probabilities(scores), (2 * scores).softmax(-1))
    penalised = Sampling(1.0, top_p=1.0, repetition_penalty=2.0).probabilities(scores, seen)
    assert torch.allclose(penalised, torch.tensor([[1.0, -2.0, 0.5]]).softmax(-1))
    assert GREEDY.probabilities(scores).tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": -1},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"top_p": 0},
        {"top_p": 1.5},
        {"min_p": 2},
        {"top_k": -1},
        {"repetition_penalty": 0},
        {"repetition_penalty": math.inf},
    ],
)
def test_impossible_numbers_are_named(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        Sampling(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [{}, {"window": 3}, {"positions": "learned"}])
@torch.no_grad()
def test_beams_find_the_most_probable_text(config: dict[str, Any]) -> None:
    """A beam as wide as everything finds the best of all texts of three tokens, behind prompts of unequal length."""
    model, prompts = make(**config), [[4, 5, 6, 7], [8]]
    kept = [2, 5, 9, 13]  # EOS among them
    forbidden = [t for t in range(VOCAB) if t not in kept]
    found = search(model, prompts, [3, 3], eos=EOS, forbidden=forbidden, beam=64, length_penalty=0.0)
    for prompt, best in zip(prompts, found, strict=True):
        every = {}
        for text in (t for n in range(4) for t in np.ndindex(*[3] * n)):
            ids = [kept[1:][i] for i in text]
            log_p = model(torch.tensor([[*prompt, *ids]]))[0].log_softmax(-1)
            score = sum(float(log_p[len(prompt) - 1 + i, token]) for i, token in enumerate(ids))
            every[tuple(ids)] = score + (float(log_p[-1, EOS]) if len(ids) < 3 else 0.0)
        wanted = max(every, key=lambda ids: every[ids])
        assert tuple(best[0].ids) == wanted
        assert best[0].log_probability == pytest.approx(every[wanted], abs=1e-4)


TOKENIZER = text_tokenizer(["a text of bytes"], TextTokenizerConfig(kind="byte"))


@given(text=st.text(alphabet=st.sampled_from("\ufffda日🙂"), max_size=40), cut=st.integers(0, 3))
def test_a_character_that_stands_for_none_is_one_like_others(text: str, cut: int) -> None:
    """Whole texts as they are; of one whose last bytes are missing what `exactly` says."""
    stream, ids = TextStream(TOKENIZER), TOKENIZER.encode([text])[0]
    ids = ids[: len(ids) - cut]
    assert "".join([*map(stream.add, ids), stream.rest()]) == TOKENIZER.exactly(ids)


@given(text=st.text(alphabet=st.sampled_from("ab é日🙂\n")), stop=st.sampled_from(["", "b", "a b", "日é", "🙂\n"]))
def test_characters_come_whole_and_stops_never(text: str, stop: str) -> None:
    """Byte by byte: no half character is ever shown, and nothing of the stop, wherever its tokens begin."""
    stream = TextStream(TOKENIZER, [stop])
    shown = [stream.add(token) for token in TOKENIZER.encode([text])[0]]
    shown.append(stream.rest())
    assert "\ufffd" not in "".join(shown)
    assert "".join(shown) == (text.partition(stop)[0] if stop else text)
    assert stream.stopped == bool(stop and stop in text)


def test_bytes_that_make_no_character_are_shown_in_the_end() -> None:
    stream = TextStream(TOKENIZER)
    half = TOKENIZER.encode(["日"])[0][:2]
    assert [stream.add(token) for token in half] == ["", ""]
    assert stream.rest() == "\ufffd"
