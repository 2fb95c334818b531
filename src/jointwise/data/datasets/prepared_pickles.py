"""Prepared data in the pickles of PYSKL (`.pkl`): `split` and `annotations`, read without running any code."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.datasets.label_numbers import check_actions, check_numbers
from jointwise.data.datasets.prepared_arrays import (
    FPS,
    NTU_CLASSES,
    NTU_TERMS,
    check_class,
    class_names,
    prepared_source,
    real_persons,
    seen_joints,
)
from jointwise.data.datasets.prepared_stgcn import KIND, are_labels
from jointwise.data.datasets.source import DataSource, Index, Recordings, Split, assign_parts, file_stamp
from jointwise.data.formats import restricted_pickle
from jointwise.data.formats.skeleton import NAME as NTU_NAME
from jointwise.data.names import check_name
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, MAX_JOINTS, MIN_JOINTS, NTU25, Skeleton, unnamed_skeleton
from jointwise.data.store.reader import Parts
from jointwise.errors import DataError, ReadError

_LAYOUTS = {(17, 2): COCO17, (25, 3): NTU25}  # (joints, coordinates) -> layout
_PART = re.compile(r"(?:^|_)(train|val|test)(?=$|_|\d)")  # in names of lists such as xsub_train, xsub_val, test2


def source_of(path: Path) -> DataSource:
    """Describe the data set in a pickle of `split` and `annotations`.

    Args:
        path: The .pkl file.

    Returns:
        The description of the data set, its recordings and splits.

    Raises:
        DataError: The file holds something else.
        ReadError: The file is damaged, or asks for more than containers and arrays.
    """
    content = restricted_pickle.load(path)
    if not isinstance(content, dict) or not {"split", "annotations"} <= content.keys():
        raise DataError(_not_a_data_set(path, content))
    if not isinstance(content["annotations"], list | tuple) or not content["annotations"]:
        raise DataError(f"{path}: 'annotations' must be a list of mappings, one for each recording.")
    items: dict[str, dict[str, Any]] = {}
    for place, annotation in enumerate(content["annotations"]):
        _check_annotation(path, place, annotation)
        if annotation["frame_dir"] in items:
            raise DataError(f"{path}: two annotations are called '{annotation['frame_dir']}'. Which is right?")
        items[annotation["frame_dir"]] = annotation
    joints, coordinates = next(iter(items.values()))["keypoint"].shape[2:]
    if not MIN_JOINTS <= joints <= MAX_JOINTS:
        raise DataError(
            f"{path}: the first annotation has {joints} joints. jointwise works with {MIN_JOINTS} to {MAX_JOINTS} "
            "joints."
        )
    skeleton = _LAYOUTS.get((joints, coordinates)) or unnamed_skeleton(joints)
    labels = {name: int(annotation["label"]) for name, annotation in items.items()}
    from_ntu = "ntu" in path.stem.lower()
    findings = check_actions(path, labels.items())
    ntu = from_ntu and not findings
    count = max(labels.values()) + 1
    if ntu and count <= 120:
        count = 120 if count > 60 or "120" in path.stem else 60
    return prepared_source(
        path,
        skeleton=skeleton,
        coordinates=coordinates,
        classes=class_names(count, ntu),
        recordings=lambda _root: Recordings(
            items,
            partial(_read_annotation, path.name, skeleton),
            stamp=lambda _item: file_stamp(path),
            parallel=False,
        ),
        splits=_splits(path, content["split"], items.keys()),
        count=len(items),
        terms=NTU_TERMS if from_ntu else "",
        findings=findings or check_numbers(labels.values(), NTU_CLASSES if ntu else ()),
    )


def _not_a_data_set(path: Path, content: Any) -> str:
    """What a pickle holds in the place of a data set, and where the data set is."""
    if are_labels(content):
        arrays = path.name.replace("_label", "_data_joint").replace(path.suffix, ".npy")
        return f"{path}: the labels of arrays as of {KIND}. Name the array that lies beside it: {path.parent / arrays}."
    if isinstance(content, list) and content and isinstance(content[0], dict) and "file_name" in content[0]:
        return (
            f"{path}: a list of file names and labels, as CTR-GCN has it for NW-UCLA. The recordings are in other "
            "files (all_sqe/*.json, 20 joints under 'skeletons'). Save each as FOLDER/<class>/<name>.npz with "
            "numpy.savez(path, positions=skeletons, fps=30), and name FOLDER/."
        )
    found = ", ".join(str(key) for key in content) if isinstance(content, dict) else type(content).__name__
    return f"{path}: expected a mapping with 'split' and 'annotations', as PYSKL's pickles have (found: {found})."


def _check_annotation(path: Path, place: int, annotation: Any) -> None:
    if not isinstance(annotation, dict):
        raise DataError(f"{path}: annotations[{place}] is a {type(annotation).__name__}, expected a mapping.")
    if "keypoint" not in annotation and {"frame_inds", "box_score"} & annotation.keys():
        raise DataError(
            f"{path}: a list of clips without their keypoints, as PYSKL has it for Kinetics-400 (annotations with "
            "frame_inds and box_score). The keypoints are in separate files, one file for each clip, which jointwise "
            "does not read. Put them into the annotations as PYSKL does when it trains: keypoint (persons, frames, 17, "
            "2) and keypoint_score (persons, frames, 17)."
        )
    for key, kind in (("frame_dir", str), ("label", int | np.integer), ("keypoint", np.ndarray)):
        if not isinstance(annotation.get(key), kind):
            raise DataError(
                f"{path}: annotations[{place}] has no '{key}' of the right type (found: "
                f"{', '.join(str(known) for known in annotation)}). Each needs frame_dir (text), label (a number) and "
                "keypoint (an array (persons, frames, joints, coordinates))."
            )
    about = f"{path}: annotations[{place}] ({annotation['frame_dir']})"
    keypoint = annotation["keypoint"]
    if keypoint.ndim != 4 or keypoint.shape[3] not in (2, 3) or annotation["label"] < 0:
        raise DataError(
            f"{about} has keypoint of shape {keypoint.shape} and label {annotation['label']}, expected (persons, "
            "frames, joints, 2 or 3) and a class from 0."
        )
    if keypoint.dtype.kind not in "fiu":
        raise DataError(f"{about} has keypoint of type {keypoint.dtype}, expected real numbers.")
    check_class(about, int(annotation["label"]))


def _splits(path: Path, content: Any, known: Set[str]) -> dict[str, Split]:
    """The splits by name: lists `xsub_train` and `xsub_val` make split `xsub`, plain `train` and `test` make `file`.

    If a split has train, val and test, test is scored and val is not used.
    """
    listed: dict[str, dict[str, frozenset[str]]] = {}  # split -> train, val or test -> its recordings
    for name, members in content.items() if isinstance(content, dict) else ():
        part = _PART.search(str(name))
        if not part:
            continue
        split_name = (str(name)[: part.start()] + str(name)[part.end() :]).strip("_") or "file"
        if split_name.isdecimal():
            split_name = f"split{split_name}"
        split = listed.setdefault(check_name(split_name, f"{path}: 'split'", DataError), {})
        if part[1] in split:
            raise DataError(
                f"{path}: two lists in 'split' are the {part[1]} part of one split, '{name}' is the second."
            )
        split[part[1]] = _members(path, str(name), members, known)
    splits = {}
    for name, named in listed.items():
        if len(named) == 1 or "train" not in named:
            continue
        train = named["train"]
        scored = named.get("test", named.get("val", frozenset()))
        both = sorted(train & scored)
        if both:
            raise DataError(
                f"{path}: split '{name}' trains on '{both[0]}' and scores it as well ({len(both)} such recordings). "
                "Take it out of one of the lists."
            )
        unused = " (its val part is not used)" if len(named) == 3 else ""
        splits[name] = Split(f"{name}, as in the file{unused}", partial(_parts_by_name, train, scored))
    if not splits:
        found = ", ".join(str(name) for name in content) if isinstance(content, dict) else type(content).__name__
        raise DataError(
            f"{path}: no two splits such as xsub_train and xsub_val in 'split' (found: {found or 'nothing'})."
        )
    return splits


def _members(path: Path, name: str, members: Any, known: Set[str]) -> frozenset[str]:
    """The recordings that a list in 'split' names. Raises DataError unless all are names of annotations."""
    listed = members.ravel().tolist() if isinstance(members, np.ndarray) else members
    if not isinstance(listed, list | tuple | set | frozenset):
        raise DataError(f"{path}: '{name}' in 'split' is a {type(members).__name__}, expected a list of frame_dir.")
    for member in listed:
        if not isinstance(member, str) or member not in known:
            raise DataError(
                f"{path}: '{name}' in 'split' names {member!r}, but no annotation has it as its frame_dir. Take it out "
                "of the list, or add the annotation."
            )
    return frozenset(listed)


def _parts_by_name(train: frozenset[str], test: frozenset[str], _index: Index, names: list[str]) -> Parts:
    return assign_parts(np.array([name in train for name in names]), np.array([name in test for name in names]))


def _read_annotation(file: str, skeleton: Skeleton, annotation: dict[str, Any]) -> Sequence:
    """Read one annotation. A joint is valid if its score is above 0; without scores, if its person is not all zero.

    A joint whose coordinates are NaN is missing in any case.
    """
    source = f"{file}: {annotation['frame_dir']}"
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        keypoint = np.asarray(annotation["keypoint"], np.float32)
    if keypoint.shape[2] != len(skeleton.joints):
        raise ReadError(
            f"{source}: keypoint has shape {keypoint.shape}, the first annotation {len(skeleton.joints)} joints."
        )
    if annotation.get("keypoint_score") is not None:
        score = np.asarray(annotation["keypoint_score"])
        if score.shape != keypoint.shape[:3] or score.dtype.kind not in "fiub":
            raise ReadError(
                f"{source}: keypoint_score has shape {score.shape} and type {score.dtype}, expected a number for each "
                f"joint of keypoint {keypoint.shape}."
            )
        valid = (score > 0) & ~np.isnan(keypoint).any(-1)
    else:
        valid = seen_joints(keypoint)
    positions, valid = real_persons(source, keypoint, valid)
    name = NTU_NAME.fullmatch(annotation["frame_dir"])
    return Sequence(
        positions=positions,
        skeleton=skeleton,
        valid=valid,
        fps=FPS,
        label=int(annotation["label"]),
        subject=int(name[3]) if name else None,
        camera=int(name[2]) if name else None,
        source=source,
    )
