"""The command line as a person meets it: whole processes, their output, exit codes and messages."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from clearhead.cli import app
from clearhead.data.samples.english_spanish import sentences
from clearhead.folder import Folder
from clearhead.tasks import TASKS, find_task
from clearhead.tasks import find_recipe as recipe
from clearhead.training.log import read_metrics
from command import call, without_notes

PROGRAM = str(Path(sys.executable).with_name("clearhead"))
USE = [
    "translate",
    "summarize",
    "evaluate",
    "show",
    "explore",
    "heads",
    "info",
    "nearest",
    "generate",
    "chat",
    "export",
]
COMMANDS = ["train", *USE, "study", "worksheet", "completion", "demo"]
PAIRS = [f"{s.english}\t{s.spanish}" for s in sentences("train", 120)]
TINY = ["--arch.layers", "1", "--arch.d-model", "16", "--arch.d-ff", "16", "--arch.heads", "2", "--arch.max-len", "64"]
STEPS = [*["--max-steps", "3", "--training.precision", "float32"], *TINY]


def works(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    done = call(*words, **more)
    assert done.returncode == 0, done.stderr
    return done


def fails(*words: object, **more: Any) -> str:
    """What a command that cannot work says: on standard error, without a traceback."""
    done = call(*words, **more)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def refused(*words: object, **more: Any) -> str:
    said = fails(*words, **more)
    assert re.search(r"clearhead: .+\n  fix: \S", said), said
    return said


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model in `m`, trained on pairs of which one has a million characters."""
    desk = tmp_path_factory.mktemp("desk")
    rows = [*PAIRS[:60], f"{'very ' * 200_000}long\tlargo", *PAIRS[60:]]
    (desk / "pairs.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = works("train", "translate", "pairs.tsv", "--out", "m", "--keep-checkpoints", 2, *STEPS, cwd=desk)
    (desk / "said").write_text(done.stderr, encoding="utf-8")
    assert done.stdout == ""
    return desk


# Help


def commands() -> set[str]:
    return {name for name in app if not name.startswith("-")}


def test_these_are_all_commands() -> None:
    assert commands() == set(COMMANDS)


@pytest.mark.parametrize("words", [[c] for c in COMMANDS] + [["train", task] for task in TASKS], ids=" ".join)
def test_each_command_has_help_with_an_example(words: list[str]) -> None:
    said = works(*words, "--help").stdout
    assert said.startswith(f"Usage: clearhead {' '.join(words)}")
    assert re.search(rf"Example: clearhead {' '.join(words)}\b", " ".join(said.split()))
    assert max(map(len, said.splitlines())) <= 80
    assert "ARGS" not in said and "--empty" not in said
    assert len(options(said)) <= 25


@pytest.mark.parametrize("task", list(TASKS))
def test_the_longer_page_of_a_training_has_every_option_in_panels(task: str) -> None:
    short, said = works("train", task, "--help").stdout, works("train", task, "--help-all").stdout
    assert max(map(len, said.splitlines())) <= 80
    assert options(said) >= {f"--{name}" for name in dotted(recipe(task))}
    assert options(short) < options(said)
    assert f"clearhead train {task} --help-all" in short and "--help-all" not in said
    panels = re.findall(r"^╭─ (\w+) ", said, re.MULTILINE)
    assert panels[:2] == ["Arguments", "Options"]
    assert "Model" in panels
    assert panels[-3:] == ["Optimizer", "Schedule", "Training"]


@pytest.mark.parametrize(
    "words", [[c] for c in [*USE, "worksheet", "study"]] + [["train", t] for t in TASKS], ids=" ".join
)
def test_every_option_says_what_it_does(words: list[str]) -> None:
    command = app
    for word in words:
        command = command[word]
    arguments = [a for a in command.assemble_argument_collection(parse_docstring=True) if a.show]
    assert [a.name for a in arguments if not a.parameter.help] == []


def options(page: str) -> set[str]:
    """Those that have a row of their own."""
    return set(re.findall(r"^│ (?:\* | ) *(--[a-z][\w.-]*)", page.replace("│ --", "│  --"), re.MULTILINE))


def dotted(model: BaseModel, prefix: str = "") -> list[str]:
    """The options of a configuration as they are given: "arch.d-model"."""
    found: list[str] = []
    for name, field in type(model).model_fields.items():
        value, flag = getattr(model, name), f"{prefix}{(field.title or name).replace('_', '-')}"
        found += dotted(value, f"{flag}.") if isinstance(value, BaseModel) else [flag]
    return [name for name in found if name != "task"]


def test_the_first_help_and_the_version() -> None:
    said = works("--help").stdout
    assert all(command in said for command in COMMANDS)
    assert "clearhead demo" in said
    version = works("--version").stdout
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", version)
    as_module = subprocess.run([sys.executable, "-m", "clearhead", "--version"], capture_output=True, text=True)
    assert (as_module.returncode, as_module.stdout) == (0, version)


@pytest.mark.parametrize("task", list(TASKS))
def test_sections_and_commands_have_names_of_their_own(task: str) -> None:
    """So that a word means one thing, on the command line, in TOML and in Python."""
    assert not set(find_task(task).config.model_fields) - {"task"} & commands()


# Train


def test_training_leaves_a_model_and_its_story(desk: Path) -> None:
    said, folder = (desk / "said").read_text(encoding="utf-8"), Folder(desk / "m")
    assert "121 pairs read, 120 kept" in said
    assert re.search(r"1 pair dropped: a side is longer than 1,000 characters .*\(first: pairs\.tsv, line 61\)", said)
    assert "trained 3 steps" in said
    assert "try: clearhead translate m" in said
    assert [c["step"] for c in folder.checkpoints()] == [0, 3]
    assert read_metrics(folder)[-1]["kind"] == "final"
    assert (desk / "m/loss.png").read_bytes().startswith(b"\x89PNG")
    assert folder.config()["run"]["arch"]["d_model"] == 16


def test_resuming_a_finished_run_and_with_other_options(desk: Path) -> None:
    before = (desk / "m/model.safetensors").read_bytes()
    train = ["train", "translate", "pairs.tsv", "--out", "m", "--keep-checkpoints", 2]
    assert "resuming at step 3 of 3" in works(*train, *STEPS, "--resume", cwd=desk).stderr
    assert "the options differ" in refused(*train, *STEPS, "--resume", "--seed", 4, cwd=desk)
    assert "add --resume" in refused(*train, *STEPS, cwd=desk)
    assert (desk / "m/model.safetensors").read_bytes() == before


def test_a_training_goes_on_with_the_options_of_its_folder(desk: Path) -> None:
    before = (desk / "m/model.safetensors").read_bytes()
    assert "resuming at step 3 of 3" in works("train", "translate", "--out", "m", "--resume", cwd=desk).stderr
    same = ["train", "translate", "pairs.tsv", "--out", "m", "--resume"]
    said = refused(*same, "--arch.layers", 2, "--max-steps", 3, cwd=desk)
    assert "(arch.layers 1, now 2)" in said
    assert "(recipe translator, now demo)" in refused(*same, "--recipe", "demo", cwd=desk)
    assert "begun by `clearhead train translate`" in refused("train", "words", "pairs.tsv", *same[3:], cwd=desk)
    assert (desk / "m/model.safetensors").read_bytes() == before


def test_where_nothing_was_begun_resuming_begins_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 20, encoding="utf-8")
    train = ["train", "words", "text.txt", "--out", "w", "--resume"]
    assert "w holds nothing to go on with" in works(*train, "--max-steps", 2, cwd=tmp_path).stderr
    assert "resuming at step 2 of 2" in works(*train, cwd=tmp_path).stderr


# Translate


def test_arguments_files_and_standard_input(desk: Path) -> None:
    lines = [pair.split("\t")[0] for pair in PAIRS[:4]]
    text = f"{lines[0]}\n\n{lines[1]}\r\n   \n{lines[2]}\n{lines[3]}"  # empty lines, a CR, no end of the last line
    (desk / "input.txt").write_bytes(text.encode())
    from_file = works("translate", "m", "input.txt", cwd=desk)
    from_pipe = works("translate", "m", stdin=text.encode(), cwd=desk)
    from_words = works("translate", "m", *lines, cwd=desk)
    assert from_file.stdout == from_pipe.stdout
    out = from_file.stdout.split("\n")
    assert len(out) == 7  # six lines, and nothing after the last
    assert out[1] == out[3] == out[6] == ""
    assert [out[0], out[2], out[4], out[5]] == from_words.stdout.split("\n")[:4]
    assert from_file.stderr.replace("input.txt", "standard input") == from_pipe.stderr
    assert without_notes(from_pipe.stderr) == ""


def test_alignments_n_best_and_show(desk: Path) -> None:
    source = PAIRS[0].split("\t")[0]
    plain = works("translate", "m", source, "--beam", 2, cwd=desk).stdout
    aligned = works("translate", "m", source, "", "--beam", 2, "--alignments", "--show", cwd=desk)
    first, second, end = aligned.stdout.split("\n")
    text, links = first.split("\t")
    assert (text + "\n", second, end) == (plain, "\t", "")
    assert sorted(int(link.split("-")[1]) for link in links.split()) == list(range(len(text.split())))
    assert "max |weights·v - context used|" in " ".join(aligned.stderr.split())
    rows = [
        line.split("\t") for line in works("translate", "m", source, "", "--n-best", 2, cwd=desk).stdout.splitlines()
    ]
    assert [row[0] for row in rows] == ["1", "1", "2", "2"]
    assert float(rows[0][1]) >= float(rows[1][1])
    assert [row[2] for row in rows[2:]] == ["", ""]


def test_a_reader_that_goes_away_is_no_error(desk: Path) -> None:
    command = f"printf 'a\\nb\\nc\\n' | {PROGRAM} translate m --beam 1 | head -n 0"
    done = subprocess.run(["bash", "-c", command], cwd=desk, capture_output=True, text=True, check=False)
    assert without_notes(done.stderr) == ""


# Evaluate, show, info


def test_evaluate(desk: Path) -> None:
    (desk / "test.tsv").write_text("\n".join(PAIRS[:5]), encoding="utf-8")
    said = works("evaluate", "m", "test.tsv", "--beam", 1, cwd=desk).stdout
    assert re.search(r"^sentences +5$", said, re.MULTILINE)
    assert re.search(r"^BLEU +\d+\.\d\d  nrefs:1\|case:mixed", said, re.MULTILINE)
    assert re.search(r"^exact match +\d+\.\d\d ", said, re.MULTILINE)


def test_show(desk: Path) -> None:
    figures = ["--svg", "a.svg", "--png", "a.png", "--pdf", "a.pdf"]
    said = works("show", "m", "the house", "--target", "la casa roja", *figures, cwd=desk).stdout
    assert said.startswith("la casa roja\n")
    assert "max |weights·v - context used|" in " ".join(said.split())
    starts = {"a.svg": b"<?xml", "a.png": b"\x89PNG", "a.pdf": b"%PDF"}
    assert all((desk / name).read_bytes().startswith(start) for name, start in starts.items())
    assert "write --svg a.svg" in refused("show", "m", "the house", "--svg", "a.png", cwd=desk)
    assert "there is no layer 7" in refused("show", "m", "the house", "--layer", 7, cwd=desk)


def test_everything_as_one_page(desk: Path) -> None:
    said = works("show", "m", "the house", "--target", "la casa roja", "--html", "p.html", cwd=desk).stdout
    assert said == "saved p.html\n"
    page = (desk / "p.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and '"la"' in page and '"casa"' in page
    assert "write --html p.html" in refused("show", "m", "the house", "--html", "p.txt", cwd=desk)


def test_what_cannot_be_explored_is_said(desk: Path) -> None:
    (desk / "text.txt").write_text("the house is red\n" * 50)
    sizes = "layers=1 d-model=16 d-ff=16 heads=2 max-len=16"
    options = [f"--arch.{size}" for size in sizes.split()]
    works("train", "language", "text.txt", "--out", "lm", "--max-steps", 1, *options, cwd=desk)
    said = refused("explore", "m", "--beside", "lm", "--no-browser", cwd=desk)
    assert "lm cannot stand beside m: it was trained to language, the other to translate" in said
    assert "there is no such model folder" in refused("explore", "nowhere", cwd=desk)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        assert f"port {port} cannot be used" in refused("explore", "m", "--port", port, "--no-browser", cwd=desk)


def test_heads(desk: Path) -> None:
    done = works("heads", "m", "--texts", 20, "--probes", "--norms", "--png", "h.png", cwd=desk)
    said = " ".join(done.stdout.split())
    assert "What do the heads of m do?" in said and "20 texts (built-in sentences), weighed by what is moved" in said
    assert "Alignment: the error rate of each head" in said and "heads have earned a name" in said
    assert "What a linear probe reads from each head's slice" in said
    assert done.stderr == "saved h.png\n" and (desk / "h.png").read_bytes().startswith(b"\x89PNG")
    (desk / "two.tsv").write_text("\n".join(PAIRS[:2]), encoding="utf-8")
    about = json.loads(works("heads", "m", "two.tsv", "--no-importance", "--json", cwd=desk).stdout)
    assert about["texts"] == 2 and len(about["heads"]) == 6 and about["importance"] == []
    assert all(head["label"] is None or head["scores"][head["label"]]["clear"] for head in about["heads"])


def test_heads_of_one_word(desk: Path) -> None:
    word = ["--sentence", "The cats sleep.", "--word", "cats"]
    done = works("heads", "m", *word, "--svg", "w.svg", cwd=desk)
    assert 'Which heads join "cats" with which words?' in done.stdout and "times chance" in done.stdout
    assert "sleep." in (desk / "w.svg").read_text(encoding="utf-8")
    assert "no word 'dogs'" in refused("heads", "m", *word[:3], "dogs", cwd=desk)
    assert "--sentence" in refused("heads", "m", "--word", "cats", cwd=desk)
    assert "write --svg w.svg" in refused("heads", "m", "--svg", "w.png", cwd=desk)


def test_worksheet(desk: Path) -> None:
    said = works("worksheet", cwd=desk).stdout
    assert "percentages = softmax of each row of scaled" in said
    said = works(
        "worksheet", "poem", "--cell", "similarities", 1, 2, "--out", "a.xlsx", "--out", "a.html", cwd=desk
    ).stdout
    assert said == (
        "similarities[Write, a] = 0.7621 × 0.1057 + -0.0428 × 0.3685 = 0.0648\nsaved a.xlsx\nsaved a.html\n"
    )
    assert (desk / "a.xlsx").read_bytes().startswith(b"PK")
    (desk / "mine.csv").write_text("a,1,0\nb,0,1\n", encoding="utf-8")
    assert "percentages" in works("worksheet", "mine.csv", cwd=desk).stdout
    assert "poem, poem-masked, car, two-heads" in refused("worksheet", "pome", cwd=desk)
    assert "there is no sentence" in refused("worksheet", "poem", "--head", 1, cwd=desk)


def test_words_from_a_text_to_their_neighbours(tmp_path: Path) -> None:
    text = "\n".join(f"the {a} sat on the {b}" for a in ("cat", "dog") for b in ("mat", "rug", "bed")) + "\n"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    done = works("train", "words", "text.txt", "--out", "w", "--recipe", "plane", "--training.epochs", 20, cwd=tmp_path)
    assert "6 kinds" in done.stderr or "words of" in done.stderr
    assert "try: clearhead nearest w WORD" in done.stderr
    assert (tmp_path / "w/words.png").read_bytes().startswith(b"\x89PNG")
    lines = works("nearest", "w", "cat", "cat - dog + mat", "--n", 2, "--picture", "near.svg", cwd=tmp_path).stdout
    assert re.fullmatch(r"cat\t\S+ -?\d\.\d\d  \S+ -?\d\.\d\d\ncat - dog \+ mat\t.+\n", lines)
    assert "cat" in (tmp_path / "near.svg").read_text(encoding="utf-8")
    assert json.loads(works("nearest", "w", "cat", "--json", cwd=tmp_path).stdout)[0]["query"] == "cat"
    assert works("nearest", "w", stdin=b"cat\n\ndog\n", cwd=tmp_path).stdout.count("\n") == 2
    works("export", "w", "--to", "word2vec", "--out", "v.txt", cwd=tmp_path)
    assert works("nearest", "v.txt", "cat", cwd=tmp_path).stdout == works("nearest", "w", "cat", cwd=tmp_path).stdout
    (tmp_path / "pairs.tsv").write_text("cat\tdog\t9\nmat\trug\t8\ncat\tmat\t2\n", encoding="utf-8")
    assert "Spearman, 3 of 3 pairs" in works("evaluate", "w", "pairs.tsv", cwd=tmp_path).stdout
    assert "without --beam" in refused("evaluate", "w", "pairs.tsv", "--beam", 2, cwd=tmp_path)
    assert "no vector of 'cats'" in refused("nearest", "w", "cats", cwd=tmp_path)
    assert "does not translate" in refused("translate", "w", "cat", cwd=tmp_path)
    assert "words" in works("info", "w", cwd=tmp_path).stdout


def test_info(desk: Path) -> None:
    said = works("info", "m", cwd=desk).stdout
    assert "parameters" in said
    assert "steps: 3" in said
    about = json.loads(works("info", "m", "--json", cwd=desk).stdout)
    assert about["architecture"]["layers"] == 1
    assert about["training"]["steps"] == 3


# What cannot work


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a house\tuna casa\nthe dog\tel \xe9\n", r"bad\.tsv, line 2: byte 12 of the line \(0xe9\) is not UTF-8"),
        (b"a house\tuna casa\n\na dog\n", r"bad\.tsv, line 3: the line has 1 column, at least 2 are wanted"),
        (b"", r"bad\.tsv: the file holds no record"),
        (b"a house\tuna casa\n", r"at least two different source sentences, 1 given"),
        (b"\ta\nb\t\n", r"no pair is left: 2 pairs read, 0 kept; 2 pairs dropped: a side is empty"),
        (None, r"bad\.tsv: there is no such file"),
    ],
    ids=["UTF-8", "columns", "empty", "one pair", "nothing left", "missing"],
)
def test_files_that_cannot_be_trained_on(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "bad.tsv").write_bytes(content)
    assert re.search(message, refused("train", "translate", "bad.tsv", "--out", "m", *STEPS, cwd=tmp_path))
    assert not (tmp_path / "m").exists()


def test_text_that_cannot_be_translated(desk: Path) -> None:
    (desk / "latin.txt").write_bytes("a house\ncaf\xe9\n".encode("latin1"))
    assert re.search(r"latin\.txt, line 2: not valid UTF-8 at byte 4", refused("translate", "m", "latin.txt", cwd=desk))
    assert "standard input, line 1: not valid UTF-8" in refused("translate", "m", stdin=b"\xff\n", cwd=desk)
    assert "beam -2 is not possible" in refused("translate", "m", "a house", "--beam", -2, cwd=desk)


def test_folders_that_hold_no_model(desk: Path, tmp_path: Path) -> None:
    shutil.copytree(desk / "m", tmp_path / "cut")
    weights = tmp_path / "cut/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert re.search(r"cut/model\.safetensors: not a whole safetensors file", refused("info", tmp_path / "cut"))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/config.json").write_text('{"model_type": "marian"}', encoding="utf-8")
    said = refused("translate", tmp_path / "foreign", "a house")
    assert "there are no weights: model.safetensors or pytorch_model.bin" in said
    assert "the task of" in refused("export", desk / "m", "--to", "word2vec", "--out", "v.txt", cwd=tmp_path)
    assert "did you mean 'foreign'" in refused("evaluate", tmp_path / "foriegn", "test.tsv")


def test_places_that_cannot_be_written(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = refused("train", "translate", desk / "pairs.tsv", "--out", tmp_path / "file/m", *STEPS)
    assert re.search(r"file/m: cannot be written: \S+/file: it is a file\n  fix: ", said)
    done = call("show", desk / "m", "a house", "--target", "casa", "--svg", tmp_path / "file/a.svg")
    assert done.returncode == 1
    assert re.search(r"file/a\.svg.*\n  fix: ", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--device", "cuda"],
        ["demo", "--devices=2"],
        ["show", "m", "a house", "--device", "cuda"],
        ["train", "translate", "pairs.tsv", "--out", "m", "--devices", "2"],
        ["worksheet", "--gpu"],
    ],
    ids=" ".join,
)
def test_where_no_device_can_be_chosen_it_is_said_what_runs_where(words: list[str]) -> None:
    said = refused(*words)
    assert "all else runs on the CPU" in said and "there is --device auto, cpu, cuda or mps" in said


ABSENT = [["translate", "m", "a house"], ["train", "translate", "pairs.tsv", "--out", "new"], ["evaluate", "m", "p"]]


@pytest.mark.parametrize("words", ABSENT, ids=" ".join)
def test_a_device_that_is_not_there_is_refused(desk: Path, words: list[str]) -> None:
    """Apple's: no machine of ours has one, nor an NVIDIA GPU beside it."""
    words = [str(desk / word) if word in ("m", "new", "pairs.tsv") else word for word in words]
    assert "PyTorch finds no GPU of Apple's\n  fix: leave --device out" in refused(*words, "--device", "mps")
    assert not (desk / "new").exists()


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        (["foo"], 'Unknown command "foo"', "clearhead --help"),
        (["translate", "m", "--beam", "x"], 'unable to convert "x" into int', "clearhead translate --help"),
        (["train", "translate", "p", "--arch.family", "x"], 'Invalid value "x" for --arch.family', '"lstm"'),
        (["export", "m", "--to", "onnx", "--out", "o"], "'onnx'", "huggingface or sentence-transformers or word2vec"),
        (["info"], "a model is wanted, or presets", "clearhead info models/demo"),
        (["info", "--preset", "gpt9"], "no known model is called 'gpt9'", "gpt2"),
    ],
)
def test_words_that_no_command_takes(words: list[str], problem: str, fix: str) -> None:
    assert re.search(rf"clearhead: .*{problem}.*\n  fix: .*{fix}", refused(*words))


def test_wrong_options(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("max_steps = 3\n[arch]\nlayer = 2\n", encoding="utf-8")
    (tmp_path / "bad.toml").write_text("max_steps = \n", encoding="utf-8")
    train = ["train", "translate", "pairs.tsv", "--out", "m"]
    said = refused(*train, "--config", "run.toml", cwd=tmp_path)
    assert "there is no option 'arch.layer'\n  fix: did you mean 'arch.layers'" in said
    assert re.search(r"bad\.toml.*not valid TOML.*line 1", refused(*train, "--config", "bad.toml", cwd=tmp_path))
    assert "no-such.toml" in refused(*train, "--config", "no-such.toml", cwd=tmp_path)
    assert "Did you mean --max-steps?" in " ".join(fails(*train, "--max-step", 3, cwd=tmp_path).split())
    said = refused(*train, "--arch.d-model", 10, "--arch.heads", 3, cwd=tmp_path)
    assert "d_model 10 does not divide into 3 heads; take 1, 2, 5, 10" in said
    assert "did you mean 'demo'" in refused(*train, "--recipe", "dmo", cwd=tmp_path)
    assert 'Did you mean "translate"?' in " ".join(fails("trnslate", "m").split())
    assert "name at least one" in refused("train", "translate", "--out", "m", cwd=tmp_path)
