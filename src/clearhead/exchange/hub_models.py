"""Models of the Hugging Face hub by their names: configuration, weights, tokenizer and templates, and nothing else.

HF_HUB_OFFLINE, HF_TOKEN and HF_HOME are the library's own switches. A name may pin a revision: NAME@REVISION.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from clearhead.errors import FolderError, MissingError

__all__ = ["fetch"]

# No Python file is among them, and weights in other forms are left out.
_FILES = [
    *("config.json", "generation_config.json", "modules.json", "*_Pooling/config.json", "*_Dense/*"),
    *("sentence_bert_config.json", "config_sentence_transformers.json"),
    *("model.safetensors", "model-*.safetensors", "model.safetensors.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("vocab.txt", "*.model", "*.spm", "chat_template.jinja", "additional_chat_templates/*.jinja", "README.md"),
]
_PICKLED = ["pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"]


def fetch(name: str) -> Path:
    """The folder of a model of the hub, loaded where it is not on this machine yet.

    Raises:
        MissingError: the library for it is not installed.
        FolderError: there is no such model, or no way to it.
    """
    if find_spec("huggingface_hub") is None:
        raise MissingError(f"{name} is the name of a model on the Hugging Face hub; that needs huggingface-hub", "hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    try:
        found = Path(snapshot_download(repository, revision=revision or None, allow_patterns=_FILES))
        if not list(found.glob("*.safetensors")):
            found = Path(snapshot_download(repository, revision=found.name, allow_patterns=_PICKLED + _FILES))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        problem = f"{name} is neither a folder here nor a model that the hub gives: {str(error).splitlines()[0]}"
        raise FolderError(problem, "check the name and the network; for a folder: ./NAME") from error
    return found
