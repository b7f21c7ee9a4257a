"""Which fields of another library's configuration are understood: all that change a number, or the model is refused.

A field is read (sizes and the like), or must have the one value that our own models have, or changes nothing; what is
none of these and says anything is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearhead.errors import ConfigError

__all__ = ["check_fields", "rotary_base"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READ = {
    "gpt2": "n_embd n_inner n_head n_layer n_positions layer_norm_epsilon",
    "llama": "hidden_size intermediate_size num_attention_heads num_key_value_heads head_dim num_hidden_layers "
    "max_position_embeddings rms_norm_eps rope_parameters rope_scaling rope_theta",
}
_READ["qwen3"] = _READ["llama"]
_FIXED: dict[str, dict[str, tuple[Any, ...]]] = {
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,),
    },
    "llama": {"hidden_act": ("silu", "swish"), "partial_rotary_factor": (1,), "clip_qkv": (None,)},
}
_FIXED["qwen3"] = _FIXED["llama"]
_PLAIN = {"rope_theta", "rope_type", "type", "partial_rotary_factor", "original_max_position_embeddings"}
_ROTARY = ("rope_parameters", "rope_scaling")
_OF_GENERATION = _names(
    "max_length max_new_tokens min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty "
    "temperature top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size num_return_sequences "
    "encoder_no_repeat_ngram_size bad_words_ids suppress_tokens begin_suppress_tokens forced_bos_token_id "
    "forced_eos_token_id remove_invalid_values exponential_decay_length_penalty return_dict_in_generate "
    "output_scores bos_token_id eos_token_id pad_token_id sep_token_id unk_token_id decoder_start_token_id"
)
_OF_TRAINING = _names(
    "initializer_range attention_dropout attn_pdrop resid_pdrop embd_pdrop hidden_dropout gradient_checkpointing "
    "problem_type label2id id2label task_specific_params finetuning_task summary_type summary_use_proj "
    "summary_activation summary_proj_to_labels summary_first_dropout"
)
_OF_THE_PROGRAM = _names(
    "model_type architectures auto_map vocab_size tie_word_embeddings dtype torch_dtype transformers_version use_cache "
    "output_attentions output_hidden_states return_dict torchscript use_bfloat16 chunk_size_feed_forward "
    "pretraining_tp tokenizer_class prefix n_ctx max_window_layers layer_types sliding_window"
)  # the last three are looked at by themselves


def check_fields(config: Mapping[str, Any], family: str) -> None:
    """Raises:
    ConfigError: a field changes what the model computes, and is not understood.
    """
    known = {*_READ[family].split(), *_OF_GENERATION, *_OF_TRAINING, *_OF_THE_PROGRAM}
    for name, value in config.items():
        wanted = _FIXED[family].get(name)
        if wanted is not None and value not in wanted:
            raise ConfigError(f"{name} is {value!r}, here it is {wanted[0]!r}", "take a model without it")
        if name not in known and wanted is None and not name.startswith("_") and value not in _NOTHING:
            fix = "take a model without it; if it changes no number, take it out of the configuration"
            raise ConfigError(f"{name} is {value!r}, which is not known here", fix)
    _check_windows(config, family)


_NOTHING: tuple[Any, ...] = (None, False, "", [], {})


def _check_windows(config: Mapping[str, Any], family: str) -> None:
    """All layers see everything before; Qwen's configurations name a window that is not used."""
    other = [kind for kind in config.get("layer_types") or () if kind != "full_attention"]
    if other:
        raise ConfigError(f"layer_types has {other[0]!r}, which is not known here", "take a model without it")
    window = config.get("sliding_window")
    if window is not None and family != "qwen3":
        raise ConfigError(f"sliding_window is {window!r}, which is not known here", "take a model without it")


def rotary_base(config: Mapping[str, Any]) -> Any:
    """The base of rotary positions, as newer (`rope_parameters`) and older (`rope_theta`) versions write it.

    Raises:
        ConfigError: the positions are scaled, or of another kind.
    """
    base = config.get("rope_theta")
    for place in _ROTARY:
        rope = config.get(place) or {}
        if not isinstance(rope, Mapping):
            raise ConfigError(f"{place} is {rope!r}, no object", "take an intact config.json")
        for name, value in rope.items():
            plain = {"rope_type": "default", "type": "default", "partial_rotary_factor": 1}.get(name, value)
            if name not in _PLAIN or value != plain:
                problem = f"{place} has {name} {value!r}: only plain rotary positions are known here"
                raise ConfigError(problem, "take a model without it")
        base = rope.get("rope_theta") or base
    return base or 1e4
