"""A model in the form of Hugging Face's libraries: which of their classes it is, and its files.

Any model leaves whose parts are all in one of the known families, whatever it was called here: its configuration is
written by a family's rules and read back, and only if that is the same model is it of that family.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from clearhead.data.tokenizers import Tokenizer
from clearhead.disk import new_folder
from clearhead.errors import ConfigError, FolderError
from clearhead.exchange.families import FAMILIES, find_family
from clearhead.exchange.family import Family
from clearhead.exchange.pooling import Pooling
from clearhead.parsing import Json

__all__ = ["Leaving", "check_leaving", "find_class", "write_leaving"]

_KINDS = ("pad", "bos", "eos", "unk", "mask", "cls", "sep")


@dataclass(frozen=True, eq=False)
class Leaving:
    """A model that leaves.

    Args:
        module: the model.
        tokenizer: of its texts; of an encoder-decoder that of the sources and of what is written.
        task: what it is for.
        carried: the configuration that it came with, if it came from there.
        generation: what generation_config.json says.
        template: how conversations are written.
        frame: what stands before and after a text that the model reads whole.
        pooling: how a text becomes one vector.
    """

    module: nn.Module
    tokenizer: Tokenizer
    task: str
    carried: Json = field(default_factory=dict)
    generation: Json = field(default_factory=dict)
    template: str | None = None
    frame: tuple[Sequence[int], Sequence[int]] = ((), ())
    pooling: Pooling | None = None


def find_class(
    module: Any, task: str | None = None, carried: Json | None = None
) -> tuple[Family, str, dict[str, object], dict[str, Tensor]]:
    """(family, class, their config.json, their tensors) of a model.

    Args:
        task: what it is for (default: what the first class is for that has its parts).
        carried: the configuration that it came with, if it came from there.

    Raises:
        ConfigError: its parts are in no family; said is what is lacking in that which its preset names, or the first.
    """
    config, carried = module.config, carried or {}
    vocab_size = next(x.num_embeddings for x in module.modules() if isinstance(x, nn.Embedding))
    refused: dict[str, ConfigError] = {}
    wanted = [str(carried.get("model_type")), str(getattr(config, "preset", ""))]
    for name in sorted(FAMILIES, key=lambda name: name not in wanted):
        family = find_family(name)
        if not isinstance(config, family.arch):
            continue
        for class_name, kinds in family.kinds.items():
            if task is not None and task not in kinds[0].tasks:
                continue
            own = carried if carried.get("model_type") == name else {}
            try:
                theirs, tensors = family.write(module, class_name, own, vocab_size)
            except ConfigError as error:
                refused.setdefault(name, error)
                continue
            return family, class_name, theirs, tensors
    if not refused:
        raise ConfigError(f"no family of theirs is for {task} with such a model", "take another form")
    name, refusal = next(iter(refused.items()))
    if name not in wanted:
        presets = ", ".join(name for name in refused)
        problem = f"no family of theirs has all parts of this model: {refusal.problem}"
        raise ConfigError(problem, f"train with --arch.preset {presets}, where there is such a preset")
    raise refusal


def write_leaving(place: Path, leaving: Leaving, *, sentences: bool = False) -> str:
    """Write a model into a new folder, whole or not at all; returns the name of its class.

    Args:
        sentences: as sentence-transformers reads it.

    Raises:
        ConfigError: its parts are in no family, or the folder is taken.
    """
    _, class_name, theirs, tensors = find_class(leaving.module, leaving.task, leaving.carried)
    specials = leaving.tokenizer.specials
    ids = {f"{kind}_token_id": number for kind in _KINDS if (number := getattr(specials, kind)) is not None}
    with new_folder(place) as folder:
        said = {key: x for key, x in ids.items() if key[:3] in ("pad", "bos", "eos") and theirs.get(key) is None}
        config = {"dtype": "float32", **theirs, **said}
        config |= {key: leaving.generation[key] for key in ("decoder_start_token_id",) if key in leaving.generation}
        _write_json(folder / "config.json", config)
        whole = {name: x.contiguous().clone() for name, x in tensors.items()}
        save_file(whole, folder / "model.safetensors", {"format": "pt"})
        (folder / "tokenizer.json").write_text(_framed(leaving), encoding="utf-8")
        marks = {number: name for name, number in leaving.tokenizer.marks.items()}
        named = {f"{kind}_token": marks[n] for kind in _KINDS if (n := getattr(specials, kind)) in marks}
        length = leaving.pooling.max_len if leaving.pooling is not None and leaving.pooling.max_len else None
        length = length or _length(leaving.module)
        known = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length}
        _write_json(folder / "tokenizer_config.json", {**known, **named, "clean_up_tokenization_spaces": False})
        if leaving.generation:
            _write_json(folder / "generation_config.json", leaving.generation)
        if leaving.template is not None:
            (folder / "chat_template.jinja").write_text(leaving.template, encoding="utf-8")
        if sentences:
            _write_modules(folder, leaving)
    return class_name


def _length(module: nn.Module) -> int:
    """Most tokens that a module reads."""
    config: Any = module.config
    return int(config.max_len)


def _framed(leaving: Leaving) -> str:
    """tokenizer.json, which puts around a text what the model reads around it."""
    said = json.loads(leaving.tokenizer.to_json())
    before, after = leaving.frame
    if (before or after) and said.get("post_processor") is None:
        names = {number: name for name, number in leaving.tokenizer.marks.items()}
        pieces = [*before, None, *after]
        text = {"Sequence": {"id": "A", "type_id": 0}}
        single = [text if p is None else {"SpecialToken": {"id": names[p], "type_id": 0}} for p in pieces]
        used = {names[p]: {"id": names[p], "ids": [p], "tokens": [names[p]]} for p in [*before, *after]}
        pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, *single[len(before) + 1 :]]
        said["post_processor"] = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": used}
    return json.dumps(said, ensure_ascii=False)


def _write_modules(folder: Path, leaving: Leaving) -> None:
    pooling = leaving.pooling or Pooling()
    if pooling.dense or len(pooling.modes) > 1:
        raise ConfigError("the vectors of texts go through more than a pooling", "export to huggingface")
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), *[("Normalize", "2_Normalize")] * pooling.normalise]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2), encoding="utf-8")
    for _, path in kinds[1:]:
        (folder / path).mkdir()
    config: Any = leaving.module.config
    said = {"word_embedding_dimension": config.d_model, "pooling_mode": pooling.modes[0], "include_prompt": True}
    _write_json(folder / "1_Pooling" / "config.json", said)
    length = pooling.max_len or _length(leaving.module)
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": length, "do_lower_case": pooling.lowercase})
    prompts = {"prompts": dict(pooling.prompts), "default_prompt_name": pooling.prompt}
    _write_json(folder / "config_sentence_transformers.json", {**prompts, "similarity_fn_name": "cosine"})


def check_leaving(place: Path, leaving: Leaving, class_name: str) -> float:
    """max |difference| of the scores that the other library and ours give for some random tokens.

    Raises:
        ImportError: the other library is not installed.
        FolderError: it opens the folder as something else.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    theirs = getattr(transformers, class_name).from_pretrained(place, dtype=torch.float32).eval()
    marks = set(leaving.tokenizer.marks.values())  # padding inside a text means other things there and here
    plain = torch.tensor([token for token in range(leaving.tokenizer.vocab_size) if token not in marks])
    ids = plain[torch.randint(len(plain), (1, 16), generator=torch.Generator().manual_seed(0))]
    module: Any = leaving.module
    with torch.inference_mode():
        if theirs.config.is_encoder_decoder:
            found, wanted = module(ids, ids), theirs(input_ids=ids, decoder_input_ids=ids).logits
        else:
            said = theirs(input_ids=ids)
            found = module(ids)
            vectors = "pooler_output" if found.ndim == 2 else "last_hidden_state"
            wanted = said["logits" if "logits" in said else vectors]
    if found.shape != wanted.shape:
        raise FolderError("the other library opens it as something else", "export again", file=place)
    return float((found - wanted).abs().max())


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
