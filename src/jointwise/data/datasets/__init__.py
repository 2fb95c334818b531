"""The registry of data sets, and where the store of each data set lies.

A data set is named by its key in `DATASETS`, or by the path of a user's own folder or file. A folder holds one folder
of recordings for each class (`folder.py`). A file is of a kind in `PREPARED_FILES`.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from jointwise.data.datasets import (
    folder,
    ntu,
    prepared_arrays,
    prepared_pickles,
    prepared_stgcn,
    sbu,
    synthetic,
    utd_mhad,
    wmft,
)
from jointwise.data.datasets.source import DataSource
from jointwise.data.formats import aist
from jointwise.data.formats.files import check_file, read_head
from jointwise.errors import ConfigError, DataError, ReadError, unknown

DATASETS: dict[str, DataSource] = {
    source.name: source
    for source in (synthetic.SOURCE, utd_mhad.SOURCE, sbu.SOURCE, wmft.SOURCE, ntu.NTU60, ntu.NTU120)
}
PREPARED_FILES: dict[str, Callable[[Path], DataSource]] = {  # ending -> the data set in such a file
    ".npz": prepared_arrays.source_of,
    ".pkl": prepared_pickles.source_of,
    ".npy": prepared_stgcn.source_of,
}


POOL_NAME = re.compile(r"[\w-][\w.-]*")
_LONGEST_NAME = 40  # of a pool that is named after its sets


def _base() -> Path:
    """The folder of all stores."""
    return Path(os.environ.get("JOINTWISE_DATA", "data"))


def pool_members(data: str) -> tuple[str, ...]:
    """The sets of a pool that `data` names as `A,B,C`; empty where it names something else."""
    if "," not in data or Path(data).expanduser().exists():
        return ()
    return tuple(name for word in data.split(",") if (name := word.strip()))


def pool_path(name: str) -> Path:
    """Where the store of a pool lies, whether it was made or not.

    Args:
        name: Its name, or its sets as `A,B,C`.

    Returns:
        The folder.
    """
    members = pool_members(name)
    if members:
        words = [(Path(address).stem, split) for address, split in map(address_and_split, members)]
        name = "_".join(re.sub(r"[^\w.-]+", "-", ".".join(filter(None, word))) for word in words)
        if len(name) > _LONGEST_NAME:
            name = f"pool-of-{len(members)}-{hashlib.sha256(','.join(members).encode()).hexdigest()[:6]}"
    return (_base() / "pools" / name).resolve()


def new_pool_path(name: str) -> Path:
    """Where a pool that is to be made will lie, as `pool_path`.

    Raises:
        ConfigError: It is the name of a data set, or has other characters than letters, digits and `-_.`.
    """
    if name in DATASETS or not (pool_members(name) or POOL_NAME.fullmatch(name)):
        raise ConfigError(f"{name}: a pool needs a name of its own, of letters, digits, '-', '_' and '.'.")
    return pool_path(name)


def address_and_split(member: str) -> tuple[str, str | None]:
    """What `--data` and `--split` take for a set of a pool that is written `A` or `A:fold2`; None: the first split."""
    address, colon, split = member.rpartition(":")
    if not colon or "/" in split or Path(member).expanduser().exists():
        return member, None
    return address, split


def is_pool(data: str) -> bool:
    """Whether `data` names a pool that was made, or the sets of one as `A,B,C`."""
    if data in DATASETS:
        return False
    return bool(pool_members(data)) or (POOL_NAME.fullmatch(data) is not None and is_store(pool_path(data)))


def pools() -> list[Path]:
    """The folders of all pools that were made, by name."""
    return sorted(path.parent for path in (_base() / "pools").glob("*/store.json"))


def existing_path(place: str) -> Path:
    """The file or folder that a user names where a data set could be named, too.

    Args:
        place: Its path.

    Raises:
        ReadError: There is no such file or folder.
        ConfigError: Nor is there a data set of that name, which it looks like.
    """
    path = Path(place).expanduser()
    if not path.exists():
        if "/" in place or path.suffix:
            raise ReadError(f"{place}: no such file or folder. Check the path.")
        raise ConfigError(f"{place}: no such file or folder, and {unknown('data set', place, DATASETS)}")
    return path


def user_path(data: str) -> Path | None:
    """Find the user's own folder or file, or the pool, that `data` names.

    Args:
        data: What `--data` was given.

    Returns:
        The absolute path, or None for the name of a registered data set.

    Raises:
        ConfigError: There is neither such a data set nor such a path, or the path has the name of a registered data
            set.
    """
    if data in DATASETS:
        return None
    if is_pool(data):
        return pool_path(data)
    path = Path(data).expanduser()
    if data and path.exists():
        path = path.resolve()
        if folder.name_from_path(path) in DATASETS:
            raise ConfigError(
                f"--data {data}: a folder of your own cannot be called '{path.name}', as a known data set is. Rename "
                f"it; or for the known one: --data {path.name} --root {data}."
            )
        return path
    if "/" in data or path.suffix.lower() in PREPARED_FILES:
        raise ConfigError(f"--data {data}: no such folder or file. Check the path.")
    known = [*DATASETS, *(pool.name for pool in pools())]
    raise ConfigError(unknown("data set", data, known) + " A folder of your own is written with a slash: folder/.")


def find_source(data: str) -> DataSource:
    """Look up a registered data set, or describe the one in a user's folder or file.

    Args:
        data: A registered name, or a path.

    Returns:
        The description of the data set, its recordings and splits.

    Raises:
        ConfigError: There is neither such a data set nor such a path.
        DataError: The folder or file holds no data set.
        ReadError: The file is damaged.
    """
    if is_pool(data):
        raise ConfigError(
            f"{data}: a pool is not prepared but made: jointwise pool NAME SET SET. Its sets are prepared."
        )
    path = user_path(data)
    if path is None:
        return DATASETS[data]
    return folder.source_of(path) if path.is_dir() else source_of_file(path)


def source_of_file(path: Path) -> DataSource:
    """Describe the data set in a prepared file.

    Args:
        path: A file of a kind in `PREPARED_FILES`.

    Returns:
        The description of the data set, its recordings and splits.

    Raises:
        DataError: The file is of another kind, or holds something else.
        ReadError: The file is missing, empty or damaged.
    """
    if path.suffix.lower() not in PREPARED_FILES:
        endings = " or ".join(PREPARED_FILES)
        raise DataError(
            f"{path}: prepared data sets are files that end in {endings}, or folders. If it is "
            "a recording, name the folder that it lies in."
        )
    check_file(path)
    return PREPARED_FILES[path.suffix.lower()](path)


def holds_data_set(path: Path) -> bool:
    """Whether a file looks like one that holds a whole prepared data set."""
    if path.suffix.lower() != ".npz":
        return path.suffix.lower() == ".pkl" and not aist.FORMAT.detect(path, read_head(path))
    try:
        with zipfile.ZipFile(path) as archive:
            return "x_train.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False  # its reader reports what is wrong with it


def data_name(data: str) -> str:
    """The name of a data set in runs and results: its registered name, or the name of the user's folder or file."""
    path = user_path(data)
    return data if path is None else folder.name_from_path(path)


def store_path(data: str) -> Path:
    """Where the store of a data set lies, whether it is prepared or not.

    Stores lie under `$JOINTWISE_DATA`, by default `./data`; those of a user's own data under `own/` in it. A user's
    folder that is a store itself, as `join` makes, stays where it is.

    Args:
        data: A registered name, or a path.

    Returns:
        The folder of the store.

    Raises:
        ConfigError: There is neither such a data set nor such a path.
    """
    base = _base()
    path = user_path(data)
    if path is None:
        return base / data
    if is_store(path) or is_pool(data):
        return path
    path_hash = hashlib.sha256(str(path).encode()).hexdigest()[:6]  # keeps folders of the same name apart
    return base / "own" / f"{folder.name_from_path(path)}-{path_hash}"


def is_prepared(data: str) -> bool:
    """Whether a data set has a store."""
    return is_store(store_path(data))


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return (path / "store.json").is_file()
