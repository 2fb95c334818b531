"""The data sets that are known by name, and where the store of each lies; or a folder or file of one's own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from jointwise.data.datasets import folder, ntu, prepared_arrays, prepared_pickles, sbu, synthetic, utd_mhad, wmft
from jointwise.data.datasets.source import DataSource
from jointwise.data.formats.files import check_file
from jointwise.errors import ConfigError, DataError, unknown

DATASETS: dict[str, DataSource] = {
    source.name: source
    for source in (synthetic.SOURCE, utd_mhad.SOURCE, sbu.SOURCE, wmft.SOURCE, ntu.NTU60, ntu.NTU120)
}
PREPARED_FILES: dict[str, Callable[[Path], DataSource]] = {  # ending -> the data set in such a file
    ".npz": prepared_arrays.source_of,
    ".pkl": prepared_pickles.source_of,
}


def own_path(data: str) -> Path | None:
    """The folder or file of the user's own that `data` names, None for the name of a registered data set.

    Raises ConfigError for what is neither.
    """
    if data in DATASETS:
        return None
    path = Path(data).expanduser()
    if data and path.exists():
        path = path.resolve()
        if folder.data_name(path) in DATASETS:
            raise ConfigError(
                f"--data {data}: a folder of your own cannot be called '{path.name}', as a known data set is. Rename "
                f"it; or for the known one: --data {path.name} --root {data}."
            )
        return path
    if "/" in data or path.suffix.lower() in PREPARED_FILES:
        raise ConfigError(f"--data {data}: no such folder or file. Check the path.")
    raise ConfigError(unknown("data set", data, DATASETS) + " A folder of your own is written with a slash: folder/.")


def data_name(data: str) -> str:
    """What a data set is called in runs and results: its registered name, or that of the folder or file."""
    path = own_path(data)
    return data if path is None else folder.data_name(path)


def find_source(data: str) -> DataSource:
    """The data set registered as `data`, or made of a folder or file of the user's own.

    Raises ConfigError, naming the nearest, when there is none; DataError for a folder that holds no data set.
    """
    path = own_path(data)
    if path is None:
        return DATASETS[data]
    return folder.source_of(path) if path.is_dir() else source_of_file(path)


def store_path(data: str) -> Path:
    """Where the store of a data set lies: under $JOINTWISE_DATA, by default ./data; one's own under own/.

    A folder that is a store itself, as those that `join` makes, lies where it is.
    """
    base, path = Path(os.environ.get("JOINTWISE_DATA", "data")), own_path(data)
    if path is None:
        return base / data
    if is_store(path):
        return path
    return base / "own" / f"{folder.data_name(path)}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def is_prepared(data: str) -> bool:
    """Whether the store of a data set is there."""
    return is_store(store_path(data))


def is_store(path: Path) -> bool:
    """Whether a folder is a store."""
    return (path / "store.json").is_file()


def source_of_file(path: Path) -> DataSource:
    """The data set in a prepared file. Raises DataError for another kind or content, ReadError for a damaged file."""
    if path.suffix.lower() not in PREPARED_FILES:
        endings = " or ".join(PREPARED_FILES)
        raise DataError(f"{path}: prepared data sets are files that end in {endings}, or folders.")
    check_file(path)
    return PREPARED_FILES[path.suffix.lower()](path)
