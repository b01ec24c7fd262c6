"""Arrow arrays as views of bytes.

pyarrow's own conversions (`pa.array`, `pa.scalar`, `Array.to_numpy`, `Table.take`) import pandas: half a
second of each Python that runs a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import ReducerError


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


def matrix_of(column: pa.Array) -> np.ndarray:
    """A list array without nulls as [n, dims]. Raises `ReducerError` where lengths differ."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or lengths[0] == 0:
        raise ReducerError(f"Expected vectors of one length but found lengths {sorted(lengths)}.")
    values = column.flatten()
    if values.null_count > 0:
        raise ReducerError("Expected finite features but found null inside of a vector.")
    return numbers_of(values).reshape(len(column), lengths[0])


def blocks_of(batches: Iterator[pa.RecordBatch]) -> Iterator[np.ndarray]:
    """The first column of each batch as [n, dims], rows without a vector left out."""
    for batch in batches:
        column = batch.column(0)
        if column.null_count > 0:
            column = column.drop_null()
        if len(column) > 0:
            yield matrix_of(column)


def list_array(rows: np.ndarray, present: np.ndarray) -> pa.Array:
    """float64 [m, k] as a list array of n rows; where `present` (bool [n], m of them true) is false, null."""
    lengths = np.where(present, rows.shape[1], 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    bits = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    kind, values = pa.list_(pa.float64()), number_array(rows)
    return pa.Array.from_buffers(kind, len(present), [bits, pa.py_buffer(offsets)], children=[values])
