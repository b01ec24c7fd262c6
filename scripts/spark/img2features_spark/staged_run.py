"""The job's work on many rows: vectors are staged as Parquet, and Spark fits, sorts and writes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from .extraction import Extraction, rejected, rows
from .fit import fit_reducer, transform
from .hadoop_files import HadoopFolder
from .job_outcome import (
    STATE,
    Outcome,
    expect_few_bad,
    other_rows,
    reducers_for,
    rejected_line,
    write_reducers,
)
from .progress_line import ProgressLine
from .reducer import Reducer
from .row_text import csv_header, csv_lines
from .table_layout import TableLayout, count_parts
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_STAGED = f"{STATE}/vectors"


def run_staged(
    extraction: Extraction,
    columns: Columns,
    out: HadoopFolder,
    options: argparse.Namespace,
    progress: ProgressLine,
) -> Outcome:
    """Extracts, fits and writes; memory does not grow with the number of images, here or on the driver."""
    spark = extraction.table.sparkSession
    with progress.phase("extract"):
        extraction.table.write.mode("overwrite").parquet(out.path(_STAGED))
        staged = spark.read.schema(extraction.table.schema).parquet(out.path(_STAGED))
        extracted, bad = _count(staged, len(extraction.listed))
        expect_few_bad(bad, len(extraction.listed), options, out.path(_STAGED))
    good = rows(staged)
    with progress.phase("reduce"):
        reducers = reducers_for(
            spark,
            columns,
            options,
            lambda name, fit: fit_reducer(
                good, fit.k, column=name, standardize=fit.standardize, center=fit.center
            ),
        )
    with progress.phase("write"):
        _write(good, extracted, columns, reducers, out, options)
        write_reducers(out, columns, reducers)
        out.write("rejected.jsonl", _rejected_lines(staged))
    return Outcome(extracted, bad, reducers)


def _count(staged: DataFrame, discovered: int) -> tuple[int, int]:
    """Rows with vectors, and without: every file is one row, and every origin is there once."""
    from pyspark.sql import functions as F

    found = staged.agg(
        F.count("*").alias("rows"),
        F.count_distinct("origin").alias("origins"),
        F.coalesce(F.sum(F.expr("CAST(status <> 'ok' AS long)")), F.lit(0)).alias("rejected"),
    ).first()
    assert found
    if not found["rows"] == found["origins"] == discovered:
        raise other_rows(discovered, found["rows"], found["origins"])
    return found["rows"] - found["rejected"], found["rejected"]


def _write(
    good: DataFrame,
    extracted: int,
    columns: Columns,
    reducers: dict[str, Reducer],
    out: HadoopFolder,
    options: argparse.Namespace,
) -> None:
    layout = TableLayout.of(columns, reducers)
    table = good
    for name, reducer in reducers.items():
        table = transform(table, reducer, column=name)
    chosen = table.select(*(f"`{name}`" for name in layout.order))
    parts = count_parts(extracted, columns)
    ordered = chosen.repartitionByRange(parts, "origin").sortWithinPartitions("origin")
    if len(options.formats) > 1:
        ordered = ordered.persist()
    write_formats(ordered, out, options.formats, layout)


def _rejected_lines(staged: DataFrame) -> Iterator[bytes]:
    for row in rejected(staged).sort("origin").toLocalIterator():
        yield rejected_line(row["origin"], row["reason"], row["message"])


def write_formats(
    ordered: DataFrame, folder: HadoopFolder, formats: Sequence[str], layout: TableLayout
) -> None:
    """Writes `<out>/parquet`, `<out>/json` and `<out>/csv/features.csv`."""
    if "parquet" in formats:
        ordered.write.mode("overwrite").parquet(folder.path("parquet"))
    if "json" in formats:
        ordered.write.mode("overwrite").json(folder.path("json"))
    if "csv" in formats:
        _write_csv(ordered, folder, layout)


def _write_csv(ordered: DataFrame, folder: HadoopFolder, layout: TableLayout) -> None:
    """Spark's text writer makes the one file; its name is given afterwards."""
    header = csv_header(layout.matrices)
    columns = ordered.select("origin", "target", *(f"`{name}`" for name in layout.matrices))
    lines = columns.coalesce(1).sortWithinPartitions("origin")
    text = lines.mapInArrow(partial(_csv_batches, header=header), "value string")
    text.write.mode("overwrite").option("lineSep", "\n").text(folder.path("csv"))
    parts = [name for name in folder.names("csv") if name.startswith("part-")]
    if not parts:
        folder.write("csv/features.csv", [f"{header}\n".encode()])
    else:
        folder.rename(f"csv/{parts[0]}", "csv/features.csv")


def _csv_batches(batches: Iterator[pa.RecordBatch], header: str) -> Iterator[pa.RecordBatch]:
    yield _text_batch([header])
    for batch in batches:
        if batch.num_rows > 0:
            yield _text_batch(csv_lines(batch))


def _text_batch(lines: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(lines, pa.string())], ["value"])
