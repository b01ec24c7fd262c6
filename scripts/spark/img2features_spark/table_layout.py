"""How the finished table is cut and named, for every writer, and its columns in Spark's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .reducer import Reducer
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

_PART_ROWS, _PART_BYTES = 8192, 64 << 20


@dataclass(frozen=True)
class TableLayout:
    """Columns of the table, and of the CSV matrix.

    order: the table's columns
    matrices: for each column of the CSV file what its cells are called and how many it has:
        {"vectors_redux": ("pc", 10)}
    """

    order: tuple[str, ...]
    matrices: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, columns: Columns, reducers: Mapping[str, Reducer]) -> TableLayout:
        """The CSV file has the reduced vectors, or the vectors themselves of a column that has no reducer."""
        order = ["origin", "target"]
        matrices: dict[str, tuple[str, int]] = {}
        several = len(columns.names) > 1
        for name, length in zip(columns.names, columns.lengths):
            prefix = f"{columns.labels()[name]}_" if several else ""
            order.append(name)
            if name in reducers:
                order.append(f"{name}_redux")
                matrices[f"{name}_redux"] = (f"{prefix}pc", reducers[name].k)
            else:
                matrices[name] = (f"{prefix}f", length)
        return cls(tuple(order), matrices)


def count_parts(rows: int, columns: Columns) -> int:
    """Files of at most 8,192 rows or 64 MiB of vectors, as src/run/plan-shards.ts cuts them."""
    return max(1, -(-rows // _PART_ROWS), -(-rows * columns.row_bytes() // _PART_BYTES))


def table_schema(columns: Columns) -> StructType:
    """Of `extract`; a column of vectors tells its layer (`output`) and the values in a vector (`length`)."""
    return spark_schema(columns.schema(), columns)


def spark_schema(schema: pa.Schema, columns: Columns) -> StructType:
    """Strings, and arrays of float32 or float64; all may be null."""
    from pyspark.sql.types import ArrayType, DoubleType, FloatType, StringType, StructField, StructType

    labels, lengths = columns.labels(), dict(zip(columns.names, columns.lengths))
    fields = []
    for field in schema:
        kind: Any = StringType()
        if pa.types.is_list(field.type):
            is_single = field.type.value_type == pa.float32()
            kind = ArrayType(FloatType() if is_single else DoubleType())
        name = field.name
        described = {"output": labels[name], "length": lengths[name]} if name in lengths else None
        fields.append(StructField(name, kind, metadata=described))
    return StructType(fields)
