"""A recording on another joint layout: joints matched by name or computed, all others marked as never seen."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Names
from dataclasses import replace

import numpy as np

from jointwise.data.layouts import Sources, spelling
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MIN_JOINTS, Skeleton, resolve_layout
from jointwise.errors import ReadError


def map_to_layout(sequence: Sequence, target: Skeleton) -> Sequence:
    """Bring a recording onto another layout.

    Args:
        sequence: A recording (M, T, V, C).
        target: The layout that is wanted, of W joints.

    Returns:
        The recording (M, T, W, C). A joint that does not follow from its joints is invalid in all frames; one that is
        computed is valid where all its joints are. Unit and axes stay.

    Raises:
        ReadError: Fewer than MIN_JOINTS joints follow.
    """
    own = sequence.skeleton
    if own.joints == target.joints:
        return replace(sequence, skeleton=target)
    sources = own.map_to(target).sources
    if len(sources) < MIN_JOINTS:
        raise ReadError(
            f"{sequence.source}: only {len(sources)} joints of '{target.name}' follow from those of '{own.name}' "
            f"({', '.join(own.joints)}), at least {MIN_JOINTS} are needed. Joints are matched by name; wanted are: "
            f"{', '.join(target.joints)}."
        )
    return _computed(sequence, target, sources)


def on_layout(sequence: Sequence, layout: Skeleton, aliases: Sources | None = None) -> Sequence:
    """Give the joints of a recording the names and the order of a layout, where it has them all.

    Args:
        sequence: A recording (M, T, V, C).
        layout: The layout that is expected.
        aliases: How the recording may call its joints, or of which joints they are the mean.

    Returns:
        The recording on the layout if it has its joints by name, by another spelling or by an alias, or as many
        without names. Else the recording as it is.
    """
    own = sequence.skeleton
    if resolve_layout(layout, own) is layout:
        return replace(sequence, skeleton=layout)
    sources = find_spellings(layout.joints, own.joints, aliases or {})
    return _computed(sequence, layout, sources) if len(sources) == len(layout.joints) else sequence


def find_spellings(wanted: Names[str], found: Names[str], aliases: Sources) -> dict[str, tuple[str, ...]]:
    """Find joints by their names, by other spellings of them, and by aliases.

    Args:
        wanted: The names of the joints that are wanted.
        found: The names in the recording.
        aliases: Wanted joint -> alternatives of the names whose mean it is.

    Returns:
        Wanted joint -> the names in the recording that it is the mean of. A joint that is not there, or that would be
        the same as another, is left out.

    >>> find_spellings(("left_knee", "head"), ("Head", "KneeLeft"), {})
    {'left_knee': ('KneeLeft',), 'head': ('Head',)}
    >>> find_spellings(("left_knee", "head"), ("LKNE", "LKNM", "Head"), {"left_knee": (("LKNE", "LKNM"),)})
    {'left_knee': ('LKNE', 'LKNM'), 'head': ('Head',)}
    """
    if set(wanted) <= set(found):
        return {joint: (joint,) for joint in wanted}
    known = {spelling(name): name for name in found} | {name: name for name in found}
    sources: dict[str, tuple[str, ...]] = {}
    for joint in wanted:
        for parts in (*aliases.get(joint, ()), (joint,)):
            names = [known.get(name, known.get(spelling(name), "")) for name in parts]
            if all(names) and tuple(names) not in sources.values():
                sources[joint] = tuple(names)
                break
    return sources


def _computed(sequence: Sequence, target: Skeleton, sources: Mapping[str, tuple[str, ...]]) -> Sequence:
    """The recording on a layout whose joints are means of its own; those without sources are invalid."""
    own = sequence.skeleton
    shape = (*sequence.positions.shape[:2], len(target.joints))
    positions = np.zeros((*shape, sequence.positions.shape[3]), np.float32)
    valid = np.zeros(shape, bool)
    confidence = None if sequence.confidence is None else np.zeros(shape, np.float32)
    for joint, names in sources.items():
        place = target.joints.index(joint)
        columns = [own.joints.index(name) for name in names]
        valid[:, :, place] = sequence.validity[:, :, columns].all(2)
        positions[:, :, place] = sequence.positions[:, :, columns].mean(2)
        if confidence is not None and sequence.confidence is not None:
            confidence[:, :, place] = sequence.confidence[:, :, columns].min(2)
    positions[~valid] = 0  # the mean of values that must not be used
    return replace(sequence, positions=positions, valid=valid, confidence=confidence, skeleton=target)
