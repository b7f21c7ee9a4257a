"""A language model from text to continuation: trained, resumed, judged, asked, looked into."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import clearhead
from clearhead.data.text_preview import TextPreview
from clearhead.errors import ConfigError, DataError, FolderError
from clearhead.folder import Folder
from clearhead.generation.sampling import Sampling
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.notes import TextWarning
from clearhead.tasks.train import configure, preview
from clearhead.training.log import read_metrics
from command import call
from tests.generation.writing import continued

EOS = 2  # as tokenizers that are trained here number it

COLOURS = ("blue", "red", "red")
TEXT = "".join(f"the {COLOURS[i % 3]} ship of king {i % 7} sails, and the sea is calm.\n" for i in range(400))
ARCH = {"d_model": 32, "d_ff": 64, "heads": 2, "layers": 2, "max_len": 32}
SMALL: dict[str, Any] = {
    "arch": ARCH,
    "tokenizer": {"vocab_size": 320},
    "training": {"batch_tokens": 256, "precision": "float32", "evaluations": 2},
    "schedule": {"warmup": 10},
    "quiet": True,
}
GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "text.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(text: Path) -> LanguageModel:
    torch.set_num_threads(1)
    model: LanguageModel = clearhead.train("language", text, out=text.parent / "m", max_steps=120, **SMALL)
    return model


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_the_text_and_says_so(trained: LanguageModel) -> None:
    assert trained.folder is not None
    results = trained.folder.config()["results"]["validation"]
    assert results["bits per byte"] < 0.5
    (text,) = trained.generate(["the red ship of king 3"], max_tokens=20, sampling=GREEDY)
    assert text.startswith(" sails, and the sea")
    metrics = read_metrics(trained.folder)
    assert sum(m["kind"] == "sample" for m in metrics) == 2
    floors = next(m for m in metrics if m["kind"] == "floors")
    assert floors["untrained"] == pytest.approx(math.log(trained.tokenizer.vocab_size), abs=0.05)


def test_bits_per_byte_by_hand(trained: LanguageModel, tmp_path: Path) -> None:
    """Each token predicted once, the end of the document too, in windows that do not overlap."""
    file = tmp_path / "a.txt"
    text = TEXT[: TEXT.index("\n", 700) + 1]
    file.write_text(text, encoding="utf-8")
    ids = [EOS, *trained.tokenizer.encode([text])[0], EOS]
    total, length = 0.0, ARCH["max_len"]
    with torch.no_grad():
        for start in range(0, len(ids) - 1, length):
            window, following = ids[start : start + length], ids[start + 1 : start + length + 1]
            log_p = trained.module(torch.tensor([window[: len(following)]]))[0].log_softmax(-1)
            total -= sum(float(log_p[i, token]) for i, token in enumerate(following))
    found = trained.evaluate([str(file)])
    assert found["bits per byte"].value == pytest.approx(total / math.log(2) / len(text), rel=1e-4)
    assert found["perplexity"].value == pytest.approx(math.exp(total / (len(ids) - 1)), rel=1e-4)
    cheaper = trained.evaluate([str(file)], precision="int8")
    assert cheaper["bits per byte"].value == pytest.approx(found["bits per byte"].value, abs=0.1)


def test_rows_without_a_text_are_said(
    trained: LanguageModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"text": "the sea"}\n{"text": ""}\n{"text": ""}\n')
    assert trained.evaluate([str(file)])["bits per byte"].signature.startswith("7 bytes")
    assert capsys.readouterr().err == f"2 rows without a text left out (first: {file}, line 2)\n"


def test_the_validation_loss_is_of_the_whole_part(trained: LanguageModel) -> None:
    """The loss of a token and the bits of a byte tell the same sum, over the tokens and the bytes of the part."""
    assert trained.folder is not None
    results = trained.folder.config()["results"]["validation"]
    held = TEXT[int(0.9 * len(TEXT)) :]
    count = len(trained.tokenizer.encode([held])[0]) + 1
    assert results["bits per byte"] * math.log(2) * len(held.encode()) == pytest.approx(
        results["loss"] * count, rel=1e-3
    )


def test_saved_and_loaded_it_is_the_same(trained: LanguageModel) -> None:
    assert trained.folder is not None
    again = clearhead.load(trained.folder.path)
    assert isinstance(again, LanguageModel)
    assert again.generate(["the", ""], max_tokens=12, seed=1) == trained.generate(["the", ""], max_tokens=12, seed=1)
    assert again.describe()["parameters"] == sum(p.numel() for p in trained.module.parameters())


SAVED: dict[str, Any] = {**SMALL, "max_steps": 24, "training": {**SMALL["training"], "save_seconds": 1e-9}}


@pytest.fixture(scope="module")
def whole(text: Path) -> Path:
    """A run that was not killed."""
    clearhead.train("language", text, out=text.parent / "whole", **SAVED)
    return text.parent / "whole"


@pytest.mark.parametrize("done", [0, 12, 21])
def test_a_killed_training_repeats_every_bit(
    text: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Killed in tokenising, or after some steps: the same bytes as of a run that was not killed."""

    class KilledError(BaseException):
        """No error that a program could meet."""

    from clearhead.data import shards
    from clearhead.tasks.texts import LanguageJob

    real, count = LanguageJob.loss, 0

    def loss(self: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count > done:
            raise KilledError
        return real(self, *args)

    with monkeypatch.context() as patch:
        if done:
            patch.setattr(LanguageJob, "loss", loss)
        else:
            patch.setattr(shards, "_flush", lambda *_: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            clearhead.train("language", text, out=tmp_path / "killed", **SAVED)
    clearhead.train("language", text, out=tmp_path / "killed", resume=True, **SAVED)
    for name in ("model.safetensors", "tokens/train-00000.bin", "tokens/index.json", "tokenizer.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (whole / name).read_bytes(), name


def test_what_fails_before_the_first_step_leaves_no_folder(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command, fixed, is not in its own way."""
    out, short = tmp_path / "m", tmp_path / "short.jsonl"
    short.write_text('{"text": "a"}\n', encoding="utf-8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="finds no NVIDIA GPU"):
        clearhead.train("language", "not read.txt", out=out, device="cuda", **SMALL)
    with pytest.raises(ConfigError, match=r"seed = -1: .*greater than or equal to 0"):
        clearhead.train("language", text, out=out, seed=-1, **SMALL)
    with pytest.raises(DataError, match="the train part is empty"):
        clearhead.train("language", short, out=out, max_steps=2, **SMALL)
    assert not out.exists()
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="the train part is empty"):
        clearhead.train("language", short, out=out, max_steps=2, **SMALL)
    assert (out / "notes.txt").exists() and (out / "config.json").exists(), "a folder that was there stays"


@pytest.mark.parametrize(
    ("task", "arch"), [("language", {"heads": 4}), ("translate", {"heads": 4}), ("words", {})], ids=lambda it: str(it)
)
def test_a_model_too_large_for_memory_is_told_before_it_is_made(
    text: Path, tmp_path: Path, task: str, arch: dict[str, Any]
) -> None:
    files = "sample:english-spanish/train:60" if task == "translate" else str(text)
    words = r"does not fit into memory: its [\d,]+ parameters take about [\d,]+ GB .* this machine has \d+ GB"
    with pytest.raises(ConfigError, match=words):
        clearhead.train(task, files, out=tmp_path / "m", arch={**arch, "d_model": 10**9}, quiet=True)


def test_other_text_or_options_are_refused(trained: LanguageModel, text: Path, tmp_path: Path) -> None:
    assert trained.folder is not None
    place, other = trained.folder.path, tmp_path / "other.txt"
    other.write_text("something else entirely\n" * 50, encoding="utf-8")
    with pytest.raises(FolderError, match="holds a model already"):
        clearhead.train("language", text, out=place, max_steps=120, **SMALL)
    with pytest.raises(ConfigError, match="the text differ"):
        clearhead.train("language", other, out=place, max_steps=120, resume=True, **SMALL)
    with pytest.raises(ConfigError, match="the options differ"):
        clearhead.train("language", text, out=place, max_steps=60, resume=True, **SMALL)


def test_checkpointing_changes_no_bit(text: Path, tmp_path: Path) -> None:
    """Dropout falls on the same numbers in the second computation."""
    for checkpointing in (False, True):
        options: dict[str, Any] = {**SMALL, "arch": {**ARCH, "dropout": 0.2}}
        options["training"] = {**SMALL["training"], "checkpointing": checkpointing}
        clearhead.train("language", text, out=tmp_path / str(checkpointing), max_steps=6, **options)
    assert weights(tmp_path / "True") == weights(tmp_path / "False")


def test_a_validation_file_and_documents_told_apart(tmp_path: Path, text: Path) -> None:
    documents = tmp_path / "d.jsonl"
    lines = TEXT.splitlines()
    documents.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines[:300]), encoding="utf-8")
    valid = tmp_path / "v.jsonl"
    valid.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines[300:]), encoding="utf-8")
    model = clearhead.train(
        "language", documents, valid=valid, out=tmp_path / "m", max_steps=40, data={"apart": True}, **SMALL
    )
    index = json.loads((tmp_path / "m/tokens/index.json").read_text())
    assert (index["parts"]["train"]["documents"], index["parts"]["valid"]["documents"]) == (300, 100)
    assert model.folder.config()["results"]["validation"]["bits per byte"] < 1.5


def test_a_text_of_one_character_is_too_short(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="the train part is empty"):
        clearhead.train("language", file, out=tmp_path / "m", max_steps=2, **SMALL)


# WritingOptions


def test_stops_beams_and_streams(trained: LanguageModel) -> None:
    text = trained.generate(["the red ship"], max_tokens=30, sampling=GREEDY)[0]
    assert "\n" in text
    (stopped,) = trained.generate(["the red ship"], max_tokens=30, sampling=GREEDY, stop=["sea is"])
    assert stopped == text.partition("sea is")[0]
    streamed = [more for _, more in trained.stream(["the red ship"], max_tokens=30, sampling=GREEDY)]
    assert len(streamed) > 3
    assert "".join(streamed) == text
    assert trained.generate(["the red ship"], max_tokens=8, beam=4)[0]
    assert trained.generate([], max_tokens=3) == []
    for beam in (0, -2, 257):
        with pytest.raises(ConfigError, match=f"beam {beam} is not possible\n  fix: give 1 .* to 256"):
            trained.generate(["a"], beam=beam)
    for number in ({"max_tokens": 0}, {"seed": -1}, {"first": -1}, {"max_tokens": 3.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(number))} .* is not possible"):
            trained.stream(["a"], **number)  # by the call itself: nobody has shown the prompt yet
    for given in ({"prompts": "a"}, {"prompts": ["a"], "stop": "sea is"}):  # letters are no texts
        for writing in (trained.generate, trained.stream):
            with pytest.raises(ConfigError, match=rf"takes a list of {list(given)[-1]}, not one string"):
                writing(**given)
    for place in (0.5, True):
        with pytest.raises(ConfigError, match="there is no layer"):
            trained.look("the sea", layer=place)


def test_a_trace_says_what_was_left_out(trained: LanguageModel) -> None:
    assert trained.trace("the sea").notes == []
    (said,) = trained.trace("the sea is calm. " * 60).notes
    assert re.fullmatch(r"the text has \d+ tokens and was cut to its last 32: the model's max_len", said)


def test_a_prompt_longer_than_the_context_is_cut_in_front(trained: LanguageModel) -> None:
    """To what leaves room for the tokens that are asked for, but half of the context is the prompt's."""
    for wanted, kept in ((1, 32), (5, 28), (100, 16)):
        with pytest.warns(TextWarning) as caught:
            found = trained.generate(["a", TEXT], max_tokens=wanted, sampling=GREEDY)[1]
        said = rf"text 2 has [\d,]+ tokens and was cut to its last {kept}: the model's max_len"
        assert re.match(said, str(caught[0].message))
        (cut,) = (trained.tokenizer.encode([TEXT])[0][-kept:],)
        steps = continued(trained.module, [cut], [min(wanted, 33 - kept)], GREEDY, eos=EOS)
        assert found == trained.tokenizer.exactly([step[0] for step in steps if step])


@pytest.mark.parametrize("beam", [1, 2])
def test_a_full_context_ends_a_text_with_a_word(trained: LanguageModel, beam: int) -> None:
    prompt = "the red ship"
    room = 33 - len(trained.tokenizer.encode([prompt])[0])
    with pytest.warns(TextWarning, match=r"text 1 goes no further: the model's max_len, 32 tokens, is full") as caught:
        full = trained.generate([prompt], max_tokens=room + 1, sampling=GREEDY, beam=beam)
    assert len(caught) == 1
    assert trained.generate([prompt], max_tokens=room, sampling=GREEDY, beam=beam) == full, "as asked: no warning"
    assert trained.generate([prompt], max_tokens=99, sampling=GREEDY, beam=beam, stop=["ship", "s"])[0] in full[0]
    if beam == 1:
        with pytest.warns(TextWarning, match="goes no further"):
            assert len(trained.shown(prompt, max_tokens=99, sampling=GREEDY)) == room


def test_notes_go_where_they_are_wanted(trained: LanguageModel) -> None:
    """And then nowhere else: a warning would be an error here."""
    kinds, given = list[tuple[int, str]](), ["the red ship", TEXT]
    trained.generate(
        given, max_tokens=60, sampling=GREEDY, on_note=lambda number, note: kinds.append((number, note.kind))
    )
    assert kinds == [(1, "no room"), (0, "no room"), (1, "no room")]


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_less_precision_writes_nearly_the_same(trained: LanguageModel, precision: Any) -> None:
    wanted = trained.generate(["the red ship of"], max_tokens=12, sampling=GREEDY)
    found = trained.generate(["the red ship of"], max_tokens=12, sampling=GREEDY, precision=precision)
    assert found[0][:8] == wanted[0][:8]


def test_int8_texts_know_nothing_of_each_other(trained: LanguageModel) -> None:
    prompts = ["the red ship of king 3", "and the sea", "king"]
    together = trained.generate(prompts, max_tokens=8, sampling=GREEDY, precision="int8")
    assert together == [trained.generate([p], max_tokens=8, sampling=GREEDY, precision="int8")[0] for p in prompts]


def test_what_is_shown_of_a_text(trained: LanguageModel) -> None:
    shown = trained.shown("the red ship", max_tokens=6, sampling=Sampling(0.5, top_k=3), n=4)
    assert (
        "".join(step.text for step in shown)
        == trained.generate(["the red ship"], max_tokens=6, sampling=Sampling(0.5, top_k=3))[0]
    )
    for step in shown:
        assert [before for _, before, _ in step.candidates] == sorted((b for _, b, _ in step.candidates), reverse=True)
        assert step.candidates[3][2] == 0.0, "only three are drawn from"
        assert 0.99 < sum(after for _, _, after in step.candidates) < 1.01
        assert all(0 <= share <= 1 for _, share in step.attended)
    trace = trained.trace("the red ship")
    assert trace.labels["tokens"][0] == "the"
    assert trace.find("self_attention.attention")


# Before training, and by command


def test_a_preview_writes_nothing(text: Path, tmp_path: Path) -> None:
    options = {k: v for k, v in SMALL.items() if k != "quiet"}
    found = preview("language", text, **options)
    assert isinstance(found, TextPreview)
    assert (found.documents, found.characters) == (1, len(TEXT))
    assert found.reads[1:] == found.writes[:-1]
    assert "".join(found.writes) == TEXT[: len("".join(found.writes))]
    assert found.tokens == pytest.approx(len(TEXT) / found.per_token, abs=1)


def test_characters_that_are_not_known_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clearhead.cli.drawing import WritingOptions
    from clearhead.cli.generate import generate

    (tmp_path / "t.txt").write_text("the sea is calm and so is the ship\n" * 100 + "猫é\n")
    options = {**SMALL, "tokenizer": {"kind": "character", "min_count": 5}, "quiet": False}
    clearhead.train("language", tmp_path / "t.txt", out=tmp_path / "m", max_steps=1, **options)
    part = r"note: (less than 0\.1|[\d.]+) % of the tokens of the valid part's beginning \(2 of [\d,]+\) are <unk>"
    assert re.search(part, capsys.readouterr().err)
    clearhead.load(tmp_path / "m").evaluate([str(tmp_path / "t.txt")])
    assert "of the tokens of these texts (2 of 3,505) are <unk>" in capsys.readouterr().err
    generate(str(tmp_path / "m"), "the 猫", writing=WritingOptions(max_tokens=1))
    assert capsys.readouterr().err == "note: text 1: the model does not know “猫”: it reads <unk>\n"


def test_presets_from_options() -> None:
    config: Any = configure("language", options={"arch": {"preset": "llama", "layers": 3}})
    assert (config.arch.feed_forward.kind, config.arch.layers, config.arch.soft_cap) == ("swiglu", 3, None)
    small: Any = configure("language", recipe="shakespeare", options={"arch": {"preset": "gpt2", "dropout": 0.1}})
    assert (small.arch.positions.kind, small.arch.d_model, small.arch.attention.biases) == ("learned", 128, True)


def test_by_command(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    options = ["--max-steps", 30, "--tokenizer.kind", "character", "--training.precision", "float32"]
    sizes = [f"--arch.{name.replace('_', '-')}={value}" for name, value in ARCH.items()]
    done = call("train", "language", text, "--out", out, *options, *sizes)
    assert done.returncode == 0, done.stderr
    assert "1 document, " in done.stderr
    assert "it writes: " in done.stderr
    assert f"clearhead generate {out}" in done.stderr
    prompt = "the sea"
    once = call("generate", out, prompt, "--max-tokens", 12, "--seed", 3)
    assert once.returncode == 0, once.stderr
    assert once.stdout.startswith(prompt)
    assert call("generate", out, prompt, "--max-tokens", 12, "--seed", 3).stdout == once.stdout
    full = call("generate", out, prompt, "--max-tokens", 60, "--temperature", 0)
    assert full.stderr == "note: text 1 goes no further: the model's max_len, 32 tokens, is full\n"
    long = call("generate", out, prompt, text, "--max-tokens", 60, "--temperature", 0)
    assert re.search(rf"note: {re.escape(str(text))}, line 1 has \d+ tokens and was cut to its last 16: ", long.stderr)
    assert long.stderr.count("note: ") == 21 and long.stderr.endswith("could not be written on\n")
    both = call(
        "generate", out, "-", "--max-tokens", 9, "--top-p", 1, "--temperature", 2, "--json", stdin=b"the\n" * 34
    )
    assert [json.loads(line)["prompt"] for line in both.stdout.splitlines()] == ["the"] * 34
    assert len(set(both.stdout.splitlines())) == 34, "no text draws what one of another batch did"
    table = call("show", out, prompt, "--layer", 0)
    assert "self-attention, per cent" in table.stdout and "mean of all heads" in table.stdout
    assert "token looked at" not in table.stdout and "token, looked at →" in table.stdout
    assert not re.search("written|source|the word", table.stdout)
    unknown = call("show", out, "the 猫 sea", "--layer", 0)
    assert unknown.stderr == "note: the model does not know “猫”: it reads <unk>\n"
    assert "there is no layer 7" in call("show", out, prompt, "--layer", 7).stderr
    assert "reads one text" in call("show", out, prompt, "--target", "x").stderr
    shown = call("generate", out, prompt, "--max-tokens", 3, "--show")
    assert shown.returncode == 0, shown.stderr
    rows = shown.stderr.splitlines()
    assert rows[0].split("  ")[:3] == [" token", "candidate", "probability"] and "…" not in shown.stderr
    assert sum(row.count("%") >= 2 for row in rows) == 15, "five candidates of three tokens, each on one line"
    judged = call("evaluate", out, text)
    assert judged.stdout.startswith("bits per byte")
    assert call("info", out).stdout.count("language")
    assert "about" in call("train", "language", text, "--dry-run").stdout
    for words, said in (
        (["generate", out, prompt, "--top-p", 2], "top_p"),
        (["evaluate", out, text, "--length-penalty", 2], "language is measured without --length-penalty"),
        (["evaluate", out, text, "--source", 1], "language is measured without --source"),
        (["generate", out, prompt, "--temperature", "inf"], "temperature inf is not possible"),
        (["generate", out, prompt, "--seed", -1], "seed -1 is not possible"),
        (["generate", out, prompt, "--max-tokens", -5], "max_tokens -5 is not possible"),
        (["generate", out, prompt, "--beam", 100_000], "beam 100000 is not possible"),
        (["translate", out, prompt], "its task is language"),
        (["evaluate", out], "no file"),
        (["train", "language", "--out", tmp_path / "n"], "clearhead train language book.txt --out"),
        (["train", "language", text, "--out", tmp_path / "n", "--arch.preset", "lama"], "lama"),
        (["train", "language", text, "--out", tmp_path / "n", "--arch.full-every", 2], "give window too"),
    ):
        failed = call(*words)
        assert failed.returncode != 0 and failed.stdout == ""
        assert said in failed.stderr
        assert "Traceback" not in failed.stderr
    assert not Folder(tmp_path / "n").path.exists()
