"""The dataset.yaml that init writes is read back as what was seen."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jointwise.data.datasets.folder_settings import read_settings
from jointwise.data.datasets.settings_file import describe_folder, guess_subjects


@dataclass(frozen=True)
class Seen:
    name: str
    layout: str = "ntu25"
    fps: float = 30.0
    subject: int | None = None
    assumed: tuple[str, ...] = ()
    units: str | None = None
    guess: str | None = None


@pytest.mark.parametrize(
    ("names", "subjects"),
    [
        (["wave/s01_t1", "wave/s02_t1", "bow/s01_t1", "bow/s02_t2"], {"01": 2, "02": 2}),
        (["wave/subject-7.npz", "nod/subject-7.npz", "wave/subject-8.npz", "nod/subject-8.npz"], {"7": 2, "8": 2}),
        ([f"S001C001P00{p}R001A00{a}.skeleton" for p in (1, 3) for a in (1, 2)], {"001": 2, "003": 2}),
        (["wave/1.npz", "wave/2.npz", "nod/1.npz", "nod/2.npz"], None),
        (["wave/s1.npz", "wave/s2.npz", "wave/s3.npz"], None),  # a number of the recording
        (["wave/s1a.npz", "wave/s1b.npz"], None),  # one subject
        (["wave/s1a", "wave/s2a", "wave/s1b", "wave/other"], None),
    ],
)
def test_subjects_are_guessed_where_names_hold_some_that_come_again(
    names: list[str], subjects: dict[str, int] | None
) -> None:
    guess = guess_subjects(names)
    assert (guess and guess[1]) == subjects


def test_what_all_recordings_say_becomes_settings(tmp_path: Path) -> None:
    names = [f"wave/s{subject:02d}_{take}.npz" for subject in range(1, 5) for take in range(3)]
    text = describe_folder(
        "moves/", [Seen(name, assumed=("30 frames per second are assumed.",)) for name in names], None
    )
    (tmp_path / "dataset.yaml").write_text(text)
    settings = read_settings(tmp_path / "dataset.yaml")
    assert (settings.skeleton, settings.fps, settings.test_subjects, settings.terms) == ("ntu25", 30, [2, 4], "")
    assert settings.labels is None
    assert "4 subjects (recordings): 01 (3), 02 (3), 03 (3), 04 (3)" in text


def test_what_recordings_disagree_about_or_say_themselves_stays_a_comment(tmp_path: Path) -> None:
    seen = [Seen("a", "joints9", 25.0, 1), Seen("b", "ntu25", 30.0, 2), Seen("c", "ntu25", 30.0, 3)]
    (tmp_path / "dataset.yaml").write_text(text := describe_folder("moves/", seen, "labels.csv"))
    settings = read_settings(tmp_path / "dataset.yaml")
    assert (settings.skeleton, settings.fps, settings.subject_pattern) == (None, None, None)
    assert (settings.labels, settings.test_subjects) == ("labels.csv", [2])
    assert "from 25 to 30" in text
    assert "# skeleton: ntu25" in text


@pytest.mark.parametrize(("guesses", "units"), [(("mm", "mm"), "mm"), (("mm", "m"), None), (("m", "m"), None)])
def test_a_unit_that_all_bodies_tell_becomes_a_setting(
    tmp_path: Path, guesses: tuple[str, ...], units: str | None
) -> None:
    seen = [Seen(name, guess=guess) for name, guess in zip("ab", guesses, strict=True)]
    (tmp_path / "dataset.yaml").write_text(describe_folder("moves/", seen, None))
    assert read_settings(tmp_path / "dataset.yaml").units == units
    stated = [replace(item, units="mm") for item in seen]
    (tmp_path / "dataset.yaml").write_text(describe_folder("moves/", stated, None))
    assert read_settings(tmp_path / "dataset.yaml").units is None
    assert "units:" not in describe_folder("moves/", [replace(item, units="px") for item in seen], None)
