"""The job's work, once there is a session."""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from .columns_of import DriverAnswer, columns_of
from .errors import OptionError
from .extraction import Request, count_slots, plan_extraction, request_of
from .gather import gather_files, gather_table
from .gathered_run import GATHER_BYTES, run_gathered
from .hadoop_files import HadoopFolder
from .job_outcome import STATE, Outcome, expect_saved_vectors
from .listing import is_local, list_local
from .origins import location_of
from .progress_line import ProgressLine
from .shared_run import run_shared
from .staged_run import run_staged
from .store_files import StoreFolder, list_images, store_path
from .worker_command import PASSED_ON
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_OURS = {"parquet", "json", "csv", "reducer.npz", "rejected.jsonl", "summary.json", "_SUCCESS", STATE}


def request_of_job(options: argparse.Namespace) -> Request:
    """Raises `OptionError` for options that do not fit each other."""
    return request_of(
        options.input,
        options.mode,
        {name: getattr(options, name) for name in PASSED_ON},
        read=options.read,
        origin=options.origin or ("url" if options.seed_compat else "path"),
        stream_rows=options.stream_rows,
        glob=options.glob,
        command=options.command,
        env={},
        timeout=options.timeout,
        start_timeout=options.timeout,
    )


def run_job(
    spark: SparkSession, options: argparse.Namespace, request: Request, asked: DriverAnswer
) -> dict[str, Any]:
    """Does it all; returns what summary.json holds."""
    stores = vars(options) if request.read == "worker" and request.glob is None else None
    stored = store_path(options.out, stores) if stores is not None else None
    out = HadoopFolder(spark, options.out) if stored is None else StoreFolder(options.out, stored)
    _expect_free(out, options.overwrite)
    expect_saved_vectors(spark, options)
    progress = ProgressLine(spark, options.quiet)
    with progress.following():
        with progress.phase("list"):
            columns = columns_of(spark, request.task, asked)
            listed = list_local(spark, request.paths) if request.glob is None else None
            if listed is None and stores is not None:
                listed = list_images(store_path(path, stores) for path in request.paths)
        if listed is not None and _are_few(listed, columns, options):
            outcome = _gather_local(spark, listed, columns, request, out, options, progress)
        elif listed is not None and (stored is not None or is_local(spark, options.out)):
            _expect_some(listed, options)
            planned = request.streams(listed, columns, count_slots(spark))
            folder = stored or os.path.abspath(location_of(options.out))
            outcome = run_shared(spark, planned, columns, request, folder, out, options, progress)
        else:
            with progress.phase("list"):
                extraction = plan_extraction(spark, request, columns)
                listed = extraction.listed
            _expect_some(listed, options)
            if _are_few(listed, columns, options):
                gather = partial(gather_table, extraction.table, columns)
                outcome = run_gathered(
                    spark, gather, _origins(listed, request), columns, out, options, progress
                )
            else:
                outcome = run_staged(extraction, columns, out, options, progress)
    summary = {
        "mode": options.mode,
        "input": options.input,
        "out": options.out,
        "discovered": len(listed),
        "extracted": outcome.extracted,
        "rejected": outcome.rejected,
        "features": _describe(columns, outcome),
        "spark": spark.sparkContext.version,
        "seconds": {**progress.seconds},
    }
    out.write("summary.json", [json.dumps(summary, indent=1).encode() + b"\n"])
    out.delete(STATE)
    out.write("_SUCCESS", [])
    return summary


def _gather_local(
    spark: SparkSession,
    listed: list[str],
    columns: Columns,
    request: Request,
    out: HadoopFolder,
    options: argparse.Namespace,
    progress: ProgressLine,
) -> Outcome:
    _expect_some(listed, options)
    gather = partial(
        gather_files,
        spark,
        request.streams(listed, columns, count_slots(spark)),
        task=request.task,
        rule=request.rule,
        columns=columns,
        reads=request.read == "spark",
    )
    return run_gathered(spark, gather, _origins(listed, request), columns, out, options, progress)


def _are_few(listed: list[str], columns: Columns, options: argparse.Namespace) -> bool:
    return not options.stage and len(listed) * columns.row_bytes() <= GATHER_BYTES


def _origins(listed: list[str], request: Request) -> list[str]:
    return [request.rule.origin_of(location_of(path)) for path in listed]


def _expect_some(listed: list[str], options: argparse.Namespace) -> None:
    if not listed:
        raise OptionError(f"Expected images below {', '.join(options.input)} but found none.")


def _describe(columns: Columns, outcome: Outcome) -> list[dict[str, Any]]:
    features = []
    for name, layer, length in zip(columns.names, columns.layers, columns.lengths):
        feature: dict[str, Any] = {"column": name, "layer": layer, "length": length}
        if name in outcome.reducers:
            reducer = outcome.reducers[name]
            feature["explained"] = float(reducer.explained_variance_ratio.sum())
            feature["k"] = reducer.k
        features.append(feature)
    return features


def _expect_free(out: HadoopFolder, may_overwrite: bool) -> None:
    """Only the output of an earlier job is ever replaced."""
    names = set(out.names())
    foreign = {name for name in names - _OURS if not name.endswith(".crc")}
    if foreign:
        raise OptionError(
            f"Expected an empty folder for --out but found {sorted(foreign)[0]} there. Name another one."
        )
    if "_SUCCESS" in names and not may_overwrite:
        raise OptionError("Expected an unused folder for --out but found a finished run. Add --overwrite.")
    for name in sorted(names & _OURS, key=lambda name: name != "_SUCCESS"):
        out.delete(name)
