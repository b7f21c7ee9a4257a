"""`train`: from the name of a task, files and options to a trained model in a folder.

A run's configuration is a recipe's, with a TOML file's values over it, with the options given over those.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, overload

from pydantic import BaseModel, ValidationError

from clearhead.disk import named as check_name
from clearhead.errors import ConfigError, given, nearest
from clearhead.exchange.forms import form_of
from clearhead.folder import Folder
from clearhead.models.architecture import SEQ2SEQ, models_in, still_holds
from clearhead.models.bricks import OLD_NAMES, nested
from clearhead.parsing import Json, parse_toml, read_file
from clearhead.progress import Pulse
from clearhead.ranges import Device
from clearhead.tasks import find_recipe, find_task
from clearhead.tasks.config import RunConfig, no_device
from clearhead.tasks.run_folder import is_begun
from clearhead.tasks.session import Session
from clearhead.tasks.task import Model, TrainingRequest

if TYPE_CHECKING:
    from clearhead.tasks.chat_model import ChatModel
    from clearhead.tasks.language_model import LanguageModel
    from clearhead.tasks.summarizer import Summarizer
    from clearhead.tasks.translator import Translator
    from clearhead.tasks.word_model import Words

__all__ = ["configure", "preview", "train"]


File: TypeAlias = str | os.PathLike[str]
Files: TypeAlias = Sequence[File] | File
Values: TypeAlias = Mapping[str, object]


class TrainOptions(TypedDict, total=False):
    """What `train` takes by name beside the place: how it begins, and values of the configuration over the recipe's."""

    valid: Files
    recipe: str | None
    config: File | None
    resume: bool
    quiet: bool
    seed: int
    max_steps: int | None
    keep_checkpoints: int
    device: Device
    base: str | None
    negatives: int
    arch: Values
    data: Values
    tokenizer: Values
    vocabulary: Values
    lora: Values
    optimizer: Values
    schedule: Values
    training: Values


@overload
def train(task: Literal["translate"], files: Files, *, out: File, **options: Unpack[TrainOptions]) -> Translator: ...
@overload
def train(task: Literal["summarize"], files: Files, *, out: File, **options: Unpack[TrainOptions]) -> Summarizer: ...
@overload
def train(task: Literal["language"], files: Files, *, out: File, **options: Unpack[TrainOptions]) -> LanguageModel: ...
@overload
def train(task: Literal["chat"], files: Files, *, out: File, **options: Unpack[TrainOptions]) -> ChatModel: ...
@overload
def train(task: Literal["words"], files: Files, *, out: File, **options: Unpack[TrainOptions]) -> Words: ...
@overload
def train(task: str, files: Files, *, out: File, **options: Any) -> Model: ...
def train(
    task: str,
    files: Files,
    *,
    out: File,
    valid: Files = (),
    recipe: str | None = None,
    config: File | None = None,
    resume: bool = False,
    quiet: bool = False,
    **options: object,
) -> Model:
    """Train a model on one's own files and return it: `train("translate", "pairs.tsv", out="models/mine")`.

    Args:
        task: what the model is for: "translate", "summarize", "language", "chat" or "words"; the task's class is what
            is returned.
        files: pairs as TSV, CSV or JSONL (also .gz, .xz), or "sample:english-spanish"; running text; chats.
        out: the model folder that is made.
        valid: files of validation data; without, a fixed share is held out.
        recipe: the named configuration to begin with.
        config: a TOML file, or a trained model's folder (run it again); its values override the recipe's.
        resume: go on with what `out` holds; options that are not given, and files if none is, are those of the folder.
        quiet: no progress.
        options: override both: `max_steps=500, arch={"layers": 2}`; `base="models/mine"` begins with a trained model.

    Raises:
        ClearheadError: files, place or options cannot be used; the message names the fix.
    """
    folder, session = Folder(out), Session(resume, quiet)
    begun = folder if resume and is_begun(folder) else None
    configuration = configure(task, recipe=recipe, config=config, options=options, begun=begun)
    with Pulse("loading PyTorch", quiet=quiet):
        from clearhead.devices import find_device  # not before the configuration is known to be right
        from clearhead.tasks.fit import fit

        find_device(configuration.device)  # missing? said before anything is read or written
        if resume and not begun:
            session.say(f"{out} holds nothing to go on with: a new training begins")
        before = begun.config().get("data", {}) if begun else {}
        named, held_out = _names(files) or before.get("files", []), _names(valid) or before.get("valid", [])
        with folder.locked():
            return fit(find_task(task), TrainingRequest(named, held_out, configuration, session), folder)


def preview(
    task: str,
    files: Files,
    *,
    valid: Files = (),
    recipe: str | None = None,
    config: File | None = None,
    **options: object,
) -> object:
    """What `train` would be given with the same arguments: records, counts, lengths, one pair as the loss sees it.

    Raises:
        ClearheadError: files or options cannot be used; the message names the fix.
    """
    configuration = configure(task, recipe=recipe, config=config, options=options)
    show = find_task(task).preview
    if show is None:
        raise ConfigError(f"there is nothing to show of the files of {task} before a training", "leave --dry-run out")
    return show(TrainingRequest(_names(files), _names(valid), configuration, Session()))


def configure(
    task: str,
    *,
    recipe: str | None = None,
    config: File | None = None,
    options: Values | None = None,
    begun: Folder | None = None,
) -> RunConfig:
    """The whole configuration of a run; of one that was `begun` what it was begun with, where nothing else is given.

    Raises:
        ConfigError: an option is unknown or impossible; the message names it, its value and the fix.
    """
    kind = find_task(task).config
    from_file = {} if config is None else _saved(check_name(config))
    before = {} if begun is None else _begun(begun, task)
    name = from_file.get("recipe") or before.get("recipe") if recipe is None else recipe
    asked = {"recipe": name, **from_file} if before else from_file  # that it is another recipe has to be seen
    layers = [find_recipe(task, name).model_dump(), before, asked, dict(options or {})]
    if base := next((layer["base"] for layer in reversed(layers) if layer.get("base")), None):
        layers.insert(1, {"arch": _built(base, task)})
    try:
        return kind.model_validate(_merge(*_by_names_of_today(layers)))
    except ValidationError as error:
        raise _explained(error, kind, config) from error
    except ValueError as error:
        raise ConfigError(f"arch: {error}", "give one of them") from error


def _by_names_of_today(layers: Sequence[Json]) -> list[Json]:
    """Layers of a configuration, the architecture of each of which may have the names of before."""
    said = [arch for layer in layers if isinstance(arch := layer.get("arch"), Mapping)]
    family = next((arch["family"] for arch in reversed(said) if arch.get("family")), None)
    return [{k: nested(v, family) if k == "arch" else v for k, v in layer.items()} for layer in layers]


def _merge(*layers: Json) -> Json:
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = _merge(still_holds(merged[key], value), value) if both else value
    return merged


def _built(base: str, task: str) -> Json:
    """The architecture of a model that is trained on; how much it drops belongs to each training."""
    config = _config_of(base)
    if (arch := config.get("arch", {})).get("family") != "decoder":
        raise ConfigError(
            f"{base} is a model for {config.get('task')}, and {task} begins with a language model",
            f"train one: clearhead train language FILES --out {base}-language",
        )
    built = nested(arch)
    attention = {name: value for name, value in built.get("attention", {}).items() if name != "dropout"}
    return {**{name: value for name, value in built.items() if name != "dropout"}, "attention": attention}


def _config_of(base: str) -> Json:
    if form_of(check_name(base)) == "huggingface":
        from clearhead.exchange.opening import read_arch

        return {"task": "other things", "arch": read_arch(check_name(base))}
    return Folder(base).config()


def _begun(folder: Folder, task: str) -> Json:
    """The values that a run was begun with."""
    saved = folder.config()
    if (other := saved.get("task")) != task:
        raise ConfigError(
            f"{folder} was begun by `clearhead train {other}`, this is `clearhead train {task}`",
            "resume with the same task, or train into another folder",
        )
    run: Json = saved.get("run", {})
    return run


def _saved(path: Path) -> Json:
    """The values of a TOML file, or of the run that a model folder holds."""
    if path.is_dir():
        return Folder(path).part("run", dict[str, object], "a model")
    text = read_file(path, error=ConfigError, missing="name an existing TOML file")
    return parse_toml(text, file=path, error=ConfigError, fix="see https://toml.io for its form")


def _explained(error: ValidationError, kind: type[BaseModel], file: object) -> ConfigError:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    family = next((str(part) for part in first["loc"] if part in SEQ2SEQ), None)  # no part of the option's name
    where = ".".join(str(part) for part in first["loc"] if part != family)
    if first["type"] == "union_tag_invalid":
        family = first["input"].get("family")
        return ConfigError(
            f"there is no family {given(family)}",
            nearest(str(family), SEQ2SEQ) or f"the families are {', '.join(SEQ2SEQ)}",
        )
    if first["type"] == "extra_forbidden":
        if refused := no_device(where):
            return refused
        known = _fields(kind, family)
        if family and where in (*_fields(kind, None), *(f"arch.{name}" for name in OLD_NAMES)):
            return ConfigError(f"a model of family {family} has no {where}", "leave it out, or choose another family")
        fix = nearest(where, known) or nearest(where.split(".")[-1], [k.split(".")[-1] for k in known])
        return ConfigError(f"there is no option {where!r}", fix or f"the options are {', '.join(known)}")
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], Mapping) else f" = {given(first['input'])}"
    return ConfigError(f"{where or 'the configuration'}{value}: {message}", f"correct {where or 'it'}")


def _fields(kind: type[BaseModel], family: str | None, prefix: str = "") -> list[str]:
    """The names of all options, of a model of one family, or (None) of any."""
    names = []
    for name, field in kind.model_fields.items():
        inner = models_in(field.annotation)
        if family and SEQ2SEQ[family] in inner:
            inner = [SEQ2SEQ[family]]
        names += [option for model in inner for option in _fields(model, family, f"{prefix}{name}.")]
        names += [] if inner else [prefix + name]
    return list(dict.fromkeys(names))


def _names(files: Files) -> list[str]:
    every = [files] if isinstance(files, str | os.PathLike) else files
    for file in every:
        check_name(file, "the name of a file")
    return [os.fspath(file) for file in every]
