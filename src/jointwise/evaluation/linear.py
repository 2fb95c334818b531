"""Linear probe: BatchNorm without affine + Linear on cached features of a frozen encoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.config.schema import LinearConfig
from jointwise.data.randomness import seed_for
from jointwise.training.batches import BatchOrder
from jointwise.training.progress import watched


def score(train: Tensor, labels: Tensor, test: Tensor, classes: int, settings: LinearConfig, seed: int) -> Tensor:
    """Trains the probe by SGD with a cosine rate, and scores test features.

    Args:
        train: (n, F) training features.
        labels: (n,) their classes.
        test: (N, F) test features.
        classes: K, the number of classes.
        settings: Steps, batch, rate and momentum.
        seed: Decides the initial weights and the order of the batches.

    Returns:
        (N, K) logits.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "linear probe"))
        layer = nn.Linear(train.shape[1], classes)
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.zeros_(layer.bias)
    probe = nn.Sequential(nn.BatchNorm1d(train.shape[1], affine=False), layer)
    optimizer = torch.optim.SGD(probe.parameters(), lr=settings.lr, momentum=settings.momentum)
    order = BatchOrder(torch.arange(len(train)), settings.batch, seed)
    for step in watched(range(settings.steps), settings.steps, "linear probe"):
        optimizer.param_groups[0]["lr"] = settings.lr * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        batch = order[step]
        loss = functional.cross_entropy(probe(train[batch]), labels[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    probe.eval()
    with torch.no_grad():
        logits: Tensor = probe(test)
    return logits
