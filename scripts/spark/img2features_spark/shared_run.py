"""The job's work on many rows, with images and --out where driver and executors reach them without Hadoop.

Two Spark jobs without Spark SQL. The first gives each task a run of the sorted list: its worker reads the
files, and the task stages their rows, and the rows' sums for the PCA, as files of its own. The driver fits.
The second gives each task a part of the table, cut from the staged rows by numbers: nothing is sorted again.
"""

from __future__ import annotations

import argparse
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .extraction import Request, count_slots
from .fit import Merge, Summarize, fit_over
from .fit_moments import Fit
from .gather import answer_files
from .hadoop_files import HadoopFolder
from .job_outcome import (
    STATE,
    Outcome,
    expect_few_bad,
    other_rows,
    reducers_for,
    write_reducers,
)
from .listing import PlannedFile
from .moments import Moments
from .origins import location_of
from .part_files import PartFiles
from .progress_line import ProgressLine
from .reducer import Reducer
from .ship import ship
from .staged_files import (
    Slice,
    Staged,
    bytes_of,
    cut_rows,
    not_shared,
    put_file,
    read_rows,
    stage_rows,
    staged_schema,
)
from .store_files import is_store_path
from .table_layout import count_parts
from .worker_slot import close_kept_worker
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Up to here a task sums its rows for the PCA while it has them: 1 MB of sums at the limit.
_SUMMED_DIMS = 512


def run_shared(
    spark: SparkSession,
    planned: Sequence[PlannedFile],
    columns: Columns,
    request: Request,
    folder: str,
    out: HadoopFolder,
    options: argparse.Namespace,
    progress: ProgressLine,
) -> Outcome:
    """What `run_staged` leaves. Memory does not grow with the number of images, but for the list of them.

    planned: in the order of their origins; folder: --out as Python opens it, or as a path of a store
    """
    ship(spark)
    stage = os.path.join(folder, STATE)
    is_fitted = options.saved is None and options.k > 0
    lengths = zip(columns.names, columns.lengths)
    summed = [name for name, length in lengths if is_fitted and length <= _SUMMED_DIMS]
    with progress.phase("extract"):
        _expect_distinct(planned, request)
        if not is_store_path(stage):
            os.makedirs(stage, exist_ok=True)
        streams = [[file.path for file in group] for _, group in groupby(planned, lambda file: file.stream)]
        task = partial(_stage_streams, request=request, columns=columns, stage=stage, summed=summed)
        staged: list[Staged] = _run(spark, streams, task)
        good, bad = sum(one.good for one in staged), sum(one.bad for one in staged)
        if good + bad != len(planned):
            raise other_rows(len(planned), good + bad, good + bad)
        out.write("rejected.jsonl", bytes_of(f"{one.path}.rejected" for one in staged if one.bad))
        expect_few_bad(bad, len(planned), options, out.path("rejected.jsonl"))
    with progress.phase("reduce"):
        fit = partial(_fit, spark, staged, columns, summed)
        reducers = reducers_for(spark, columns, options, fit)
    with progress.phase("write"):
        files = PartFiles.of(columns, reducers, options.formats)
        for name in options.formats if not is_store_path(stage) else ():
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        parts = list(enumerate(cut_rows(staged, good, count_parts(good, columns))))
        csv_parts = _run(spark, parts, partial(_write_parts, folder=folder, files=files, columns=columns))
        for name, pieces in files.last_files(bytes_of(csv_parts)):
            put_file(os.path.join(folder, name), pieces)
        write_reducers(out, columns, reducers)
    return Outcome(good, bad, reducers)


def _expect_distinct(planned: Sequence[PlannedFile], request: Request) -> None:
    """Of two files with one origin the table could not say which row is whose."""
    distinct, last = 0, None
    for file in planned:
        origin = request.rule.origin_of(location_of(file.path))
        distinct += origin != last
        last = origin
    if distinct != len(planned):
        raise other_rows(len(planned), len(planned), distinct)


def _run(
    spark: SparkSession, items: Sequence[Any], task: Callable[[Iterator[Any]], Iterator[Any]]
) -> list[Any]:
    """The results of a task for each item, in the order of the items."""
    if not items:
        return []
    return spark.sparkContext.parallelize(items, len(items)).mapPartitions(task).collect()


def _stage_streams(
    streams: Iterator[list[str]], request: Request, columns: Columns, stage: str, summed: Sequence[str]
) -> Iterator[Staged]:
    for paths in streams:
        answered = answer_files(paths, request.task, request.rule, columns, request.read == "spark")
        # A name of its own: a second try of the task, or a copy of it, must not write to the same file.
        path = os.path.join(stage, uuid.uuid4().hex)
        try:
            yield stage_rows(answered, path, columns, summed)
        except FileNotFoundError as error:
            raise not_shared(path) from error


def _fit(
    spark: SparkSession,
    staged: Sequence[Staged],
    columns: Columns,
    summed: Sequence[str],
    name: str,
    fit: Fit,
) -> Reducer:
    moments: Moments | None = None
    dims = columns.lengths[columns.names.index(name)]
    if name in summed:
        moments = Moments(dims)
        for one in staged:
            moments.merge(Moments.from_bytes(b"".join(bytes_of([f"{one.path}.{name}"]))))
    found = [one for one in staged if one.good > 0]
    over = partial(_over_staged, spark, found, name)
    return fit_over(over, name, dims, fit, moments=moments if found else None)


def _over_staged(
    spark: SparkSession,
    staged: Sequence[Staged],
    name: str,
    of_rows: Summarize,
    merge: Merge,
    _state_bytes: int,
) -> bytes | None:
    """As `summarize`: of runs of the staged files, joined by the driver in their order, one at a time."""
    groups = min(len(staged), 2 * count_slots(spark))
    ends = [len(staged) * i // groups for i in range(groups + 1)] if groups else []
    runs = [[one.path for one in staged[first:end]] for first, end in zip(ends, ends[1:])]
    found = _run(spark, runs, partial(_summarize_files, name=name, of_rows=of_rows))
    return merge(b"".join(bytes_of([path], remove=True)) for path in found) if found else None


def _summarize_files(runs: Iterator[list[str]], name: str, of_rows: Summarize) -> Iterator[str]:
    for paths in runs:
        state = of_rows(batch for path in paths for batch in read_rows(Slice(path, 0, -1), [name]))
        path = f"{paths[0]}.state-{uuid.uuid4().hex}"
        put_file(path, [state or b""])
        yield path


def _write_parts(
    parts: Iterator[tuple[int, list[Slice]]], folder: str, files: PartFiles, columns: Columns
) -> Iterator[str]:
    """Writes the parts' files; yields the paths of the lines of CSV, which the driver joins."""
    close_kept_worker()
    schema = staged_schema(columns)
    for number, slices in parts:
        batches = [batch for one in slices for batch in read_rows(one, schema.names)]
        part = files.finished(pa.Table.from_batches(batches, schema))
        for name, pieces in files.files(number, part):
            written, path = os.path.join(folder, STATE, uuid.uuid4().hex), os.path.join(folder, name)
            # An object is there once it is whole.
            is_last = name.startswith("csv/") or not is_store_path(path)
            put_file(written if is_last else path, pieces)
            if name.startswith("csv/"):
                yield written
            elif is_last:
                os.replace(written, path)
