"""The settings of a user's folder of recordings, in its `dataset.yaml`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.cleaning import CLEANING
from jointwise.data.conventions import METRES, UP
from jointwise.data.layouts import Layout, load_layout
from jointwise.data.skeletons import skeleton_of
from jointwise.data.typed_files import convert_as, read_as
from jointwise.errors import ConfigError, DataError, unknown

SETTINGS = "dataset.yaml"


@dataclass(frozen=True)
class Settings:
    """The settings in `dataset.yaml`. Every one may be left out.

    Args:
        skeleton: Name of a joint layout, a YAML file that describes one, or a mapping as in such a file: `joints`,
            `bones`, `root`, `up`, `lateral`, `mirror` and `aliases`.
        fps: Frames per second of all recordings.
        units: The unit of all recordings, a key of `METRES`. They become metres.
        up: The axis that points up in all recordings, one of `UP`. They are turned so that it is the layout's, else y.
        class_level: Which folder on the way to a recording is its class, from 1. None: the first, or the second below
            folders `train` and `test`.
        test_subjects: Subjects that are scored; an empty list: none, all train.
        test_files: Patterns of the names (`<class>/<file>`) that are scored; an empty list: none, all train.
        subject_pattern: Regular expression that is searched in `<class>/<file>`. Its first group is the subject.
        labels: A table of labels in the folder, as `labels_file` reads them. Folders then do not count as classes.
        cleaning: What is done to a recording before it is centred, a key of `CLEANING`. None: `clean_ntu` where all
            recordings are .skeleton files, else `none`.
        terms: Terms of use, shown with every model.
    """

    skeleton: str | dict[str, Any] | None = None
    fps: float | None = None
    units: str | None = None
    up: str | None = None
    class_level: int | None = None
    test_subjects: list[int | str] | None = None
    test_files: list[str] | None = None
    subject_pattern: str | None = None
    labels: str | None = None
    cleaning: str | None = None
    terms: str = ""


def read_settings(path: Path) -> Settings:
    """Read `dataset.yaml`.

    Args:
        path: The file; it may be missing.

    Returns:
        The settings, all at their defaults where there is no file.

    Raises:
        DataError: The file is not YAML, or a setting is unknown or has a value of the wrong kind.
    """
    if not path.is_file():
        return Settings()
    known = {item.name for item in fields(Settings)}
    hint = f"It is a mapping of settings: {', '.join(sorted(known))}."
    content = read_as(path, dict[str, Any], DataError, hint)
    for key in content:
        if key not in known:
            raise DataError(f"{path}: {unknown('setting', key, known)}")
    settings = convert_as(content, Settings, str(path), DataError, "docs/data.md lists what each setting takes.")
    _check_settings(settings, path)
    return settings


def _check_settings(settings: Settings, path: Path) -> None:
    if settings.cleaning is not None and settings.cleaning not in CLEANING:
        raise DataError(f"{path}: {unknown('cleaning', settings.cleaning, CLEANING)}")
    for name, known in (("units", METRES), ("up", UP)):
        value = getattr(settings, name)
        if value is not None and value not in known:
            raise DataError(f"{path}: {unknown(name, value, known)}")
    level = settings.class_level
    if level is not None and level < 1:
        raise DataError(f"{path}: class_level {level!r} is not 1, 2, …: the number of the folder that is the class.")
    if settings.test_subjects is not None and settings.test_files is not None:
        raise DataError(f"{path}: test_subjects and test_files both say what is scored. Keep one of them.")
    fps = settings.fps
    if fps is not None and not 0 < fps < np.inf:
        raise DataError(f"{path}: fps {settings.fps!r} is not a positive number.")
    if settings.subject_pattern is not None:
        try:
            groups = re.compile(settings.subject_pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise DataError(f"{path}: subject_pattern is not a regular expression ({error}).") from error
        if not groups:
            raise DataError(
                f"{path}: subject_pattern '{settings.subject_pattern}' has no group. Put what names the subject in "
                r"parentheses, such as S(\d+)."
            )


def layout_from(setting: str | dict[str, Any], path: Path) -> Layout:
    """The joint layout of the setting `skeleton`.

    Args:
        setting: Name of a layout, a YAML file beside `dataset.yaml`, or a mapping as such a file holds.
        path: `dataset.yaml`, for messages.

    Raises:
        DataError: There is no such layout, or the mapping does not describe one.
    """
    try:
        if isinstance(setting, str) and os.path.isfile(path.parent / setting):
            layout = load_layout(path.parent / setting)
        else:
            layout = load_layout(setting, f"{path}: skeleton")
        skeleton_of(layout)  # checks what is in it
    except ConfigError as error:
        message = str(error)
        raise DataError(message if str(path) in message else f"{path}: skeleton: {message}") from error
    return layout
