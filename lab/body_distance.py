"""LOG.md, 'How far a body of rigid bones is from recorded joints': per data set, with and without a node for each bone.

python lab/body_distance.py FOLDER        FOLDER holds wmft/, utd-mhad/ … with recordings that `jointwise.read` opens
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from jointwise.data import kinematics
from jointwise.data.centring import prepare_sequence
from jointwise.data.formats import read, recordings_in
from jointwise.data.kinematics import Node, body_tree
from jointwise.data.skeletons import Skeleton

RECORDINGS = 30  # of a data set, evenly chosen


def tree_of_joints(skeleton: Skeleton) -> tuple[Node, ...]:
    """The nodes without those that stand at the joint they hang on: all bones of a joint turn together."""
    nodes = body_tree(skeleton)
    kept = [index for index, node in enumerate(nodes) if index == 0 or node.joint != nodes[node.parent].joint]
    joint_of = {nodes[index].joint: place for place, index in enumerate(kept)}
    return tuple(
        replace(nodes[index], parent=joint_of[nodes[nodes[index].parent].joint] if index else -1) for index in kept
    )


def distances(paths: list[Path]) -> np.ndarray:
    """(n,) distances in cm of all valid joints of all persons of recordings."""
    found = []
    for path in paths:
        sequence = prepare_sequence(read(path))
        for positions, valid in zip(sequence.positions, sequence.validity, strict=True):
            fitted = kinematics.fit_body(sequence.skeleton, positions, valid).positions()
            seen = valid.any(0)
            found.append(np.linalg.norm(fitted - positions[:, seen], axis=-1)[valid[:, seen]])
    return 100 * np.concatenate(found)


def main() -> None:
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        paths = recordings_in(folder)
        chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, min(len(paths), RECORDINGS)).astype(int)]
        for name, tree in (("a node for each bone", body_tree), ("a node for each joint", tree_of_joints)):
            kinematics.body_tree = tree
            found = distances(chosen)
            print(
                f"{folder.name:16} {name:22} mean {found.mean():5.2f} cm, 95 % below {np.quantile(found, 0.95):5.2f} cm"
            )


if __name__ == "__main__":
    main()
