"""`load`: a trained model by the name of its folder."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Literal, overload

from clearhead.errors import ConfigError
from clearhead.ranges import Device
from clearhead.tasks.opened import open_model
from clearhead.tasks.task import Model

if TYPE_CHECKING:
    from clearhead.tasks.chat_model import ChatModel
    from clearhead.tasks.encoder_models import Classifier, Embedder, Filler
    from clearhead.tasks.language_model import LanguageModel
    from clearhead.tasks.summarizer import Summarizer
    from clearhead.tasks.translator import Translator
    from clearhead.tasks.word_model import Words

__all__ = ["load"]


@overload
def load(model: str | PathLike[str], *, task: Literal["translate"], device: Device = ...) -> Translator: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["summarize"], device: Device = ...) -> Summarizer: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["language"], device: Device = ...) -> LanguageModel: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["chat"], device: Device = ...) -> ChatModel: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["words"], device: Device = ...) -> Words: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["fill"], device: Device = ...) -> Filler: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["classify"], device: Device = ...) -> Classifier: ...
@overload
def load(model: str | PathLike[str], *, task: Literal["embed"], device: Device = ...) -> Embedder: ...
@overload
def load(model: str | PathLike[str], *, task: str | None = None, device: Device = ...) -> Model: ...
def load(model: str | PathLike[str], *, device: Device = "auto", task: str | None = None) -> Model:
    """Open a model; the object is of its task's class, with its verbs (`.translate([...])`) and `.module`.

    A folder is one of ours, of Hugging Face or of sentence-transformers; a name like `someone/model`, where nothing
    stands here, is that of a model on the Hugging Face hub; a file is taken for word vectors in word2vec's text form.

    Args:
        task: what the model has to be for; of a model of another library, what it is to do (default: what its class is
            for). With it, editors and type checkers know the class: `load("models/mine", task="translate")` is a
            `Translator`.
        device: where texts are written and measured; auto: on an NVIDIA GPU if there is one. `.module` stays on the
            CPU, where it is looked into.

    Raises:
        FolderError: there is no model, or it is damaged or of another library.
        ConfigError: the model is for another task, or there is no such device.
    """
    loaded = open_model(model, device, task)
    if task is not None and loaded.name != task:
        raise ConfigError(f"{model} is a model for {loaded.name}, not for {task}", f'write task="{loaded.name}"')
    return loaded
