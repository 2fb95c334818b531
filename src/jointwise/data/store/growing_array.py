"""An .npy file that rows are appended to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class GrowingArray:
    """An .npy file that rows are appended to. Its header gets the final number of rows in `finish`.

    Args:
        path: The file; it is created if missing.
        row_shape: Shape of a row.
        dtype: NumPy's name of the type of the numbers.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: str) -> None:
        self.row_shape = row_shape
        self.dtype = np.dtype(dtype)
        self.rows = 0
        self.row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize
        self.file = path.open("r+b" if path.exists() else "w+b")
        self._write_header()
        self.begin = self.file.tell()

    def _write_header(self) -> None:
        self.file.seek(0)
        fields = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.row_shape)}
        np.lib.format.write_array_header_1_0(self.file, fields)  # pads so that the first axis may grow in place

    def rows_in_file(self) -> int:
        """Whole rows that lie in the file; they may be more than `rows`."""
        return (self.file.seek(0, os.SEEK_END) - self.begin) // self.row_bytes

    def truncate(self, rows: int) -> None:
        """Keep the first `rows` rows, and append behind them."""
        self.rows = rows
        self.file.truncate(self.begin + rows * self.row_bytes)
        self.file.seek(0, os.SEEK_END)

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Append rows (n, *row_shape)."""
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def save(self) -> None:
        """Make sure that all rows are on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def finish(self) -> None:
        """Write the final number of rows into the header, and save."""
        self._write_header()
        self.save()
