"""Losses over hidden or valid tokens, and the spread that the collapse watch looks at."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

BatchSum = Callable[[Tensor], Tensor]  # a sum over a process's share of a batch -> the sum over the whole batch


def whole_batch(share: Tensor) -> Tensor:
    """A `BatchSum` for one process: its share is the whole batch."""
    return share


def mean_square(prediction: Tensor, target: Tensor, weights: Tensor, batch_sum: BatchSum = whole_batch) -> Tensor:
    """Mean of (prediction − target)² over the places where `weights` is 1, in fp32.

    Args:
        prediction: Any shape.
        target: Same shape.
        weights: 0 or 1, broadcastable to that shape.
        batch_sum: Adds up the shares of a batch.

    Returns:
        The mean; 0 where no place counts. For a share of a batch, what it adds to the mean over the whole batch.
    """
    error = (prediction.float() - target.float()).square() * weights
    return error.sum() / batch_sum(weights.expand_as(error).sum()).clamp(min=1)


def cross_entropy(prediction: Tensor, target: Tensor, weights: Tensor, batch_sum: BatchSum = whole_batch) -> Tensor:
    """Mean over tokens of −Σ target · log softmax(prediction), in fp32.

    Args:
        prediction: (P, N, D) logits.
        target: (P, N, D), a distribution over the features of each token.
        weights: (P, N, 1), 1 where a token counts, else 0.
        batch_sum: Adds up the shares of a batch.

    Returns:
        The mean; 0 where no token counts. For a share of a batch, what it adds to the mean over the whole batch.
    """
    loss = -(target * prediction.float().log_softmax(-1)).sum(-1, keepdim=True) * weights
    return loss.sum() / batch_sum(weights.sum()).clamp(min=1)


def spread(features: Tensor, weights: Tensor, batch_sum: BatchSum = whole_batch) -> Tensor:
    """Mean over features of their standard deviation over tokens, in fp32.

    Args:
        features: (P, N, D).
        weights: (P, N, 1), 1 where a token counts, else 0.
        batch_sum: Adds up the shares of a batch.

    Returns:
        The mean. For a share of a batch, its part of that of the whole batch, as large as its part of the tokens.
    """
    features = features.float()
    own_count = weights.sum()
    count = batch_sum(own_count)
    mean = batch_sum((features * weights).sum((0, 1))) / count.clamp(min=1)
    variance = batch_sum(((features - mean).square() * weights).sum((0, 1))) / (count - 1).clamp(min=1)
    return variance.sqrt().mean() * (own_count / count.clamp(min=1))
