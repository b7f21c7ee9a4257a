"""What is fuzzed: options of commands, model folders, data files and calls from Python, each in a folder of its own."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import random
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from benchmarks.calls import CALLS, spoil
from benchmarks.commands import PROGRAM
from benchmarks.hostile import NAMES, NUMBERS, TEXTS, spoil_data, spoil_file
from clearhead.cli import app, main
from clearhead.errors import ClearheadError
from clearhead.folder import STATE as FILE
from clearhead.folder import Folder

_SIZES = "--arch.layers 1 --arch.d-model 16 --arch.d-ff 16 --arch.heads 2 --arch.max-len 32 --tokenizer.vocab-size 300"
_APART = "--tokenizer.vocabularies separate --arch.tied none"
_LSTM = "--arch.family lstm --arch.layers 1 --arch.d-model 16 --tokenizer.kind word"
_RUN = "--training.precision float32 --training.compile no --training.evaluations 1 --training.batch-tokens 128"
_SHORT = f"--max-steps 2 {_RUN}"
_TRAININGS = {  # name of the folder: how it is made
    "translate": f"translate pairs.tsv --keep-checkpoints 2 {_APART} {_SIZES} {_SHORT}",
    "lstm": f"translate pairs.tsv {_LSTM} {_SHORT}",
    "language": f"language text.txt --keep-checkpoints 2 {_SIZES} {_SHORT}",
    "chat": f"chat chats.jsonl --from models/language --lora.rank 2 {_SHORT}",
    "words": f"words text.txt --arch.d-model 8 --keep-checkpoints 2 {_SHORT}",
    "begun": f"language text.txt {_SIZES} --max-steps 4 --training.save-seconds 1e-9 {_RUN}",
    "begun-pairs": f"translate pairs.tsv {_SIZES} --max-steps 4 --training.save-seconds 1e-9 {_RUN}",
    "begun-words": f"words text.txt --arch.d-model 8 --max-steps 4 --training.save-seconds 1e-9 {_RUN}",
}
_WRITE = {  # the command that shows whether a model's results are the same
    "translate": 'translate models/translate "the red house" --beam 2',
    "lstm": 'translate models/lstm "the red house"',
    "language": "generate models/language the --max-tokens 6",
    "chat": "chat models/chat hello --max-tokens 6",
    "words": "nearest models/words the --n 3",
}
_LOOKS = {
    "translate": ["info", "show {} house", "evaluate {} pairs.tsv", "heads {} --texts 2 --no-importance"],
    "lstm": ["info", "show {} house"],
    "language": ["info", "show {} house", "evaluate {} text.txt", "heads {} --texts 2 --no-importance"],
    "chat": ["info", "evaluate {} chats.jsonl"],
    "words": ["info", "export {} --to word2vec --out vectors.txt", "evaluate {} words.txt"],
}
# A command that ends well, for each; the options that are fuzzed come after it, or take the place of one.
BASES: dict[str, list[str]] = {
    "train translate": f"pairs.tsv --out made {_SIZES} {_SHORT}".split(),
    "train summarize": f"pairs.tsv --out made {_SIZES} {_SHORT}".split(),
    "train language": f"text.txt --out made {_SIZES} {_SHORT}".split(),
    "train chat": f"chats.jsonl --out made --from models/language {_SHORT}".split(),
    "train words": f"text.txt --out made --arch.d-model 8 {_SHORT}".split(),
    "translate": ["models/translate", "the red house"],
    "evaluate": ["models/translate", "pairs.tsv"],
    "show": ["models/translate", "the house"],
    "explore": ["models/language", "the", "--no-browser"],
    "heads": ["models/translate", "--texts", "2", "--no-importance"],
    "info": ["models/words"],
    "generate": ["models/language", "the", "--max-tokens", "4"],
    "chat": ["models/chat", "hello", "--max-tokens", "4"],
    "nearest": ["models/words", "the"],
    "export": ["models/words", "--to", "word2vec", "--out", "vectors.txt"],
    "study": ["nothing"],
    "worksheet": ["poem"],
    "completion": ["bash"],
    "demo": [],
}
_LASTING = ("explore", "demo")  # without an end, or minutes long: only tried where they must refuse
_RIGHT = {("--temperature", "1e30"), ("--repetition-penalty", "1e30")}  # so large is possible
_SHARE = {"options": 9, "folders": 5, "data": 3, "calls": 3}
_PROCESS = 17  # one try in so many, of those that are commands, is a process of the real program


@dataclass(frozen=True)
class Try:
    """One try: what is done within a folder, and what its answer must be.

    Args:
        refuse: whether any answer but a refusal or a remark is wrong.
        like: the words of a command whose output this one must have, or say something.
    """

    number: int
    surface: str
    what: str
    prepare: Callable[[Path], str]
    act: Callable[[], None]
    refuse: bool = False
    like: tuple[str, ...] = ()


def plan(seed: int, numbers: range) -> Iterator[Try]:
    """The tries of these numbers: each is made of the seed and its number alone."""
    surfaces = [name for name, share in _SHARE.items() for _ in range(share)]
    deck = list(_options())
    random.Random(seed).shuffle(deck)
    for number in numbers:
        chance = random.Random(f"{seed}:{number}")
        surface = surfaces[number * 7 % len(surfaces)]
        if surface == "options":
            words, refuse = deck[number % len(deck)]
            yield _command(number, surface, words, refuse=refuse)
        else:
            yield {"folders": _of_folder, "data": _of_data, "calls": _of_call}[surface](number, chance)


def make_models(place: Path) -> None:
    """The files and models that the tries are given."""
    for name, content in _files().items():
        (place / name).write_bytes(content)
    os.chdir(place)
    for name, words in _TRAININGS.items():
        if name.startswith("begun"):
            _stopped_after_a_state(["train", *words.split(), "--out", f"models/{name}"])
        else:
            _ended_well(["train", *words.split(), "--out", f"models/{name}"])


# Options


def _options() -> Iterator[tuple[list[str], bool]]:
    """(words, must be refused) of every value of every option of every command."""
    for command, base in BASES.items():
        for argument in _arguments(command):
            for value, must in _values(argument.hint).items():
                refuse = must and (argument.names[0], value) not in _RIGHT
                if refuse or command not in _LASTING:
                    yield _with(command, base, argument.names[0], value), refuse
    for command, base in BASES.items():
        for value in {**TEXTS, **dict.fromkeys(NAMES, False)} if command not in _LASTING else ():
            if value == "pipe":  # a pipe that is read waits for its writer
                continue
            for at in range(min(2, sum(not word.startswith("-") for word in base[:2]))):
                yield [*command.split(), *base[:at], value, *base[at + 1 :]], False


def _arguments(command: str) -> list[Any]:
    found: Any = app
    for name in command.split():
        found = found[name]
    arguments = found.assemble_argument_collection(parse_docstring=False)
    return [a for a in arguments if a.names[0].startswith("--") and not a.children and a.names[0] != "--model"]


def _with(command: str, base: list[str], option: str, value: str) -> list[str]:
    words = list(base)
    if option in words:
        at = words.index(option)
        del words[at : at + 2]
    return [*command.split(), *words, f"{option}={value}"]


def _values(hint: Any) -> dict[str, bool]:
    kinds = _kinds(hint)
    if str in kinds:
        return {**dict.fromkeys(NUMBERS, False), **TEXTS, **dict.fromkeys(NAMES, False)}
    if kinds & {int, float}:
        return NUMBERS
    if Path in kinds:
        return NAMES
    if bool in kinds:
        return {"x": True, "": True, "nan": True}
    return {"x": True, "": True, "\0": True, "-1": True}


def _kinds(hint: Any) -> set[Any]:
    inner = get_args(hint)
    if get_origin(hint) is Literal or not inner:
        return {hint}
    return {kind for one in inner for kind in _kinds(one)}


# Model folders


def _of_folder(number: int, chance: random.Random) -> Try:
    model = chance.choice(list(_TRAININGS))

    def prepare(here: Path) -> str:
        again = random.Random(chance_of)
        files = sorted(p for p in (here / "models" / model).rglob("*") if p.is_file() and not p.name.startswith("."))
        return spoil_file(again.choice(files), again)

    chance_of = chance.random()
    if model.startswith("begun"):
        words = ["train", *_TRAININGS[model].split(), "--out", f"models/{model}", "--resume"]
        return _command(number, "folders", words, prepare=prepare)
    if chance.random() < 0.5:
        words = shlex.split(_WRITE[model])
        return _command(number, "folders", words, prepare=prepare, like=tuple(words))
    look = chance.choice(_LOOKS[model])
    words = shlex.split(look.format(f"models/{model}") if "{}" in look else f"{look} models/{model}")
    return _command(number, "folders", words, prepare=prepare)


# Data files


def _of_data(number: int, chance: random.Random) -> Try:
    task, name = chance.choice(_FORMS)
    spoiled, said = spoil_data(_formed(name), chance)
    packing = chance.choice(["", "", "", ".gz", ".xz"])
    packed = _packed(spoiled, packing)
    if packing and chance.random() < 0.3:
        packed, then = packed[: chance.randrange(len(packed))], "cut when packed"
        said = f"{said}, {then}"

    def prepare(here: Path) -> str:
        (here / f"data-{name}{packing}").write_bytes(packed)
        return f"{name}{packing}: {said}"

    how = chance.choice(["--dry-run", "--out made"])
    words = ["train", task, f"data-{name}{packing}", *how.split(), *_tiny(task)]
    return _command(number, "data", words, prepare=prepare, refuse="cut when packed" in said)


_FORMS = [
    *(("translate", name) for name in ("p.tsv", "p.csv", "p.jsonl", "p.json", "p.parquet", "p.tmx", "p.po", "p.txt")),
    *(("language", name) for name in ("t.txt", "t.jsonl", "t.csv", "t.parquet")),
    *(("chat", name) for name in ("c.jsonl", "c.json", "c.csv")),
    *(("words", name) for name in ("t.txt", "t.jsonl")),
]


def _tiny(task: str) -> list[str]:
    if task == "chat":
        return ["--from", "models/language", *_SHORT.split()]
    return (_SHORT + (" --arch.d-model 8" if task == "words" else f" {_SIZES}")).split()


def _packed(content: bytes, packing: str) -> bytes:
    return {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[packing](content)


# Calls


_FOREIGN = (TypeError, AttributeError, RuntimeError)  # what Python and torch say of values of another kind


def _of_call(number: int, chance: random.Random) -> Try:
    name = chance.choice(list(CALLS))
    function, good = CALLS[name]
    given, said, foreign = spoil(good, chance)

    def act() -> None:
        try:
            print(function(**given))
        except ClearheadError as error:
            sys.stderr.write(f"clearhead: {error}\n".encode(errors="replace").decode())
            sys.exit(1)
        except _FOREIGN as error:
            if not foreign:
                raise
            print(f"clearhead: {error}", file=sys.stderr)
            sys.exit(1)

    return Try(number, "calls", f"{name} with {said}", lambda _: "", act)


# Commands


def _command(
    number: int,
    surface: str,
    words: list[str],
    *,
    prepare: Callable[[Path], str] = lambda _: "",
    refuse: bool = False,
    like: tuple[str, ...] = (),
) -> Try:
    real = number % _PROCESS == 0 and all("\0" not in word and "\ud800" not in word for word in words)
    what = " ".join(repr(w) if not w.isprintable() or " " in w or not w else w[:80] for w in words)
    return Try(number, surface, f"clearhead {what}", prepare, lambda: _begin(words, real=real), refuse, like)


def _begin(words: list[str], *, real: bool) -> None:
    if real:
        os.execv(PROGRAM[0], [*PROGRAM, *words])
    run(words)


def run(words: list[str]) -> None:
    sys.argv = ["clearhead", *words]
    main()


def _ended_well(words: list[str]) -> None:
    try:
        run(words)
    except SystemExit as ended:
        if ended.code:
            raise


def _stopped_after_a_state(words: list[str]) -> None:
    """A training as a kill leaves it."""
    write = Folder.write_tensors

    def stopping(self: Folder, name: str, *given: Any, **more: Any) -> None:
        write(self, name, *given, **more)
        if name == FILE:
            raise SystemExit

    Folder.write_tensors = stopping  # type: ignore[method-assign]
    try:
        run(words)
    except SystemExit:
        pass
    finally:
        Folder.write_tensors = write  # type: ignore[method-assign]


# Good files


def _files() -> dict[str, bytes]:
    return {
        "pairs.tsv": _formed("p.tsv"),
        "text.txt": _formed("t.txt"),
        "chats.jsonl": _formed("c.jsonl"),
        "words.txt": b"the house 5\nred big 3\ngarden small 1\n",
        "settings.toml": b"max_steps = 2\n",
    }


@cache
def _pairs() -> list[tuple[str, str]]:
    from clearhead.data.samples.english_spanish import sentences

    return [(s.english, s.spanish) for s in sentences("train", 60)]


@cache
def _formed(name: str) -> bytes:
    """Data in the form that the ending names."""
    kind, _, form = name.partition(".")
    names = {"p": ("source", "target"), "t": ("text",), "c": ("prompt", "completion")}[kind]
    rows = [dict(zip(names, pair, strict=False)) for pair in _pairs()]
    if form == "parquet":
        return _parquet(rows)
    return _WRITTEN[form](rows).encode()


def _csv(rows: list[Row]) -> str:
    return "".join(",".join(f'"{v}"' for v in row) + "\n" for row in [list(rows[0]), *map(dict.values, rows)])


def _tmx(rows: list[Row]) -> str:
    sides = "".join(f'<tuv xml:lang="{code}"><seg>{{{name}}}</seg></tuv>' for code, name in _SIDES)
    units = "".join(f"<tu>{sides.format(**row)}</tu>\n" for row in rows)
    return f'<tmx version="1.4"><header srclang="en"/><body>\n{units}</body></tmx>\n'


def _parquet(rows: list[Row]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue().to_pybytes())


def _tabbed(rows: list[Row]) -> str:
    return "".join("\t".join(row.values()) + "\n" for row in rows)


Row = dict[str, str]
_SIDES = (("en", "source"), ("es", "target"))
_WRITTEN: dict[str, Callable[[list[Row]], str]] = {
    "tsv": _tabbed,
    "txt": _tabbed,
    "csv": _csv,
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "json": json.dumps,
    "po": lambda rows: "".join('msgid "{source}"\nmsgstr "{target}"\n\n'.format(**row) for row in rows),
    "tmx": _tmx,
}


def copy(prepared: Path, folder: Path) -> Path:
    """A folder for one try: what was prepared stands in `here`."""
    shutil.copytree(prepared, folder / "here")
    (folder / "here" / "loop").symlink_to("loop")
    os.mkfifo(folder / "here" / "pipe")
    return folder
