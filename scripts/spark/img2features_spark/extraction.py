"""`extract`: images to feature vectors as a DataFrame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from .columns_of import columns_of
from .errors import OptionError
from .listing import (
    PlannedFile,
    empty_files,
    list_files,
    partition_keys,
    plan_streams,
    read_files,
    shard_rows,
    spread_rows,
)
from .origins import OriginRule, origin_rule
from .ship import ship
from .table_layout import table_schema
from .worker_command import MODES, split_command, worker_arguments
from .worker_task import Columns, TaskSpec, run_task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_BROADCAST_ROWS = 200_000
_LITERAL_ROWS = 20_000


def extract(
    spark: SparkSession,
    path: str | Sequence[str],
    *,
    mode: str,
    layer: str | Sequence[str] | None = None,
    pool: str | None = None,
    model: str | None = None,
    batch: int | str | None = None,
    device: str | None = None,
    read: str = "spark",
    origin: str | None = None,
    stream_rows: int | str | None = None,
    glob: str | None = None,
    command: str | Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 600.0,
    start_timeout: float = 600.0,
    **options: Any,
) -> DataFrame:
    """Turns every image below `path` into one row.

    Columns: `origin` string, `target` string (the folder that holds the image), one `array<float>` for
    each layer (`vectors`; `cnn_vectors`, or `cnn_vectors_<layer>` for several), `status` string ("ok", or
    why the image was rejected), `error` string (null where ok). Vectors are null where status is not ok.
    `rows` and `rejected` split the table. It is computed each time that it is used: write or persist it.

    path: folders, files or globs, anything that Spark reads.
    mode, layer, pool, model, batch, device, and any other option of `img2features worker` by its name
        with underscores (`max_pixels=20`): as on the command line.
    read: "spark" passes the bytes on; "worker" lets the worker read the files itself (local or shared
        folders and s3:// only), so that the bytes do not pass the JVM.
    origin: "path" as given, "relative" to `path`, or "url"; default path, with `seed_compat=True` url.
    stream_rows: rows that are sent, and are packed into the network's batches, together. "shard": as on one
        machine, for equal bits; a number; default: that, or fewer where slots would stay idle. Networks only.
    glob: files to take in place of the usual image extensions.
    command: how to start img2features on an executor (default: IMG2FEATURES, the archive of
        `img2features pack` under the name img2features, PATH); env: variables to add there.
    timeout: seconds in which a worker with unanswered rows must read or write a byte; start_timeout: to be ready.

    Raises `OptionError` for arguments that do not fit; `WorkerError`, inside the task's error, where the
    worker fails.
    """
    named = {"layer": layer, "pool": pool, "model": model, "batch": batch, "device": device}
    request = request_of(
        [path] if isinstance(path, str) else list(path),
        mode,
        {**named, **options},
        read=read,
        origin=origin,
        stream_rows=stream_rows,
        glob=glob,
        command=command,
        env=env or {},
        timeout=timeout,
        start_timeout=start_timeout,
    )
    return plan_extraction(spark, request, columns_of(spark, request.task)).table


@dataclass(frozen=True)
class Extraction:
    """The table, and the paths of the files that it will have a row for each."""

    table: DataFrame
    listed: list[str]


def plan_extraction(spark: SparkSession, request: Request, columns: Columns) -> Extraction:
    """`extract` by a request."""
    ship(spark)
    files = read_files(spark, request.paths, request.glob)
    listed = list_files(files, request.glob)
    is_read_here = request.read == "spark"
    if is_read_here:
        files = _with_empty(files.select("path", "content"), empty_files(files, listed))
    if request.mode != "pixels" or request.stream_rows is not None or not is_read_here:
        planned = request.streams(listed, columns, count_slots(spark))
        files = _arrange(spark, planned, files if is_read_here else None)
    function = partial(run_task, task=request.task, rule=request.rule, columns=columns)
    return Extraction(files.mapInArrow(function, table_schema(columns)), listed)


def rows(table: DataFrame) -> DataFrame:
    """The images that have vectors: without `status` and `error`."""
    return table.where("status = 'ok'").drop("status", "error")


def rejected(table: DataFrame) -> DataFrame:
    """The images that have none: `origin`, `reason`, `message`, as in rejected.jsonl."""
    return table.where("status <> 'ok'").selectExpr("origin", "status AS reason", "error AS message")


def to_ml_vectors(table: DataFrame, column: str) -> DataFrame:
    """`column`, an array of numbers, as Spark ML's vector; null stays null."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    values = F.col(f"`{column}`").cast("array<double>")
    return table.withColumn(column, F.when(values.isNotNull(), array_to_vector(values)))


def count_slots(spark: SparkSession) -> int:
    """Tasks that run at once, as far as the driver knows."""
    try:
        return int(spark.sparkContext.defaultParallelism)
    except Exception:
        return int(spark.conf.get("spark.default.parallelism", None) or 8)


def _with_empty(files: DataFrame, empty: list[str]) -> DataFrame:
    """Files without a byte are rejected like other bad images, not lost."""
    if not empty:
        return files
    rows = [(path, bytearray()) for path in empty]
    return files.union(files.sparkSession.createDataFrame(rows, "path string, content binary"))


def _arrange(spark: SparkSession, planned: list[PlannedFile], files: DataFrame | None) -> DataFrame:
    """A partition for each stream, its rows in the order of their origins; contents come from `files`."""
    from pyspark.sql import functions as F

    streams = planned[-1].stream + 1 if planned else 1
    keys = partition_keys(streams)
    places = _place_table(spark, [(f.path, f.position, f.stream, keys[f.stream]) for f in planned])
    names = ["path", "stream"]
    if files is not None:
        small = F.broadcast(places) if len(planned) <= _BROADCAST_ROWS else places
        # A left join: a file that the plan lacks keeps its row, in a stream of its own.
        places = files.join(small, "path", "left")
        names = ["path", "content", "stream"]
    return places.repartition(streams, "key").sortWithinPartitions("stream", "position").select(*names)


def _place_table(spark: SparkSession, places: list[tuple[str, int, int, int]]) -> DataFrame:
    """`path`, `position`, `stream`, `key` as a table."""
    from pyspark.sql import functions as F

    fields = "path string, position bigint, stream int, key int"
    if len(places) > _LITERAL_ROWS:
        return spark.createDataFrame(places, fields)
    # As a literal it needs no Python worker: one that has loaded a model already stays next in line.
    names = ("path", "position", "stream", "key")
    text = json.dumps([dict(zip(names, place)) for place in places])
    return spark.range(0, 1, 1, 1).select(F.inline(F.from_json(F.lit(text), f"array<struct<{fields}>>")))


@dataclass(frozen=True)
class Request:
    """The arguments of `extract` that its tasks and its listing use."""

    paths: tuple[str, ...]
    mode: str
    task: TaskSpec
    rule: OriginRule
    read: str
    stream_rows: int | str | None
    glob: str | None

    def streams(self, listed: Sequence[str], columns: Columns, slots: int) -> list[PlannedFile]:
        """The listed files in the order of their origins, those of one stream together."""
        is_network = self.mode != "pixels"
        most = shard_rows(columns.lengths, is_network, len(listed))
        if not is_network:
            # Any groups give the same bits: larger ones, as workers idle between two; as many for each slot.
            most *= 2
            slots *= max(1, -(-len(listed) // (slots * most)))
        size = _rows_of_stream(self.stream_rows, most, len(listed), slots)
        return plan_streams(listed, self.rule, size)


def request_of(
    paths: list[str],
    mode: str,
    options: Mapping[str, Any],
    *,
    read: str,
    origin: str | None,
    stream_rows: int | str | None,
    glob: str | None,
    command: str | Sequence[str] | None,
    env: Mapping[str, str],
    timeout: float,
    start_timeout: float,
) -> Request:
    """The arguments of `extract`; raises `OptionError` for those that do not fit."""
    if mode not in MODES:
        raise OptionError(f"Expected one of {', '.join(MODES)} for mode= but found {mode!r}.")
    if read not in ("spark", "worker"):
        raise OptionError(f'Expected "spark" or "worker" for read= but found {read!r}.')
    task = TaskSpec(
        command=_as_tuple(split_command(command)),
        arguments=tuple(worker_arguments(mode, options)),
        env=tuple(sorted(env.items())),
        timeout=timeout,
        start_timeout=start_timeout,
    )
    rule = origin_rule(origin or ("url" if options.get("seed_compat") else "path"), paths)
    return Request(tuple(paths), mode, task, rule, read, stream_rows, glob)


def _rows_of_stream(given: int | str | None, most: int, count: int, slots: int) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    if given not in (None, "shard"):
        raise OptionError(f'Expected a number of rows or "shard" for stream_rows= but found {given!r}.')
    return most if given == "shard" else spread_rows(count, slots, most)


def _as_tuple(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)
