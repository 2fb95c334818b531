"""A trained model as one graph over arrays of a fixed shape: preparation, encoder, head. `onnx_export` writes it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.model.blocks import Attention
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.model.heads import POOLINGS, pool_joints
from jointwise.model.tokens import TokenSet, to_segments, token_validity


def centre_clips(positions: Tensor, valid: Tensor, root: int | None) -> Tensor:
    """As `data.centring.centre`: moves the origin of each clip to its main person's root at its first valid frame.

    Args:
        positions: (B, M, T, V, C), finite.
        valid: (B, M, T, V) bool.
        root: Place of the root joint; None where the skeleton has none.

    Returns:
        (B, M, T, V, C), zero at invalid places.
    """
    main = valid.flatten(2).sum(2).argmax(1)[:, None, None, None]  # (B, 1, 1, 1)
    seen = valid.gather(1, main.expand(-1, 1, *valid.shape[2:]))[:, 0]  # (B, T, V)
    places = positions.gather(1, main[..., None].expand(-1, 1, *positions.shape[2:]))[:, 0]
    weights = _at_first(seen, seen.any(2))[..., None].to(positions)  # (B, V, 1)
    origin = (_at_first(places, seen.any(2)) * weights).sum(1) / weights.sum(1).clamp(min=1)
    if root is not None:
        root_seen = seen[:, :, root]
        origin = torch.where(root_seen.any(1)[:, None], _at_first(places, root_seen)[:, root], origin)
    return torch.where(valid[..., None], positions - origin[:, None, None, None], 0.0)


def _at_first(frames: Tensor, wanted: Tensor) -> Tensor:
    """The first wanted frame of each clip, or frame 0: (B, T, …) and (B, T) bool -> (B, …)."""
    first = wanted.to(torch.int64).argmax(1).view(-1, *[1] * (frames.ndim - 1))
    return frames.gather(1, first.expand(-1, 1, *frames.shape[2:]))[:, 0]


def fill_gaps(positions: Tensor, valid: Tensor) -> Tensor:
    """As `data.centring.fill_gaps`: invalid places are filled by linear interpolation in time.

    Args:
        positions: (P, T, V, C), zero at invalid places.
        valid: (P, T, V) bool.

    Returns:
        (P, T, V, C).
    """
    last = valid.shape[1] - 1
    times = torch.arange(last + 1, device=valid.device)[:, None]
    before = _last_valid(valid)  # -1 where there is none
    after = last - _last_valid(valid.flip(1)).flip(1)  # last + 1 where there is none
    known = (
        torch.where(before < 0, after, before).clamp(max=last),
        torch.where(after > last, before, after).clamp(min=0),
    )
    start, end = (positions.gather(1, place[..., None].expand_as(positions)) for place in known)
    share = (times - known[0]).to(positions) / (known[1] - known[0]).clamp(min=1)
    return start + share[..., None] * (end - start)


def _last_valid(valid: Tensor) -> Tensor:
    """The last frame up to each in which a joint is valid, -1 where there is none: (P, T, V) bool -> (P, T, V)."""
    frames = valid.shape[1]
    found = torch.where(valid, torch.arange(frames, device=valid.device)[:, None], -1)
    step = 1
    while step < frames:  # each pass looks twice as far back
        found = torch.maximum(found, functional.pad(found[:, :-step], (0, 0, step, 0), value=-1))
        step *= 2
    return found


def movement_of_clips(positions: Tensor, valid: Tensor) -> Tensor:
    """As `data.movement.movement`: how far the joints of each person move, in sizes of the body.

    Args:
        positions: (P, T, V, C), with gaps filled.
        valid: (P, T, V) bool.

    Returns:
        (P,), 0 for a person who is not seen in two frames.
    """
    frames, joints = valid.any(2), valid.any(1)  # (P, T), (P, V)
    width = torch.linalg.vector_norm(_extent(positions, joints[:, None, :, None], 2), dim=-1)  # (P, T)
    ranked = torch.where(frames, width, torch.inf).sort(1).values
    count = frames.sum(1, keepdim=True)
    middle = torch.cat([(count - 1).clamp(min=0), count.clamp(max=2 * valid.shape[1] - 1)], 1).to(positions) / 2
    size = ranked.gather(1, middle.to(torch.int64)).mean(1)  # the median
    weights = joints.to(positions)  # (P, V)
    most = weights.sum(1).clamp(min=1)
    centre = (positions * weights[:, None, :, None]).sum(2, keepdim=True) / most[:, None, None, None]
    ways = torch.linalg.vector_norm(_extent(positions - centre, frames[:, :, None, None], 1), dim=-1)  # (P, V)
    way = torch.where(joints, ways, 0.0).sum(1) / most
    moves = (count[:, 0] > 1) & (size > 0)
    return torch.where(moves, way / torch.where(moves, size, 1.0), 0.0)


def _extent(values: Tensor, counted: Tensor, axis: int) -> Tensor:
    """Largest less smallest of the values that count along an axis."""
    return torch.where(counted, values, -torch.inf).amax(axis) - torch.where(counted, values, torch.inf).amin(axis)


class ClipGraph(nn.Module):
    """What a model says of clips, with shapes that no value decides.

    Persons are not packed: an empty slot is computed and weighs nothing. Otherwise it is what `Recognizer` computes of
    pieces of T frames. Weights are copied to the CPU.

    Args:
        encoder: From tokens to features.
        classifier: The classifier, whose encoder it is; None for a model that is pre-trained only.
        segment: Frames per segment, s.
        root: Place of the root joint; None where the skeleton has none.
        temperature: Logits are divided by it before they become probabilities.
        pooling: How the features of tokens are combined, a key of POOLINGS.
    """

    def __init__(
        self,
        encoder: Encoder,
        classifier: Classifier | None,
        segment: int,
        root: int | None,
        temperature: float = 1.0,
        pooling: str = "mean",
    ) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).cpu()
        for part in self.encoder.modules():
            if isinstance(part, Attention):
                part.written_out = True
        self.head = None if classifier is None else copy.deepcopy(classifier.head).cpu()
        self.segment = segment
        self.root = root
        self.temperature = temperature
        self.pool = POOLINGS[pooling]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `forward` returns."""
        return ("features", "movement") if self.head is None else ("features", "movement", "logits", "probabilities")

    def forward(self, positions: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Features, movement, and those of a classifier: logits, probabilities.

        Args:
            positions: (B, M, T, V, C) as recorded, in the axes and the unit of the training data. What is not valid
                may have any value, NaN too.
            valid: (B, M, T, V) bool.

        Returns:
            (B, F) mean features of the persons; (B,) movement of the person who moves most, in sizes of the body;
            (B, K) logits; (B, K) probabilities.
        """
        clips = valid.shape[:2]
        centred = centre_clips(torch.where(valid[..., None], positions, 0.0), valid, self.root)
        valid = valid.flatten(0, 1)
        filled = fill_gaps(centred.flatten(0, 1), valid)
        tokens = token_validity(valid, self.segment)  # (P, S, V)
        joints = tokens.shape[2]
        index = torch.arange(tokens.shape[1] * joints, device=valid.device).expand(tokens.shape[0], -1)
        everything = TokenSet(index, tokens.flatten(1), joints, (tokens.shape[1], joints))
        features = self.encoder(to_segments(filled, self.segment), everything).unflatten(1, tokens.shape[1:])
        present = valid.flatten(1).any(1).unflatten(0, clips)[..., None].to(features)  # (B, M, 1)

        def mean_of_persons(vectors: Tensor) -> Tensor:
            return (vectors.unflatten(0, clips) * present).sum(1) / present.sum(1).clamp(min=1)

        moved = movement_of_clips(filled, valid).unflatten(0, clips).amax(1)
        described = mean_of_persons(self.pool(features, tokens)), moved
        if self.head is None:
            return described
        logits = self.head.mlp(mean_of_persons(pool_joints(features, tokens)))
        return *described, logits, (logits / self.temperature).softmax(-1)
