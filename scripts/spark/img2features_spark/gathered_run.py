"""The job's work on few rows: the executors extract, the driver fits, sorts and writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrow_arrays import matrix_of, numbers_of, take_rows
from .fit_moments import fit_rows
from .hadoop_files import HadoopFolder
from .job_outcome import Outcome, expect_few_bad, other_rows, reducers_for, rejected_line, write_reducers
from .part_files import PartFiles
from .progress_line import ProgressLine
from .table_layout import count_parts
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Bytes of vectors that the driver takes: some 14,000 rows of pixels, 1,000 of a layer of 4,096 values. As
#: JSON that is five times as much.
GATHER_BYTES = 16 << 20


def run_gathered(
    spark: SparkSession,
    gather: Callable[[], pa.Table],
    origins: Sequence[str],
    columns: Columns,
    out: HadoopFolder,
    options: argparse.Namespace,
    progress: ProgressLine,
) -> Outcome:
    """What `run_shared` and `run_staged` leave, by one Spark job.

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
        files = PartFiles.of(columns, reducers, options.formats)
        rows = files.finished(good)
    with progress.phase("write"):
        parts = count_parts(len(good), columns)
        size = -(-len(good) // parts)
        csv_text: list[bytes] = []
        for i in range(parts):
            for name, pieces in files.files(i, rows.slice(i * size, size)):
                if name.startswith("csv/"):
                    csv_text += pieces
                else:
                    out.write(name, pieces)
        for name, pieces in files.last_files(csv_text):
            out.write(name, pieces)
        write_reducers(out, columns, reducers)
    return Outcome(len(good), len(bad), reducers)


def _expect_origins(table: pa.Table, origins: Sequence[str]) -> None:
    """Every file is one row, with vectors or with a reason."""
    wanted = sorted(origins, key=lambda origin: origin.encode())
    found = table["origin"].to_pylist()
    if found != wanted:
        raise other_rows(len(wanted), len(found), len(set(found)))


def _rejected_lines(bad: pa.Table) -> Iterator[bytes]:
    for row in bad.select(["origin", "status", "error"]).to_pylist():
        yield rejected_line(row["origin"], row["status"], row["error"])
