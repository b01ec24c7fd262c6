"""Joins what partitions have summed, in the order of the partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Merge = Callable[[Iterable[bytes]], bytes]
Summarize = Callable[[Iterator[pa.RecordBatch]], "bytes | None"]

_SCHEMA = "place long, size long, state binary"
#: States that are joined in one task, where they are too many for the driver.
_FAN_IN = 8
#: What the driver takes at once; spark.driver.maxResultSize is 1 GB unless set.
_DRIVER_BYTES = 128 << 20


def summarize(table: DataFrame, of_partition: Summarize, merge: Merge, state_bytes: int) -> bytes | None:
    """One state for the whole table: `of_partition` of each partition, joined by `merge`.

    Few or small states (`state_bytes` is their size, about) are joined on the driver; else eight at a time
    on the executors first. Either way in the order of the partitions, so that the same partitions give the
    same bits. None where no partition has one.
    """
    states = table.mapInArrow(partial(_one_state, of_partition=of_partition), _SCHEMA)
    count = _count_partitions(table)
    while count is not None and count > _FAN_IN and count * state_bytes > _DRIVER_BYTES:
        count = -(-count // _FAN_IN)
        grouped = states.selectExpr(f"CAST(place AS long) DIV {_FAN_IN} AS place", "place AS part", "state")
        placed = grouped.repartition(count, "place").sortWithinPartitions("place", "part")
        states = placed.mapInArrow(partial(_join_places, merge=merge), _SCHEMA)
    found = sorted((row["place"], bytes(row["state"])) for row in states.collect())
    return merge(state for _, state in found) if found else None


def _count_partitions(table: DataFrame) -> int | None:
    try:
        return int(table.rdd.getNumPartitions())
    except Exception:
        # Spark Connect has no RDDs.
        return None


def _one_state(batches: Iterator[pa.RecordBatch], of_partition: Summarize) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext

    state = of_partition(batches)
    context: Any = TaskContext.get()
    if state is not None:
        yield _state_batch(context.partitionId(), state)


def _join_places(batches: Iterator[pa.RecordBatch], merge: Merge) -> Iterator[pa.RecordBatch]:
    """Rows of one place adjoin; each becomes one."""
    place: int | None = None
    joined = b""
    for batch in batches:
        for row in batch.to_pylist():
            if row["place"] == place:
                joined = merge([joined, row["state"]])
                continue
            if place is not None:
                yield _state_batch(place, joined)
            place, joined = row["place"], row["state"]
    if place is not None:
        yield _state_batch(place, joined)


def _state_batch(place: int, state: bytes) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([place], pa.int64()), pa.array([len(state)], pa.int64()), pa.array([state], pa.binary())],
        ["place", "size", "state"],
    )
