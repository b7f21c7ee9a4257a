"""The encoder alone: each token reads all others, and something is read off their vectors (Devlin et al., 2019).

    states = encode(tokens);   logits = readout(states)

Token ids in, vectors or scores out; never text. Axes: batch, tokens, d_model, entries (of a vocabulary, or classes).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention import Learned, Where
from clearhead.formula import Formula, Place, Value, linear, lookup
from clearhead.look import see
from clearhead.models.architecture import EncoderConfig
from clearhead.models.layers import LOGITS
from clearhead.models.stack import Stack

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Embeddings, a stack whose tokens see one another, and what is read off.

    Args:
        config: sizes and choices.
        vocab_size: size of the vocabulary.
    """

    def __init__(self, config: EncoderConfig, vocab_size: int):
        super().__init__()
        self.config, kind = config, config.readout.kind
        words = {
            "word_embeddings": "token embeddings",
            "type_embeddings": "the vector of the kind of text it stands in",
        }
        self.sees = {name: ("batch tokens d_model", title) for name, title in words.items() if config.types}
        if kind == "tokens":
            self.sees["logits"] = ("batch tokens vocab", LOGITS)
        elif kind == "classes":
            self.sees["logits"] = ("batch texts classes", "logits: a score for every class")
        self.embedding = nn.Embedding(vocab_size, config.d_model)
        self.type_embedding = nn.Embedding(config.types, config.d_model) if config.types else None
        windows = [config.window_of(i) for i in range(config.layers)]
        self.encoder = Stack(config, config.layers, cross=False, windows=windows)
        self.readout = config.readout.build(config.d_model, config.norm, vocab_size)
        _initialise(self)
        if self.readout is not None and self.readout.head is not None and kind == "tokens" and config.tied:
            self.readout.head.weight = self.embedding.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    def encode(
        self,
        token_ids: Int[Tensor, "batch tokens"],
        lengths: Int[Tensor, " batch"] | None = None,
        types: Int[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens d_model"]:
        """The vector of each token.

        Args:
            lengths: how many tokens of each row are real; padding stands at the end (None: all are).
            types: which kind of text each token stands in (None: the first).
        """
        x = self.embedding(token_ids)
        if self.type_embedding is not None:
            kinds = torch.zeros_like(token_ids) if types is None else types
            x = see("word_embeddings", x) + see("type_embeddings", self.type_embedding(kinds))
        where = None if lengths is None else Where.texts(lengths, token_ids.size(1))
        out: Tensor = self.encoder(x, mask=None, where=where)
        return out

    def read_off(
        self, states: Float[Tensor, "batch tokens d_model"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch ..."]:
        """What the readout makes of the vectors: scores, a vector of each text, or the vectors themselves."""
        if self.readout is None:
            return states
        found: Tensor = self.readout(states, lengths)
        found = found if self.readout.head is None else see("logits", found)
        return found[:, 0] if self.readout.pooling else found

    def forward(
        self,
        token_ids: Int[Tensor, "batch tokens"],
        lengths: Int[Tensor, " batch"] | None = None,
        types: Int[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """What is read off the tokens' vectors; see `encode` and `read_off`."""
        return self.read_off(self.encode(token_ids, lengths, types), lengths)

    def formulas(self, place: Place, token_ids: Value) -> Value:
        """How what it shows comes about."""
        x = lookup("embedding.weight", token_ids)
        if self.type_embedding is not None:
            before = replace(place, stack="encoder")
            words = before.see("word_embeddings", x.formula, text=x.text)
            kinds = before.see("type_embeddings", None, text=x.text)
            x = Value(text=x.text, formula=Formula("sum", "token + kind of text", [words.path, kinds.path]))
        out = place.under("encoder", stack="encoder").state(self.encoder, x)
        if self.readout is None:
            return out
        read = place.under("readout").state(self.readout, out)
        if self.readout.head is None:
            return read
        columns = "vocabulary" if self.config.readout.kind == "tokens" else ""
        text = "out · W, a row of W for every answer"
        logits = linear(place, "readout.head", self.readout.head, [read], text)
        return place.see("logits", logits, text=read.text, columns=columns)


def _initialise(model: Encoder) -> None:
    """Normal weights of 0.02, zero biases (Devlin et al., 2019)."""
    for module in model.modules():
        if isinstance(module, nn.Embedding | Learned | nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
