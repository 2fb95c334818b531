"""The clips that `jointwise view` shows and `jointwise convert` writes: of a file, a folder, a run or a data set."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.dataset import load_dataset
from jointwise.data.datasets import DATASETS, existing_path, holds_data_set, is_pool, is_store
from jointwise.data.datasets.folder_settings import SETTINGS
from jointwise.data.formats import read, recordings_in
from jointwise.data.sequence import Sequence
from jointwise.data.store.build import ShowProgress, no_progress
from jointwise.data.store.reader import label_name
from jointwise.errors import DataError, JointwiseError, JointwiseWarning, ReadError, counted
from jointwise.inference.timeline import Segment
from jointwise.report.viewer.clips import Answer, Clip, Panel, recorded_panel
from jointwise.report.viewer.examples import FORESEEN, REBUILT, example_clip
from jointwise.report.viewer.reasons import with_reasons
from jointwise.training.example_clips import PREDICTED, choose_examples, read_examples
from jointwise.training.run_folder import read_about

if TYPE_CHECKING:
    from jointwise.inference.recognizer import Recognizer

AskRecognizer = Callable[[Clip, Sequence, Sequence], Clip]  # the clip, as read, as prepared -> the clip with answers
MOST_FILES = 12
MOST_CLASSES = 24


@dataclass(frozen=True)
class Source:
    """Clips of one file, folder or data set.

    Args:
        title: Title of the page.
        clips: The clips.
        notes: Sentences about them.
    """

    title: str
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()


def no_answer(clip: Clip, _recording: Sequence, _ready: Sequence) -> Clip:
    """The clip as it is, where no recogniser is asked."""
    return clip


def answers_by(model: str) -> AskRecognizer:
    """What a trained model says of recordings.

    Args:
        model: Folder of a fine-tuned run or of its model; its name stands on the page.

    Returns:
        What adds to a clip the answer of the model, what it rests on, the nearest training clips, and the timelines of
        the persons. Where the model's cleaning finds other persons than the file names, these are drawn.

    Raises:
        CheckpointError: There is no model in the folder, or it is pre-trained only.
    """
    from jointwise.inference.recognizer import Recognizer  # here: a page without a model needs none

    return answers_of(Recognizer.from_pretrained(model), model)


def answers_of(recognizer: Recognizer, name: str) -> AskRecognizer:
    """What a recogniser says of recordings, as `answers_by`.

    Args:
        recognizer: The recogniser, fine-tuned.
        name: Its name on the page.
    """
    clean = CLEANING[recognizer.card.cleaning]

    def ask(clip: Clip, recording: Sequence, ready: Sequence) -> Clip:
        cleaned = clean(recording).sequence
        if cleaned is not recording:
            ready = prepare_sequence(cleaned)
            clip = replace(clip, panels=(_recorded(ready),))
        answer = Answer(name, tuple(recognizer.predict(recording).probabilities.items()))
        clip = replace(clip, answers=(answer,), timeline=timeline_of(recognizer, ready))
        return with_reasons(clip, recognizer, recording, ready)

    return ask


def timeline_of(recognizer: Recognizer, ready: Sequence) -> tuple[Segment, ...]:
    """What the persons who are drawn do, in seconds from the first frame that is drawn.

    Args:
        recognizer: The recogniser, fine-tuned.
        ready: The recording as prepared.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JointwiseWarning)  # its answer gave them already
        segments = recognizer.timeline(ready)
    late = ready.begin / ready.fps  # a timeline counts from the first frame of the file
    return tuple(replace(segment, start=segment.start - late, end=segment.end - late) for segment in segments)


def clip_of(
    sequence: Sequence, title: str | None = None, truth: str | None = None, ask: AskRecognizer = no_answer
) -> Clip:
    """A recording as a clip of one panel.

    It is centred, and its gaps are filled so that missing joints can be drawn faintly.

    Args:
        sequence: The recording.
        title: Name of the clip; None: where the recording comes from.
        truth: The true class; None if unknown.
        ask: Adds what a recogniser says to the clip of a recording.

    Raises:
        ReadError: No person has a valid joint.
    """
    ready = prepare_sequence(sequence)
    return ask(Clip(title or ready.source, ready.fps, (_recorded(ready),), truth), sequence, ready)


def _recorded(ready: Sequence) -> Panel:
    """The panel of a prepared recording."""
    return recorded_panel("recording", ready.skeleton, ready.positions, ready.validity)


def find_clips(
    place: str,
    progress: ShowProgress = no_progress,
    ask: AskRecognizer = no_answer,
    reading: Mapping[str, Any] | None = None,
) -> Source:
    """The clips of a file, of a folder of files, of a run (those of its report), or of a data set (one of each class).

    A data set is a registered one, a pool, a prepared file, a store, or a folder with a folder for each class.
    At most 12 files or 24 classes are shown, evenly chosen.

    Args:
        place: Name of a data set, or path of a file, folder or run.
        progress: Shows the progress while a data set is prepared.
        ask: Adds what a recogniser says to the clip of a recording; a run's own clips are not asked about.
        reading: What the user says of files, as arguments of `read`; a data set does not take them.

    Raises:
        ConfigError: There is no data set, file or folder of that name.
        DataError: The run keeps no clips, or they are damaged.
        ReadError: The file cannot be read, or no file of the folder can.
    """
    if place in DATASETS or is_pool(place):
        return _of_dataset(place, progress, ask)
    path = existing_path(place)
    if is_store(path):
        return _of_dataset(str(path.resolve()), progress, ask)
    if (path / "about.json").is_file():
        return _of_run(path)
    if path.is_dir() and recordings_in(path) != [path]:
        return _of_own_folder(path, progress, ask) if _has_class_folders(path) else _of_folder(path, ask, reading)
    if holds_data_set(path):
        return _of_dataset(str(path.resolve()), progress, ask)
    return Source(path.name, (clip_of(read(path, **(reading or {})), path.name, ask=ask),))


def _has_class_folders(folder: Path) -> bool:
    """Whether a folder is laid out as a data set: all recordings are in at least two folders side by side."""
    if (folder / SETTINGS).is_file():
        return True
    inside = [path.relative_to(folder).parts for path in recordings_in(folder)]
    return all(len(parts) == 2 for parts in inside) and len({parts[0] for parts in inside}) > 1


def _of_run(folder: Path) -> Source:
    """The clips that a run keeps: as recorded, seen and rebuilt, and with the future that `complete` predicted."""
    kept = [(read_examples(folder), REBUILT, ""), (read_examples(folder, PREDICTED), FORESEEN, " · future")]
    clips: list[Clip] = []
    notes: list[str] = []
    for examples, titles, mark in kept:
        if examples is None:
            continue
        added = [example_clip(examples, place, titles=titles) for place in range(len(examples.names))]
        clips += [replace(clip, title=clip.title + mark) for clip in added]
        what = "with their predicted future" if mark else "kept by the run"
        notes.append(f"{len(added)} evaluation clips of {examples.data}, {what}. Split: {examples.split}.")
        if examples.terms:
            notes.append(f"Terms of use of {examples.data}: {examples.terms}.")
    if not clips:
        before = read_about(folder).get("pretrained")
        hint = f"Name the run that it started from: {before}." if before else "A finished pre-training has some."
        raise DataError(f"{folder}: this run keeps no clips. {hint}")
    return Source(folder.resolve().name, tuple(clips), tuple(dict.fromkeys(notes)))


def _of_own_folder(folder: Path, progress: ShowProgress, ask: AskRecognizer) -> Source:
    """A folder as a data set; if it cannot be prepared, the recordings that can be read, with the reason as a note."""
    try:
        return _of_dataset(str(folder.resolve()), progress, ask)
    except JointwiseError as error:
        single = _of_folder(folder, ask)
        reason = str(error).partition("\n")[0].rstrip(":.")
        note = f"Shown as single recordings, because it cannot be used as a data set: {reason}."
        return Source(single.title, single.clips, (note, *single.notes))


def _of_folder(folder: Path, ask: AskRecognizer, reading: Mapping[str, Any] | None = None) -> Source:
    paths = recordings_in(folder)
    if not paths:
        raise ReadError(f"{folder}: no file in this folder, or below it, has a reader. Check the path.")
    selected = _evenly(len(paths), MOST_FILES)
    others = sorted(set(range(len(paths))) - set(selected))
    clips: dict[int, Clip] = {}
    errors: list[JointwiseError] = []
    for turn, place in enumerate([*selected, *others]):
        if turn >= len(selected) and clips:
            break  # others are read only where none of the selected can be
        try:
            clips[place] = clip_of(
                read(paths[place], **(reading or {})), str(paths[place].relative_to(folder)), ask=ask
            )
        except JointwiseError as error:
            errors.append(error)
    if not clips:
        raise ReadError(f"{folder}: not one of {len(paths)} recordings can be read. The first: {errors[0]}")
    notes = []
    if len(clips) + len(errors) < len(paths):
        notes.append(f"{len(clips)} of {len(paths)} recordings in this folder, evenly chosen.")
    if errors:
        notes.append(f"{len(errors)} could not be read. The first: {errors[0]}")
    return Source(folder.resolve().name, tuple(clips.values()), tuple(notes))


def _of_dataset(name: str, progress: ShowProgress, ask: AskRecognizer) -> Source:
    dataset = load_dataset(name, progress=progress)
    part = dataset.test if len(dataset.test) else dataset.train
    part_name = "test" if len(dataset.test) else "training"
    classes = dataset.classes
    places = choose_examples(part, seed=0, most=min(len(classes), MOST_CLASSES) or MOST_FILES).tolist()
    names, labels = part.names, [label_name(classes, label) for label in part.labels.tolist()]
    clips = tuple(clip_of(part[place], f"{labels[place]} · {names[place]}", labels[place], ask) for place in places)
    shown = len(set(part.labels[places].tolist()))
    spread = f"of {shown} of its {len(classes)} classes" if classes else "which has no classes"
    notes = [f"{counted(len(clips), 'clip')} of the {part_name} part, {spread}. Split: {dataset.split}."]
    terms = dataset.store.description.terms
    if terms:
        notes.append(f"Terms of use of {dataset.name}: {terms}.")
    return Source(dataset.name, clips, tuple(notes))


def _evenly(count: int, most: int) -> list[int]:
    """At most `most` of 0 … count - 1, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
