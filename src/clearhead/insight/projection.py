"""Vectors of many numbers as points of a plane.

pca    the two directions in which they differ most                        (Pearson, 1901)
tsne   neighbours stay neighbours, distances far away mean little          (van der Maaten and Hinton, 2008)
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.errors import MissingError

__all__ = ["Projection", "plane"]

Projection: TypeAlias = Literal["pca", "tsne"]


def plane(vectors: Float[Tensor, "points d"], how: Projection = "pca", *, seed: int = 0) -> Float[Tensor, "points two"]:
    """The vectors in a plane; those of two numbers are in one already and stay as they are.

    Raises:
        MissingError: tsne is asked for and scikit-learn is missing.
    """
    vectors = vectors.detach().float().cpu()
    if vectors.size(1) <= 2:
        return torch.nn.functional.pad(vectors, (0, 2 - vectors.size(1)))
    if how == "pca":
        centred = vectors - vectors.mean(0)
        _, _, directions = torch.linalg.svd(centred, full_matrices=False)
        turned = directions * directions.sum(1, keepdim=True).sign()  # a direction and its opposite are the same one
        return torch.nn.functional.pad(centred @ turned[:2].T, (0, 2 - min(2, len(directions))))
    try:
        from sklearn.manifold import TSNE
    except ImportError as missing:
        raise MissingError(f"t-SNE needs scikit-learn, which cannot be imported ({missing})", "eval") from None
    perplexity = min(30.0, max(1.0, (len(vectors) - 1) / 3))
    placed = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors.numpy())
    return torch.from_numpy(placed).float()
