"""`fit_reducer` and `transform`: scaler and PCA over a DataFrame of vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .arrow_arrays import blocks_of, list_array, matrix_of
from .errors import OptionError, ReducerError
from .fit_moments import Fit, Scaling, Solver, by_matrix, by_products, by_rows, project, reducer_of
from .moments import SCATTER_DIMS, Moments, merge_moments
from .reducer import Reducer
from .ship import ship
from .worker_slot import close_kept_worker

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: Above SCATTER_DIMS: so many bytes of vectors are brought to the driver once instead of read in many passes.
COLLECT_BYTES = 64 << 20

Merge = Callable[[Iterable[bytes]], bytes]
Summarize = Callable[[Iterator[pa.RecordBatch]], "bytes | None"]
#: One state for all rows: that of each group of them, joined by the merge; its size, about, comes last.
Over = Callable[[Summarize, Merge, int], "bytes | None"]


def fit_reducer(
    table: DataFrame,
    k: int,
    *,
    column: str | None = None,
    standardize: bool | None = None,
    center: bool = True,
    collect_bytes: int = COLLECT_BYTES,
) -> Reducer:
    """Fits the scaler and PCA that `img2features` fits, over all rows of `column` that are not null.

    k: components; those beyond the rank of the data are zeros.
    column: an array of numbers; default: the only array<float> that there is.
    standardize: scale to mean 0 and sample standard deviation 1 first; default: for `vectors` (pixels) only.
    center: project vectors less their mean; False projects them as they are, as Spark's PCA.
    collect_bytes: above 2,048 values in a vector the table is read some 10 to 20 times, unless all vectors
        take no more than this as float32. Persist or write the table before.

    Up to 2,048 values the table is read once and summed to a [dims, dims] matrix; above, nothing of that
    size exists anywhere: 25,088 values take 8 MB on each task. Raises `ReducerError`, perhaps inside of the
    task's error, for values that are not finite.
    """
    name = column or only_vector(table)
    fit = Fit(
        k,
        standardize if standardize is not None else name == "vectors",
        center,
        str(table.schema[name].metadata.get("output", "pixels" if name == "vectors" else name)),
    )
    vectors = table.select(name).where(table[name].isNotNull())
    ship(table.sparkSession)
    dims = int(vectors.schema[name].metadata.get("length", SCATTER_DIMS))
    return fit_over(partial(summarize, vectors), name, dims, fit, collect_bytes=collect_bytes)


def fit_over(
    over: Over,
    name: str,
    dims: int,
    fit: Fit,
    *,
    collect_bytes: int = COLLECT_BYTES,
    moments: Moments | None = None,
) -> Reducer:
    """The reducer of the column `name` of rows that lie anywhere.

    over: one state for all of them, as `summarize`; dims: values in a vector, or the largest possible
    moments: the rows' sums, where they are known already
    """
    if moments is None:
        # About the size of a partition's sums.
        size = 4 * dims * dims if dims <= SCATTER_DIMS else 24 * dims
        state = over(_moments_of, merge_moments, size)
        moments = Moments.from_bytes(state) if state is not None else None
    if moments is None:
        raise ReducerError(f"Expected rows to fit {name} on but found none.")
    scaling = Scaling.of(moments, fit.standardize)
    solver = by_matrix(moments, scaling) or _solver(over, moments, scaling, collect_bytes)
    return reducer_of(moments, scaling, solver, fit)


def transform(
    table: DataFrame, reducer: Reducer, *, column: str | None = None, output: str | None = None
) -> DataFrame:
    """Adds `output` (default `<column>_redux`, array<double> of k values), null where the vector is."""
    from pyspark.sql.types import ArrayType, DoubleType, StructField, StructType

    name = column or only_vector(table)
    added = output or f"{name}_redux"
    if added in table.columns:
        raise OptionError(f"Expected a new name for output= but the table has {added} already.")
    ship(table.sparkSession)
    schema = StructType([*table.schema.fields, StructField(added, ArrayType(DoubleType()))])
    position = table.columns.index(name)
    return table.mapInArrow(partial(_reduce, reducer=reducer, position=position, name=added), schema)


def only_vector(table: DataFrame) -> str:
    """The one column of type array<float>. Raises `OptionError` where there is another number of them."""
    names = [name for name, kind in table.dtypes if kind == "array<float>"]
    if len(names) != 1:
        raise OptionError(f"Expected column= where a table has not one array<float> but found {names}.")
    return names[0]


def _solver(over: Over, moments: Moments, scaling: Scaling, collect_bytes: int) -> Solver:
    """On the rows, brought to the driver once; or by a pass over them each time."""
    if 4 * moments.count * moments.dims <= collect_bytes:
        rows = _collect(over, moments.dims)
        _expect_rows(len(rows), moments.count)
        return by_rows(rows, scaling)
    share = 1 / max(1, moments.count - 1)
    return by_products(lambda block: _pass(over, block, scaling, moments.count) * share, moments.dims)


def _pass(over: Over, block: np.ndarray, scaling: Scaling, count: int) -> np.ndarray:
    """X^T (X Q) by one job over all rows; no machine holds the whole of X."""
    function = partial(_image_of, block=np.ascontiguousarray(block), scaling=scaling)
    state = over(function, _add_images, block.nbytes)
    images = np.frombuffer(state or b"", np.float64)
    _expect_rows(int(images[0]) if len(images) else 0, count)
    return images[1:].reshape(block.shape)


def _expect_rows(found: int, expected: int) -> None:
    if found != expected:
        raise ReducerError(
            f"Expected {expected} rows for the PCA but found {found} on a later pass."
            " Write or persist the table before it is fitted: each pass reads it again."
        )


def _moments_of(batches: Iterator[pa.RecordBatch]) -> bytes | None:
    """The sums of one partition."""
    close_kept_worker()
    moments: Moments | None = None
    for values in blocks_of(batches):
        moments = moments or Moments(values.shape[1])
        moments.add(values)
    return moments.to_bytes() if moments else None


def _image_of(batches: Iterator[pa.RecordBatch], block: np.ndarray, scaling: Scaling) -> bytes | None:
    """Number of rows, then the partition's image: float64 [1 + b * dims]."""
    count, image = 0, np.zeros(block.shape)
    for values in blocks_of(batches):
        image += project(values, block, scaling)
        count += len(values)
    return np.concatenate([[float(count)], image.reshape(-1)]).tobytes() if count else None


def _add_images(states: Iterable[bytes]) -> bytes:
    total: np.ndarray | None = None
    for state in states:
        one = np.frombuffer(state, np.float64)
        total = one.copy() if total is None else total + one
    assert total is not None
    return total.tobytes()


def _collect(over: Over, dims: int) -> np.ndarray:
    """All rows, float32 [n, dims], partition after partition."""
    state = over(_rows_of, b"".join, 0)
    return np.frombuffer(state or b"", np.float32).reshape(-1, dims)


def _rows_of(batches: Iterator[pa.RecordBatch]) -> bytes | None:
    return b"".join(values.astype(np.float32).tobytes() for values in blocks_of(batches)) or None


def _reduce(
    batches: Iterator[pa.RecordBatch], reducer: Reducer, position: int, name: str
) -> Iterator[pa.RecordBatch]:
    close_kept_worker()
    for batch in batches:
        column = batch.column(position)
        present = np.asarray(column.is_valid())
        good = column.drop_null() if column.null_count else column
        values = reducer.reduce(matrix_of(good)) if len(good) else np.zeros((0, reducer.k))
        arrays = [*batch.columns, list_array(values, present)]
        yield pa.RecordBatch.from_arrays(arrays, [*batch.schema.names, name])


_SCHEMA = "place long, size long, state binary"
#: States that are joined in one task, where they are too many for the driver.
_FAN_IN = 8
#: What the driver takes at once; spark.driver.maxResultSize is 1 GB unless set.
_DRIVER_BYTES = 128 << 20


def summarize(table: DataFrame, of_partition: Summarize, merge: Merge, state_bytes: int) -> bytes | None:
    """One state for the whole table: `of_partition` of each partition, joined by `merge`.

    Few or small states (`state_bytes` is their size, about) are joined on the driver; else eight at a time
    on the executors first. Either way in the order of the partitions, so that the same partitions give the
    same bits. None where no partition has one.
    """
    states = table.mapInArrow(partial(_one_state, of_partition=of_partition), _SCHEMA)
    count = _count_partitions(table)
    while count is not None and count > _FAN_IN and count * state_bytes > _DRIVER_BYTES:
        count = -(-count // _FAN_IN)
        grouped = states.selectExpr(f"CAST(place AS long) DIV {_FAN_IN} AS place", "place AS part", "state")
        placed = grouped.repartition(count, "place").sortWithinPartitions("place", "part")
        states = placed.mapInArrow(partial(_join_places, merge=merge), _SCHEMA)
    found = sorted((row["place"], bytes(row["state"])) for row in states.collect())
    return merge(state for _, state in found) if found else None


def _count_partitions(table: DataFrame) -> int | None:
    try:
        return int(table.rdd.getNumPartitions())
    except Exception:
        # Spark Connect has no RDDs.
        return None


def _one_state(batches: Iterator[pa.RecordBatch], of_partition: Summarize) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext

    state = of_partition(batches)
    context: Any = TaskContext.get()
    if state is not None:
        yield _state_batch(context.partitionId(), state)


def _join_places(batches: Iterator[pa.RecordBatch], merge: Merge) -> Iterator[pa.RecordBatch]:
    """Rows of one place adjoin; each becomes one."""
    place: int | None = None
    joined = b""
    for batch in batches:
        for row in batch.to_pylist():
            if row["place"] == place:
                joined = merge([joined, row["state"]])
                continue
            if place is not None:
                yield _state_batch(place, joined)
            place, joined = row["place"], row["state"]
    if place is not None:
        yield _state_batch(place, joined)


def _state_batch(place: int, state: bytes) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([place], pa.int64()), pa.array([len(state)], pa.int64()), pa.array([state], pa.binary())],
        ["place", "size", "state"],
    )
