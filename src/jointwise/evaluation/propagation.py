"""Label propagation: labels spread over a graph of labelled and unlabelled clips, and nothing is trained.

Zhou et al., Learning with Local and Global Consistency, NIPS 2004, on a graph of nearest neighbours by cosine as in
Iscen et al., Label Propagation for Deep Semi-supervised Learning, CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NEIGHBOURS = 5  # of each clip in the graph; with ALPHA the best on held-out training subjects (decision 030)
ALPHA = 0.9  # share of a clip's scores that comes from its neighbours
POWER = 3  # of a similarity, which makes the weight of an edge
COMPONENTS = 100  # principal components that are kept
SHRINKAGE = 0.2  # share of the largest component's size that is added to the size of each
TOLERANCE = 1e-8  # of the solution, relative to the labels
AT_ONCE = 1024  # clips whose neighbours are looked for together

_MOST_STEPS = 10_000  # of the solver, which takes about a hundred


def decorrelate(features: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Features without their mean, in principal components of more even size.

    What all clips have in common says nothing of their classes, and a few large components hide many small ones. Each
    of the COMPONENTS largest is divided by its size plus a share of the largest size.

    Args:
        features: (n, F), from which mean and components are taken.
        others: (m, F) each, to be converted likewise.

    Returns:
        `features` (n, K) and the others (m, K), fp64, K at most COMPONENTS.
    """
    mean = features.double().mean(0)
    centred = [some.double() - mean for some in (features, *others)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the random start of svd_lowrank
        _, sizes, axes = torch.svd_lowrank(centred[0], q=min(COMPONENTS, *features.shape), niter=4)
    if not sizes[0] > 0:  # all are alike
        return tuple(centred)
    scaled = axes / (sizes + SHRINKAGE * sizes[0])
    return tuple(some @ scaled for some in centred)


def neighbour_graph(features: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """The normalised graph of nearest neighbours, S = D^−½ W D^−½.

    W_ij is max(cos, 0)³ where j is among the nearest of i or i among those of j, and 0 elsewhere.

    Args:
        features: (n, F).
        neighbours: Of each vector, itself not counted; limited to n − 1.

    Returns:
        (n, n) sparse, symmetric, fp64. A row without neighbours is zero.
    """
    features = functional.normalize(features.double(), dim=1)
    count = len(features)
    neighbours = min(neighbours, count - 1)
    rows, columns, weights = [], [], []
    for some in torch.arange(count).split(AT_ONCE):
        similarity = features[some] @ features.T
        similarity[torch.arange(len(some)), some] = -torch.inf  # no edge to itself
        values, places = similarity.topk(neighbours, dim=1)
        rows.append(some.repeat_interleave(neighbours))
        columns.append(places.flatten())
        weights.append(values.flatten().clamp(min=0) ** POWER)
    row, column, weight = torch.cat(rows), torch.cat(columns), torch.cat(weights)
    # an edge that both ends have chosen stands twice in this list and counts once
    edges, place = torch.stack([row, column]).sort(0).values.unique(dim=1, return_inverse=True)
    weight = weight.new_zeros(edges.shape[1]).scatter_reduce(0, place, weight, "amax")
    degree = weight.new_zeros(count).index_add(0, edges[0], weight).index_add(0, edges[1], weight)
    scale = degree.clamp(min=torch.finfo(degree.dtype).tiny).rsqrt() * (degree > 0)
    weight = weight * scale[edges[0]] * scale[edges[1]]
    both = torch.cat([edges, edges.flip(0)], 1)
    return torch.sparse_coo_tensor(both, weight.repeat(2), (count, count), check_invariants=True).coalesce()


def propagate(graph: Tensor, seeds: Tensor, alpha: float = ALPHA) -> Tensor:
    """Scores of all clips, F = (1 − α) (I − α S)⁻¹ Y, by conjugate gradients.

    Args:
        graph: S (n, n), symmetric, with eigenvalues in [−1, 1].
        seeds: Y (n, K): 1 for the class of a labelled clip, else 0.
        alpha: α, below 1.

    Returns:
        F (n, K) fp64, never below 0. A row is zero where no label reaches the clip.
    """
    wanted = (1 - alpha) * seeds.double()
    scores = torch.zeros_like(wanted)
    residual = wanted.clone()
    direction = residual.clone()
    energy = residual.square().sum(0)
    enough = TOLERANCE**2 * energy
    for _ in range(_MOST_STEPS):
        if bool((energy <= enough).all()):
            break
        image = direction - alpha * torch.sparse.mm(graph, direction)
        length = _ratio(energy, (direction * image).sum(0))
        scores += length * direction
        residual -= length * image
        before, energy = energy, residual.square().sum(0)
        direction = residual + _ratio(energy, before) * direction
    return scores.clamp(min=0)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """above / below, 0 where below is 0: the column of a class without labels is solved already."""
    return torch.where(below == 0, 0.0, above / below)


def spread_labels(features: Tensor, labelled: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Class scores of all clips, propagated from those with labels.

    Args:
        features: (n, F) of all clips.
        labelled: (m,) places of those with labels.
        labels: (m,) their classes.
        classes: K, the number of classes.

    Returns:
        (n, K) fp64. Rows add up to 1; a row is zero where no label reaches the clip.
    """
    seeds = torch.zeros(len(features), classes, dtype=torch.float64)
    seeds[labelled, torch.as_tensor(labels)] = 1
    return functional.normalize(propagate(neighbour_graph(features), seeds), p=1, dim=1)


def score(train: Tensor, labelled: Tensor, labels: Tensor, test: Tensor, classes: int) -> Tensor:
    """Scores test features by the propagated scores of the nearest training feature, both decorrelated.

    Args:
        train: (n, F) features of all training clips, with and without labels.
        labelled: (m,) places in `train` of those with labels.
        labels: (m,) their classes.
        test: (N, F) test features.
        classes: K, the number of classes.

    Returns:
        (N, K) scores whose rows add up to 1.
    """
    train, test = decorrelate(train, test)
    spread = spread_labels(train, labelled, labels, classes)
    reached = spread.sum(1) > 0
    gallery = functional.normalize(train[reached], dim=1)
    nearest = [(functional.normalize(some, dim=1) @ gallery.T).argmax(1) for some in test.split(AT_ONCE)]
    return spread[reached][torch.cat(nearest)].float()
