"""How the finished table is cut and named, for every writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .reducer import Reducer
from .worker_task import Columns

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
