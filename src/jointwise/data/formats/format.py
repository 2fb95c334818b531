"""What a file format is: how its files are recognised, and how one is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton

HEAD_BYTES = 1 << 16  # of a file, by which its format is recognised


@dataclass(frozen=True)
class ReadOptions:
    """What a user says of a recording because its file does not say it.

    Args:
        layout: The joints, for files that do not name them.
        fps: Frames per second. It replaces what the file says.
        units: The unit of the coordinates, a key of `conventions.UNITS`. It replaces what the file says.
        up: The axis that points up, such as `y`, or `-y` for images. It replaces what the file says.
        image_size: (width, height) of the image in pixels, for coordinates that are parts of it.
        persons: Most persons to keep; those who are seen longest stay. None: all.
        min_confidence: A joint below it counts as not seen. Confidences are parts of 1.
        track: Who is who over time: `auto` uses the file's numbers of persons if it has any, and else links persons
            from frame to frame; `file` uses the numbers or the order in the file; `none` uses the order in the file.
    """

    layout: Skeleton | None = None
    fps: float | None = None
    units: str | None = None
    up: str | None = None
    image_size: tuple[int, int] | None = None
    persons: int | None = None
    min_confidence: float = 0.3
    track: str = "auto"


@dataclass(frozen=True)
class Format:
    """A file format.

    Args:
        name: Its name, as `--format` takes it.
        patterns: How its files are called, in small letters.
        written_by: Who writes such files.
        detect: (path, first HEAD_BYTES bytes) -> 0 where the file is surely not of this format, 1 where it surely is.
            It looks at the content, raises nothing, and is quick on files of other formats.
        read: (path, options) -> the recording, exactly as the file says.
        extra: The extra of jointwise that its library comes with; empty where none is needed.
        frame_files: A file holds one frame. The folder of the files is the recording.
    """

    name: str
    patterns: tuple[str, ...]
    written_by: str
    detect: Callable[[Path, bytes], float]
    read: Callable[[Path, ReadOptions], Sequence]
    extra: str = ""
    frame_files: bool = False


def without_options(reader: Callable[[Path], Sequence]) -> Callable[[Path, ReadOptions], Sequence]:
    """The `read` of a format whose files say everything.

    Args:
        reader: Path -> recording.

    Returns:
        The same reader; it ignores the options, which `formats.read` applies.
    """
    return lambda path, _options: reader(path)
