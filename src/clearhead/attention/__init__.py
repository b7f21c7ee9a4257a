"""The mathematics of attention, a library of its own: acts, scores, masks, biases, positions, heads, caches."""

from clearhead.attention.act import STEPS, Attention
from clearhead.attention.biases import Added, ALiBi, Bias, OfPass, Relative
from clearhead.attention.cache import Cache, MemoryCache
from clearhead.attention.masks import And, Causal, Documents, Grid, Mask, Matrix, Or, Padding, Prefix, Tree, Window
from clearhead.attention.multihead import FirstValues, MultiHead
from clearhead.attention.positions import Learned, Rotary, Rotation, Sinusoidal, sinusoids
from clearhead.attention.scores import Additive, Bilinear, Cosine, Dot, ScaledDot, Score, make_score

__all__ = [
    "STEPS",
    "ALiBi",
    "Added",
    "Additive",
    "And",
    "Attention",
    "Bias",
    "Bilinear",
    "Cache",
    "Causal",
    "Cosine",
    "Documents",
    "Dot",
    "FirstValues",
    "Grid",
    "Learned",
    "Mask",
    "Matrix",
    "MemoryCache",
    "MultiHead",
    "OfPass",
    "Or",
    "Padding",
    "Prefix",
    "Relative",
    "Rotary",
    "Rotation",
    "ScaledDot",
    "Score",
    "Sinusoidal",
    "Tree",
    "Window",
    "make_score",
    "sinusoids",
]
