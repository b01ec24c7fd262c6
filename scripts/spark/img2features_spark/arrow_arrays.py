"""Arrow arrays as views of bytes.

pyarrow's own conversions (`pa.array`, `pa.scalar`, `Array.to_numpy`, `Table.take`) import pandas: half a
second of each Python that runs a task.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def text_array(texts: Sequence[str]) -> pa.Array:
    """Strings, none of them null."""
    return _variable(pa.string(), [text.encode() for text in texts])


def binary_array(values: Sequence[bytes]) -> pa.Array:
    """Values of less than 2 GiB together, none of them null."""
    return _variable(pa.binary(), values)


def number_array(values: np.ndarray) -> pa.Array:
    """Any shape, row after row: float32, float64, int32 or int64."""
    flat = np.ascontiguousarray(values).reshape(-1)
    return pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), len(flat), [None, pa.py_buffer(flat)])


def numbers_of(array: pa.Array) -> np.ndarray:
    """The values of a number array without nulls; a view."""
    values = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    return values[array.offset : array.offset + len(array)]


def take_rows(table: pa.Table, positions: np.ndarray) -> pa.Table:
    """The rows at these positions (int64), in their order."""
    return pc.call_function("take", [table, number_array(positions)])


def _variable(kind: pa.DataType, values: Sequence[bytes]) -> pa.Array:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)
