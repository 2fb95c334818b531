"""What a Parquet file holds, as the library pyarrow reads it. Only the process that reads apart imports this."""

from __future__ import annotations

import os

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # others reserve more address space than the limit

import numpy as np
import pyarrow  # an extra
from pyarrow import parquet

from jointwise.data.native.process import Answer, Array

pyarrow.set_cpu_count(1)
pyarrow.set_io_thread_count(1)


def read_parquet(path: str, content: bool) -> Answer:
    """Read a table.

    Args:
        path: The file.
        content: Whether to read its columns, too.

    Returns:
        `names` of the columns; for each, `texts`: a list of texts and nulls, or null where it has numbers. Arrays: the
        columns of numbers, of type int64, or float64 with NaN where one is missing.
    """
    if not content:
        return {"names": [str(name) for name in parquet.read_schema(path).names]}, []
    table = parquet.ParquetFile(path).read(use_threads=False)
    texts: list[list[str | None] | None] = []
    arrays: list[Array] = []
    for column in table.columns:
        numbers = _numbers(column)
        if numbers is not None:
            arrays.append(numbers)
            texts.append(None)
        else:
            texts.append([None if value is None else str(value) for value in column.to_pylist()])
    return {"names": list(map(str, table.column_names)), "texts": texts}, arrays


def _numbers(column: pyarrow.ChunkedArray) -> Array | None:
    """A column as an array; None where it holds no numbers."""
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pyarrow.types.is_integer(kind) and not column.null_count:
        return np.asarray(column.to_numpy(), np.int64)
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        return np.asarray(column.to_numpy(), np.float64)  # with NaN for null
    return None
