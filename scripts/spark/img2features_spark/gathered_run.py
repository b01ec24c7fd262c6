"""The job's work on few rows: the executors extract, the driver fits, sorts and writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .arrow_arrays import list_array, matrix_of, numbers_of, take_rows
from .fit_moments import fit_rows
from .hadoop_files import HadoopFolder
from .job_outcome import Outcome, expect_few_bad, other_rows, reducers_for, rejected_line, write_reducers
from .progress_line import ProgressLine
from .reducer import Reducer
from .row_text import csv_header, csv_lines, json_lines
from .table_layout import TableLayout, count_parts, spark_schema
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Bytes of vectors that the driver takes: some 14,000 rows of pixels, 1,000 of a layer of 4,096 values. As
#: JSON that is five times as much.
GATHER_BYTES = 16 << 20
_LINES_AT_ONCE = 1024


def run_gathered(
    spark: SparkSession,
    gather: Callable[[], pa.Table],
    origins: Sequence[str],
    columns: Columns,
    out: HadoopFolder,
    options: argparse.Namespace,
    progress: ProgressLine,
) -> Outcome:
    """What `run_staged` leaves, without its dozen of Spark jobs and what Spark SQL takes to load.

    gather: brings the rows; origins: those that it must bring, each once.
    """
    with progress.phase("extract"):
        table = gather()
        table = take_rows(table, numbers_of(pc.sort_indices(table["origin"])))
        _expect_origins(table, origins)
        is_good = np.array([status == "ok" for status in table["status"].to_pylist()], bool)
        good = take_rows(table, np.flatnonzero(is_good)).drop(["status", "error"])
        bad = take_rows(table, np.flatnonzero(~is_good))
        out.write("rejected.jsonl", _rejected_lines(bad))
        expect_few_bad(len(bad), len(table), options, out.path("rejected.jsonl"))
    with progress.phase("reduce"):
        reducers = reducers_for(
            spark, columns, options, lambda name, fit: fit_rows(matrix_of(good[name]), fit)
        )
        for name, reducer in reducers.items():
            good = good.append_column(f"{name}_redux", _reduced(good[name], reducer))
    with progress.phase("write"):
        layout = TableLayout.of(columns, reducers)
        parts = _cut(good.select(layout.order), count_parts(len(good), columns))
        _write_formats(parts, columns, out, options.formats, layout)
        write_reducers(out, columns, reducers)
    return Outcome(len(good), len(bad), reducers)


def _expect_origins(table: pa.Table, origins: Sequence[str]) -> None:
    """Every file is one row, with vectors or with a reason."""
    wanted = sorted(origins, key=lambda origin: origin.encode())
    found = table["origin"].to_pylist()
    if found != wanted:
        raise other_rows(len(wanted), len(found), len(set(found)))


def _reduced(column: pa.ChunkedArray, reducer: Reducer) -> pa.Array:
    values = reducer.reduce(matrix_of(column)) if len(column) else np.zeros((0, reducer.k))
    return list_array(values, np.ones(len(column), bool))


def _cut(table: pa.Table, parts: int) -> list[pa.RecordBatch]:
    """The rows in so many batches of about one size, at least one."""
    # A table without rows has no batch of its own.
    columns = [column.combine_chunks() for column in table.columns]
    whole = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    size = -(-len(table) // parts)
    return [whole.slice(i * size, size) for i in range(parts)]


def _write_formats(
    parts: Sequence[pa.RecordBatch],
    columns: Columns,
    out: HadoopFolder,
    formats: Sequence[str],
    layout: TableLayout,
) -> None:
    """The layout of `write_formats`; `_SUCCESS` marks a whole folder for Hadoop's readers."""
    if "parquet" in formats:
        for i, part in enumerate(parts):
            out.write(f"parquet/part-{i:05d}.parquet", [_parquet(part, columns)])
        out.write("parquet/_SUCCESS", [])
    if "json" in formats:
        for i, part in enumerate(parts):
            out.write(f"json/part-{i:05d}.json", _encoded(part, json_lines))
        out.write("json/_SUCCESS", [])
    if "csv" in formats:
        out.write("csv/features.csv", _csv(parts, layout))
        out.write("csv/_SUCCESS", [])


def _parquet(part: pa.RecordBatch, columns: Columns) -> bytes:
    """One file, with what Spark's own tell of the columns: fit_reducer reads the layers' names there."""
    described = {"org.apache.spark.sql.parquet.row.metadata": spark_schema(part.schema, columns).json()}
    table = pa.Table.from_batches([part]).replace_schema_metadata(described)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    return sink.getvalue().to_pybytes()


def _csv(parts: Sequence[pa.RecordBatch], layout: TableLayout) -> Iterator[bytes]:
    yield f"{csv_header(layout.matrices)}\n".encode()
    for part in parts:
        yield from _encoded(part.select(["origin", "target", *layout.matrices]), csv_lines)


def _encoded(part: pa.RecordBatch, lines_of: Callable[[pa.RecordBatch], list[str]]) -> Iterator[bytes]:
    for first in range(0, part.num_rows, _LINES_AT_ONCE):
        lines = lines_of(part.slice(first, _LINES_AT_ONCE))
        yield "".join(f"{line}\n" for line in lines).encode()


def _rejected_lines(bad: pa.Table) -> Iterator[bytes]:
    for row in bad.select(["origin", "status", "error"]).to_pylist():
        yield rejected_line(row["origin"], row["status"], row["error"])
