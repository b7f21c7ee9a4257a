"""How a folder of sentence-transformers makes one vector of a text (Reimers and Gurevych, 2019).

modules.json: Transformer -> Pooling (-> Dense ...) (-> Normalize)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.errors import FolderError, given
from clearhead.exchange.checkpoint import Checkpoint
from clearhead.exchange.forms import MODULES, json_of, plain_file
from clearhead.models.readout import pool
from clearhead.parsing import parse_json, read_file

__all__ = ["Pooling", "read_pooling"]

_INTACT = "take the whole model again"
_MODES = {"cls": "first", "mean": "mean", "max": "max", "mean_sqrt_len": "sqrt-mean", "lasttoken": "last"}
_OLD_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_lasttoken": "lasttoken",
}
_BENDS = {"Tanh": torch.tanh, "Identity": lambda x: x, "ReLU": torch.relu, "GELU": F.gelu}


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear map of the vectors of texts, and what follows it."""

    weight: Tensor
    bias: Tensor | None
    activation: str

    def __call__(self, x: Tensor) -> Tensor:
        bent: Tensor = _BENDS[self.activation](F.linear(x, self.weight, self.bias))
        return bent


@dataclass(frozen=True, eq=False)
class Pooling:
    """From the vectors of a text's tokens to one of the text.

    Args:
        modes: how they are pooled; of several the vectors stand side by side.
        dense: maps after it.
        normalise: whether vectors have length 1 at the end.
        max_len: most tokens that are read (None: the model's).
        lowercase: whether texts are made small first.
        prompts: what is put before texts, by the names of their kinds; `prompt`: the kind where none is given.
    """

    modes: Sequence[str] = ("mean",)
    dense: Sequence[Dense] = ()
    normalise: bool = False
    max_len: int | None = None
    lowercase: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None

    def __call__(self, states: Tensor, lengths: Tensor) -> Tensor:
        """[batch, width] of states [batch, tokens, d_model] and how many tokens of each row are real."""
        x = torch.cat([pool(states, _MODES[mode], lengths) for mode in self.modes], dim=-1)
        for dense in self.dense:
            x = dense(x)
        return F.normalize(x, dim=-1) if self.normalise else x


def read_pooling(folder: Path) -> Pooling:
    """What the modules of a folder say.

    Raises:
        FolderError: there is a module that is not known here, or its file is damaged.
    """
    file = plain_file(folder, MODULES)
    modules = parse_json(
        read_file(file, error=FolderError, missing=_INTACT, fix=_INTACT), file=file, error=FolderError, fix=_INTACT
    )
    kinds = [_kind(module, file) for module in modules] if isinstance(modules, list) else []
    if [kind for kind, _ in kinds[:2]] != ["Transformer", "Pooling"]:
        raise FolderError("the modules do not begin with a Transformer and a Pooling", "take another model", file=file)
    known: dict[str, Any] = {"modes": _modes(folder, kinds[1][1]), "dense": []}
    for kind, place in kinds[2:]:
        if kind == "Normalize":
            known["normalise"] = True
        elif kind == "Dense" and not known.get("normalise"):
            known["dense"].append(_dense(folder / place))
        else:
            raise FolderError(f"a module {kind} has no place here", "take a model without it", file=file)
    return Pooling(**known, **_settings(folder))


def _kind(module: object, file: Path) -> tuple[str, str]:
    kind, place = (module.get("type"), module.get("path")) if isinstance(module, Mapping) else (None, None)
    if not isinstance(kind, str) or not isinstance(place, str) or Path(place).name != place:
        raise FolderError(f"{given(module)} is not a module", _INTACT, file=file)
    return kind.rpartition(".")[2], place


def _modes(folder: Path, place: str) -> list[str]:
    config = json_of(folder / place, "config.json")
    said = config.get("pooling_mode")
    modes = [said] if isinstance(said, str) else [mode for key, mode in _OLD_KEYS.items() if config.get(key)]
    other = [key for key in config if key.startswith("pooling_mode_") and config[key] and key not in _OLD_KEYS]
    wrong = [*(mode for mode in modes if mode not in _MODES), *other]
    if wrong or not modes or config.get("include_prompt") is False:
        problem = f"pooling by {wrong[0] if wrong else 'nothing'}" if wrong or not modes else "include_prompt is False"
        fix = f"take a model that pools by {', '.join(_MODES)}"
        raise FolderError(f"{problem}, which is not known here", fix, file=folder / place / "config.json")
    return modes


def _dense(place: Path) -> Dense:
    config, tensors = json_of(place, "config.json"), Checkpoint(place, torch.float32)
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in _BENDS:
        problem = f"activation_function is {given(config.get('activation_function'))}"
        raise FolderError(problem, f"take a model with {', '.join(_BENDS)}", file=place / "config.json")
    left = set(tensors) - {"linear.weight", "linear.bias"}
    if left or "linear.weight" not in tensors:
        raise FolderError(f"the tensors are {', '.join(sorted(tensors))}", _INTACT, file=place)
    found = {name: tensors[name] for name in tensors}
    tensors.close()
    return Dense(found["linear.weight"], found.get("linear.bias"), activation)


def _settings(folder: Path) -> dict[str, Any]:
    """Lengths, small letters and prompts, each from its own file, which may be missing."""
    known: dict[str, Any] = {}
    if (folder / "sentence_bert_config.json").exists():
        config = json_of(folder, "sentence_bert_config.json")
        length = config.get("max_seq_length")
        known = {
            "max_len": length if isinstance(length, int) else None,
            "lowercase": config.get("do_lower_case") is True,
        }
    if (folder / "config_sentence_transformers.json").exists():
        config = json_of(folder, "config_sentence_transformers.json")
        prompts, prompt = config.get("prompts") or {}, config.get("default_prompt_name")
        if not isinstance(prompts, Mapping) or not all(isinstance(text, str) for text in prompts.values()):
            file = folder / "config_sentence_transformers.json"
            raise FolderError(f"prompts is {given(prompts)}", _INTACT, file=file)
        known |= {"prompts": prompts, "prompt": prompt if prompt in prompts else None}
    return known
