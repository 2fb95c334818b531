"""Pieces of one recording in both parts: kept in stores, found across joined ones, refused by a training."""

from pathlib import Path

import numpy as np
import pytest

from helpers.own_folder import load, settings
from jointwise.cli import run as jointwise
from jointwise.data.checks import check_pretrainable, find_leaks
from jointwise.data.dataset import load_dataset
from jointwise.data.frame_digests import frame_digests
from jointwise.data.set_checks import Member, check_set
from jointwise.data.store.reader import Store
from jointwise.errors import DataError


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))


def windows(root: Path, seed: int) -> Path:
    """Windows of 60 frames, 12 frames apart, of one video for each of two classes."""
    for label in ("nod", "wave"):
        video = np.random.default_rng([seed, len(label)]).normal(size=(240, 7, 3)).cumsum(0).astype(np.float32)
        (root / label).mkdir(parents=True)
        for first in range(0, 181, 12):
            np.savez(root / label / f"v{seed}_{first:03}.npz", positions=video[first : first + 60])
    return root


def test_windows_of_one_video_are_told_and_refused_until_the_video_is_in_one_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = windows(tmp_path / "own", 1)
    jointwise(["prepare", f"{root}/", "--workers", "1"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in lines if line.startswith("WARNING in both parts"))
    assert "of its frames in training recordings, such as" in told
    assert any(line.startswith("look at subjects unknown: 32 of 32 recordings") for line in lines)
    data = load(root)
    with pytest.raises(
        DataError, match=r"(?s)sequences of the test part are in the .*% of its frames in training recordings"
    ):
        check_pretrainable(data)
    check_pretrainable(data, allow_duplicates=True)
    for file in (windows(tmp_path / "second", 2)).rglob("*.npz"):
        file.rename(root / file.parent.name / file.name)
    settings(root, subject_pattern=r"v(\d)_")  # each video is a subject of its own
    assert find_leaks(load(root)) == []
    check_pretrainable(load(root))


def test_a_joined_store_has_the_frames_of_all_its_shards(tmp_path: Path) -> None:
    roots = [windows(tmp_path / f"own{seed}", seed) for seed in (1, 2)]
    places = [load(root).store.path for root in roots]
    jointwise(["join", f"{tmp_path}/joined/", *map(str, places)])
    joined = load_dataset(f"{tmp_path}/joined/").store
    assert isinstance(joined, Store)
    assert len(joined) == 64
    for place in (0, 40, 63):
        kept = joined.frames["digest"][joined.frames["sequence"] == place]
        own = frame_digests(joined[place])  # centred in between, which changes no pose
        assert len(np.intersect1d(kept, own)) > 0.8 * len(own) > 4


def test_a_store_of_an_earlier_version_is_read_and_its_pieces_are_not_known(tmp_path: Path) -> None:
    root = windows(tmp_path / "own", 1)
    (load(root).store.path / "frames.npy").unlink()
    assert find_leaks(load(root)) == []


def test_members_may_come_without_frames() -> None:
    members = [Member(str(place), "nod", 1, 1, 9, str(place), np.zeros(0, np.uint32)) for place in range(6)]
    assert check_set(members) == []
