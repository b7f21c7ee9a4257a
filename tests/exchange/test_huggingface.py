"""Decoders against the library whose families they are, with its own random models of every kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.errors import ConfigError
from clearhead.exchange.huggingface import from_huggingface, to_huggingface
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder

EOS = 2  # as tokenizers that are trained here number it

transformers = pytest.importorskip("transformers", reason="the reference is the transformers library")

SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
THEIRS = {
    "gpt2": lambda: transformers.GPT2Config(vocab_size=29, n_embd=32, n_layer=3, n_head=4, n_positions=40),
    "llama": lambda: transformers.LlamaConfig(vocab_size=29, **SIZES, num_key_value_heads=2, rms_norm_eps=1e-5),
    "llama-3": lambda: transformers.LlamaConfig(
        vocab_size=29, **SIZES, rope_parameters={"rope_type": "default", "rope_theta": 5e5}, tie_word_embeddings=True
    ),
    "qwen3": lambda: transformers.Qwen3Config(vocab_size=29, **SIZES, num_key_value_heads=2, head_dim=16),
}
IDS = torch.randint(0, 29, (2, 17), generator=torch.Generator().manual_seed(0))


def their_model(config: Any) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.2)
    return model


@pytest.mark.parametrize("family", sorted(THEIRS))
@torch.no_grad()
def test_their_model_is_ours_and_theirs_again(family: str) -> None:
    """Loaded, the logits are theirs; written back, each tensor and the logits of a model made of it are."""
    theirs = their_model(THEIRS[family]())
    tensors = theirs.state_dict()
    ours = from_huggingface(theirs.config.to_dict(), tensors)
    wanted = theirs(IDS).logits
    torch.testing.assert_close(ours(IDS), wanted, rtol=1e-5, atol=1e-5)
    config, back = to_huggingface(ours)
    again = transformers.AutoConfig.for_model(**config)
    other = transformers.AutoModelForCausalLM.from_config(again).eval()
    missing, unexpected = other.load_state_dict(back, strict=False)
    assert not unexpected
    assert set(missing) <= ({"lm_head.weight"} if config["tie_word_embeddings"] else set())
    other.tie_weights()
    torch.testing.assert_close(other(IDS).logits, wanted, rtol=1e-5, atol=1e-5)
    for name, value in back.items():
        assert torch.equal(value, tensors[name]), name


@pytest.mark.parametrize("preset", ["gpt2", "llama", "qwen3"])
@torch.no_grad()
def test_a_new_model_of_a_preset_opens_there(preset: str) -> None:
    torch.manual_seed(0)
    ours = Decoder(DecoderConfig(preset=preset, d_model=32, d_ff=48, heads=4, layers=2, max_len=24), 29).eval()
    config, tensors = to_huggingface(ours)
    assert config["eos_token_id"] == EOS
    theirs = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(**config)).eval()
    theirs.load_state_dict(tensors, strict=False)
    theirs.tie_weights()
    torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"preset": "modern"}, "no family of theirs"),
        ({"preset": "llama", "soft_cap": 15.0}, "soft_cap is 15.0"),
        ({"preset": "gpt2", "activation": "relu"}, "feed_forward.kind is relu"),
        ({"preset": "gpt2", "kv_heads": 2}, "grouped heads"),
        ({"preset": "qwen3", "window": 8}, "window is 8"),
    ],
)
def test_what_is_in_no_family_is_refused(choices: dict[str, Any], said: str) -> None:
    module = Decoder(DecoderConfig(d_model=32, d_ff=48, heads=4, layers=1, **choices), 29)
    with pytest.raises(ConfigError, match=said):
        to_huggingface(module)


@pytest.mark.parametrize(
    ("family", "change", "said"),
    [
        ("llama", {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 4.0}}, "type 'linear'"),
        ("llama", {"rope_parameters": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 1e4}}, "rope_type 'llama3'"),
        ("llama", {"rope_parameters": {"rope_type": "default", "factor": 2.0}}, "factor 2.0"),
        ("llama", {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("llama", {"mlp_bias": True}, "mlp_bias is True"),
        ("llama", {"attention_bias": True}, "attention_bias is True"),
        ("llama", {"sliding_window": 8}, "sliding_window is 8"),
        ("llama", {"final_logit_softcapping": 30.0}, "final_logit_softcapping is 30.0"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
        ("llama", {"hidden_size": "32"}, None),
        ("llama", {"hidden_size": -1}, "d_model"),
        ("llama", {"vocab_size": "many"}, "vocab_size is 'many'"),
        ("llama", {"tie_word_embeddings": True}, "tie_word_embeddings is on"),
        ("llama", {"vocab_size": 30}, r"embedding.weight is \[29, 32\]"),
        ("qwen3", {"use_sliding_window": True}, "use_sliding_window is True"),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention"),
        ("qwen3", {"sliding_window": 4096, "max_window_layers": 28}, None),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights is False"),
        ("gpt2", {"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn is True"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention is True"),
        ("gpt2", {"activation_function": "relu"}, "activation_function is 'relu'"),
        ("gpt2", {"activation_function": "gelu_pytorch_tanh"}, None),
        ("gpt2", {"logit_scale": None, "torch_dtype": "float16", "_name_or_path": "x", "max_length": 20}, None),
    ],
)
def test_no_field_that_changes_a_number_is_passed_over(family: str, change: dict[str, Any], said: str | None) -> None:
    theirs = their_model(THEIRS[family]())
    config, tensors = {**theirs.config.to_dict(), **change}, theirs.state_dict()
    if said is None:
        from_huggingface(config, tensors)
        return
    with pytest.raises(ConfigError, match=said):
        from_huggingface(config, tensors)


def test_tensors_that_have_no_place_are_refused() -> None:
    theirs = their_model(THEIRS["llama"]())
    config, tensors = theirs.config.to_dict(), theirs.state_dict()
    one = {"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}
    for more in (one, {"model.layers.3.mlp.up_proj.weight": torch.ones(1)}, {"adapter.weight": torch.ones(1)}):
        with pytest.raises(ConfigError, match="has"):
            from_huggingface(config, {**tensors, **more})
    from_huggingface(config, {**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)})
    with pytest.raises(ConfigError, match="lacks num_hidden_layers"):
        from_huggingface({k: v for k, v in config.items() if k != "num_hidden_layers"}, tensors)


def test_what_we_do_not_have_is_refused() -> None:
    config = THEIRS["llama"]().to_dict()
    for change, said in (
        ({"model_type": "mamba"}, "mamba"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "yarn"),
        ({"attention_bias": True}, "attention_bias"),
    ):
        with pytest.raises(ConfigError, match=said):
            from_huggingface({**config, **change}, {})
    with pytest.raises(ConfigError, match="lacks"):
        from_huggingface(config, {})
