"""Random tiny models of the transformers library, of every family that opens here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

transformers = pytest.importorskip("transformers", reason="the reference is the transformers library")
transformers.logging.set_verbosity_error()

VOCAB = 50
Draw = Callable[[Sequence[Any]], Any]  # one of some choices
ACTIVATION = ["gelu", "gelu_new", "relu", "silu"]
EPS = [1e-5, 1e-6, 1e-12, 1e-3]


def encoder(draw: Draw, kind: str) -> Any:
    heads, layers = draw([1, 2, 4]), draw(range(1, 4))
    sizes = {
        "vocab_size": VOCAB,
        "hidden_size": heads * draw([4, 6, 8]),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": draw([8, 20]),
        "max_position_embeddings": 32,
        "num_labels": draw(range(1, 5)),
        "tie_word_embeddings": kind in ("Bert", "Roberta") or draw([False, True]),
    }
    if kind == "ModernBert":
        return transformers.ModernBertConfig(
            **sizes,
            norm_eps=draw(EPS),
            norm_bias=draw([False, True]),
            attention_bias=draw([False, True]),
            mlp_bias=draw([False, True]),
            classifier_bias=draw([False, True]),
            classifier_pooling=draw(["cls", "mean"]),
            hidden_activation=draw(["gelu", "silu", "relu"]),
            local_attention=draw([4, 8]),
            global_attn_every_n_layers=draw(range(2, 4)),
            **{f"{token}_token_id": i for i, token in enumerate(["pad", "bos", "eos", "cls", "sep"])},
        )
    if kind == "DistilBert":
        names = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"}
        names |= {"intermediate_size": "hidden_dim"}
        renamed = {names.get(name, name): value for name, value in sizes.items()}
        return transformers.DistilBertConfig(**renamed, activation=draw(["gelu", "relu"]))
    config = getattr(transformers, f"{kind}Config")
    types = draw(range(1, 4))
    return config(**sizes, hidden_act=draw(ACTIVATION), layer_norm_eps=draw(EPS), type_vocab_size=types)


def decoder(draw: Draw, kind: str) -> Any:
    heads, layers = draw([2, 4]), draw(range(1, 4))
    width = draw([4, 8])
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "GPT2":
        inner = draw([None, 20])
        sizes = {"n_embd": heads * width, "n_layer": layers, "n_head": heads, "n_positions": 100, "n_inner": inner}
        tied = draw([False, True])
        activation = draw(["gelu_new", "gelu", "relu", "gelu_pytorch_tanh"])
        return transformers.GPT2Config(
            vocab_size=VOCAB, **sizes, **tokens, activation_function=activation, tie_word_embeddings=tied
        )
    sizes = {
        "vocab_size": VOCAB,
        "hidden_size": heads * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": draw([1, 2, heads]),
        "intermediate_size": draw([8, 20]),
        "max_position_embeddings": 100,
        "rms_norm_eps": draw(EPS),
        "tie_word_embeddings": draw([False, True]),
        **tokens,
    }
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": draw([100.0, 1e4])}
    more: dict[str, Any] = {}
    if kind == "Llama":
        more = {"attention_bias": draw([False, True]), "mlp_bias": draw([False, True])}
        scaling = draw(["default", "linear", "llama3"])
        if scaling != "default":
            rope |= {"rope_type": scaling, "factor": draw([2.0, 8.0])}
        if scaling == "llama3":
            rope |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    if kind == "Mistral":
        more = {"sliding_window": draw([None, 3, 7])}
    if kind in ("Mistral", "Qwen3", "Llama"):
        more["head_dim"] = draw([4, 8])
    if kind == "Qwen3":
        more["attention_bias"] = draw([False, True])
    return getattr(transformers, f"{kind}Config")(**sizes, **more, rope_parameters=rope)


def seq2seq(draw: Draw, kind: str) -> Any:
    heads, layers, decoder_layers = (draw([1, 2, 4]), draw(range(1, 3)), draw(range(1, 4)))
    width, inner = heads * draw([4, 8]), draw([8, 20])
    if kind == "T5":
        return transformers.T5Config(
            vocab_size=VOCAB,
            d_model=width,
            d_kv=draw([3, 4]),
            d_ff=inner,
            num_layers=layers,
            num_decoder_layers=decoder_layers,
            num_heads=heads,
            relative_attention_num_buckets=draw([8, 32]),
            relative_attention_max_distance=draw([20, 128]),
            feed_forward_proj=draw(["relu", "gated-gelu", "gated-silu"]),
            tie_word_embeddings=draw([False, True]),
            layer_norm_epsilon=draw(EPS),
            pad_token_id=0,
            eos_token_id=2,
            decoder_start_token_id=0,
        )
    sizes = {f"{side}_attention_heads": heads for side in ("encoder", "decoder")}
    sizes |= {f"{side}_ffn_dim": inner for side in ("encoder", "decoder")}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return getattr(transformers, f"{kind}Config")(
        vocab_size=VOCAB,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=decoder_layers,
        max_position_embeddings=100,
        scale_embedding=draw([False, True]),
        activation_function=draw(ACTIVATION),
        forced_eos_token_id=None,
        **sizes,
        **tokens,
        **({"decoder_vocab_size": VOCAB} if kind == "Marian" else {}),
    )


KINDS: dict[str, tuple[str, Callable[[Draw, str], Any]]] = {
    "bert": ("Bert", encoder),
    "roberta": ("Roberta", encoder),
    "distilbert": ("DistilBert", encoder),
    "modernbert": ("ModernBert", encoder),
    "gpt2": ("GPT2", decoder),
    "llama": ("Llama", decoder),
    "mistral": ("Mistral", decoder),
    "qwen2": ("Qwen2", decoder),
    "qwen3": ("Qwen3", decoder),
    "t5": ("T5", seq2seq),
    "bart": ("Bart", seq2seq),
    "mbart": ("MBart", seq2seq),
    "marian": ("Marian", seq2seq),
}
# Parts of theirs compute in float32 whatever the model's numbers are: rotary angles, T5's norms.
IN_FLOAT32 = {"modernbert", "llama", "mistral", "qwen2", "qwen3", "t5"}


@st.composite
def configs(draw: Callable[[Any], Any], family: str) -> Any:
    """A configuration of a family."""
    kind, make = KINDS[family]
    return make(lambda choices: draw(st.sampled_from(choices)), kind)


def one_config(family: str) -> Any:
    """A configuration of a family, always the same."""
    kind, make = KINDS[family]
    return make(lambda choices: choices[-1], kind)


def their_model(config: Any, class_name: str, seed: int = 0) -> Any:
    """Their model in float64, its weights drawn wider than a beginning's: attention is sharp."""
    torch.manual_seed(seed)
    config.architectures = [class_name]
    model = getattr(transformers, class_name)(config).eval().double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.double))
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(generator=generator)
    return model
