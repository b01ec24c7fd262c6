"""The finished table as Parquet, JSON lines and one CSV matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from .hadoop_files import HadoopFolder
from .vector_blocks import matrix_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FORMATS = ("parquet", "json", "csv")
_FORMULA = re.compile(r"^[=+\-@\t\r\n']")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def write_formats(
    ordered: DataFrame, folder: HadoopFolder, formats: Sequence[str], matrices: dict[str, tuple[str, int]]
) -> None:
    """Writes `<out>/parquet`, `<out>/json` and `<out>/csv/features.csv`.

    matrices: for each column of the CSV file what its cells are called and how many it has:
        {"vectors_redux": ("pc", 10)}.
    """
    if "parquet" in formats:
        ordered.write.mode("overwrite").parquet(folder.path("parquet"))
    if "json" in formats:
        ordered.write.mode("overwrite").json(folder.path("json"))
    if "csv" in formats:
        _write_csv(ordered, folder, matrices)


def csv_text(text: str) -> str:
    """As src/export/csv-sink.ts: RFC 4180 quotes; an apostrophe before what a spreadsheet would run."""
    safe = f"'{text}" if _FORMULA.match(text) else text
    if not _NEEDS_QUOTES.search(safe):
        return safe
    return '"' + safe.replace('"', '""') + '"'


def _write_csv(ordered: DataFrame, folder: HadoopFolder, matrices: dict[str, tuple[str, int]]) -> None:
    """Spark's text writer makes the one file; its name is given afterwards."""
    cells = [f"{prefix}{i + 1}" for prefix, length in matrices.values() for i in range(length)]
    header = ",".join(csv_text(name) for name in ["origin", "target", *cells])
    columns = ordered.select("origin", "target", *(f"`{name}`" for name in matrices))
    lines = columns.coalesce(1).sortWithinPartitions("origin")
    text = lines.mapInArrow(partial(_csv_lines, header=header), "value string")
    text.write.mode("overwrite").option("lineSep", "\n").text(folder.path("csv"))
    parts = [name for name in folder.names("csv") if name.startswith("part-")]
    if not parts:
        folder.write("csv/features.csv", [f"{header}\n".encode()])
    else:
        folder.rename(f"csv/{parts[0]}", "csv/features.csv")


def _csv_lines(batches: Iterator[pa.RecordBatch], header: str) -> Iterator[pa.RecordBatch]:
    yield _text_batch([header])
    for batch in batches:
        if batch.num_rows == 0:
            continue
        texts = [batch.column(i).to_pylist() for i in range(2)]
        matrices = [matrix_of(batch.column(i)) for i in range(2, batch.num_columns)]
        lines = []
        for row in range(batch.num_rows):
            cells = [csv_text(column[row]) for column in texts]
            for matrix in matrices:
                cells += _numbers(matrix[row])
            lines.append(",".join(cells))
        yield _text_batch(lines)


def _numbers(values: np.ndarray) -> list[str]:
    """The shortest text that reads back as the same float32 or float64."""
    if values.dtype == np.float64:
        return [repr(value) for value in values.tolist()]
    return [str(value) for value in values]


def _text_batch(lines: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(lines, pa.string())], ["value"])
