"""The table's columns in Spark's terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


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
