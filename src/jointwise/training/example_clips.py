"""A few evaluation clips for the report of a run, with what the student saw and the decoder rebuilt: `examples.npz`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from jointwise.data.array_files import load_arrays
from jointwise.data.clips import ClipCutter, Clips, Persons, centre_windows
from jointwise.data.dataset import Dataset, Part
from jointwise.data.randomness import generator_for
from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.reader import UNKNOWN
from jointwise.data.typed_files import parse_as
from jointwise.data.whole_files import whole_file
from jointwise.errors import DataError
from jointwise.model.objective import Rebuilt
from jointwise.training import distributed

FILE_NAME = "examples.npz"
PREDICTED = "predicted.npz"  # the same clips with their predicted future, from `evaluate --protocol complete`
MAX_EXAMPLES = 8
MAX_FRAMES = 120  # of a recording that is kept for display: a model's clip may have too few frames to show the motion

_REMEDY = "Delete it to report without clips, or finish the run again with --resume."

Rebuild = Callable[[Clips, Persons], Rebuilt | None]  # clips, their persons -> what the report shows of them


@dataclass(frozen=True, eq=False)
class Examples:
    """n evaluation clips of a data set, in the unit of the data.

    Args:
        data: Name of the data set.
        terms: Its terms of use.
        split: The split that the clips are from.
        classes: Class names of the data set.
        skeleton: The layout of the V joints.
        names: Names of the recordings, as in results.
        labels: (n,) class of each clip.
        fps: (n,) frames per second of `recording`.
        recording: (n, M, R, V, C) the part of each recording that the model gets, with R frames.
        valid: (n, M, R, V) mask of `recording`; False in empty slots.
        clip: (n, M, T, V, C) the same part as the model gets it, with T frames.
        seen: (n, M, T, V) what the student or encoder saw of `clip`; None if nothing was hidden.
        rebuilt: (n, M, T, V, C) what the decoder or the head made of that; None without a decoder of joints.
    """

    data: str
    terms: str
    split: str
    classes: tuple[str, ...]
    skeleton: Skeleton
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    fps: npt.NDArray[np.float64]
    recording: Floats
    valid: Bools
    clip: Floats
    seen: Bools | None = None
    rebuilt: Floats | None = None


@dataclass(frozen=True)
class _About:
    """What all clips of a file have in common."""

    data: str
    terms: str
    split: str
    classes: tuple[str, ...]
    skeleton: Skeleton


def choose_examples(part: Part, seed: int, most: int = MAX_EXAMPLES) -> npt.NDArray[np.int64]:
    """Chooses clips that are spread over the classes of a part.

    Args:
        part: Where they are chosen from.
        seed: Decides which clips of a class are chosen.
        most: Largest number of clips.

    Returns:
        Places in the part, ordered by class.
    """
    labels = part.labels
    classes = np.unique(labels)
    spread = classes[np.linspace(0, len(classes) - 1, min(most, len(classes))).round().astype(int)]
    chosen: list[list[int]] = []
    for label in spread.tolist():
        places = np.flatnonzero(labels == label)
        order = torch.randperm(len(places), generator=generator_for(seed, "examples", label)).numpy()
        chosen.append(places[order].tolist())
    # the first clip of every class, then the second of every class, and so on
    turns = [places[turn] for turn in range(most) for places in chosen if turn < len(places)]
    return np.array(sorted(turns[:most], key=lambda place: (labels[place], place)), dtype=np.int64)


def _cut_distributed(cutter: ClipCutter, ids: Tensor) -> Clips:
    """The evaluation clips of `ids`: each is cut by the process that reads its shard, and all processes get all."""
    if distributed.world_size() == 1:
        return cutter.centre(ids)
    ranks = distributed.assign_ranks(cutter.shards.of(ids.numpy()), cutter.shards)
    mine = np.flatnonzero(ranks == distributed.rank())
    own = []
    if len(mine):
        clips = cutter.centre(ids[mine])
        own = [*zip(torch.from_numpy(mine), clips.positions.cpu(), clips.valid.cpu(), strict=True)]
    cut = sorted(distributed.all_gather_concat(own), key=lambda clip: int(clip[0]))
    _, *parts = zip(*cut, strict=True)
    positions, valid = (pad_sequence([*part], batch_first=True) for part in parts)
    return Clips(positions.to(cutter.device), valid.to(cutter.device), ids)


def make_examples(dataset: Dataset, cutter: ClipCutter, seed: int, rebuild: Rebuild | None = None) -> Examples:
    """Makes examples of the evaluation part of a data set, or where that is empty of the training part.

    Every process gets the same.

    Args:
        dataset: The data set.
        cutter: Of its clips.
        seed: Decides which clips are chosen.
        rebuild: What the model sees and rebuilds of clips; None: the examples are without these.
    """
    part = dataset.test if len(dataset.test) else dataset.train
    places = choose_examples(part, seed)
    ids = torch.from_numpy(part.ids[places])
    clips = _cut_distributed(cutter, ids)
    persons = clips.persons()
    rebuilt = rebuild(clips, persons) if rebuild else None
    kept = centre_windows(cutter.lengths[ids])[1].numpy()
    frames = max(cutter.frames, min(int(kept.max()), MAX_FRAMES))
    recording = _cut_distributed(ClipCutter.from_store(dataset.store, frames), ids)
    source_fps = dataset.store.index["fps"][ids.numpy()].astype(np.float64)
    about = dataset.store.description

    def unpacked(values: Tensor) -> Tensor:
        """(P, …) -> (n, M, …), zero in empty slots."""
        whole = values.new_zeros((len(ids), clips.slots, *values.shape[1:]))
        whole[persons.clip, persons.slot] = values
        return whole.cpu()

    return Examples(
        data=dataset.name,
        terms=about.terms,
        split=dataset.split,
        classes=dataset.classes,
        skeleton=dataset.skeleton,
        names=tuple(dataset.store.names[part.ids[places]].tolist()),
        labels=part.labels[places],
        fps=frames * source_fps / kept,
        recording=recording.positions.numpy(),
        valid=recording.valid.numpy(),
        clip=clips.positions.cpu().numpy(),
        seen=None if rebuilt is None else unpacked(rebuilt.seen).numpy(),
        rebuilt=None if rebuilt is None or rebuilt.joints is None else unpacked(rebuilt.joints).numpy(),
    )


def write_examples(folder: Path, examples: Examples, name: str = FILE_NAME) -> Path:
    """Writes examples.npz into a run folder.

    Args:
        folder: The run folder.
        examples: What is written.
        name: Name of the file.

    Returns:
        The path of the file.

    Raises:
        StorageError: It cannot be written.
    """
    about = {name: getattr(examples, name) for name in ("data", "terms", "split", "classes")}
    about["skeleton"] = asdict(examples.skeleton)
    arrays = {
        name: values
        for name in ("labels", "fps", "recording", "valid", "clip", "seen", "rebuilt")
        if (values := getattr(examples, name)) is not None
    }
    path = folder / name
    with whole_file(path, "wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), names=np.array(examples.names), **arrays)
    return path


def read_examples(folder: Path, name: str = FILE_NAME) -> Examples | None:
    """The examples of a run folder; None if it has none.

    Args:
        folder: The run folder.
        name: Name of the file.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / name
    if not path.is_file():
        return None
    try:
        arrays = load_arrays(path)
        about = parse_as(str(arrays.pop("about")), _About, f"{path}: about", DataError, _REMEDY)
        names = tuple(str(name) for name in arrays.pop("names"))
        shared: dict[str, Any] = {item.name: getattr(about, item.name) for item in fields(about)}
        examples = Examples(**shared | {"names": names} | arrays)
        _check(examples)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: damaged ({error}). {_REMEDY}") from error
    return examples


def _check(examples: Examples) -> None:
    """Raise ValueError for arrays that do not belong together."""
    count = len(examples.names)
    joints = len(examples.skeleton.joints)
    recording, clip = examples.recording, examples.clip
    shapes = {"labels": (count,), "fps": (count,), "valid": recording.shape[:-1]}
    shapes |= {"seen": clip.shape[:-1], "rebuilt": clip.shape}
    for name, shape in shapes.items():
        array = getattr(examples, name)
        if array is not None and array.shape != shape:
            raise ValueError(f"'{name}' has shape {array.shape}, expected {shape}")
    for name, kinds in {"labels": "iu", "fps": "f", "recording": "f", "clip": "f", "valid": "b", "seen": "b"}.items():
        array = getattr(examples, name)
        if array is not None and array.dtype.kind not in kinds:
            raise ValueError(f"'{name}' is of type {array.dtype}")
    if recording.ndim != 5 or clip.ndim != 5 or {recording.shape[0], clip.shape[0]} != {count}:
        raise ValueError(f"recordings {recording.shape} and clips {clip.shape} of {count} names")
    if {recording.shape[3], clip.shape[3]} != {joints} or not {recording.shape[4], clip.shape[4]} <= {2, 3}:
        raise ValueError(f"recordings {recording.shape} and clips {clip.shape} of {joints} joints")
    if (
        not UNKNOWN
        <= examples.labels.min(initial=UNKNOWN)
        <= examples.labels.max(initial=UNKNOWN)
        < len(examples.classes)
    ):
        raise ValueError("labels of other classes")
    if not (np.isfinite(examples.fps) & (examples.fps > 0)).all():
        raise ValueError("frame rates that are no rates")
