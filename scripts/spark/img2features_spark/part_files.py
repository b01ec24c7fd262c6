"""The finished table's files, written without Spark SQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .arrow_arrays import list_array, matrix_of
from .reducer import Reducer
from .row_text import csv_header, csv_lines, json_lines
from .table_layout import TableLayout, spark_schema
from .worker_task import Columns

_LINES_AT_ONCE = 1024


@dataclass(frozen=True)
class PartFiles:
    """How rows become the files of one part of the table, on the driver or in a task."""

    layout: TableLayout
    reducers: Mapping[str, Reducer]
    formats: Sequence[str]
    schema: pa.Schema
    #: What Spark's own files tell of the columns: fit_reducer reads the layers' names there.
    described: str

    @classmethod
    def of(cls, columns: Columns, reducers: Mapping[str, Reducer], formats: Sequence[str]) -> PartFiles:
        layout = TableLayout.of(columns, reducers)
        fields = {field.name: field for field in columns.schema()}
        redux = pa.list_(pa.float64())
        schema = pa.schema([fields.get(name, pa.field(name, redux)) for name in layout.order])
        return cls(layout, reducers, formats, schema, spark_schema(schema, columns).json())

    def finished(self, good: pa.Table) -> pa.RecordBatch:
        """Rows that have vectors, with their reduced ones."""
        table = good
        for name, reducer in self.reducers.items():
            column = good[name]
            values = reducer.reduce(matrix_of(column)) if len(column) else np.zeros((0, reducer.k))
            table = table.append_column(f"{name}_redux", list_array(values, np.ones(len(column), bool)))
        # A table without rows has no batch of its own.
        arrays = [table[name].combine_chunks() for name in self.layout.order]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def files(self, number: int, part: pa.RecordBatch) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Names below --out, and contents; of CSV the lines alone, because all parts make one file."""
        if "parquet" in self.formats:
            yield f"parquet/part-{number:05d}.parquet", [self._parquet(part)]
        if "json" in self.formats:
            yield f"json/part-{number:05d}.json", _encoded(part, json_lines)
        if "csv" in self.formats:
            cells = part.select(["origin", "target", *self.layout.matrices])
            yield f"csv/part-{number:05d}", _encoded(cells, csv_lines)

    def last_files(self, csv_lines: Iterable[bytes]) -> Iterator[tuple[str, Iterable[bytes]]]:
        """As `files`: csv/features.csv, and what marks a whole folder for Hadoop's readers."""
        if "csv" in self.formats:
            header = f"{csv_header(self.layout.matrices)}\n".encode()
            yield "csv/features.csv", itertools.chain([header], csv_lines)
        for name in self.formats:
            yield f"{name}/_SUCCESS", []

    def _parquet(self, part: pa.RecordBatch) -> bytes:
        metadata = {"org.apache.spark.sql.parquet.row.metadata": self.described}
        table = pa.Table.from_batches([part]).replace_schema_metadata(metadata)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="snappy")
        return sink.getvalue().to_pybytes()


def _encoded(part: pa.RecordBatch, lines_of: Callable[[pa.RecordBatch], list[str]]) -> Iterator[bytes]:
    for first in range(0, part.num_rows, _LINES_AT_ONCE):
        lines = lines_of(part.slice(first, _LINES_AT_ONCE))
        yield "".join(f"{line}\n" for line in lines).encode()
