"""Rows brought to the driver as Arrow, where they are few."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from .arrow_arrays import binary_array, text_array
from .errors import WorkerError
from .listing import PlannedFile
from .origins import OriginRule
from .ship import ship
from .worker_task import Columns, TaskSpec, run_task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Why a worker has no bytes of a file that was listed.
_LOST = ("vanished", "unreadable", "broken_link")


def gather_files(
    spark: SparkSession,
    planned: Sequence[PlannedFile],
    *,
    task: TaskSpec,
    rule: OriginRule,
    columns: Columns,
    reads: bool,
) -> pa.Table:
    """One row for each file, `Columns.schema()`, in the order of the plan: a task for each stream.

    The paths are those of the executors' own file system. Spark's core alone runs this: nothing waits for
    Spark SQL to load.

    reads: the task fails where a file cannot be read, as where Spark reads; else such a file is a rejection.
    """
    by_stream = itertools.groupby(planned, lambda file: file.stream)
    streams = [[file.path for file in group] for _, group in by_stream]
    if not streams:
        return columns.schema().empty_table()
    ship(spark)
    answer = partial(_answer_streams, task=task, rule=rule, columns=columns, reads=reads)
    packed = spark.sparkContext.parallelize(streams, len(streams)).mapPartitions(answer).collect()
    return _unpack(packed, columns)


def gather_table(table: DataFrame, columns: Columns) -> pa.Table:
    """The rows of `extract`, in no order."""
    found = table.mapInArrow(_packed_rows, "batch binary").collect()
    return _unpack([row["batch"] for row in found], columns)


def _answer_streams(
    streams: Iterable[list[str]], task: TaskSpec, rule: OriginRule, columns: Columns, reads: bool
) -> Iterator[bytes]:
    for paths in streams:
        for batch in answer_files(paths, task, rule, columns, reads):
            yield _pack(batch)


def answer_files(
    paths: Sequence[str], task: TaskSpec, rule: OriginRule, columns: Columns, reads: bool
) -> Iterator[pa.RecordBatch]:
    """The rows of one stream; the worker reads its files: the bytes pass neither the JVM nor Python."""
    done = 0
    for batch in run_task(iter([_batch_of(path=text_array(paths))]), task, rule, columns):
        statuses = batch.column(batch.schema.get_field_index("status")).to_pylist()
        for path, status in zip(paths[done:], statuses):
            if reads and status in _LOST:
                raise WorkerError(
                    f"Expected to read {path} but failed ({status})."
                    " Every executor must see the file: put the images where all of them do, or into a store."
                )
        done += batch.num_rows
        yield batch


def _batch_of(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _packed_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield _batch_of(batch=binary_array([_pack(batch)]))


def _pack(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _unpack(packed: Iterable[bytes], columns: Columns) -> pa.Table:
    schema = columns.schema()
    batches = [batch for one in packed for batch in pa.ipc.open_stream(one)]
    # Spark has names of its own for what a list holds.
    return pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()
