"""Rows in files of their own, between the two Spark jobs of `run_shared`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from .arrow_arrays import matrix_of, take_rows
from .errors import WorkerError
from .job_outcome import rejected_line
from .moments import Moments
from .store_files import (
    create_object,
    is_store_path,
    open_object,
    put_object,
    read_object,
    remove_object,
)
from .worker_task import Columns

#: Rows of a staged batch; the sums are taken by them, so that the same tasks give the same bits.
_BATCH_ROWS = 256
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Staged:
    """What a task left: at `path` the rows that have vectors, at `<path>.rejected` lines of the others, if
    there are any, and a column's sums at `<path>.<column>`."""

    path: str
    good: int
    bad: int


@dataclass(frozen=True)
class Slice:
    """`count` rows of a staged file, from `first` on."""

    path: str
    first: int
    count: int


def stage_rows(
    answered: Iterable[pa.RecordBatch], path: str, columns: Columns, summed: Sequence[str]
) -> Staged:
    sums = {name: Moments(columns.lengths[columns.names.index(name)]) for name in summed}
    rejected: list[bytes] = []
    good = 0
    schema = staged_schema(columns)
    create = create_object if is_store_path(path) else partial(pa.OSFile, mode="wb")
    with create(path) as sink, pa.ipc.new_file(sink, schema) as file:
        for batch in _cut_evenly(_split(answered, schema, rejected)):
            file.write_batch(batch)
            good += batch.num_rows
            for name, moments in sums.items():
                moments.add(matrix_of(batch.column(schema.get_field_index(name))))
    if rejected:
        put_file(f"{path}.rejected", rejected)
    for name, moments in sums.items():
        put_file(f"{path}.{name}", [moments.to_bytes()])
    return Staged(path, good, len(rejected))


def staged_schema(columns: Columns) -> pa.Schema:
    return pa.schema([field for field in columns.schema() if field.name not in ("status", "error")])


def _split(
    answered: Iterable[pa.RecordBatch], schema: pa.Schema, rejected: list[bytes]
) -> Iterator[pa.RecordBatch]:
    """The rows that have vectors; of the others their lines of rejected.jsonl go to `rejected`."""
    for batch in answered:
        table = pa.Table.from_batches([batch])
        statuses = table["status"].to_pylist()
        bad = [row for row, status in enumerate(statuses) if status != "ok"]
        if bad:
            told = take_rows(table.select(["origin", "error"]), np.array(bad)).to_pylist()
            rejected += [
                rejected_line(one["origin"], statuses[row], one["error"]) for row, one in zip(bad, told)
            ]
            table = take_rows(table, np.flatnonzero([status == "ok" for status in statuses]))
        yield from table.select(schema.names).to_batches()


def _cut_evenly(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, 256 at a time: how a worker cuts its answer depends on timing."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= _BATCH_ROWS:
            whole = pa.Table.from_batches(held).combine_chunks()
            yield from whole.slice(0, _BATCH_ROWS).to_batches()
            held, rows = whole.slice(_BATCH_ROWS).to_batches(), rows - _BATCH_ROWS
    if rows:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def cut_rows(staged: Sequence[Staged], good: int, parts: int) -> list[list[Slice]]:
    """The rows of each part; all parts but the last have the same number."""
    size = -(-good // parts)
    cut: list[list[Slice]] = [[] for _ in range(parts)]
    done = 0
    for one in staged:
        first = 0
        while first < one.good:
            part, used = divmod(done, size)
            count = min(one.good - first, size - used)
            cut[part].append(Slice(one.path, first, count))
            first, done = first + count, done + count
    return cut


def read_rows(rows: Slice, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Those rows, all with a count of -1."""
    try:
        source = open_object(rows.path) if is_store_path(rows.path) else pa.memory_map(rows.path)
    except FileNotFoundError as error:
        raise not_shared(rows.path) from error
    first, left = rows.first, rows.count
    with source, pa.ipc.open_file(source) as file:
        for i in range(file.num_record_batches):
            batch = file.get_batch(i)
            if first >= batch.num_rows:
                first -= batch.num_rows
                continue
            batch = batch.slice(first, None if left < 0 else left)
            first, left = 0, left - batch.num_rows if left >= 0 else left
            arrays = [batch.column(batch.schema.get_field_index(name)) for name in names]
            yield pa.RecordBatch.from_arrays(arrays, list(names))
            if left == 0:
                return


def put_file(path: str, pieces: Iterable[bytes]) -> None:
    if is_store_path(path):
        put_object(path, pieces)
        return
    with open(path, "wb") as file:
        for piece in pieces:
            file.write(piece)


def bytes_of(paths: Iterable[str], remove: bool = False) -> Iterator[bytes]:
    """The files' bytes, one after the other, as the driver sees them."""
    for path in paths:
        if is_store_path(path):
            yield from read_object(path)
            if remove:
                remove_object(path)
            continue
        try:
            with open(path, "rb") as file:
                yield from iter(partial(file.read, _COPY_BYTES), b"")
        except FileNotFoundError as error:
            raise not_shared(path) from error
        if remove:
            os.remove(path)


def not_shared(path: str) -> WorkerError:
    return WorkerError(
        f"Expected {path} but found nothing there."
        " The driver and every executor must see the same --out: name a shared folder, or a store."
    )
