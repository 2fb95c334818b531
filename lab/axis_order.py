"""docs/data.md: how often the order of the axes of a bare array is found, on real recordings written in eight orders.

python lab/axis_order.py FOLDER     (a folder of data sets; 25 recordings of each, whole and cut to 15, 20, 25 frames)
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

from jointwise.data.formats import read, recordings_in
from jointwise.data.formats.arrays import array_recording
from jointwise.data.formats.format import ReadOptions
from jointwise.errors import JointwiseError

ORDERS = ("MTVC", "TMVC", "CTVM", "TVC", "CTV", "VCT", "VTC", "TCV")


def recordings(root: Path) -> list[Path]:
    """At most 25 recordings of each data set, evenly chosen."""
    chosen = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        inside = recordings_in(folder)
        chosen += inside[:: max(1, len(inside) // 25)][:25]
    return chosen


found: Counter[str] = Counter()
for path in recordings(Path(sys.argv[1])):
    try:
        sequence = read(path)
    except JointwiseError:
        continue
    if sequence.persons > 2:
        continue
    seen = np.where(sequence.validity[..., None], sequence.positions, 0)
    for frames in {sequence.frames, 15, 20, 25}:
        if frames > sequence.frames:
            continue
        for order in ORDERS:
            whole = seen[:, :frames] if len(order) == 4 else seen[:1, :frames]
            usual = "MTVC" if len(order) == 4 else "TVC"
            array = (whole if len(order) == 4 else whole[0]).transpose([usual.index(axis) for axis in order])
            try:
                answer = array_recording(path, array, ReadOptions()).positions
            except JointwiseError:
                found["refused"] += 1
                continue
            found["right" if answer.shape == whole.shape and np.allclose(answer, whole) else "wrong"] += 1
print(f"{found.total()} arrays: {dict(found)}")
