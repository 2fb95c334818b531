"""Losses over hidden or valid tokens, and the spread that the collapse watch looks at."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Total = Callable[[Tensor], Tensor]  # a sum over the part of a batch that is here -> over the whole batch


def all_here(part: Tensor) -> Tensor:
    """A `Total` where the whole batch is here."""
    return part


def mean_square(prediction: Tensor, target: Tensor, weights: Tensor, total: Total = all_here) -> Tensor:
    """Mean of (prediction − target)² over the places where `weights` is 1; 0 when there is none. Computed in fp32.

    Where only a part of the batch is here, what it adds to the mean over the whole batch.
    """
    error = (prediction.float() - target.float()).square() * weights
    return error.sum() / total(weights.expand_as(error).sum()).clamp(min=1)


def cross_entropy(prediction: Tensor, target: Tensor, weights: Tensor, total: Total = all_here) -> Tensor:
    """Mean over the tokens where `weights` (P, N, 1) is 1 of −Σ target · log softmax(prediction), in fp32.

    prediction: (P, N, D) logits. target: (P, N, D), a distribution over the features. 0 when no token counts. Of a part
    of a batch as in `mean_square`.
    """
    loss = -(target * prediction.float().log_softmax(-1)).sum(-1, keepdim=True) * weights
    return loss.sum() / total(weights.sum()).clamp(min=1)


def spread(features: Tensor, weights: Tensor, total: Total = all_here) -> Tensor:
    """Mean over features of their standard deviation over the tokens (P, N, 1) that count; (P, N, D), in fp32.

    Where only a part of the batch is here, a share of that of the whole batch: as large as its share of the tokens.
    """
    features, here = features.float(), weights.sum()
    count = total(here)
    mean = total((features * weights).sum((0, 1))) / count.clamp(min=1)
    variance = total(((features - mean).square() * weights).sum((0, 1))) / (count - 1).clamp(min=1)
    return variance.sqrt().mean() * (here / count.clamp(min=1))
