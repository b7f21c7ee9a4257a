"""Models of other libraries as models of ours: each class of theirs is for one of our tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError
from clearhead.exchange.opening import Opened, open_folder
from clearhead.exchange.tokenizer_files import token_ids_as_text
from clearhead.generation.template import ChatTemplate
from clearhead.tasks.chat_model import Chat
from clearhead.tasks.encoder_models import Classifier, Embedder, Filler
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.session import say
from clearhead.tasks.summarizer import Summarizer
from clearhead.tasks.task import Model
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translator import Translator

__all__ = ["open_foreign"]


def open_foreign(folder: Path, task: str | None = None) -> Model:
    """A folder of Hugging Face or sentence-transformers as a model with the verbs of its task.

    Args:
        task: what it is to do (default: what its class is for).

    Raises:
        FolderError: it cannot be read, or holds what clearhead does not compute.
    """
    opened = open_folder(folder, task)
    tokenizer = opened.tokenizer
    if tokenizer is None:
        say(f"note: {folder} has no tokenizer: texts are token ids, written as numbers")
        tokenizer = token_ids_as_text(opened.described.vocab_size, opened.described.carried)
    for note in opened.notes:
        say(f"note: {note}")
    kinds = opened.described.kind.tasks
    chosen = task or ("chat" if opened.template is not None and "chat" in kinds else kinds[0])
    model = _MAKERS[chosen](opened, tokenizer)
    model.carried = opened.described.carried
    return cast(Model, model)


def _language(opened: Opened, tokenizer: Tokenizer) -> Model:
    module: Any = opened.module
    return LanguageModel(module, tokenizer)


def _chat(opened: Opened, tokenizer: Tokenizer) -> Model:
    if opened.template is None:
        raise ConfigError("the model has no chat template", "clearhead generate goes on with a text")
    module, marks = cast(Any, opened.module), {number: name for name, number in tokenizer.marks.items()}
    specials = tokenizer.specials
    bos, eos = ("" if number is None else marks.get(number, "") for number in (specials.bos, specials.eos))
    return Chat(module, tokenizer, template=ChatTemplate(opened.template, marks.values(), bos=bos, eos=eos), before=[])


def _pair(kind: type[Translator | Summarizer]) -> Any:
    def make(opened: Opened, tokenizer: Tokenizer) -> Model:
        module: Any = opened.module
        written = opened.target or tokenizer
        target = Tokenizer(written.backend, replace(written.specials, bos=_start(opened)))
        return kind(module, TokenizerPair(tokenizer, target))

    return make


def _start(opened: Opened) -> int:
    """The token that every target begins with."""
    for said in (opened.generation, opened.described.carried):
        if isinstance(start := said.get("decoder_start_token_id"), int):
            return start
    raise ConfigError("the configuration has no decoder_start_token_id", "take the whole model again")


def _classify(opened: Opened, tokenizer: Tokenizer) -> Model:
    module: Any = opened.module
    named = opened.described.carried.get("id2label") or {}
    labels = [str(named.get(str(i), named.get(i, f"LABEL_{i}"))) for i in range(module.config.readout.classes)]
    several = opened.described.carried.get("problem_type") == "multi_label_classification"
    return Classifier(module, tokenizer, labels=labels, several=several)


def _embed(opened: Opened, tokenizer: Tokenizer) -> Model:
    module: Any = opened.module
    return Embedder(module, tokenizer, pooling=opened.pooling)


def _fill(opened: Opened, tokenizer: Tokenizer) -> Model:
    module: Any = opened.module
    return Filler(module, tokenizer)


_MAKERS: dict[str, Any] = {
    "language": _language,
    "chat": _chat,
    "translate": _pair(Translator),
    "summarize": _pair(Summarizer),
    "fill": _fill,
    "classify": _classify,
    "embed": _embed,
}
