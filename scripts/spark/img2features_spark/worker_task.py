"""What runs in a task: Spark's batches of files in, batches of the table out."""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .arrow_arrays import text_array
from .errors import WorkerError
from .origins import OriginRule, location_of
from .worker_command import find_command
from .worker_process import WorkerSpec
from .worker_slot import borrowed_worker

#: A message to the worker holds at most so many rows, and about so many bytes of content.
_MESSAGE_ROWS = 64
_MESSAGE_BYTES = 8 << 20

_ENGINE_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class TaskSpec:
    """Everything a task needs; sent with the function."""

    command: tuple[str, ...] | None
    arguments: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    timeout: float
    start_timeout: float

    def worker_spec(self) -> WorkerSpec:
        """For this task's place: its GPUs, its CPUs, the command as it is found here."""
        from pyspark import TaskContext

        context = TaskContext.get()
        env = dict(self.env)
        arguments = list(self.arguments)
        if context is not None:
            gpus = context.resources().get("gpu")
            if gpus is not None:
                env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus.addresses)
            cpus = str(max(1, context.cpus()))
            if "--workers" not in arguments:
                arguments += ["--workers", cpus]
            # TensorFlow would take all cores, once for each slot.
            for name in _ENGINE_THREADS:
                env.setdefault(name, os.environ.get(name, cpus))
        argv = (*find_command(self.command), *arguments)
        return WorkerSpec(argv, tuple(sorted(env.items())), self.timeout, self.start_timeout)


@dataclass(frozen=True)
class Columns:
    """The feature columns that the worker announced: names, values in each vector, and layers' names."""

    names: tuple[str, ...]
    lengths: tuple[int, ...]
    layers: tuple[str, ...]
    weights: str = ""

    @classmethod
    def of(cls, ready: Mapping[str, Any]) -> Columns:
        """From the worker's ready event."""
        features = ready["features"]
        names, lengths, layers = (tuple(one[key] for one in features) for key in ("name", "length", "layer"))
        return cls(names, lengths, layers, str((ready.get("model") or {}).get("weightsSha256", "")))

    def row_bytes(self) -> int:
        """Bytes of one row's vectors."""
        return 4 * sum(self.lengths)

    def labels(self) -> dict[str, str]:
        """A column's name to that of its output in reducer.npz: `cnn_vectors_fc2` to `fc2`."""
        if len(self.names) == 1:
            return {self.names[0]: self.layers[0]}
        return {name: name[len("cnn_vectors_") :] for name in self.names}

    def schema(self) -> pa.Schema:
        vectors = [pa.field(name, pa.list_(pa.float32())) for name in self.names]
        texts = [pa.field("status", pa.string()), pa.field("error", pa.string())]
        return pa.schema([pa.field("origin", pa.string()), pa.field("target", pa.string()), *vectors, *texts])


def ask_worker(batches: Iterator[pa.RecordBatch], task: TaskSpec) -> Iterator[pa.RecordBatch]:
    """One row: the worker's ready event as JSON."""
    for _ in batches:
        pass
    with borrowed_worker(task.worker_spec()) as worker:
        yield pa.RecordBatch.from_pydict({"event": [json.dumps(worker.ready)]})


def run_task(
    batches: Iterator[pa.RecordBatch], task: TaskSpec, rule: OriginRule, columns: Columns
) -> Iterator[pa.RecordBatch]:
    """Turns files into rows.

    batches: `path` string, perhaps `content` binary, perhaps `stream` int (rows of one stream adjoin).
    Yields `Columns.schema()`, one row for each file, in order. No worker starts for an empty partition.
    """
    first = next((batch for batch in batches if batch.num_rows > 0), None)
    if first is None:
        return
    schema = columns.schema()
    origins: deque[pa.Array] = deque()
    with borrowed_worker(task.worker_spec()) as worker:
        found = Columns.of(worker.ready)
        if found != columns:
            raise WorkerError(
                f"Expected the features {columns} but this executor's worker makes {found}."
                " All executors need the same model."
            )
        streams = _streams(itertools.chain([first], batches), rule, origins)
        for batch in worker.run(streams):
            yield _to_table(batch, schema, _take(origins, batch.num_rows), columns)


def _streams(
    batches: Iterator[pa.RecordBatch], rule: OriginRule, origins: deque[pa.Array]
) -> Iterator[Iterator[pa.RecordBatch]]:
    """One stream for the whole partition, or one for each run of equal `stream` numbers."""
    pieces = (piece for batch in batches for piece in _pieces(batch))
    for _, group in itertools.groupby(pieces, key=lambda piece: piece[0]):
        yield (_to_messages(piece, rule, origins) for _, piece in group)


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(stream, rows of it) pieces that are small enough for one message."""
    if batch.num_rows == 0:
        return
    at = {name: i for i, name in enumerate(batch.schema.names)}
    numbers = batch.column(at["stream"]).to_pylist() if "stream" in at else [0] * batch.num_rows
    sizes: Sequence[int | None] = [0] * batch.num_rows
    if "content" in at:
        sizes = pc.binary_length(batch.column(at["content"])).to_pylist()
    start, held = 0, 0
    for row in range(batch.num_rows):
        size = sizes[row] or 0
        is_full = row - start >= _MESSAGE_ROWS or (held > 0 and held + size > _MESSAGE_BYTES)
        if row > start and (is_full or numbers[row] != numbers[start]):
            yield numbers[start] if numbers[start] is not None else -1, batch.slice(start, row - start)
            start, held = row, 0
        held += size
    yield numbers[start] if numbers[start] is not None else -1, batch.slice(start)


def _to_messages(batch: pa.RecordBatch, rule: OriginRule, origins: deque[pa.Array]) -> pa.RecordBatch:
    """What the worker takes: `origin` is where the file is, so that it can read it and find its class."""
    at = {name: i for i, name in enumerate(batch.schema.names)}
    locations = [location_of(path) for path in batch.column(at["path"]).to_pylist()]
    origins.append(text_array([rule.origin_of(location) for location in locations]))
    arrays: list[Any] = [text_array(locations)]
    names = ["origin"]
    if "content" in at:
        arrays.append(batch.column(at["content"]))
        names.append("content")
    return pa.RecordBatch.from_arrays(arrays, names)


def _take(origins: deque[pa.Array], count: int) -> pa.Array:
    """The next `count` origins of the rows that were sent."""
    taken: list[pa.Array] = []
    while count > 0:
        head = origins.popleft()
        if len(head) > count:
            origins.appendleft(head.slice(count))
            head = head.slice(0, count)
        taken.append(head)
        count -= len(head)
    return pa.concat_arrays(taken) if taken else text_array([])


def _to_table(
    batch: pa.RecordBatch, schema: pa.Schema, origins: pa.Array, columns: Columns
) -> pa.RecordBatch:
    at = {name: i for i, name in enumerate(batch.schema.names)}
    lacking = [name for name in schema.names if name not in at]
    if lacking:
        raise WorkerError(f"Expected the columns {schema.names} from the worker but {lacking} are missing.")
    arrays = [origins, *(batch.column(at[name]).cast(schema.field(name).type) for name in schema.names[1:])]
    is_good = [status == "ok" for status in batch.column(at["status"]).to_pylist()]
    for name, length in zip(columns.names, columns.lengths):
        sizes = pc.list_value_length(arrays[schema.names.index(name)]).to_pylist()
        if sizes != [length if good else None for good in is_good]:
            raise WorkerError(f"Expected {length} values in {name} of each good row and none in others.")
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
