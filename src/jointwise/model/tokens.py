"""From clips to tokens: segments of a joint, their validity, their embedding, and sets of visible tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointwise.model.blocks import embedding


def to_segments(frames: Tensor, length: int) -> Tensor:
    """Gather the numbers of each token: one joint in one segment.

    Args:
        frames: (P, T, V, C), T a multiple of `length`.
        length: Frames per segment, s.

    Returns:
        (P, S, V, s · C), S = T / s.
    """
    return frames.unflatten(1, (-1, length)).transpose(2, 3).flatten(3)


def from_segments(segments: Tensor, length: int) -> Tensor:
    """The inverse of `to_segments`: (P, S, V, s · C) -> (P, T, V, C), with s = `length`."""
    return segments.unflatten(3, (length, -1)).transpose(2, 3).flatten(1, 2)


def relative_to_centre(places: Tensor, centre: Sequence[int]) -> Tensor:
    """Coordinates relative to the centre of the body in the same frame.

    The joints that make the centre keep theirs, and with them the path of the body through the room. Invalid joints
    have filled coordinates, so that the centre always has some.

    Args:
        places: (P, T, V, C) coordinates, or (P, S, V, s · C) those of tokens.
        centre: Places of the joints whose mean is the centre; without any, all coordinates stay.

    Returns:
        The same shape.
    """
    return _with_centre(places, centre, -1)


def from_centre(relative: Tensor, centre: Sequence[int]) -> Tensor:
    """The inverse of `relative_to_centre`."""
    return _with_centre(relative, centre, 1)


def _with_centre(places: Tensor, centre: Sequence[int], times: int) -> Tensor:
    """The mean of some joints added `times` to all others."""
    if not centre:
        return places
    own = places[:, :, list(centre)].mean(2, keepdim=True)
    factors = [[0.0 if joint in centre else times] for joint in range(places.shape[2])]
    return places + own * torch.tensor(factors, dtype=places.dtype, device=places.device)


def token_validity(valid: Tensor, length: int) -> Tensor:
    """(P, T, V) bool -> (P, S, V) bool: a token is valid if any of its frames is."""
    return valid.unflatten(1, (-1, length)).any(2)


@dataclass(frozen=True)
class TokenSet:
    """A set of tokens of each person, the same number K for all.

    Args:
        index: (P, K) flat places segment · V + joint, ascending.
        valid: (P, K) bool; None where all are valid.
        joints: Joints, V.
        grid: (S', V') where the set is every combination of S' segments and V' joints; else None.
    """

    index: Tensor
    valid: Tensor | None
    joints: int
    grid: tuple[int, int] | None

    def take(self, tokens: Tensor) -> Tensor:
        """The values of the tokens in the set: (P, S, V, F) -> (P, K, F)."""
        return self.take_flat(tokens.flatten(1, 2))

    def take_flat(self, tokens: Tensor) -> Tensor:
        """As `take`, of tokens end to end: (P, S · V, F) -> (P, K, F)."""
        return tokens.gather(1, self.index[..., None].expand(-1, -1, tokens.shape[-1]))


def fewest_valid(valid: Tensor, length: int) -> int:
    """Number of valid tokens of the person who has fewest.

    Args:
        valid: (P, T, V) bool, on the CPU, so that no GPU is waited for.
        length: Frames per segment, s.
    """
    return int(token_validity(valid, length).flatten(1).sum(1).min())


def _are_all(valid: Tensor, known: bool) -> bool:
    """True if every token is valid. On a GPU only `known` is used, because reading a tensor there blocks the CPU."""
    return known or (valid.device.type == "cpu" and bool(valid.all()))


def all_tokens(valid: Tensor, whole: bool = False) -> TokenSet:
    """Every token of every person.

    Args:
        valid: (P, S, V) bool.
        whole: Whether all are known to be valid.
    """
    persons, segments, joints = valid.shape
    index = torch.arange(segments * joints, device=valid.device).expand(persons, -1)
    return TokenSet(index, None if _are_all(valid, whole) else valid.flatten(1), joints, (segments, joints))


def visible_tokens(
    hidden: Tensor, valid: Tensor, grid: tuple[int, int] | None, count: int | None = None, whole: bool = False
) -> TokenSet:
    """The tokens that are not hidden.

    Args:
        hidden: (P, S, V) bool, with the same number visible for every person.
        valid: (P, S, V) bool.
        grid: (S', V') where the visible tokens are every combination of S' segments and V' joints; else None.
        count: How many are visible, where that is known.
        whole: Whether visible tokens are known to be all valid.
    """
    joints, flat = hidden.shape[2], hidden.flatten(1)
    if count is None:
        count = int((~flat[0]).sum())
    index = flat.to(torch.uint8).argsort(dim=1, stable=True)[:, :count]  # visible ones first, in ascending order
    taken = valid.flatten(1).gather(1, index)
    return TokenSet(index, None if _are_all(taken, whole) else taken, joints, grid)


class PositionEmbedding(nn.Module):
    """A learned joint embedding plus a learned segment embedding.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        width: Features per token, D.
    """

    def __init__(self, segments: int, joints: int, width: int) -> None:
        super().__init__()
        self.segment = embedding(segments, 1, width)
        self.joint = embedding(1, joints, width)

    def forward(self, index: Tensor | None = None) -> Tensor:
        """The embeddings of all positions (S · V, D), or of those at `index` (P, K) as (P, K, D)."""
        table = (self.segment + self.joint).flatten(0, 1)
        return table if index is None else table[index]


def restrict_joints(weights: Mapping[str, Tensor], places: Sequence[int]) -> dict[str, Tensor]:
    """Keep the joint-embedding rows of the chosen joints; all other weights are unchanged.

    Exact: it computes what the whole network computes where the other joints are invalid.

    Args:
        weights: Of a network with V joints.
        places: The joints that stay, as places among the V.

    Returns:
        The weights, by the same names.
    """
    rows = list(places)
    return {name: tensor[:, rows] if name.endswith("position.joint") else tensor for name, tensor in weights.items()}


def restrict_coordinates(weights: Mapping[str, Tensor], axes: Tensor) -> dict[str, Tensor]:
    """Turn the embedding of tokens to data with other axes, or with fewer.

    Exact: it computes what the whole network computes of the data in its own axes, 0 along those that the data lack.

    Args:
        weights: Of a network with C coordinates.
        axes: (C, C') where each of the C' axes of the data lies among those of the network.

    Returns:
        The weights, by the same names.
    """

    def turned(weight: Tensor) -> Tensor:  # (D, frames · C), with motion twice as many frames
        return (weight.unflatten(1, (-1, len(axes))) @ axes.to(weight)).flatten(1)

    return {name: turned(tensor) if name.endswith("embed.proj.weight") else tensor for name, tensor in weights.items()}


@dataclass(frozen=True)
class MotionInput:
    """What a token says of motion beside its coordinates.

    Args:
        length: Frames per segment, s.
        scale: Changes between frames are divided by it.
    """

    length: int
    scale: float


def token_motion(numbers: Tensor, length: int) -> Tensor:
    """Change of each coordinate to the next frame of the same token; 0 in its last frame.

    Nothing of the next token enters, which may be hidden.

    Args:
        numbers: (…, s · C) coordinates of tokens.
        length: Frames per segment, s.

    Returns:
        (…, s · C).
    """
    frames = numbers.unflatten(-1, (length, -1))
    following = torch.cat([frames[..., 1:, :], frames[..., -1:, :]], -2)
    return (following - frames).flatten(-2)


class TokenEmbedding(nn.Module):
    """From the numbers of a token to its features: in their units → linear, plus the embedding of its position.

    It computes in fp32 under autocast too: bf16 would round metres by up to 4 mm.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        numbers: Coordinates per token, s · C.
        width: Features per token, D.
        scale: Coordinates are divided by it.
        motion: How motion enters; None: it does not.
        centre: Coordinates are taken relative to the mean of these joints, see `relative_to_centre`.
    """

    def __init__(
        self,
        segments: int,
        joints: int,
        numbers: int,
        width: int,
        scale: float = 1.0,
        motion: MotionInput | None = None,
        centre: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.scale = scale
        self.motion = motion
        self.centre = centre
        self.proj = nn.Linear(numbers if motion is None else 2 * numbers, width)
        self.position = PositionEmbedding(segments, joints, width)

    def forward(self, segments: Tensor, tokens: TokenSet) -> Tensor:
        """Features of the tokens in the set.

        Args:
            segments: (P, S, V, s · C) coordinates of all tokens.
            tokens: K tokens of each person.

        Returns:
            (P, K, D) fp32.
        """
        place = tokens.take(relative_to_centre(segments, self.centre)).float()
        numbers = place / self.scale
        if self.motion is not None:
            numbers = torch.cat([numbers, token_motion(place, self.motion.length) / self.motion.scale], -1)
        with torch.autocast(segments.device.type, enabled=False):
            embedded: Tensor = self.proj(numbers) + self.position(tokens.index)
        return embedded
