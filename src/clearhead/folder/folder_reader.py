"""What is read from a model folder: its configuration, texts and tensors; each error names the file and the fix."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from clearhead.disk import named
from clearhead.errors import FolderError, given, nearest
from clearhead.fields import INTACT, checked
from clearhead.folder.layout import CONFIG, FORMAT, INDEX, READ, WEIGHTS, Config, History, checkpoint_file
from clearhead.parsing import Json, parse_json, read_file

if TYPE_CHECKING:
    from safetensors import safe_open
    from torch import Tensor, nn

__all__ = ["FolderReader", "unshared"]

T = TypeVar("T")


class FolderReader:
    """The files of a model folder, to be read.

    Args:
        path: the folder; it need not exist before something is read.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = named(path)

    def __str__(self) -> str:
        return str(self.path)

    def config(self) -> Json:
        """The content of config.json.

        Raises:
            FolderError: there is no such folder, or it holds no clearhead model, or one of a later format.
        """
        if not self.path.is_dir():
            near = nearest(self.path.name, [p.name for p in _entries(self.path.parent)])
            raise FolderError("there is no such model folder", near or "train one: clearhead train", file=self.path)
        config = self.json(CONFIG, "this folder holds no model; train one into it, or name another")
        if config.get("format") not in READ:
            if "format" not in config:
                raise FolderError(*_foreign(config), file=self.path / CONFIG)
            raise FolderError(
                f"this is format {config['format']!r}; this version of clearhead reads formats {READ[0]} to {FORMAT}",
                "train with clearhead, or install the version that wrote it",
                file=self.path / CONFIG,
            )
        checked(Config, config, file=self.path / CONFIG)
        return config

    @overload
    def part(self, name: str, kind: type[T], of: str) -> T: ...
    @overload
    def part(self, name: str, kind: object, of: str) -> Any: ...
    def part(self, name: str, kind: object, of: str) -> object:
        """A field of config.json that has to be there, as the type `kind` has it; `of` is what the folder holds.

        Raises:
            FolderError: it is missing, or something else.
        """
        config, file, about = self.config(), self.path / CONFIG, f"this is not a configuration of {of}: "
        if name not in config:
            raise FolderError(f"{about}{name!r} is missing", INTACT, file=file)
        return checked(kind, config[name], where=name, about=about, file=file)

    def json(self, name: str, missing: str) -> Json:
        """A JSON object in the folder; `missing` is the fix if it is not there."""
        path = self.path / name
        text = read_file(path, error=FolderError, missing=missing, fix=INTACT)
        data = parse_json(text, file=path, error=FolderError, fix=INTACT)
        if not isinstance(data, dict):
            raise FolderError("not a JSON object", INTACT, file=path)
        return data

    def text(self, name: str) -> str:
        """A text file of the folder."""
        return read_file(self.path / name, error=FolderError, missing="copy the model folder whole", fix=INTACT)

    def tensors(self, name: str = WEIGHTS) -> tuple[dict[str, Tensor], dict[str, str]]:
        """(tensors, metadata) of a safetensors file in the folder.

        Raises:
            FolderError: it is missing, cut short or something else.
        """
        with self._opened(name) as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118

    @contextmanager
    def _opened(self, name: str) -> Iterator[safe_open]:
        """A safetensors file, mapped into memory."""
        from safetensors import SafetensorError, safe_open

        path = self.path / name
        if not path.is_file():
            raise FolderError("the file is missing", "copy the model folder whole, or train again", file=path)
        try:
            with safe_open(path, framework="pt") as file:
                yield file
        except (SafetensorError, OSError, ValueError) as error:
            raise FolderError(
                f"not a whole safetensors file ({path.stat().st_size:,} bytes): {error}",
                "take it from an intact copy, or train again",
                file=path,
            ) from error

    def shapes(self, name: str = WEIGHTS) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor of a file, of which no more than the head is read."""
        with self._opened(name) as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118

    def load_into(self, module: nn.Module, name: str = WEIGHTS) -> None:
        """Put the weights of a file into a torch module, strictly.

        Raises:
            FolderError: names or shapes differ.
        """
        self.compare(module, name)
        tensors, _ = self.tensors(name)
        module.load_state_dict(tensors, strict=False)
        wrong = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
        if wrong:
            count = f"{wrong[0]} and {len(wrong) - 1:,} more" if len(wrong) > 1 else wrong[0]
            said = (
                f"{self.path / name}: not every weight is a finite number ({count}): what this model says means nothing"
            )
            warnings.warn(said, stacklevel=2)

    def compare(self, module: nn.Module, name: str = WEIGHTS) -> None:
        """Hold the shapes of a module against those of a file.

        Raises:
            FolderError: names or shapes differ.
        """
        wanted = {key: tuple(value.shape) for key, value in unshared(module).items()}
        held = self.shapes(name)
        if wanted != held:
            key = min(set(wanted.items()) ^ set(held.items()))[0]
            raise FolderError(
                f"the weights do not fit the model: {key} is {held.get(key, 'missing')} in the file, "
                f"{wanted.get(key, 'unknown')} in config.json",
                "the files are of two models; copy one model folder whole",
                file=self.path / name,
            )

    def checkpoints(self) -> list[Json]:
        """The history, oldest first: [{"step": 100, "file": "checkpoints/step-000100.safetensors", "loss": 2.3}].

        Raises:
            FolderError: its index is damaged.
        """
        path = self.path / INDEX
        if not path.exists():
            return []
        index = self.json(INDEX, INTACT)
        checked(History, index, file=path)
        moments: list[Json] = index["checkpoints"]
        for moment in moments:
            if moment["file"] != checkpoint_file(moment["step"]):
                raise FolderError(f"step {moment['step']} lies in {given(moment['file'])}", INTACT, file=path)
        return moments


def unshared(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module with each tied matrix once, under its first name."""
    seen: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    return {k: v.detach() for k, v in state.items() if seen.setdefault(id(v), k) == k}


def _foreign(config: Json) -> tuple[str, str]:
    """What a folder of another library is, and what can be done with it today."""
    if "model_type" not in config and "architectures" not in config:
        return "this is a model of another library", "train with clearhead: clearhead train --help"
    kind = config.get("model_type", config.get("architectures"))
    return (
        f"this is a model of another library (Hugging Face, {kind}), and commands open clearhead's own",
        "gpt2, llama and qwen3 can be opened from Python alone: clearhead.exchange.huggingface.from_huggingface",
    )


def _entries(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []
