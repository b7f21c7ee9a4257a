"""Decoder-only models in the form of the `transformers` library: GPT-2, Llama, Qwen3; names and configurations.

A table for each family says which of their tensors is which of ours; it is read in both directions, and nothing of
theirs is imported. GPT-2 keeps its matrices transposed, and queries, keys and values in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.exchange.huggingface_fields import check_fields, rotary_base
from clearhead.folder import unshared
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder

__all__ = ["from_huggingface", "to_huggingface"]

_KINDS = ("weight", "bias")
_BUFFERS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")  # which older versions save, and nobody reads
_QKV = ("q_proj", "k_proj", "v_proj")
_GPT2 = {
    "transformer.wte": "embedding",
    "transformer.wpe": "decoder.positions",
    "transformer.ln_f": "decoder.norm",
    "lm_head": "head",
    "transformer.h.{}.ln_1": "decoder.blocks.{}.self_attention_norm",
    "transformer.h.{}.ln_2": "decoder.blocks.{}.feed_forward_norm",
    "transformer.h.{}.attn.c_attn": "decoder.blocks.{}.self_attention.qkv",
    "transformer.h.{}.attn.c_proj": "decoder.blocks.{}.self_attention.o_proj",
    "transformer.h.{}.mlp.c_fc": "decoder.blocks.{}.feed_forward.up",
    "transformer.h.{}.mlp.c_proj": "decoder.blocks.{}.feed_forward.down",
}
_LLAMA = {
    "model.embed_tokens": "embedding",
    "model.norm": "decoder.norm",
    "lm_head": "head",
    "model.layers.{}.input_layernorm": "decoder.blocks.{}.self_attention_norm",
    "model.layers.{}.post_attention_layernorm": "decoder.blocks.{}.feed_forward_norm",
    **{f"model.layers.{{}}.self_attn.{p}": f"decoder.blocks.{{}}.self_attention.{p}" for p in (*_QKV, "o_proj")},
    **{
        f"model.layers.{{}}.mlp.{theirs}": f"decoder.blocks.{{}}.feed_forward.{ours}"
        for theirs, ours in (("gate_proj", "gate"), ("up_proj", "up"), ("down_proj", "down"))
    },
}
_QWEN3 = _LLAMA | {
    f"model.layers.{{}}.self_attn.{norm}": f"decoder.blocks.{{}}.self_attention.{norm}" for norm in ("q_norm", "k_norm")
}
_TABLES = {"gpt2": _GPT2, "llama": _LLAMA, "qwen3": _QWEN3}
_CLASSES = {"gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}
_FREE = {  # what a family leaves to each of its models
    *("d_model", "layers", "max_len", "tied", "dropout", "feed_forward.d_ff", "norm.eps", "positions.base"),
    *("attention.heads", "attention.kv_heads", "attention.head_dim", "attention.dropout"),
}


def to_huggingface(module: Decoder, *, eos: int = 2) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(their config.json, their tensors) of a model whose preset is one of their families.

    Args:
        eos: the token that ends a text (default: that of the tokenizers trained here); their generation stops there.

    Raises:
        ConfigError: a part of the model is in no such family.
    """
    config = module.config
    family = _family(config)
    state = unshared(module)
    tensors: dict[str, Tensor] = {}
    for theirs, ours in _pairs(family, config.layers):
        if ours.endswith(".qkv"):
            weights, biases = ([state[f"{ours.removesuffix('qkv')}{p}.{k}"] for p in _QKV] for k in ("weight", "bias"))
            tensors[f"{theirs}.weight"] = torch.cat(weights).T.contiguous()
            tensors[f"{theirs}.bias"] = torch.cat(biases)
            continue
        for kind in _KINDS:
            if (value := state.get(f"{ours}.{kind}")) is not None:
                tensors[f"{theirs}.{kind}"] = value.T.contiguous() if _is_transposed(family, theirs, kind) else value
    return _their_config(config, family, module.head.out_features, eos), tensors


def from_huggingface(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Decoder:
    """Our model of their configuration and tensors.

    Raises:
        ConfigError: the family is another, or uses parts that we do not have.
    """
    family = str(config.get("model_type"))
    if family not in _TABLES:
        raise ConfigError(f"the family {family!r} is not known", f"the families are {', '.join(_TABLES)}")
    ours = _our_config(config, family)
    vocab = config.get("vocab_size")
    if not isinstance(vocab, int) or vocab < 1:
        raise ConfigError(f"vocab_size is {vocab!r}", "take an intact config.json")
    module = Decoder(ours, vocab).eval()
    state: dict[str, Tensor] = {}
    names = list(_pairs(family, ours.layers))
    for theirs, name in names:
        for kind in _KINDS:
            value = tensors.get(f"{theirs}.{kind}")
            if value is None:
                continue
            value = value.T if _is_transposed(family, theirs, kind) else value
            if name.endswith(".qkv"):
                for part, piece in zip(_QKV, value.chunk(3), strict=True):
                    state[f"{name.removesuffix('qkv')}{part}.{kind}"] = piece
            else:
                state[f"{name}.{kind}"] = value
    _check_tensors(module, state, set(tensors) - {f"{theirs}.{kind}" for theirs, _ in names for kind in _KINDS})
    module.load_state_dict(state, strict=False)
    return module


def _check_tensors(module: Decoder, state: Mapping[str, Tensor], other: set[str]) -> None:
    """Whether these are all tensors of a model, and no more; `other`: those that have no place in it."""
    wanted = unshared(module)
    if missing := sorted(set(wanted) - set(state)):
        raise ConfigError(f"the file lacks {missing[0]}", "take the whole model")
    if left := sorted(name for name in other if not name.endswith(_BUFFERS)):
        problem = f"the file has {left[0]}, for which a model of this configuration has no place"
        raise ConfigError(problem, "take the config.json that belongs to it")
    every = module.state_dict()
    for name, value in state.items():
        if name not in every:
            raise ConfigError(
                f"the file has {name}, which such a model has not", "take the config.json that belongs to it"
            )
        if value.shape != every[name].shape:
            problem = f"{name} is {list(value.shape)}, by the configuration it is {list(every[name].shape)}"
            raise ConfigError(problem, "take the config.json that belongs to it")
    if (
        module.config.tied
        and "head.weight" in state
        and not torch.equal(state["head.weight"], state["embedding.weight"])
    ):
        problem = "tie_word_embeddings is on, and lm_head.weight is not the embedding"
        raise ConfigError(problem, "take the config.json that belongs to it")


def _pairs(family: str, layers: int) -> Iterator[tuple[str, str]]:
    for theirs, ours in _TABLES[family].items():
        for layer in range(layers if "{}" in theirs else 1):
            yield theirs.format(layer), ours.format(layer)


def _is_transposed(family: str, theirs: str, kind: str) -> bool:
    return family == "gpt2" and kind == "weight" and (".attn." in theirs or ".mlp." in theirs)


def _family(config: DecoderConfig) -> str:
    """The family that a configuration is of, to the letter."""
    family = config.preset
    if family not in _TABLES:
        raise ConfigError(f"no family of theirs has the parts of {family}", f"train with one of {', '.join(_TABLES)}")
    plain = DecoderConfig(preset=family)
    ours, theirs = _choices(config), _choices(plain)
    for name, value in ours.items():
        if name not in _FREE and value != theirs[name]:
            raise ConfigError(
                f"{name} is {value}, in {family} it is {theirs[name]}",
                f"train with --arch.preset {family} and without {name}",
            )
    if family == "gpt2" and (config.attention.kv_heads or config.attention.head_dim):
        raise ConfigError("GPT-2 has neither grouped heads nor heads of another width", "leave them out")
    return family


def _choices(config: DecoderConfig) -> dict[str, Any]:
    """All that a configuration chooses, by dotted names."""
    chosen: dict[str, Any] = {}
    for name, value in config.model_dump().items():
        chosen |= {f"{name}.{inner}": x for inner, x in value.items()} if isinstance(value, dict) else {name: value}
    return chosen


def _their_config(config: DecoderConfig, family: str, vocab: int, eos: int) -> dict[str, Any]:
    common = {"model_type": family, "architectures": [_CLASSES[family]], "vocab_size": vocab}
    common |= {"tie_word_embeddings": config.tied, "bos_token_id": None, "eos_token_id": eos}
    if family == "gpt2":
        return common | {
            "n_embd": config.d_model,
            "n_layer": config.layers,
            "n_head": config.attention.heads,
            "n_inner": config.feed_forward.d_ff,
            "n_positions": config.max_len,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": config.norm.eps or 1e-5,
        }
    return common | {
        "hidden_size": config.d_model,
        "intermediate_size": config.feed_forward.d_ff,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.attention.heads,
        "num_key_value_heads": config.attention.kv_heads or config.attention.heads,
        "head_dim": config.attention.widths(config.d_model)[0],
        "max_position_embeddings": config.max_len,
        "rms_norm_eps": config.norm.eps or 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.positions.base},
        "attention_bias": False,
        "hidden_act": "silu",
    }


def _our_config(config: Mapping[str, Any], family: str) -> DecoderConfig:
    check_fields(config, family)
    try:
        return DecoderConfig.model_validate({"preset": family, **(_gpt2 if family == "gpt2" else _llama)(config)})
    except KeyError as error:
        raise ConfigError(f"the configuration lacks {error.args[0]}", "take the whole config.json") from error
    except (ValidationError, TypeError) as error:
        problem = str(error)
        if isinstance(error, ValidationError):
            said = error.errors()[0]
            problem = f"{' '.join(map(str, said['loc']))}: {said['msg'].removeprefix('Value error, ')}"
        raise ConfigError(f"this is not a configuration of a model: {problem}", "take an intact config.json") from error


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "d_model": config["n_embd"],
        "d_ff": config.get("n_inner") or 4 * config["n_embd"],
        "heads": config["n_head"],
        "layers": config["n_layer"],
        "max_len": config["n_positions"],
        "norm_eps": config.get("layer_norm_epsilon", 1e-5),
        "tied": config.get("tie_word_embeddings", True),
    }


def _llama(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "d_model": config["hidden_size"],
        "d_ff": config["intermediate_size"],
        "heads": config["num_attention_heads"],
        "kv_heads": config.get("num_key_value_heads"),
        "head_dim": config.get("head_dim"),
        "layers": config["num_hidden_layers"],
        "max_len": config["max_position_embeddings"],
        "norm_eps": config.get("rms_norm_eps", 1e-6),
        "rotary_base": rotary_base(config),
        "tied": config.get("tie_word_embeddings", False),
        "dropout": 0.0,
    }
