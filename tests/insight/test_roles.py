"""Roles: planted heads are found and nothing else is; scores and the rule by hand."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from planted import induction_model, pairs, said_twice, traced, translator, weights_of

from clearhead.attention import Attention, Causal
from clearhead.insight.head_scores import HeadScore, Tally, standard_errors
from clearhead.insight.looks import Look, attentions, look_at, sides
from clearhead.insight.places import count_tokens, offset_name, on_offsets, on_places, places
from clearhead.insight.roles import HeadRole, roles
from clearhead.look import Trace, watch
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.recurrent import RecurrentEncoderDecoder


def named(found: list[HeadRole]) -> dict[tuple[str, int, int], str]:
    return {(role.kind, role.layer, role.head): role.label for role in found if role.label}


# Planted heads


def test_a_previous_token_head_and_an_induction_head_are_found_and_no_other() -> None:
    model = induction_model()
    found = roles([traced(model, sides) for sides in said_twice()])
    assert len(found) == 6
    assert named(found) == {("decoder", 0, 0): "previous token", ("decoder", 1, 1): "induction"}
    previous, induction = found[0].scores["previous token"], found[4].scores["induction"]
    assert previous.value > 0.99 and induction.value > 0.9
    assert previous.rows == sum(len(sides["tokens"]) - 1 for sides in said_twice())  # all rows but the first
    # Of each second half every token has one key behind its like; so has the last of the first half none.
    assert induction.rows == sum(len(sides["tokens"]) // 2 for sides in said_twice())


def test_a_dependency_the_next_token_a_sink_and_an_alignment_are_found_and_no_other() -> None:
    model, examples = translator(), pairs()
    found = roles([traced(model, e.sides) for e in examples], [e.facts for e in examples])
    assert len(found) == 12
    assert named(found) == {
        ("encoder", 0, 0): "syntax: dep, looks at its head",
        ("encoder", 0, 1): "next token",
        ("encoder", 0, 3): "sink: <eos>",
        ("cross", 0, 2): "alignment",
    }
    alignment = found[-2].scores["alignment"]
    assert alignment.value == 0.0 and alignment.about.startswith("the row that reads")
    assert alignment.reference > 0.6
    syntax = found[0].scores["syntax: dep, looks at its head"]
    assert syntax.value == 1.0 and syntax.baseline is not None and syntax.baseline < 0.35
    assert json.loads(json.dumps(found[0].to_json(), allow_nan=False))["label"] == found[0].label


def test_a_recurrent_decoder_s_steps_are_rows_of_one_attention() -> None:
    torch.manual_seed(0)
    config = RecurrentConfig(d_model=16, heads=2, layers=1, dropout=0.0, attention="bahdanau")
    model = RecurrentEncoderDecoder(config, 40, 40).eval()
    examples = pairs(8)
    traces = [traced(model, e.sides) for e in examples]
    (path,) = attentions(traces[0])
    look = look_at(traces[0], path)
    assert len(traces[0].calls(path)) == look.weights.size(1) == len(examples[0].sides["target"])
    assert sides(traces[0], path) == ("target", "source") and look.allowed.all()
    found = roles(traces, [e.facts for e in examples])
    assert named(found) == {} and len(found) == 2
    assert found[0].scores["alignment"].rows == sum(len(e.sides["target"]) - 1 for e in examples)


@pytest.mark.parametrize("seed", range(4))
def test_models_that_were_never_trained_have_heads_without_names(seed: int) -> None:
    torch.manual_seed(seed)
    pair = EncoderDecoder(EncoderDecoderConfig(d_model=32, d_ff=32, heads=4, layers=2, max_len=40), 40, 40).eval()
    examples = pairs(20)
    assert named(roles([traced(pair, e.sides) for e in examples], [e.facts for e in examples])) == {}
    decoder = Decoder(DecoderConfig(preset="gpt2", d_model=32, d_ff=32, heads=4, layers=2, max_len=40), 20).eval()
    assert named(roles([traced(decoder, sides) for sides in said_twice(20)])) == {}


# Scores by hand


ONE = weights_of([[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0.2, 0.3, 0.5, 0], [0.1, 0.2, 0.3, 0.4]])


def look_of(tokens: list[str], *, causal: bool = True) -> tuple[Look, Trace]:
    trace = Trace(labels={"tokens": tokens})
    allowed = torch.ones(4, 4, dtype=torch.bool)
    return Look("a", "tokens", "tokens", ONE[None], allowed.tril() if causal else allowed), trace


def scored(tokens: list[str], name: str, *, causal: bool = True) -> tuple[list[float], list[float]]:
    look, trace = look_of(tokens, causal=causal)
    wanted = places(look, trace, count_tokens([trace])["tokens"])[name]
    hits, chances = on_places(look, wanted)
    return hits[0].tolist(), chances.tolist()


@pytest.mark.parametrize(
    ("tokens", "name", "hits", "chances"),
    [
        (["a", "b", "a", "b"], "duplicate token", [0.2, 0.2], [1 / 3, 1 / 4]),  # rows 2 and 3 look back at 0 and 1
        (["a", "b", "a", "b"], "induction", [0.3, 0.3], [1 / 3, 1 / 4]),  # at b behind a, at a behind b
        (["a", "a", "b", "c"], "induction", [0.6], [1 / 2]),  # behind the first a stands the row itself
        (["a", "b", "c", "d"], "sink: first token", [0.4, 0.2, 0.1], [1 / 2, 1 / 3, 1 / 4]),  # row 0 has no choice
        (["<bos>", "b", ".", " ?!"], "sink: punctuation", [0.5, 0.7], [1 / 3, 2 / 4]),
        (["<bos>", "b", "c", "b"], "sink: <bos>", [0.4, 0.2, 0.1], [1 / 2, 1 / 3, 1 / 4]),
        (["a", "a", "b", "b"], "rare token", [], []),  # two are equally rare
        (["b", "b", "a", "b"], "rare token", [0.5, 0.3], [1 / 3, 1 / 4]),  # once a is among the keys
    ],
)
def test_weights_on_places_by_hand(tokens: list[str], name: str, hits: list[float], chances: list[float]) -> None:
    assert scored(tokens, name) == (pytest.approx(hits), pytest.approx(chances))


def test_where_all_may_be_seen_like_tokens_count_on_both_sides_and_induction_only_before() -> None:
    assert scored(["a", "b", "a", "c"], "duplicate token", causal=False)[0] == pytest.approx([0.0, 0.2])
    assert scored(["a", "b", "a", "c"], "induction", causal=False)[0] == pytest.approx([0.3])


def test_offsets_by_hand() -> None:
    found = {offset: (w[0].tolist(), c.tolist()) for offset, w, c in on_offsets(look_of(["a", "b", "c", "d"])[0])}
    assert found[-1] == (pytest.approx([0.4, 0.3, 0.3]), pytest.approx([1 / 2, 1 / 3, 1 / 4]))
    assert found[0] == (pytest.approx([0.6, 0.5, 0.4]), pytest.approx([1 / 2, 1 / 3, 1 / 4]))  # row 0 has no choice
    assert found[-3] == (pytest.approx([0.1]), pytest.approx([1 / 4]))
    assert found[1][0] == []
    assert [offset_name(o, itself=True) for o in (-2, -1, 0, 1)] == [
        "token at -2", "previous token", "own token", "next token",
    ]  # fmt: skip
    assert [offset_name(o, itself=False) for o in (-1, 0)] == ["same place -1", "same place"]


def test_entropy_and_confidence_by_hand() -> None:
    act = Attention(torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 3, 2), mask=Causal())
    trace = Trace(labels={"tokens": ["a", "b", "c"]})
    trace._values["decoder.blocks.4.self_attention.attention"] = [act]
    (found,) = roles([trace])
    assert (found.layer, found.head, found.label, found.kind) == (4, 0, None, "decoder")
    entropy, confidence = found.scores["entropy (bits)"], found.scores["confidence"]
    # Rows of 2 and of 3 equal weights; row 0 sees only itself.
    assert entropy.value == pytest.approx((1 + torch.tensor(3.0).log2().item()) / 2) == entropy.chance
    assert confidence.value == pytest.approx((1 / 2 + 1 / 3) / 2) == confidence.chance
    assert entropy.rows == 2


@given(st.integers(2, 9), st.booleans(), st.integers(0, 99))
def test_even_weights_score_what_chance_says(n: int, causal: bool, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    tokens = [f"w{i}" for i in torch.randint(3, (n,), generator=rng).tolist()]
    allowed = torch.ones(n, n, dtype=torch.bool)
    allowed = allowed.tril() if causal else allowed
    even = allowed.float() / allowed.sum(-1, keepdim=True)
    look = Look("a", "tokens", "tokens", even[None], allowed)
    for wanted in places(look, Trace(labels={"tokens": tokens}), Counter(tokens)).values():
        hits, chances = on_places(look, wanted)
        torch.testing.assert_close(hits[0], chances)
        assert ((chances > 0) & (chances < 1)).all()
    for _, weights, chances in on_offsets(look):
        torch.testing.assert_close(weights[0], chances)


# The rule


def score(**changed: object) -> HeadScore:
    usual = {"name": "x", "value": 0.6, "chance": 0.2, "rows": 10, "away": 4.0}
    return HeadScore(**{**usual, **changed})  # type: ignore[arg-type]


def test_a_lift_is_the_share_of_the_way_from_the_reference_to_the_best() -> None:
    assert score().lift == pytest.approx(0.5)  # from 0.2 to 0.6 of 1.0
    assert score(baseline=0.5).lift == pytest.approx(0.2) and score(baseline=0.5).reference == 0.5
    assert score(baseline=0.1).reference == 0.2  # the harder one counts
    low = score(value=0.1, chance=0.9, baseline=0.5, best=0.0)  # an error rate
    assert (low.reference, low.lift) == (0.5, pytest.approx(0.8))
    assert score(chance=1.0, value=1.0).lift == score(chance=1.0, value=1.0).above_chance == 0.0
    assert low.above_chance == pytest.approx(8 / 9) and score(baseline=0.9).above_chance == pytest.approx(0.5)


@pytest.mark.parametrize(
    "changed", [{"rows": 9}, {"away": 3.9}, {"value": 0.43}, {"baseline": 0.5}, {"role": False}], ids=str
)
def test_each_part_of_the_rule_can_refuse_a_name(changed: dict[str, object]) -> None:
    assert score().clear
    assert not score(**changed).clear


def test_standard_errors_by_hand() -> None:
    # mean 2, standard deviation 1, of 3: 2 / (1 / sqrt 3)
    assert standard_errors(torch.tensor([1.0, 2.0, 3.0])) == pytest.approx(2 * 3**0.5)
    assert standard_errors(torch.tensor([1.0])) == 0.0
    assert standard_errors(torch.ones(5)) > 1e3


def test_a_tally_takes_the_mean_over_rows_and_not_over_texts() -> None:
    tally = Tally("x")
    tally.add(torch.tensor([[1.0], [0.0]]), torch.tensor([0.5]))
    tally.add(torch.tensor([[0.4, 0.4], [0.2, 0.2]]), torch.tensor([0.2, 0.2]))
    first, second = tally.scores()
    assert (first.value, second.value, first.chance, first.rows) == (
        pytest.approx(0.6), pytest.approx(0.4 / 3), pytest.approx(0.3), 3,
    )  # fmt: skip
    assert second.away < 0 < first.away
    assert Tally("y").scores() == []
    low = Tally("z", best=0.0)
    low.add(torch.tensor([[0.1, 0.2]]), torch.tensor([0.9, 0.8]))
    assert low.scores()[0].away > 0


def test_alignment_comes_before_syntax_and_syntax_before_the_rest() -> None:
    from clearhead.insight.roles import _label

    alignment = score(name="alignment", value=0.5, chance=0.9, best=0.0)
    syntax, sink = score(name="syntax: a", value=0.7), score(name="sink: <eos>", value=0.99)
    assert _label([sink, syntax, alignment]) == "alignment"
    assert _label([sink, syntax]) == "syntax: a"
    assert _label([score(), sink]) == "sink: <eos>"
    assert _label([score(rows=3)]) is None


def test_sides_of_paths() -> None:
    pair = Trace(labels={"source": [], "target": []})
    assert sides(pair, "encoder.blocks.0.self_attention.attention") == ("source", "source")
    assert sides(pair, "decoder.blocks.0.self_attention.attention") == ("target", "target")
    assert sides(pair, "decoder.cross_attention.attention") == ("target", "source")


def test_watching_is_enough() -> None:
    """The explorer has a trace and no task: labels are all that roles need."""
    model = induction_model()
    with torch.no_grad(), watch(model) as trace:
        model(torch.tensor([[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]]))
    trace.labels = {"tokens": [f"t{i}" for i in range(12)]}
    assert named(roles([trace])) == {("decoder", 0, 0): "previous token"}


# Heads that know places alone


def looked(kind: str, lengths: list[int], heads: int, choose: Any, share: float = 1.0) -> list[str | None]:
    """The names of heads of which each row gives a share to the key `choose(text, allowed)` [heads, rows] says."""
    path = {"cross": "decoder.blocks.0.cross_attention"}.get(kind, f"{kind}.blocks.0.self_attention") + ".attention"
    rng, traces, weights = torch.Generator().manual_seed(3), [], {}
    for number, n in enumerate(lengths):
        asks, asked = ([f"w{i}" for i in torch.randint(30, (n - 1,), generator=rng)] for _ in range(2))
        sides = (
            {"tokens": ["<bos>", *asks]}
            if kind == "decoder"
            else {"source": [*asked, "<eos>"], "target": ["<bos>", *asks]}
        )
        zero, trace = torch.zeros(1, heads, n, 1), Trace(labels=sides)
        act = Attention(zero, zero, zero, mask=Causal() if kind == "decoder" else None)
        trace.note(path, act)
        allowed = act.masked()[0] == 0
        even = allowed / allowed.sum(-1, keepdim=True)
        key = choose(number, allowed)
        one = F.one_hot(key.clamp(0, n - 1), n) * ((key >= 0) & (key < n))[..., None] * allowed
        there = one.sum(-1, keepdim=True)
        weights[id(trace[path])] = (even * (1 - share * there) + share * one)[None]
        traces.append(trace)
    return [role.label for role in roles(traces, weigh=lambda _, act: weights[id(act)])]


def by_chance(heads: int, seed: int, *, of_text: bool = False) -> Any:
    """One random key for each position, or for each text."""
    table = torch.rand(heads, 100, 40, generator=torch.Generator().manual_seed(seed))

    def choose(text: int, allowed: torch.Tensor) -> torch.Tensor:
        rows, keys = allowed.shape[1:]
        likes = table[:, text, None, :keys].expand(-1, rows, -1) if of_text else table[:, :rows, :keys]
        return likes.masked_fill(~allowed, -1).argmax(-1)

    return choose


@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize(
    "lengths", [[8] * 60, [6 + i % 7 for i in range(20)], [8] * 3, [4] * 30], ids=["8", "6-12", "3", "4"]
)
def test_a_key_for_each_position_is_no_role_however_many_texts(kind: str, lengths: list[int]) -> None:
    assert set(looked(kind, lengths, 60, by_chance(60, 1))) == {None}
    assert set(looked(kind, lengths, 60, by_chance(60, 2), share=0.6)) == {None}


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_a_key_for_each_text_is_no_role(kind: str) -> None:
    assert set(looked(kind, [6 + i % 7 for i in range(20)], 60, by_chance(60, 1, of_text=True))) == {None}


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(
    ("kind", "offset", "name"),
    [
        ("encoder", 1, "next token"),
        ("encoder", -2, "token at -2"),
        ("decoder", -1, "previous token"),
        ("cross", 0, "same place"),
        ("encoder", None, "sink: first token"),
        ("decoder", None, "sink: <bos>"),
    ],
)
def test_heads_that_look_at_one_place_are_still_named(kind: str, offset: int | None, name: str, share: float) -> None:
    def choose(_: int, allowed: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(allowed.size(1))
        return (torch.zeros_like(rows) if offset is None else rows + offset).expand(allowed.size(0), -1)

    for lengths in ([8] * 30, [6 + i % 7 for i in range(20)]):
        assert looked(kind, lengths, 1, choose, share) == [name]
