"""Decoder-only transformers to measure against, in sizes of GPTs; a random one to write with.

plain           the simplest good PyTorch code: the trivial baseline
transformers    transformers' GPT-2
x-transformers  its decoder, with its fused attention
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The sizes of a GPT: `context` tokens of `vocab` kinds."""

    layers: int
    d_model: int
    heads: int
    context: int
    vocab: int

    @property
    def weights(self) -> int:
        """Numbers of the matrices each token meets."""
        return self.layers * 12 * self.d_model**2 + self.vocab * self.d_model

    def transformers(self, **choices: Any) -> Any:
        """transformers' GPT-2 of this shape, in evaluation mode."""
        from transformers import GPT2Config, GPT2LMHeadModel

        sizes = {"n_layer": self.layers, "n_embd": self.d_model, "n_head": self.heads, "n_positions": self.context}
        return GPT2LMHeadModel(GPT2Config(vocab_size=self.vocab, **sizes, **choices)).eval()


SMALL = Shape(6, 384, 6, 256, 8000)
GPT2 = Shape(12, 768, 12, 1024, 50_257)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of a batch."""
    return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


class PlainBlock(nn.Module):
    """Pre-norm, PyTorch's fused attention, GELU (by the error function: on CPUs the faster of its two forms)."""

    def __init__(self, shape: Shape, biases: bool):
        super().__init__()
        d = shape.d_model
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.LayerNorm(d, bias=biases), nn.LayerNorm(d, bias=biases)
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=biases), nn.Linear(d, d, bias=biases)
        self.up, self.down = nn.Linear(d, 4 * d, bias=biases), nn.Linear(4 * d, d, bias=biases)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.qkv(self.norm1(x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class PlainGPT(nn.Module):
    """Learned positions, tied embeddings, weights of 0.02."""

    def __init__(self, shape: Shape, *, biases: bool = True):
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab, shape.d_model)
        self.positions = nn.Embedding(shape.context, shape.d_model)
        self.blocks = nn.ModuleList(PlainBlock(shape, biases) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.d_model, bias=biases)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                scale = (2 * shape.layers) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch."""
        x = self.embedding(ids) + self.positions.weight[: ids.size(1)]
        for block in self.blocks:
            x = block(x)
        return cross_entropy(F.linear(self.norm(x), self.embedding.weight), labels)


class TransformersGPT(nn.Module):
    """transformers' GPT-2."""

    def __init__(self, shape: Shape):
        super().__init__()
        none = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        ids = {"bos_token_id": 2, "eos_token_id": 2}
        self.model = shape.transformers(activation_function="gelu", use_cache=False, **none, **ids).train()

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self.model(ids).logits, labels)


class XTransformersGPT(nn.Module):
    """x-transformers' decoder, with its fused attention."""

    def __init__(self, shape: Shape):
        super().__init__()
        from x_transformers import Decoder, TransformerWrapper

        layers = Decoder(
            dim=shape.d_model, depth=shape.layers, heads=shape.heads, attn_dim_head=shape.d_model // shape.heads,
            attn_flash=True, ff_no_bias=False,
        )  # fmt: skip
        sizes = {"num_tokens": shape.vocab, "max_seq_len": shape.context}
        self.model = TransformerWrapper(attn_layers=layers, tie_embedding=True, **sizes)

    def forward(self, ids: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self.model(ids), labels)


PEERS: dict[str, Callable[[Shape], nn.Module]] = {
    "plain": PlainGPT,
    "transformers": TransformersGPT,
    "x-transformers": XTransformersGPT,
}


def random_gpt2(shape: Shape) -> Any:
    """A random GPT-2 whose weights are far enough apart that rounding decides nothing."""
    model = shape.transformers(tie_word_embeddings=False, bos_token_id=0, eos_token_id=0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and ".h." in name:
                nn.init.normal_(weight, std=0.5 * weight.size(0) ** -0.5)
        nn.init.normal_(model.transformer.wte.weight, std=1.0)
        nn.init.normal_(model.lm_head.weight, std=0.2)
    return model


def save_ctranslate2(model: Any, quantization: str, folder: Path) -> None:
    """The same model as CTranslate2's, by its own converter's tables, without the tokenizer that it asks for."""
    from ctranslate2.converters.transformers import GPT2Loader

    spec = GPT2Loader().get_model_spec(model)
    spec.register_vocabulary([f"t{i}" for i in range(model.config.vocab_size)])
    spec.config.unk_token = spec.config.bos_token = spec.config.eos_token = "t0"
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))
