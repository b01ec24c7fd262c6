"""The finished table as Parquet, JSON lines and one CSV matrix, written by Spark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from .hadoop_files import HadoopFolder
from .row_text import csv_header, csv_lines
from .table_layout import TableLayout

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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
