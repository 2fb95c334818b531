"""A few evaluation clips of a run, with what its student saw and its decoder rebuilt: `examples.npz` for the report."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from jointwise.data.clips import ClipCutter, Clips, Persons, centre_windows
from jointwise.data.dataset import Dataset, Part
from jointwise.data.randomness import generator_for
from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import Skeleton
from jointwise.errors import DataError, writing
from jointwise.training import distributed

NAME = "examples.npz"
MOST = 8
MOST_FRAMES = 120  # of a recording that is kept to be looked at; a model's clip may have so few that motion is lost

# (clips, their persons) -> seen (P, T, V), rebuilt joints (P, T, V, C) or None: what `Distillation.rebuild` says
Rebuild = Callable[[Clips, Persons], tuple[Tensor, Tensor | None]]


@dataclass(frozen=True, eq=False)
class Examples:
    """n evaluation clips of a data set, in the unit of the data.

    names: of the recordings, as in results. labels: (n,). recording: (n, M, R, V, C), valid: (n, M, R, V), nowhere in
    empty slots: the part of a recording that the model gets, but of R frames. fps: (n,) of these. clip: (n, M, T, V, C)
    the T frames that the model gets. seen: (n, M, T, V), what the student saw of them; None where nothing was hidden.
    rebuilt: (n, M, T, V, C), None without a decoder of joints.
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


def choose_examples(part: Part, seed: int, most: int = MOST) -> npt.NDArray[np.int64]:
    """Places in `part` of at most `most` clips, spread over its classes; which of a class, `seed` decides."""
    labels = part.labels
    classes = np.unique(labels)
    spread = classes[np.linspace(0, len(classes) - 1, min(most, len(classes))).round().astype(int)]
    chosen: list[list[int]] = []
    for label in spread.tolist():
        places = np.flatnonzero(labels == label)
        order = torch.randperm(len(places), generator=generator_for(seed, "examples", label)).numpy()
        chosen.append(places[order].tolist())
    turns = [places[turn] for turn in range(most) for places in chosen if turn < len(places)]
    return np.array(sorted(turns[:most], key=lambda place: (labels[place], place)), dtype=np.int64)


def _cut_by_owners(cutter: ClipCutter, ids: Tensor) -> Clips:
    """The evaluation clips of `ids`, each cut by the process whose shard it lies in; all processes get all."""
    if distributed.world_size() == 1:
        return cutter.centre(ids)
    whose = distributed.assign_ranks(cutter.shards.of(ids.numpy()), cutter.shards)
    mine = np.flatnonzero(whose == distributed.rank())
    own = []
    if len(mine):
        clips = cutter.centre(ids[mine])
        own = [*zip(torch.from_numpy(mine), clips.positions.cpu(), clips.valid.cpu(), strict=True)]
    cut = sorted(distributed.all_gather_concat(own), key=lambda clip: int(clip[0]))
    _, *parts = zip(*cut, strict=True)
    positions, valid = (pad_sequence([*part], batch_first=True) for part in parts)
    return Clips(positions.to(cutter.device), valid.to(cutter.device), ids)


def make_examples(dataset: Dataset, cutter: ClipCutter, seed: int, rebuild: Rebuild | None = None) -> Examples:
    """Examples of the evaluation part of `dataset`; the same for the same seed and model, in each of many processes."""
    places = choose_examples(dataset.test, seed)
    ids = torch.from_numpy(dataset.test.ids[places])
    clips = _cut_by_owners(cutter, ids)
    persons = clips.persons()
    seen, rebuilt = rebuild(clips, persons) if rebuild else (None, None)
    kept = centre_windows(cutter.lengths[ids])[1].numpy()
    frames = max(cutter.frames, min(int(kept.max()), MOST_FRAMES))
    recording = _cut_by_owners(ClipCutter.from_store(dataset.store, frames), ids)
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
        names=tuple(dataset.store.names[dataset.test.ids[places]].tolist()),
        labels=dataset.test.labels[places],
        fps=frames * source_fps / kept,
        recording=recording.positions.numpy(),
        valid=recording.valid.numpy(),
        clip=clips.positions.cpu().numpy(),
        seen=None if seen is None else unpacked(seen).numpy(),
        rebuilt=None if rebuilt is None else unpacked(rebuilt).numpy(),
    )


def write_examples(folder: Path, examples: Examples) -> Path:
    """Writes `folder`/examples.npz; returns its path."""
    about = {name: getattr(examples, name) for name in ("data", "terms", "split", "classes")}
    about["skeleton"] = asdict(examples.skeleton)
    arrays = {
        name: values
        for name in ("labels", "fps", "recording", "valid", "clip", "seen", "rebuilt")
        if (values := getattr(examples, name)) is not None
    }
    path = folder / NAME
    with writing(path):
        np.savez_compressed(path, about=np.array(json.dumps(about)), names=np.array(examples.names), **arrays)
    return path


def read_examples(folder: Path) -> Examples | None:
    """The examples of a run folder; None when it has none. Raises DataError for a damaged file."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        about = json.loads(str(arrays.pop("about")))
        about |= {"skeleton": Skeleton.from_json(about["skeleton"]), "classes": tuple(about["classes"])}
        names = tuple(str(name) for name in arrays.pop("names"))
        examples = Examples(names=names, **about, **arrays)
        count = {len(names), *(len(array) for array in arrays.values())}
        if count != {len(names)} or not 0 <= examples.labels.min() <= examples.labels.max() < len(examples.classes):
            raise ValueError("its arrays do not belong together")
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: damaged ({error}). Delete it to report without clips, or finish the run again with --resume."
        ) from error
    return examples
