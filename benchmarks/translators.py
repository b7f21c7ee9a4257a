"""The other libraries' translators in the sizes that are measured, and clearhead's model with the same weights.

torch.nn    nn.Transformer, pre-norm like clearhead's default, tied embeddings, sinusoidal positions, linear head
marian      transformers' MarianMTModel, post-norm
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.attention import sinusoids
from clearhead.data.batches import PairBatch, PairSet
from clearhead.data.config import DataConfig
from clearhead.data.pairs import read_pairs
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.data.vocabulary import IGNORED, Specials
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

PAD = 0
SMOOTHING, DROPOUT = 0.1, 0.1
EOS, UNK = 0, 1  # of the model that decodes, as Marian numbers them
_SPECIALS = Specials(pad=PAD, bos=1, eos=2, unk=3)
_LIMITS: Any = {"max_len": 256, "specials": (_SPECIALS, _SPECIALS)}


@dataclass(frozen=True)
class Size:
    """The shape of a translator; `layers` blocks on each side."""

    layers: int
    d_model: int
    d_ff: int
    heads: int
    vocab: int

    def __str__(self) -> str:
        sizes = f"{self.layers}+{self.layers} layers, d {self.d_model}, ff {self.d_ff}"
        return f"{sizes}, vocabulary {self.vocab}"

    def arch(self, **choices: Any) -> EncoderDecoderConfig:
        """clearhead's configuration of this size."""
        sizes = {"layers": self.layers, "d_model": self.d_model, "d_ff": self.d_ff, "heads": self.heads}
        return EncoderDecoderConfig.model_validate({**sizes, **choices})

    def marian(self, **choices: Any) -> Any:
        """transformers' MarianConfig of this size: ReLU, scaled embeddings, nothing forced at the end."""
        from transformers import MarianConfig

        sides = {
            f"{side}_{name}": value
            for side in ("encoder", "decoder")
            for name, value in (("layers", self.layers), ("ffn_dim", self.d_ff), ("attention_heads", self.heads))
        }
        given = {"vocab_size": self.vocab, "d_model": self.d_model, "max_position_embeddings": 256, **sides, **choices}
        return MarianConfig(activation_function="relu", scale_embedding=True, forced_eos_token_id=None, **given)

    @property
    def src_weights(self) -> int:
        """Numbers of the matrices each source token meets: encoder, and the decoder's keys and values of the memory."""
        d = self.d_model
        return self.layers * (4 * d * d + 2 * d * self.d_ff + 2 * d * d)

    @property
    def tgt_weights(self) -> int:
        """Numbers of the matrices each target token meets: decoder and output matrix."""
        d = self.d_model
        return self.layers * (6 * d * d + 2 * d * self.d_ff) + self.vocab * d

    def attention(self, src: Any, tgt: Any) -> Any:
        """Products and sums of a sentence's attention (or of an array of them), forward; causal ones by half."""
        return 4 * self.layers * self.d_model * (src * src + tgt * (tgt + 1) // 2 + src * tgt)


SIZES = {"small": Size(3, 256, 1024, 8, 8000), "large": Size(6, 512, 2048, 8, 16000)}


# Pairs


def random_pairs(count: int, vocab: int) -> PairSet:
    """Random tokens, in lengths like Multi30k's: the source's logarithm is normal, the target's follows it."""
    random = np.random.default_rng(0)
    src = random.normal(2.63, 0.35, count)
    lengths = [np.exp(x).round().astype(int).clip(3, 60) for x in (src, src + random.normal(-0.02, 0.18, count))]
    return PairSet(*([random.integers(4, vocab, n).tolist() for n in side] for side in lengths), **_LIMITS)


def file_pairs(file: str, vocab: int) -> PairSet:
    """The pairs of a file, in the byte pairs they give."""
    pairs, _ = read_pairs([file], DataConfig())
    texts = [p.source for p in pairs], [p.target for p in pairs]
    tokenizer = train_tokenizer([t for side in texts for t in side], TokenizerConfig(vocab_size=vocab))
    return PairSet(*(tokenizer.encode(side) for side in texts), **_LIMITS)


# Peers in training: both give the mean loss of a batch


class TorchPeer(nn.Module):
    """A translator of PyTorch's own parts; nothing is dropped of attention weights, as with the others."""

    def __init__(self, size: Size):
        super().__init__()
        d, n = size.d_model, size.layers
        self.scale = math.sqrt(d)
        self.embedding = nn.Embedding(size.vocab, d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.register_buffer("positions", sinusoids(256, d), persistent=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.transformer = nn.Transformer(d, size.heads, n, n, size.d_ff, DROPOUT, batch_first=True, norm_first=True)
        for part in self.transformer.modules():
            if isinstance(part, nn.MultiheadAttention):
                part.dropout = 0.0
        self.head = nn.Linear(d, size.vocab, bias=False)
        self.head.weight = self.embedding.weight

    def stacks(self) -> list[nn.ModuleList]:
        """The layers, to be compiled one by one."""
        return [self.transformer.encoder.layers, self.transformer.decoder.layers]

    def embedded(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) * self.scale
        return self.dropout(x + self.positions[: ids.size(1)].to(x.dtype))

    def decoded(self, src: Tensor, real: Tensor | None, tgt: Tensor) -> Tensor:
        padding = None if real is None else ~real
        causal = torch.ones(tgt.size(1), tgt.size(1), dtype=torch.bool).triu(1)
        masks = {"tgt_mask": causal, "src_key_padding_mask": padding, "memory_key_padding_mask": padding}
        return self.transformer(self.embedded(src), self.embedded(tgt), tgt_is_causal=True, **masks)

    def logits(self, x: Tensor) -> Tensor:
        return self.head(x)


class MarianPeer(nn.Module):
    """transformers' translator."""

    def __init__(self, size: Size):
        super().__init__()
        from transformers import MarianMTModel

        ids = {"pad_token_id": PAD, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
        config = size.marian(dropout=DROPOUT, activation_dropout=DROPOUT, attention_dropout=0.0, **ids)
        self.model = MarianMTModel(config)
        nn.init.normal_(self.model.model.shared.weight, std=size.d_model**-0.5)

    def stacks(self) -> list[nn.ModuleList]:
        """The layers, to be compiled one by one."""
        return [self.model.model.encoder.layers, self.model.model.decoder.layers]

    def decoded(self, src: Tensor, real: Tensor | None, tgt: Tensor) -> Tensor:
        return self.model.model(src, attention_mask=real, decoder_input_ids=tgt, use_cache=False).last_hidden_state

    def logits(self, x: Tensor) -> Tensor:
        return self.model.lm_head(x) + self.model.final_logits_bias.to(x.dtype)


Peer = TorchPeer | MarianPeer
PEERS: dict[str, type[TorchPeer] | type[MarianPeer]] = {"torch.nn": TorchPeer, "marian": MarianPeer}


def tensors(batch: PairBatch) -> tuple[Tensor, Tensor | None, Tensor]:
    """(source, which of it is real or None for all, target) as peers want them."""
    lengths = batch.lengths
    return batch.src, None if lengths is None else torch.arange(batch.src.size(1)) < lengths[:, None], batch.tgt


def peer_loss(peer: Peer, batch: PairBatch, only_real: bool) -> Tensor:
    """The mean smoothed cross-entropy of a batch, from logits of all positions or of the real ones."""
    x = peer.decoded(*tensors(batch)).flatten(0, 1)
    labels = batch.labels.flatten()
    if only_real:
        rows = (labels != IGNORED).nonzero()[:, 0]
        x, labels = x[rows], labels[rows]
    return F.cross_entropy(peer.logits(x), labels, ignore_index=IGNORED, label_smoothing=SMOOTHING)


# The same weights as clearhead's


def twin(peer: Any, size: Size, **choices: Any) -> EncoderDecoder:
    """clearhead's model with the weights of a TorchPeer, a MarianPeer or a MarianMTModel, in evaluation mode."""
    if isinstance(peer, TorchPeer):
        names, order = _torch_names(peer, size), "pre"
    else:
        names, order = _marian_names(peer.model if isinstance(peer, MarianPeer) else peer, size), "post"
    module = EncoderDecoder(size.arch(norm_order=order, **choices), size.vocab, size.vocab).eval()
    own = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers())}
    left = {name for name, _ in module.named_parameters()} - set(names)
    assert not left, f"without a counterpart: {sorted(left)}"
    with torch.no_grad():
        for name, value in names.items():
            own[name].copy_(value)
    return module


def _torch_names(peer: TorchPeer, size: Size) -> dict[str, Tensor]:
    """clearhead's names -> the tensors of torch.nn."""
    given = peer.transformer.state_dict()
    found = {f"{part}.weight": peer.embedding.weight for part in ("src_embedding", "tgt_embedding", "head")}
    norms = {
        "encoder": ["self_attention", "feed_forward"],
        "decoder": ["self_attention", "cross_attention", "feed_forward"],
    }
    for side, parts in norms.items():
        for kind in ("weight", "bias"):
            found[f"{side}.norm.{kind}"] = given[f"{side}.norm.{kind}"]
            for i in range(size.layers):
                ours, theirs = f"{side}.blocks.{i}", f"{side}.layers.{i}"
                for number, part in enumerate(parts, 1):
                    found[f"{ours}.{part}_norm.{kind}"] = given[f"{theirs}.norm{number}.{kind}"]
                for part, name in (("self_attention", "self_attn"), ("cross_attention", "multihead_attn")):
                    if part in parts:
                        qkv = given[f"{theirs}.{name}.in_proj_{kind}"].chunk(3)
                        found |= {f"{ours}.{part}.{p}_proj.{kind}": x for p, x in zip("qkv", qkv, strict=True)}
                        found[f"{ours}.{part}.o_proj.{kind}"] = given[f"{theirs}.{name}.out_proj.{kind}"]
                for part, name in (("up", "linear1"), ("down", "linear2")):
                    found[f"{ours}.feed_forward.{part}.{kind}"] = given[f"{theirs}.{name}.{kind}"]
    return found


def _marian_names(model: Any, size: Size) -> dict[str, Tensor]:
    """clearhead's names -> the tensors of a MarianMTModel; positions too: its waves stand in other order."""
    given = model.state_dict()
    found = {f"{part}.weight": given["model.shared.weight"] for part in ("src_embedding", "tgt_embedding")}
    found["head.weight"] = given["lm_head.weight"]
    for side in ("encoder", "decoder"):
        found[f"{side}.positions.table"] = given[f"model.{side}.embed_positions.weight"]
        moved = {"feed_forward.up": "fc1", "feed_forward.down": "fc2", "feed_forward_norm": "final_layer_norm"}
        parts = {"self_attention": "self_attn"} | ({"cross_attention": "encoder_attn"} if side == "decoder" else {})
        for part, name in parts.items():
            moved[f"{part}_norm"] = f"{name}_layer_norm"
            moved |= {f"{part}.{p}_proj": f"{name}.{'out' if p == 'o' else p}_proj" for p in "qkvo"}
        for i in range(size.layers):
            for ours, theirs in moved.items():
                for kind in ("weight", "bias"):
                    found[f"{side}.blocks.{i}.{ours}.{kind}"] = given[f"model.{side}.layers.{i}.{theirs}.{kind}"]
    return found


# A random translator to decode with, and its form in CTranslate2


def random_marian(size: Size) -> Any:
    """A random translator that repeats little and follows its source; its last token pads and begins, with a zero row.

    Parts smaller than the residual stream let token and position be told apart, and sharp cross-attention the sources.
    """
    from transformers import MarianMTModel

    ids = {"pad_token_id": size.vocab - 1, "decoder_start_token_id": size.vocab - 1, "eos_token_id": EOS}
    model = MarianMTModel(size.marian(tie_word_embeddings=False, **ids)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "positions" not in name:
                own = name.endswith(("out_proj.weight", "fc2.weight")) and "encoder_attn" not in name
                sharp = name.endswith("encoder_attn.q_proj.weight")
                nn.init.normal_(weight, std=weight.size(1) ** -0.5 * (0.25 if own else 8.0 if sharp else 1.0))
        shared = model.model.shared.weight
        shared[-1] = 0.0
        model.lm_head.weight.mul_(3.0)  # far apart: what ties to the last bit would be decided by rounding
        for side in (model.model.encoder, model.model.decoder):
            side.embed_tokens.weight = shared
    return model


def save_ctranslate2(marian: Any, size: Size, quantization: str, folder: Path) -> None:
    """The same model as CTranslate2's, by its own converter's tables, without the tokenizer that it asks for."""
    from ctranslate2.converters.transformers import MarianMTLoader

    spec = MarianMTLoader().get_model_spec(copy.deepcopy(marian))
    tokens = ["</s>", "<unk>", *(f"t{i}" for i in range(2, size.vocab - 1))]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.eos_token = spec.config.decoder_start_token = "</s>"
    spec.config.unk_token = "<unk>"
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))
