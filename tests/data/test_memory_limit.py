"""Small files that promise much: each is refused before the memory is taken."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import read
from jointwise.data.formats.restricted_pickle import load
from jointwise.data.memory_limit import check_memory, memory_limit
from jointwise.errors import ConfigError, ReadError

MOST = 150e6  # bytes that reading a hostile file may take; each would take gigabytes


def promise(shape: tuple[int, ...]) -> bytes:
    """An .npy of this shape with four numbers in it."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + bytes(16)


def npy(folder: Path) -> Path:
    path = folder / "x.npy"
    path.write_bytes(promise((1, 10**9, 25, 3)))
    return path


def npz(folder: Path) -> Path:
    path = folder / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("positions.npy", promise((1, 10**9, 25, 3)))
    return path


def zeros(folder: Path) -> Path:
    path = folder / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("positions.npy", "w") as stream:
        stream.write(promise((1, 312_500, 80, 3))[:-16])
        for _ in range(30):
            stream.write(bytes(10_000_000))
    return path


def skeleton(folder: Path) -> Path:
    path = folder / "x.skeleton"
    bodies = [f"{body} 0 0 0 0 0 0 0 0 2\n25\n" + "0 0 0 0 0 0 0 0 0 0 0 2\n" * 25 for body in range(100)]
    path.write_text("200000\n100\n" + "".join(bodies) + "0\n" * 199_999)
    return path


def joints_in_rows(folder: Path) -> Path:
    path = folder / "x.csv"
    path.write_text("frame,joint,x,y,z\n" + "".join(f"{row},j{row},0,0,0\n" for row in range(20_000)))
    return path


def persons_in_rows(folder: Path) -> Path:
    path = folder / "x.csv"
    names = ("nose", "neck", "left_hip", "right_hip", "left_knee", "right_knee")
    head = "frame,person," + ",".join(f"{joint}_{axis}" for joint in names for axis in "xyz")
    path.write_text(head + "\n" + "".join(f"{row},{row}{',0.5' * 18}\n" for row in range(10_000)))
    return path


@pytest.mark.parametrize("write", [npy, npz, zeros, skeleton, joints_in_rows, persons_in_rows])
def test_a_small_file_that_promises_gigabytes_is_refused(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match=r"JOINTWISE_FILE_MEMORY|are there"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x04}" + b")" + b"\x85" * 2_000_000 + b"K\x01s.", "tuples in each other"),  # ends Python when hashed
        (b"\x80\x04Nr\xff\xff\xff\x1f.", "memo"),  # nine bytes: a memo of 4 GB
        (b"\x80\x04\x8e" + struct.pack("<Q", 4 << 30) + b".", "remain"),
        (b"\x80\x04X" + struct.pack("<I", 2**32 - 1) + b".", "remain"),
    ],
    ids=["nested keys", "memo", "bytes", "text"],
)
def test_a_hostile_pickle_is_refused_before_it_is_loaded(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=message):
        load(path)


@pytest.mark.parametrize("protocol", range(6))
def test_an_ordinary_pickle_passes_the_look_at_its_opcodes(tmp_path: Path, protocol: int) -> None:
    import pickle

    shared = ("a", ("b", (1, 2.5)))
    content = {"split": {"x": [shared, shared], ((),): {1, 2}}, 3: [np.arange(6.0).reshape(2, 3), np.float32(1)], 4: {}}
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    loaded = load(path)
    assert loaded["split"] == content["split"]
    np.testing.assert_array_equal(loaded[3][0], np.arange(6.0).reshape(2, 3))


def test_the_limit_grows_with_the_file_and_with_what_the_user_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1000))
    assert memory_limit(path) == 200e6 + 4000
    check_memory(path, (200_000_000,), "bytes", 1)
    check_memory(path, (200_004_000,), "bytes", 1)
    with pytest.raises(ReadError, match=r"bytes of shape \(200004001,\) would take 0.20 GB"):
        check_memory(path, (200_004_001,), "bytes", 1)
    monkeypatch.setenv("JOINTWISE_FILE_MEMORY", "1")
    check_memory(path, (10**9,), "bytes", 1)
    for word in ("much", "nan", "inf"):
        monkeypatch.setenv("JOINTWISE_FILE_MEMORY", word)
        with pytest.raises(ConfigError, match=f"JOINTWISE_FILE_MEMORY={word}"):
            check_memory(path, (10**9,), "bytes", 1)


def test_the_files_of_a_folder_count_together(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.json").write_bytes(bytes(10**6))
    check_memory(tmp_path, (212_000_000,), "bytes", 1)
    with pytest.raises(ReadError):
        check_memory(tmp_path, (212_000_001 + 4 * 4096,), "bytes", 1)
