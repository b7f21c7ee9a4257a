"""Small model folders of the transformers library, written by hand: a configuration, weights, a tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, processors

from exchange.theirs import VOCAB, their_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "sees", "a", "big", "small", "house"]
WORDS += [f"w{i}" for i in range(VOCAB - len(WORDS))]


def word_tokenizer() -> Backend:
    """A word a token, [CLS] before a text and [SEP] after it."""
    vocab = {word: i for i, word in enumerate(WORDS)}
    backend = Backend(models.WordLevel(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    backend.add_special_tokens(WORDS[:5])
    return backend


def write_folder(place: Path, config: Any, class_name: str, *, dtype: torch.dtype = torch.float32) -> Any:
    """Write a model of theirs; returns it, in float64."""
    model = their_model(config, class_name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps({**model.config.to_dict(), "architectures": [class_name]}))
    state = {name: x.detach().to(dtype).clone().contiguous() for name, x in model.named_parameters()}
    state |= {name: x.to(dtype) for name, x in model.named_buffers() if name == "final_logits_bias"}
    save_file(state, place / "model.safetensors", metadata={"format": "pt"})
    word_tokenizer().save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(
        json.dumps({f"{kind}_token": f"[{kind.upper()}]" for kind in ("pad", "unk", "cls", "sep", "mask")})
    )
    return model
