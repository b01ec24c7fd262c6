"""What the usual readers make of one table in every format, as JSON: the types, and whether the numbers are those expected."""

import json
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.feather
import pyarrow.parquet

PARQUET = "parquet/part-00000.parquet"
FEATHER = "feather/part-00000.feather"
COLUMNS = {"vectors": np.float32, "vectors_redux": np.float64}
# Written by the test: the numbers as the table's types have them, and the vectors before.
expected = {name: np.load(f"expected-{name}.npy") for name in COLUMNS}
before = np.load("before.npy").astype(np.float64)


def arrow(table):
    return {name: (str(table.schema.field(name).type), table[name].to_pylist()) for name in COLUMNS}


def pandas(table):
    matrices = {name: np.stack(table[name]) for name in COLUMNS}
    return {name: (str(matrix.dtype), matrix) for name, matrix in matrices.items()}


def polars(table):
    return {name: (str(table.schema[name]), table[name].to_list()) for name in COLUMNS}


def sql(path):
    table = duckdb.sql(f"SELECT * FROM '{path}'")
    types = dict(zip(table.columns, map(str, table.types)))
    rows = table.fetchall()
    return {name: (types[name], [row[table.columns.index(name)] for row in rows]) for name in COLUMNS}


def numpy():
    matrices = {name: np.load(f"npy/{name}.npy", allow_pickle=False, mmap_mode="r") for name in COLUMNS}
    return {name: (str(matrix.dtype), matrix) for name, matrix in matrices.items()}


def lines():
    table = pd.read_json("json/part-00000.json", lines=True, precise_float=True)
    return {name: ("json", np.stack(table[name])) for name in COLUMNS}


readers = {
    "pyarrow": arrow(pyarrow.parquet.read_table(PARQUET)),
    "pyarrow, Feather": arrow(pyarrow.feather.read_table(FEATHER, memory_map=True)),
    "pandas": pandas(pd.read_parquet(PARQUET)),
    "pandas, Feather": pandas(pd.read_feather(FEATHER)),
    "polars": polars(pl.read_parquet(PARQUET)),
    "polars, Feather": polars(pl.read_ipc(FEATHER)),
    "DuckDB": sql(PARQUET),
    "numpy": numpy(),
    "pandas, JSON lines": lines(),
}
narrow = {name: np.float32 if "float32" in sys.argv[1:] else wide for name, wide in COLUMNS.items()}
found = {}
for reader, columns in readers.items():
    equal = []
    for name, (_, values) in columns.items():
        # The text of a float32 stands for that float32.
        matrix = np.asarray(values).astype(narrow[name])
        equal.append(bool(np.array_equal(matrix, expected[name])))
    found[reader] = [*(kind for kind, _ in columns.values()), *equal]

after = expected["vectors"].astype(np.float64)
norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
print(json.dumps({"found": found, "cosine": float(((before * after).sum(axis=1) / norms).min())}))
