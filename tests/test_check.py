"""Exercises that check themselves: right answers pass, usual mistakes are named, nothing a learner gives escapes."""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import clearhead
from clearhead import check
from clearhead.check.exercise import Checked, Exercise
from clearhead.check.weights import DecoderWeights

ROOT = Path(__file__).parent.parent
PRACTICE = ROOT / "docs" / "practice"
EXERCISES: dict[str, Exercise] = {name: getattr(check, name) for name in check.__all__ if name != "Checked"}
MISTAKES = [(name, words) for name, exercise in EXERCISES.items() for words in exercise.mistakes]
NOTEBOOKS = sorted(PRACTICE.glob("*.ipynb"))

every_exercise = pytest.mark.parametrize("name", EXERCISES)
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


# Right answers, as a learner would write them under the notebooks' own cells


def dot_product(q, k):
    return (q * k).sum()


def similarities(q, k):
    return q @ k.T


def scaled(similarities, head_dim):
    return similarities / head_dim**0.5


def causal_mask(n):
    return torch.arange(n)[None, :] <= torch.arange(n)[:, None]


def masked(similarities, mask):
    return similarities.masked_fill(~mask, float("-inf"))


def softmax(x):
    powers = (x - x.max(-1, keepdim=True).values).exp()
    return powers / powers.sum(-1, keepdim=True)


def context(weights, v):
    return weights @ v


def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


def self_attention(x, w_q, w_k, w_v):
    return attention(x @ w_q, x @ w_k, x @ w_v)


def cross_attention(x, memory, w_q, w_k, w_v):
    return attention(x @ w_q, memory @ w_k, memory @ w_v)


def cosine(q, k):
    return (q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).T


def bilinear(q, k, w):
    return q @ w @ k.T


def additive(q, k, w_q, w_k, v):
    return ((q @ w_q)[:, None] + (k @ w_k)[None]).tanh() @ v


def split_heads(x, n_heads):
    return x.reshape(len(x), n_heads, -1).transpose(0, 1)


def join_heads(heads):
    return heads.transpose(0, 1).flatten(1)


def multi_head(x, w_q, w_k, w_v, w_o, n_heads, mask=None):
    q, k, v = (split_heads(x @ w, n_heads) for w in (w_q, w_k, w_v))
    return join_heads(attention(q, k, v, mask)) @ w_o


def sinusoidal_positions(n, d_model):
    angle = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def layer_norm(x, weight, bias, eps=1e-5):
    spread = (x.var(-1, keepdim=True, unbiased=False) + eps).sqrt()
    return (x - x.mean(-1, keepdim=True)) / spread * weight + bias


def feed_forward(x, w_up, b_up, w_down, b_down):
    return (x @ w_up + b_up).relu() @ w_down + b_down


def attend(x, memory, w, n_heads, mask=None):
    """As the notebook has it."""
    q, k, v = (split_heads(t, n_heads) for t in (x @ w.w_q, memory @ w.w_k, memory @ w.w_v))
    return join_heads(attention(q, k, v, mask)) @ w.w_o


def encoder_block(x, w, n_heads):
    x = layer_norm(x + attend(x, x, w.self_attention, n_heads), *w.self_attention_norm)
    return layer_norm(x + feed_forward(x, *w.feed_forward), *w.feed_forward_norm)


def decoder_block(x, memory, w, n_heads):
    looked = attend(x, x, w.self_attention, n_heads, causal_mask(len(x)))
    x = layer_norm(x + looked, *w.self_attention_norm)
    x = layer_norm(x + attend(x, memory, w.cross_attention, n_heads), *w.cross_attention_norm)
    return layer_norm(x + feed_forward(x, *w.feed_forward), *w.feed_forward_norm)


def decoder(token_ids, memory, w, n_heads):
    x = w.embedding[token_ids] * w.embedding.shape[1] ** 0.5
    x = x + sinusoidal_positions(*x.shape)
    for block in w.blocks:
        x = decoder_block(x, memory, block, n_heads)
    return x @ w.output


SOLUTIONS: dict[str, Callable[..., Any]] = {name: globals()[name] for name in EXERCISES}


@every_exercise
def test_a_right_answer_is_right(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    checked = EXERCISES[name](SOLUTIONS[name])
    cases = len(EXERCISES[name].cases)
    assert checked == Checked(name, True, cases, f"{name}: {cases} of {cases} cases right")
    assert checked and cases >= 2
    assert capsys.readouterr().out == checked.message + "\n"


@every_exercise
def test_the_paper_comes_to_the_wanted_numbers(name: str) -> None:
    """The arithmetic that is shown is that of the number which is wanted, in every cell of every case."""
    exercise = EXERCISES[name]
    for case in exercise.cases:
        wanted = exercise.wanted(case)
        tables = exercise.paper(case)
        answers = tables[-len(wanted) :] if wanted.ndim == 3 else tables[-1:]
        found = np.stack([answer.values for answer in answers]).reshape(wanted.shape)
        assert np.allclose(found, wanted.double().numpy(), atol=1e-5)


# Wrong answers


@pytest.mark.parametrize(("name", "words"), MISTAKES)
def test_a_usual_mistake_is_named(name: str, words: str) -> None:
    exercise = EXERCISES[name]
    checked = exercise(exercise.mistakes[words])
    assert not checked
    assert checked.message.endswith(f"\nthese are the numbers {words}")


# The mistake, where it shows first, its number, the wanted one and how that comes about
FIRST_WRONG: dict[str, tuple[Callable[..., Any], str, str, str, str]] = {
    "dot_product": (
        lambda q, k: (q + k).sum(),
        "case 1 (Write and a): the number differs",
        "3.32",  # 1.16 + 0.57 + 0.23 + 1.36
        "0.974",
        "similarity[Write, a] = 1.16 × 0.57 + 0.23 × 1.36 = 0.974",
    ),
    "similarities": (
        lambda q, k: k @ q.T,
        "row 1 (Write), column 2 (a)",
        "-0.4022",  # of a and Write: 1.1063 × -0.1469 + 0.789 × -0.3038
        "0.0648",
        "similarities[Write, a] = 0.7621 × 0.1057 + -0.0428 × 0.3685 = 0.0648",
    ),
    "scaled": (
        lambda s, head_dim: s / head_dim,
        "row 1 (Write), column 1 (Write)",
        "-0.0495",  # -0.099 / 2
        "-0.07",
        "scaled[Write, Write] = -0.099 / 1.4142 = -0.07",
    ),
    "causal_mask": (
        lambda n: torch.ones(n, n).tril(-1).bool(),
        "row 1 (Write), column 1 (Write)",
        "False",
        "True",
        "mask[Write, Write] = (1 ≤ 1) = True",
    ),
    "masked": (
        lambda s, mask: s * mask,
        "row 1 (Write), column 2 (a)",
        "0",
        "-inf",
        "masked[Write, a] = 0.0648 + -inf = -inf",
    ),
    "softmax": (
        lambda x: x.exp(),
        "row 1 (Write), column 1 (Write)",
        "0.9324",  # e^-0.07
        "0.3573",  # 0.9324 / (0.9324 + 1.0469 + 0.6305)
        "softmax[Write, Write] = e^-0.07 / (e^-0.07 + e^0.0458 + e^-0.4612) = 0.3573",
    ),
    "context": (
        lambda weights, v: v.mean(0).expand(len(weights), -1),
        "row 1 (Write), column 1",
        "1.3743",  # (0.6038 - 0.3502 + 3.8695) / 3
        "1.1817",
        "context[Write, 1] = 0.5 × 0.6038 + 0.25 × -0.3502 + 0.25 × 3.8695 = 1.1817",
    ),
    "attention": (
        lambda q, k, v, mask=None: (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) * (1.0 if mask is None else mask) @ v,
        "case 2 (no token sees the future): the first wrong cell is row 1 (Write), column 1",
        "0.2157",  # 0.3573 × 0.6038: the other shares were taken away, and nothing given for them
        "0.6038",
        "context[Write, 1] = 1 × 0.6038 + 0 × -0.3502 + 0 × 3.8695 = 0.6038",
    ),
    "self_attention": (
        lambda x, w_q, w_k, w_v: (x @ w_q @ (x @ w_k).T).softmax(-1) @ x @ w_v,
        "row 1 (Write), column 1",
        "0.8777",  # (0.9057 × 0.6038 + 1.0669 × -0.3502 + 0.5209 × 3.8695) / (0.9057 + 1.0669 + 0.5209)
        "1.01",
        "context[Write, 1] = 0.3573 × 0.6038 + 0.4011 × -0.3502 + 0.2416 × 3.8695 = 1.01",
    ),
    "cross_attention": (
        lambda x, memory, w_q, w_k, w_v: attention(x @ w_q, memory @ w_k, memory),
        "row 1 (Write), column 1",
        "1.0625",  # 0.5465 × 0.94 + 0.4535 × 1.21
        "0.9604",
        "context[Write, 1] = 0.5465 × 0.2747 + 0.4535 × 1.7866 = 0.9604",
    ),
    "cosine": (
        lambda q, k: q @ k.T,
        "row 1 (Write), column 1 (Write)",
        "-0.099",
        "-0.3842",  # -0.099 / (0.7633 × 0.3375)
        "similarities[Write, Write] = 0.9984 × -0.4353 + -0.056 × -0.9003 = -0.3842",
    ),
    "bilinear": (
        lambda q, k, w: q @ k.T,
        "row 1 (Write), column 1 (Write)",
        "-0.099",
        "0.3673",  # q W = [0.7621 - 0.0214, -1.5242 - 0.0428]
        "similarities[Write, Write] = 0.7407 × -0.1469 + -1.567 × -0.3038 = 0.3673",
    ),
    "additive": (
        lambda q, k, w_q, w_k, v: ((q @ w_q)[:, None] + k @ w_k) @ v,
        "row 1 (Write), column 1 (Write)",
        "-1.3102",  # the same without tanh
        "-1.2425",
        "2 × tanh(-0.3704 + -0.0417) + -1 × tanh(0.7621 + -0.338) + 0.5 × tanh(0.1798 + -0.3038) = -1.2425",
    ),
    "split_heads": (
        lambda x, n_heads: x.reshape(n_heads, len(x), -1),
        "head 1, row 2 (a), column 1",
        "3",
        "5",
        "head_1[a, 1] = x, column 1 = 5",
    ),
    "join_heads": (
        lambda heads: heads.reshape(heads.shape[1], -1),
        "row 1 (Write), column 3",
        "5",  # of the first head's second token
        "3",
        "joined[Write, 3] = head_2, column 1 = 3",
    ),
    "multi_head": (
        lambda x, w_q, w_k, w_v, w_o, n, mask=None: multi_head(x, w_q, w_k, w_v, torch.eye(len(w_o)), n, mask),
        "row 1 (Write), column 1",
        "2.8142",
        "3.3939",
        "o[Write, 1] = 2.8142 × 0.75 + 1.7488 × 0.5 + 1.6354 × 0.25 + -0.7323 × 0 = 3.3939",
    ),
    "sinusoidal_positions": (
        lambda n, d_model: sinusoidal_positions(n + 1, d_model)[1:],
        "row 1 (position 0), column 1",
        "0.8415",  # sin(1)
        "0",
        "positions[position 0, 1] = sin(0 / 10000^(0/2)) = 0",
    ),
    "layer_norm": (
        lambda x, weight, bias, eps: x / (x.var(-1, keepdim=True, unbiased=False) + eps).sqrt() * weight + bias,
        "row 1 (Write), column 1",
        "0.8944",  # 1 / √1.25
        "0.4472",
        "norm[Write, 1] = (1 - 0.5) / √(1.25 + 1e-05) × 1 + 0 = 0.4472",
    ),
    "feed_forward": (
        lambda x, w_up, b_up, w_down, b_down: (x @ w_up + b_up) @ w_down + b_down,
        "row 1 (Write), column 1",
        "0.75",  # the hidden -1 counts, times -0.25
        "0.5",
        "down[Write, 1] = -0.5 + 1 = 0.5",
    ),
    "encoder_block": (
        lambda x, w, n: encoder_block(x, w._replace(feed_forward_norm=(torch.ones(4), torch.zeros(4))), n),
        "row 1 (Write), column 1",
        "1.4975",  # (0.9625 + 0.0881) / √0.4922
        "3.995",
        "forward_normed[Write, 1] = (0.9625 - -0.0881) / √(0.4922 + 1e-05) × 2 + 1 = 3.995",
    ),
    "decoder_block": (
        lambda x, m, w, n: decoder_block(x, m, w._replace(feed_forward_norm=(torch.ones(4), torch.zeros(4))), n),
        "row 1 (Write), column 1",
        "-0.8279",  # (-1.3104 - 0.3432) / √3.9886
        "-2.8199",
        "forward_normed[Write, 1] = (-1.3104 - 0.3432) / √(3.9886 + 1e-05) × 2.5 + -0.75 = -2.8199",
    ),
    "decoder": (
        lambda ids, m, w, n: decoder(ids, m, w._replace(output=torch.eye(4)), n),
        "row 1 (<EOS>), column 1 (<EOS>)",
        "0.4846",
        "1.1005",
        "logits[<EOS>, <EOS>] = 0.4846 × -0.25 + -2.1279 × -1 + -1.5934 × 0.5 + 0.4381 × -0.25 = 1.1005",
    ),
}


@every_exercise
def test_the_first_wrong_cell_is_shown_with_its_arithmetic(name: str) -> None:
    function, where, yours, wanted, arithmetic = FIRST_WRONG[name]
    checked = EXERCISES[name](function)
    lines = checked.message.splitlines()
    assert not checked
    assert lines[1].endswith(where)
    assert lines[2:4] == [f"  yours   {yours}", f"  wanted  {wanted}"]
    assert any(line.endswith(arithmetic) for line in lines[4:])


def test_the_way_to_a_wrong_cell_is_shown_step_by_step() -> None:
    checked = check.attention(lambda q, k, v, mask=None: attention(q, k, v))
    assert checked.message.splitlines() == [
        "attention: 1 of 3 cases right",
        "case 2 (no token sees the future): the first wrong cell is row 1 (Write), column 1",
        "  yours   1.01",
        "  wanted  0.6038",
        "  similarities[Write] = -0.099, 0.0648, -0.6523    (q · kᵀ)",
        "  scaled[Write] = -0.07, 0.0458, -0.4612    (similarities / √2)",
        "  masked[Write] = -0.07, -inf, -inf    (scaled + mask)",
        "  percentages[Write] = 100 %, 0 %, 0 %    (softmax of each row of masked)",
        "  context = percentages · v",
        "  context[Write, 1] = 1 × 0.6038 + 0 × -0.3502 + 0 × 3.8695 = 0.6038",
        "these are the numbers without the mask",
    ]


def test_a_mistake_of_nobody_has_no_hint() -> None:
    checked = check.scaled(lambda s, head_dim: s + 1)
    assert checked.message.splitlines()[-1] == "  scaled[Write, Write] = -0.099 / 1.4142 = -0.07"


def test_numbers_that_are_no_numbers_are_shown() -> None:
    checked = check.softmax(lambda x: x.exp() / x.exp().sum(-1, keepdim=True))
    assert checked.message.startswith(
        "softmax: 2 of 3 cases right\ncase 3 (large numbers): the first wrong cell is row 1,"
    )
    assert "  yours   nan\n  wanted  0.2689\n" in checked.message  # 1 / (1 + e)
    checked = check.softmax(lambda x: x.double().clamp(-10, 700).exp())
    assert "yours   0.9324" in checked.message
    checked = check.dot_product(lambda q, k: 1e300)
    assert "yours   1e+300" in checked.message


def test_the_tolerance_is_a_ten_thousandth() -> None:
    assert check.scaled(lambda s, head_dim: scaled(s, head_dim) * 1.00005)
    assert not check.scaled(lambda s, head_dim: scaled(s, head_dim) * 1.001)


# What a learner may give


@pytest.mark.parametrize("form", [Tensor.tolist, Tensor.numpy, list, tuple, Tensor.double, Tensor.requires_grad_])
def test_every_form_of_numbers_is_welcome(form: Callable[[Tensor], object]) -> None:
    assert check.similarities(lambda q, k: form(q @ k.T))
    assert check.causal_mask(lambda n: form(causal_mask(n).float()))
    assert check.split_heads(lambda x, n: form(split_heads(x, n)))


def test_plain_python_and_numpy_do() -> None:
    assert check.dot_product(lambda q, k: sum(float(a) * float(b) for a, b in zip(q, k, strict=True)))
    assert check.dot_product(lambda q, k: np.dot(np.asarray(q), k.tolist()))
    assert check.dot_product(lambda q, k: q[None] @ k)
    assert check.causal_mask(lambda n: np.tri(n, dtype=bool))
    assert check.causal_mask(lambda n: [[j <= i for j in range(n)] for i in range(n)])
    assert check.context(lambda weights, v: np.asarray(weights) @ np.asarray(v))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda q, k: (q @ k.T)[None], "the result has the shape [1, 3, 3], wanted is [queries, keys] = [3, 3]"),
        (lambda q, k: 1.0, "the result is a single number, wanted is [queries, keys] = [3, 3]"),
        (lambda q, k: "0.5", "it gives a str that holds no real numbers; give a tensor, an array, a list or a number"),
        (lambda q, k: {"a": 1}, "it gives a dict that holds no real numbers"),
        (lambda q, k: [], "it gives a list that holds no real numbers"),
        (lambda q, k: np.array(["a"]), "it gives a ndarray that holds no real numbers"),
        (lambda q, k: 1j * q @ k.T, "it gives a Tensor that holds no real numbers"),
        (lambda q, k: [[1, 2], [3]], "the rows of the list it gives do not have one length"),
        (lambda q, k: [np.ones(2), 3], "the rows of the list it gives do not have one length"),
        (lambda q, k: None, "it gives nothing back: fill in the blank, and hand the result over with `return`"),
        (lambda q: q, "with TypeError: <lambda>() takes 1 positional argument but 2 were given"),
        (lambda q, k: 1 / 0, "with ZeroDivisionError: division by zero"),
        (lambda q, k: {}[""], "with KeyError: ''"),
        (lambda q, k: (_ for _ in ()).throw(AssertionError), "with AssertionError"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_sentence(function: Callable[..., Any], told: str) -> None:
    checked = check.similarities(function)
    assert not checked and told in checked.message
    assert checked.message.startswith("similarities: 0 of 3 cases right\ncase 1 (the poem's queries and keys): ")
    assert len(checked.message.splitlines()) == 2


def test_an_exception_names_the_learners_own_line() -> None:
    code = compile("def f(q, k):\n    x = q @ k.T\n    return x.nothing\n", "mine", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    assert "it stops in line 3 with AttributeError: " in check.similarities(names["f"]).message
    deep: Callable[..., Any] = lambda q, k: deep(q, k)  # noqa: E731
    assert "RecursionError" in check.similarities(deep).message


def _not_implemented(q, k):
    raise NotImplementedError


@pytest.mark.parametrize(
    "function",
    [
        lambda q, k: ...,
        lambda q, k: [..., ...],
        lambda q, k: ... @ k.T,
        lambda q, k: q * ...,
        lambda q, k: torch.softmax(..., dim=-1),
        lambda q, k: np.exp(...),
        _not_implemented,
    ],
)
def test_a_blank_is_a_blank(function: Callable[..., Any]) -> None:
    told = "similarities: the blank is not filled in yet: put your own words where `...` stands"
    assert check.similarities(function) == Checked("similarities", False, 3, told)


def test_a_number_is_no_function() -> None:
    told = (
        "dot_product: hand over the function itself, as in clearhead.check.dot_product(dot_product), not what it gives"
    )
    assert check.dot_product(3).message == told  # type: ignore[arg-type]


def test_a_function_that_changes_its_input_is_remarked_on() -> None:
    def spoiled(similarities, mask):
        similarities[~mask] = -math.inf
        return similarities

    for _ in range(2):
        checked = check.masked(spoiled)
        assert checked
        assert checked.message.splitlines() == [
            "masked: 2 of 2 cases right",
            "note: it changes similarities in place; work on similarities.clone() instead",
        ]

    def deep(token_ids, memory, w: DecoderWeights, n_heads):
        w.blocks[0].self_attention.w_q.zero_()
        return decoder(token_ids, memory, w, n_heads)

    checked = check.decoder(deep)
    assert not checked
    assert "note: it changes w in place" in checked.message
    assert check.decoder(decoder)


def test_a_check_leaves_the_learners_random_numbers_alone() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    check.decoder(lambda ids, m, w, n: 0.0)
    assert torch.rand(3).tolist() == wanted.tolist()


# The names


def test_names_are_sorted_and_there() -> None:
    assert check.__all__ == sorted(check.__all__, key=lambda name: (name[0].islower(), name))
    assert clearhead.check is check
    assert "check" in dir(clearhead) and clearhead.__all__ == sorted(clearhead.__all__)


@every_exercise
def test_an_exercise_says_what_to_write(name: str) -> None:
    exercise = EXERCISES[name]
    assert exercise.name == name
    assert "Shapes: " in (exercise.__doc__ or "") and re.search(r"\(.*\b(19|20)\d\d", exercise.__doc__, re.DOTALL)
    names = list(inspect.signature(exercise.reference).parameters)
    assert names == list(inspect.signature(SOLUTIONS[name]).parameters)


# The notebooks


def _cells(path: Path) -> list[str]:
    """The code of a notebook."""
    book = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def _filled(code: str) -> str:
    """The cell with right answers where its functions have blanks."""
    tree = ast.parse(code)
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(part, ast.Constant) and part.value is ... for part in ast.walk(node)
        ):
            tree.body[i] = ast.parse(inspect.getsource(SOLUTIONS[node.name])).body[0]
    return ast.unparse(tree)


def _checks(code: str) -> list[str]:
    return re.findall(r"clearhead\.check\.(\w+)\(\1\)", code)


@every_notebook
def test_a_notebook_is_whole(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    for cell in book["cells"]:
        keys = {"cell_type", "id", "metadata", "source"}
        assert cell["cell_type"] in ("code", "markdown")
        assert set(cell) == (keys | {"execution_count", "outputs"} if cell["cell_type"] == "code" else keys)
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    assert path.name in (PRACTICE / "README.md").read_text(encoding="utf-8")


@every_notebook
def test_a_notebook_runs_with_its_blanks(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in _cells(path):
        exec(compile(code, path.name, "exec"), names)
        told = capsys.readouterr().out
        for name in _checks(code):
            assert told.startswith(f"{name}: the blank is not filled in yet")


@every_notebook
def test_a_notebook_runs_with_its_blanks_filled(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    checks = 0
    for code in _cells(path):
        exec(compile(_filled(code), path.name, "exec"), names)
        told = capsys.readouterr().out
        for name in _checks(code):
            cases = len(EXERCISES[name].cases)
            assert told == f"{name}: {cases} of {cases} cases right\n"
            checks += 1
    assert checks >= 2


def test_every_check_is_in_a_notebook() -> None:
    used = [name for path in NOTEBOOKS for code in _cells(path) for name in _checks(code)]
    assert sorted(used) == sorted(EXERCISES)
    listed = re.findall(
        r"`(\w+)`", "".join(re.findall(r"^\| \[.*", (PRACTICE / "README.md").read_text(), re.MULTILINE))
    )
    assert listed == used
