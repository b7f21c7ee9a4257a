"""Models that everybody speaks of, as architectures: sizes as their papers and published configurations give them.

Nothing of them is stored here but sizes and choices: `clearhead info --preset gpt3` counts without making a number.
"""

from __future__ import annotations

from collections.abc import Mapping

from clearhead.errors import ConfigError, nearest
from clearhead.models.architecture import DecoderConfig, EncoderConfig, EncoderDecoderConfig, TransformerConfig

__all__ = ["KNOWN", "find_known"]

_BERT = {"wiring": "post", "positions": "learned", "embedded_norm": True, "activation": "gelu", "types": 2}
_BERT |= {"readout": {"kind": "pooled", "activation": "tanh", "norm": False}}
_T5 = {"preset": "t5", "head_dim": 64, "tied": "all", "max_len": 512}
_LLAMA = {"preset": "llama"}


def _sizes(d_model: int, d_ff: int, heads: int, layers: int, max_len: int, **more: object) -> dict[str, object]:
    return {"d_model": d_model, "d_ff": d_ff, "heads": heads, "layers": layers, "max_len": max_len, **more}


# name -> (kind, entries of the vocabulary, architecture)
KNOWN: Mapping[str, tuple[type[TransformerConfig], int, dict[str, object]]] = {
    # Vaswani et al. (2017)
    "transformer-base": (EncoderDecoderConfig, 37_000, _sizes(512, 2048, 8, 6, 512, norm_order="post")),
    "transformer-big": (EncoderDecoderConfig, 37_000, _sizes(1024, 4096, 16, 6, 512, norm_order="post")),
    # Devlin et al. (2019); Liu et al. (2019); Sanh et al. (2019); Wang et al. (2020)
    "bert-base": (EncoderConfig, 30_522, _sizes(768, 3072, 12, 12, 512, **_BERT)),
    "bert-large": (EncoderConfig, 30_522, _sizes(1024, 4096, 16, 24, 512, **_BERT)),
    "roberta-base": (EncoderConfig, 50_265, _sizes(768, 3072, 12, 12, 512, **{**_BERT, "types": 1})),
    "distilbert-base": (
        EncoderConfig,
        30_522,
        _sizes(768, 3072, 12, 6, 512, **{**_BERT, "types": 0, "readout": "none"}),
    ),
    "minilm-l6": (EncoderConfig, 30_522, _sizes(384, 1536, 12, 6, 512, **_BERT)),
    # Radford et al. (2019); Brown et al. (2020)
    "gpt2": (DecoderConfig, 50_257, _sizes(768, 3072, 12, 12, 1024, preset="gpt2")),
    "gpt2-medium": (DecoderConfig, 50_257, _sizes(1024, 4096, 16, 24, 1024, preset="gpt2")),
    "gpt2-large": (DecoderConfig, 50_257, _sizes(1280, 5120, 20, 36, 1024, preset="gpt2")),
    "gpt2-xl": (DecoderConfig, 50_257, _sizes(1600, 6400, 25, 48, 1024, preset="gpt2")),
    "gpt3": (DecoderConfig, 50_257, _sizes(12288, 49152, 96, 96, 2048, preset="gpt2")),
    # Touvron et al. (2023); Grattafiori et al. (2024); Jiang et al. (2023)
    "llama-7b": (DecoderConfig, 32_000, _sizes(4096, 11008, 32, 32, 2048, **_LLAMA)),
    "llama-8b": (DecoderConfig, 128_256, _sizes(4096, 14336, 32, 32, 131_072, kv_heads=8, **_LLAMA)),
    "llama-70b": (DecoderConfig, 128_256, _sizes(8192, 28672, 64, 80, 131_072, kv_heads=8, **_LLAMA)),
    "llama-405b": (DecoderConfig, 128_256, _sizes(16384, 53248, 128, 126, 131_072, kv_heads=8, **_LLAMA)),
    "mistral-7b": (DecoderConfig, 32_000, _sizes(4096, 14336, 32, 32, 32_768, kv_heads=8, window=4096, **_LLAMA)),
    # Raffel et al. (2020); Lewis et al. (2020)
    "t5-small": (EncoderDecoderConfig, 32_128, {**_sizes(512, 2048, 8, 6, 512), **_T5}),
    "t5-base": (EncoderDecoderConfig, 32_128, {**_sizes(768, 3072, 12, 12, 512), **_T5}),
    "t5-large": (EncoderDecoderConfig, 32_128, {**_sizes(1024, 4096, 16, 24, 512), **_T5}),
    "bart-large": (EncoderDecoderConfig, 50_265, _sizes(1024, 4096, 16, 12, 1024, preset="bart")),
}


def find_known(name: str) -> tuple[TransformerConfig, int]:
    """(architecture, entries of the vocabulary) of a known model.

    Raises:
        ConfigError: none is called so.
    """
    if name not in KNOWN:
        fix = nearest(name, KNOWN) or f"known are {', '.join(KNOWN)}"
        raise ConfigError(f"no known model is called {name!r}", fix)
    kind, vocab_size, arch = KNOWN[name]
    return kind.model_validate(arch), vocab_size
