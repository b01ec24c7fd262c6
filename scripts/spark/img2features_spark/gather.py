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

#: Bytes of files that a task holds beyond those of its worker.
_READ_BYTES = 8 << 20
_READ_ROWS = 64


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

    reads: the task reads the files, as Spark would, and fails where one is missing; else its worker reads them.
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
        batches = _read(paths) if reads else iter([_batch_of(path=text_array(paths))])
        for batch in run_task(batches, task, rule, columns):
            yield _pack(batch)


def _read(paths: Sequence[str]) -> Iterator[pa.RecordBatch]:
    held: list[tuple[str, bytes]] = []
    size = 0
    for path in paths:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise WorkerError(
                f"Expected to read {path} but failed ({error.strerror})."
                " Every executor must see the file: put the images where all of them do, or into a store."
            ) from error
        if held and (len(held) == _READ_ROWS or size + len(content) > _READ_BYTES):
            yield _file_batch(held)
            held, size = [], 0
        held.append((path, content))
        size += len(content)
    yield _file_batch(held)


def _file_batch(files: Sequence[tuple[str, bytes]]) -> pa.RecordBatch:
    paths, contents = zip(*files)
    return _batch_of(path=text_array(paths), content=binary_array(contents))


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
