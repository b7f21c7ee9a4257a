"""A model folder of another library, opened: module, tokenizer, and what the folder says of its use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError, FolderError, given
from clearhead.exchange.checkpoint import Checkpoint
from clearhead.exchange.families import find_family
from clearhead.exchange.family import DescribedModel, Family
from clearhead.exchange.forms import MODULES, json_of, plain_file
from clearhead.exchange.pooling import Pooling, read_pooling
from clearhead.exchange.sentence_pieces import open_marian_pair
from clearhead.exchange.tokenizer_files import open_their_tokenizer
from clearhead.parsing import Json, read_file

__all__ = ["Opened", "open_folder", "read_arch"]

_TEMPLATE = "chat_template.jinja"
_LONGEST = 2**20  # bytes of a template


@dataclass(frozen=True, eq=False)
class Opened:
    """What a folder holds.

    Args:
        family, described: which model it is.
        module: with its weights.
        tokenizer: of its texts; None: the folder has none. `target`: of what is written, where that is another one.
        pooling: how it makes one vector of a text, where the folder says it.
        generation: what generation_config.json says.
        template: how conversations are written, where the folder says it.
        notes: what a person should know of it.
    """

    family: Family
    described: DescribedModel
    module: nn.Module
    tokenizer: Tokenizer | None
    target: Tokenizer | None = None
    pooling: Pooling | None = None
    generation: Json = field(default_factory=dict)
    template: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def read_tokenizer(self) -> Tokenizer:
        """The tokenizer, where there is one."""
        assert self.tokenizer is not None, "whoever opens a folder for texts sees to it"
        return self.tokenizer


def read_arch(path: Path) -> dict[str, object]:
    """The architecture of a folder of another library, as config.json of ours has it; its weights are not read.

    Raises:
        FolderError: it cannot be read, or holds what clearhead does not compute.
    """
    config, checkpoint = json_of(path, "config.json"), Checkpoint(path)
    try:
        return find_family(config.get("model_type")).configure(config, checkpoint).arch.model_dump(mode="json")
    except ConfigError as error:
        raise FolderError(error.problem, error.fix, file=path / "config.json") from error
    finally:
        checkpoint.close()


def open_folder(folder: Path, task: str | None = None, dtype: torch.dtype | None = torch.float32) -> Opened:
    """Open a folder of Hugging Face or sentence-transformers.

    Args:
        task: what the model is to do (default: what its class is for).
        dtype: of its numbers; None: as they are stored.

    Raises:
        FolderError: it cannot be read, or holds what clearhead does not compute.
    """
    config = json_of(folder, "config.json")
    checkpoint = Checkpoint(folder, dtype)
    try:
        pooling = read_pooling(folder) if (folder / MODULES).exists() else None
        family = find_family(config.get("model_type"))
        described = family.configure(config, checkpoint, "embed" if pooling is not None else task)
        layers = max(getattr(described.arch, name, None) or 1 for name in ("layers", "decoder_layers"))
        if layers > len(checkpoint):
            problem = f"the configuration has {layers:,} layers, and the weights {len(checkpoint)} tensors"
            raise ConfigError(problem, "take the config.json that belongs to the weights")
        module = family.read(described, checkpoint, dtype)
    except ConfigError as error:
        raise FolderError(error.problem, error.fix, file=folder / "config.json") from error
    finally:
        checkpoint.close()
    tokenizer: Tokenizer | None
    if (folder / "source.spm").exists() and not (folder / "tokenizer.json").exists():
        tokenizer, target = open_marian_pair(folder)
    else:
        tokenizer, target = open_their_tokenizer(folder), None
    if tokenizer is not None and tokenizer.vocab_size > described.vocab_size:
        problem = f"the tokenizer has {tokenizer.vocab_size:,} entries, the model {described.vocab_size:,}"
        raise FolderError(problem, "take the tokenizer that belongs to the model", file=folder / "tokenizer.json")
    said = json_of(folder, "generation_config.json") if (folder / "generation_config.json").exists() else {}
    left = sorted(
        {name.split(".")[0] for name in checkpoint if name.startswith(tuple(described.kind.unused or ("\0",)))}
    )
    notes = (f"not used by this model: {', '.join(left)}",) if left else ()
    return Opened(family, described, module, tokenizer, target, pooling, said, _template(folder), notes)


def _template(folder: Path) -> str | None:
    """The chat template: in a file of its own, or inside tokenizer_config.json, where of several the default counts."""
    if (folder / _TEMPLATE).exists():
        plain_file(folder, _TEMPLATE)
        return read_file(folder / _TEMPLATE, error=FolderError, most=_LONGEST)
    name = "tokenizer_config.json"
    found = json_of(folder, name).get("chat_template") if (folder / name).exists() else None
    if isinstance(found, list):
        named = {one.get("name"): one.get("template") for one in found if isinstance(one, Mapping)}
        found = named.get("default")
    if found is not None and (not isinstance(found, str) or len(found) > _LONGEST):
        raise FolderError(f"chat_template is {given(found)}", "take the whole model again", file=folder / name)
    return found
