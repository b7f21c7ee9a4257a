"""The mathematics of attention, a library of its own: acts, scores, masks, biases, positions, heads, caches."""

from clearhead.attention.act import STEPS, Attention
from clearhead.attention.biases import Added, ALiBi, Bias, Relative
from clearhead.attention.cache import Cache, MemoryCache
from clearhead.attention.masks import And, Anywhere, Causal, Documents, Mask, Matrix, Or, Padding, Prefix, Window
from clearhead.attention.multihead import FirstValues, MultiHead
from clearhead.attention.positions import Learned, Rotary, Rotation, Sinusoidal, sinusoids
from clearhead.attention.scores import Additive, Bilinear, Cosine, Dot, ScaledDot, Score, make_score
from clearhead.attention.where import NOBODY, Where

__all__ = [
    "NOBODY",
    "STEPS",
    "ALiBi",
    "Added",
    "Additive",
    "And",
    "Anywhere",
    "Attention",
    "Bias",
    "Bilinear",
    "Cache",
    "Causal",
    "Cosine",
    "Documents",
    "Dot",
    "FirstValues",
    "Learned",
    "Mask",
    "Matrix",
    "MemoryCache",
    "MultiHead",
    "Or",
    "Padding",
    "Prefix",
    "Relative",
    "Rotary",
    "Rotation",
    "ScaledDot",
    "Score",
    "Sinusoidal",
    "Where",
    "Window",
    "make_score",
    "sinusoids",
]
