"""A list column's values as a matrix, without copying where that is possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrow_arrays import number_array, numbers_of
from .errors import ReducerError


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
