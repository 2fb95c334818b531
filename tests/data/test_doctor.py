"""Looking at recordings and data sets: facts, findings, and what cannot be read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.own_folder import settings
from jointwise.data.dataset import prepare
from jointwise.data.datasets import existing_path
from jointwise.data.doctor import examine
from jointwise.data.examination import Examination
from jointwise.data.findings import LOOK, STOP, UNREADABLE
from jointwise.data.formats import npz
from jointwise.data.sequence import Sequence
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.errors import ConfigError, DataError, ReadError

CLASSES = ("wave", "kick")


@pytest.fixture(scope="module")
def bodies() -> list[Sequence]:
    """Recordings of two actions by four persons."""
    made = generate(subjects=(1, 2, 3, 4), cameras=(2,))
    return [sequence for sequence in made if ACTIONS[sequence.label or 0] in CLASSES]


@pytest.fixture
def folder(tmp_path: Path, bodies: list[Sequence], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean data set of these."""
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    for number, sequence in enumerate(bodies):
        path = tmp_path / "moves" / ACTIONS[sequence.label or 0] / f"{number:02d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        npz.write(path, sequence)
    return tmp_path / "moves"


def checks(examination: Examination, verdict: str = STOP) -> set[str]:
    return {finding.check for finding in examination.findings if finding.verdict == verdict}


def test_a_clean_folder_has_its_facts_and_nothing_that_spoils_a_training(folder: Path) -> None:
    seen = examine(str(folder))
    assert checks(seen) == set()
    assert not seen.single
    assert seen.folder == folder
    assert UNREADABLE in seen.fine
    assert "joints differ" in seen.fine
    assert len(seen.recordings) == len(list(folder.rglob("*.npz")))
    look = seen.recordings[0]
    assert (look.name, look.format, look.joints) == ("kick/" + look.name[5:], "npz", "ntu25, 25 joints, 3D")
    assert (look.units, look.guess, look.up, look.fps, look.persons) == (None, "m", "y", 30.0, 1)
    assert 1.0 < (look.size or 0) < 2.5
    assert {item.subject for item in seen.recordings} == {1, 2, 3, 4}
    assert look.frame_digests is None  # only facts are kept


def test_files_that_cannot_be_read_are_findings_grouped_by_cause(folder: Path) -> None:
    for number in range(4):
        (folder / "wave" / f"cut{number}.npz").write_bytes(b"PK\x03\x04 positions.npy" + bytes(number))
    (folder / "wave" / "empty.npz").write_bytes(b"")
    seen = examine(str(folder))
    assert checks(seen) == {UNREADABLE}
    groups = [group for group in seen.groups if group.check == UNREADABLE]
    assert [group.count for group in groups] == [4, 1]
    assert [finding.source for finding in groups[0].examples] == [f"wave/cut{number}.npz" for number in range(3)]
    assert len(seen.recordings) == len(list(folder.rglob("*.npz"))) - 5


def test_a_folder_of_which_nothing_can_be_read_is_told_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    for number in range(3):
        (tmp_path / "wave" / f"{number}.npz").write_bytes(b"")
    seen = examine(str(tmp_path))
    assert (len(seen.recordings), seen.groups[0].count, seen.verdict) == (0, 3, STOP)
    assert seen.fine == []


def test_mixed_units_layouts_and_rates_are_found(folder: Path, bodies: list[Sequence]) -> None:
    one = bodies[0]
    npz.write(folder / "wave/mm.npz", replace(one, positions=one.positions * 1000, label=None))
    npz.write(folder / "wave/fast.npz", replace(bodies[1], fps=120.0, label=None))
    npz.write(folder / "wave/few.npz", bodies[2].on_joints(bodies[2].skeleton.joints[:20]))
    seen = examine(str(folder))
    assert {"sizes differ", "joints differ"} <= checks(seen)
    assert "frame rates differ" in checks(seen, LOOK)


def test_wrong_settings_are_a_finding_and_the_recordings_are_looked_at_all_the_same(folder: Path) -> None:
    seen = examine(str(settings(folder, subject_pattern="S(\\d+)")))
    assert checks(seen) == {"settings"}
    assert "finds no subject" in seen.findings[0].message
    assert len(seen.recordings) == len(list(folder.rglob("*.npz")))
    assert checks(examine(str(settings(folder, test_subjects=[9])))) == {"settings"}


def test_a_recording_alone_and_options_in_place_of_what_the_file_says(folder: Path) -> None:
    path = next(folder.rglob("*.npz"))
    seen = examine(str(path))
    assert seen.single
    assert [look.name for look in seen.recordings] == [str(path)]
    assert "joints differ" not in seen.fine
    told = examine(str(path), options={"fps": 60.0, "units": "mm", "format": "npz"}).recordings[0]
    assert (told.fps, told.units, told.guess) == (60.0, "mm", None)
    one = examine(str(folder), options={"fps": 60.0}).recordings[0]
    assert (one.fps, one.subject, one.label) == (60.0, 1, 0)


def test_a_body_upside_down_is_found_where_it_is(folder: Path, bodies: list[Sequence]) -> None:
    down = bodies[0].positions * np.float32([-1, -1, 1])
    npz.write(folder / "wave/down.npz", replace(bodies[0], positions=down))
    seen = examine(str(folder))
    assert [(finding.source, finding.verdict) for finding in seen.findings if finding.check == "upside down"] == [
        ("wave/down.npz", STOP)
    ]


def test_a_prepared_data_set_is_looked_at_in_its_store(folder: Path) -> None:
    prepare(f"{folder}/")
    store = next((folder.parent / "stores/own").iterdir())
    seen = examine(str(store))
    assert seen.prepared
    assert checks(seen) == set()
    assert len(seen.recordings) == len(list(folder.rglob("*.npz")))
    with pytest.raises(ConfigError, match=r"--fps: .* is prepared already"):
        examine(str(store), options={"fps": 60.0})


@pytest.mark.slow
def test_several_processes_see_the_same(folder: Path) -> None:
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*.npz"))]
    for number in range(400):
        (folder / "kick" / f"more{number:03d}.npz").symlink_to(folder / names[number % len(names)])
    assert examine(str(folder), workers=2).to_json() == examine(str(folder)).to_json()


def test_a_path_is_checked_and_a_misspelt_data_set_is_told(tmp_path: Path) -> None:
    assert existing_path(str(tmp_path)) == tmp_path
    with pytest.raises(ReadError, match="Check the path"):
        existing_path(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="did you mean 'synthetic'"):
        existing_path("synthetik")


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file or folder"):
        examine(str(tmp_path / "none.npz"))
    with pytest.raises(ConfigError, match="no such file or folder, and unknown data set"):
        examine("syntetic")
    with pytest.raises(DataError, match="no recordings in"):
        examine(str(tmp_path))
    with pytest.raises(ConfigError, match="--root: only known data sets have one"):
        examine(str(tmp_path), tmp_path)


def test_a_prepared_file_is_a_data_set_and_its_faults_are_told(tmp_path: Path, bodies: list[Sequence]) -> None:
    rows = np.zeros((4, 64, 75), np.float32)
    for row, sequence in zip(rows, bodies, strict=False):
        row[: min(64, sequence.frames)] = sequence.positions[0, :64].reshape(-1, 75)
    arrays = {"x_train": rows[:2], "y_train": np.eye(2)[:2], "x_test": rows[2:], "y_test": np.eye(2)[:2]}
    np.savez(tmp_path / "NTU_CS.npz", **arrays)
    seen = examine(str(tmp_path / "NTU_CS.npz"))
    assert not seen.single
    assert [look.format for look in seen.recordings] == [""] * 4
    np.savez(tmp_path / "NTU_CS.npz", **(arrays | {"x_test": rows[:0]}))
    with pytest.raises(DataError, match="'x_test' has shape"):
        examine(str(tmp_path / "NTU_CS.npz"))


def test_a_recording_of_zeros_and_one_without_a_body_are_told_as_such(folder: Path, bodies: list[Sequence]) -> None:
    one = bodies[0]
    npz.write(folder / "wave/zeros.npz", replace(one, positions=np.zeros_like(one.positions)))
    npz.write(folder / "wave/nobody.npz", replace(one, valid=np.zeros_like(one.validity)))
    seen = {finding.check: finding.verdict for finding in examine(str(folder)).findings if finding.source}
    assert seen["same point"] == STOP
    assert UNREADABLE not in seen
    assert {"missing", "nobody"} & set(seen)
