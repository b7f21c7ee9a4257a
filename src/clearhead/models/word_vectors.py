"""Word vectors: a small network that predicts a word from one word or from a window of words.

    hidden = mean of the input vectors of the words read;   logits = output vectors . hidden

    next        a word predicts the one after it                                             (Bengio et al., 2003)
    skip-gram   a word predicts each word of its window                                   (Mikolov et al., 2013)
    cbow        the words of a window together predict the one in its middle                  (Mikolov et al., 2013)

What it has learned are its weights: the input vectors are the word vectors. Word ids in, logits out; never text.
Axes: batch, window, d_model, vocab.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.look import see
from clearhead.models.architecture import WordVectorsConfig

__all__ = ["WordVectors"]


class WordVectors(nn.Module):
    """Two vectors for each word: one where it is read (`reads`), one where it is predicted (`writes`).

    Args:
        config: sizes and choices.
        vocab_size: how many words.
    """

    sees = {"hidden": "batch d_model", "logits": "batch vocab"}

    def __init__(self, config: WordVectorsConfig, vocab_size: int):
        super().__init__()
        self.config = config
        self.reads = nn.Embedding(vocab_size, config.d_model)
        self.writes = nn.Linear(config.d_model, vocab_size, bias=False)
        nn.init.uniform_(self.reads.weight, -0.5 / config.d_model, 0.5 / config.d_model)
        nn.init.zeros_(self.writes.weight)

    def forward(self, words: Int[Tensor, "batch window"]) -> Float[Tensor, "batch vocab"]:
        """Scores of the word that is predicted from one word or a window of words."""
        return see("logits", self.writes(see("hidden", self.reads(words).mean(1))))
