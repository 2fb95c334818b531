"""How often the looks at a recording's body are right: on real recordings as they are, and on copies that are spoiled.

    python lab/body_checks.py FOLDER [RECORDINGS PER SET]

FOLDER holds the sets `utd-mhad`, `sbu`, `wmft` and folder data sets of ntu25, as the tests use them.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from jointwise.data.body_checks import check_recording
from jointwise.data.conventions import guess_units, guess_up, is_mirrored, turn
from jointwise.data.datasets import DATASETS
from jointwise.data.formats import read
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25, resolve_layout
from jointwise.data.synthetic import generate
from jointwise.errors import JointwiseError

RANDOM = np.random.default_rng(0)
Spoil = Callable[[np.ndarray, np.ndarray], None]


def sets(root: Path, most: int) -> Iterator[tuple[str, list[Sequence]]]:
    """Name and recordings of each set, at most `most`, drawn."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name in DATASETS:
            source = DATASETS[folder.name]
            found = source.recordings(folder)
            items = random.Random(0).sample(list(found.items.values()), min(most, len(found.items)))
            yield folder.name, [replace(found.read(item), skeleton=source.description.skeleton) for item in items]
        elif files := sorted(folder.rglob("*.npz")):
            taken = [read(file) for file in random.Random(0).sample(files, min(most, len(files)))]
            yield folder.name, [replace(one, skeleton=resolve_layout(NTU25, one.skeleton)) for one in taken]
    yield "synthetic", list(generate(subjects=(1, 2, 3)))[:most]


def _edited(sequence: Sequence, spoil: Spoil) -> Sequence:
    positions, valid = sequence.positions.copy(), sequence.validity.copy()
    spoil(positions, valid)
    return replace(sequence, positions=positions, valid=valid)


def _reordered(sequence: Sequence, order: np.ndarray) -> Sequence:
    return replace(sequence, positions=sequence.positions[:, :, order], valid=sequence.validity[:, :, order])


def _point(*point: float) -> Callable[[Sequence], Sequence]:
    def spoil(positions: np.ndarray, valid: np.ndarray) -> None:
        frames = slice(0, max(3, positions.shape[1] // 4))
        positions[:, frames, [6, 7]], valid[:, frames, [6, 7]] = point, True

    return lambda sequence: _edited(sequence, spoil)


def _confidence(positions: np.ndarray, _valid: np.ndarray) -> None:
    positions[..., :2] = positions[..., :2] * 300 + 500
    positions[..., 2] = RANDOM.uniform(0.3, 1, positions.shape[:3])


def _swap(sequence: Sequence) -> Sequence:
    third = sequence.frames // 3
    other = _reordered(sequence, np.array(sequence.skeleton.mirror_permutation))

    def spoil(positions: np.ndarray, valid: np.ndarray) -> None:
        positions[:, third : 2 * third] = other.positions[:, third : 2 * third]
        valid[:, third : 2 * third] = other.validity[:, third : 2 * third]

    return _edited(sequence, spoil)


def _moved(matrix: np.ndarray) -> Callable[[Sequence], Sequence]:
    return lambda sequence: replace(sequence, positions=sequence.positions @ np.asarray(matrix, np.float32).T)


SPOILED: dict[str, tuple[str, Callable[[Sequence], Sequence]]] = {  # what is done -> the check that must find it
    "shifted by one": ("joint order", lambda one: _reordered(one, np.roll(np.arange(len(one.skeleton.joints)), 1))),
    "drawn order": ("joint order", lambda one: _reordered(one, RANDOM.permutation(len(one.skeleton.joints)))),
    "y turned": ("upside down", _moved(np.diag([1, -1, -1]))),
    "z up": ("up axis", _moved(turn("y", "z"))),
    "mirrored": ("mirrored", _moved(np.diag([-1, 1, 1]))),
    "(-1, -1, -1)": ("same point", _point(-1, -1, -1)),
    "(0, 4.8, 0)": ("same point", _point(0, 4.8, 0)),
    "confidence": ("confidence as depth", lambda one: _edited(one, _confidence)),
    "sides swapped": ("left and right", _swap),
    "axes exchanged": (
        "axes exchanged",
        lambda one: replace(one, positions=one.positions.swapaxes(0, 1), valid=one.validity.swapaxes(0, 1)),
    ),
}


def main() -> None:
    """Print for each set what is found as it is, and in how many percent of the spoiled copies it is found."""
    try:
        root, most = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
        for name, taken in sets(root, most):
            told = Counter((guess_up(one), guess_units(one), is_mirrored(one)) for one in taken)
            clean = Counter(finding.check for one in taken for finding in check_recording(one))
            print(f"{name}: {len(taken)} recordings; up, unit, mirrored: {dict(told)}; findings: {dict(clean)}")
            for what, (check, spoil) in SPOILED.items():
                found = [any(finding.check == check for finding in check_recording(spoil(one))) for one in taken]
                print(f"  {what:<16} {100 * np.mean(found):5.1f} %")
    except JointwiseError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
