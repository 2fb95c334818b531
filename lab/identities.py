"""LOG.md, 'Persons linked over frames': identity switches on SBU without its order. python lab/identities.py sbu/

With --crossing, both persons of each recording are put in one place and pass through each other along x.
"""

import sys
from pathlib import Path

import numpy as np

from jointwise.data import tracking
from jointwise.data.formats import read, recordings_in
from jointwise.data.sequence import Floats
from jointwise.data.skeletons import SBU15
from jointwise.data.tracking import Detection, link_persons

REPEATS = 3
WALK = 1.2  # metres per second


def switches(positions: Floats, fps: float, seed: int, lost: float) -> tuple[int, int]:
    """Shuffle and drop persons in each frame, link them again, and compare.

    Returns:
        How often a person is in another slot than before, and how many slots there are beyond the true ones.
    """
    random = np.random.default_rng(seed)
    frames, truth = [], []
    for time in range(positions.shape[1]):
        order = [person for person in random.permutation(len(positions)) if random.random() >= lost]
        frames.append([Detection(positions[person, time]) for person in order])
        truth.append(order)
    tracks = link_persons(frames, *positions.shape[2:], fps, bones=SBU15.bone_indices)
    count, slot_of = 0, {}
    for time, order in enumerate(truth):
        for person in order:
            same = (tracks.positions[:, time] == positions[person, time]).all((-1, -2)) & tracks.valid[:, time].all(-1)
            if same.any():
                slot = int(same.argmax())
                count += slot_of.setdefault(person, slot) != slot
                slot_of[person] = slot
    return count, len(tracks.positions) - len(positions)


def crossing(positions: Floats, fps: float) -> Floats:
    """Both persons in one place, walking along x in opposite directions; they meet in the middle of the recording."""
    time = (np.arange(positions.shape[1]) - positions.shape[1] / 2) / fps
    moved = positions - positions[:, :, [SBU15.root_index]]
    moved[..., 0] += np.array([1, -1])[:, None, None] * WALK * time[None, :, None]
    return moved.astype(np.float32)


recordings = [read(path) for path in recordings_in(Path(sys.argv[1]))]
bodies = [crossing(item.positions, item.fps) if "--crossing" in sys.argv else item.positions for item in recordings]
print("crossing" if "--crossing" in sys.argv else "as recorded")
for lost in (0.0, 0.2):
    for weight, memory in ((2.0, 0.5), (0.0, 0.5), (2.0, 1.0), (0.0, 1.0)):
        tracking._BONE_WEIGHT, tracking._VELOCITY_MEMORY = weight, memory
        counts = np.array(
            [
                [switches(body, item.fps, seed, lost) for seed in range(REPEATS)]
                for body, item in zip(bodies, recordings, strict=True)
            ]
        )
        print(
            f"{100 * lost:.0f} % lost; bone lengths {weight > 0}, motion {memory < 1}: "
            f"{counts[..., 0].mean(1).sum():.1f} switches in {len(recordings)} recordings, "
            f"{(counts[..., 0] > 0).any(1).sum()} recordings have any; {counts[..., 1].mean(1).sum():+.1f} slots"
        )
