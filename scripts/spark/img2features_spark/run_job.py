"""The whole work of the notebook as one Spark application; scripts/spark/job.py starts it."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .errors import Img2FeaturesError, OptionError, ReducerError
from .extract import Extraction, plan_extraction, rejected, rows
from .fit import fit_reducer, transform
from .hadoop_files import HadoopFolder, read_file
from .job_options import parse_job
from .progress_line import ProgressLine
from .reducer import Reducer, reducers_from_bytes, reducers_to_bytes
from .table_files import write_formats
from .worker_command import PASSED_ON

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COMPLETE, WITH_REJECTED, FAILED, INTERRUPTED = 0, 1, 2, 130
_PART_ROWS, _PART_BYTES = 8192, 64 << 20
_STATE = ".img2features"
_STAGED = f"{_STATE}/vectors"
#: What suits small files and wide rows better than Spark's defaults; anything the user sets stays.
_CONF = {
    "spark.sql.files.openCostInBytes": "65536",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job. Exit status: 0 complete, 1 with rejected images, 2 failed, 130 interrupted."""
    options = parse_job(arguments)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    spark = _open_session(options.log_level)
    try:
        summary = _run(spark, options)
    except KeyboardInterrupt:
        spark.sparkContext.cancelAllJobs()
        print("Interrupted; nothing is complete.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        print(f"Failed: {reason_of(error)}", file=sys.stderr)
        return FAILED
    finally:
        spark.stop()
    summary["seconds"]["all"] = round(time.monotonic() - started, 3)
    print(json.dumps(summary))
    return WITH_REJECTED if summary["rejected"] and not options.accept_rejected else COMPLETE


def reason_of(error: BaseException) -> str:
    """Our own words inside of Spark's error, without the stack around them."""
    text = str(error)
    if isinstance(error, Img2FeaturesError):
        return text
    found = re.search(r"(?:Worker|Reducer|Option)Error: (.*?)(?=\\n\\n|\n\s*\n|\n\s+at |$)", text, re.DOTALL)
    return found.group(1).strip() if found else text.strip().split("\n\tat ")[0][:2000]


def _open_session(log_level: str) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("img2features").config("spark.ui.showConsoleProgress", "false")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(log_level)
    given = spark.sparkContext.getConf()
    for key, value in _CONF.items():
        if not given.contains(key):
            spark.conf.set(key, value)
    return spark


def _run(spark: SparkSession, options: argparse.Namespace) -> dict[str, Any]:
    out = HadoopFolder(spark, options.out)
    _expect_free(out, options.overwrite)
    progress = ProgressLine(spark, options.quiet)
    with progress.following():
        with progress.phase("list"):
            extraction = _plan(spark, options)
        with progress.phase("extract"):
            extraction.table.write.mode("overwrite").parquet(out.path(_STAGED))
            staged = spark.read.schema(extraction.table.schema).parquet(out.path(_STAGED))
            counts = _count(staged, extraction)
            _expect_few_bad(counts["rejected"], extraction.discovered, options)
        with progress.phase("reduce"):
            reducers = _reducers(spark, rows(staged), extraction, options)
        with progress.phase("write"):
            _write(staged, counts["extracted"], out, extraction, reducers, options)
    seconds = {**progress.seconds}
    summary = {
        "mode": options.mode,
        "input": options.input,
        "out": options.out,
        "discovered": extraction.discovered,
        **counts,
        "features": _describe(extraction, reducers),
        "spark": spark.version,
        "seconds": seconds,
    }
    out.write("summary.json", [json.dumps(summary, indent=1).encode() + b"\n"])
    out.delete(_STATE)
    out.write("_SUCCESS", [])
    return summary


def _plan(spark: SparkSession, options: argparse.Namespace) -> Extraction:
    passed = {name: getattr(options, name) for name in PASSED_ON}
    extraction = plan_extraction(
        spark,
        options.input,
        options.mode,
        passed,
        read=options.read,
        origin=options.origin or ("url" if options.seed_compat else "path"),
        stream_rows=options.stream_rows,
        glob=options.glob,
        command=options.command,
        env={},
        timeout=options.timeout,
        start_timeout=options.timeout,
    )
    if extraction.discovered == 0:
        raise OptionError(f"Expected images below {', '.join(options.input)} but found none.")
    return extraction


def _count(staged: DataFrame, extraction: Extraction) -> dict[str, int]:
    """Every file is one row, with vectors or with a reason, and every origin is there once."""
    from pyspark.sql import functions as F

    found = staged.agg(
        F.count("*").alias("rows"),
        F.count_distinct("origin").alias("origins"),
        F.coalesce(F.sum(F.expr("CAST(status <> 'ok' AS long)")), F.lit(0)).alias("rejected"),
    ).first()
    assert found
    if not found["rows"] == found["origins"] == extraction.discovered:
        raise Img2FeaturesError(
            f"Expected {extraction.discovered} rows, one for each file, but found {found['rows']}"
            f" of {found['origins']} origins. Was the input changed meanwhile?"
        )
    return {"extracted": found["rows"] - found["rejected"], "rejected": found["rejected"]}


def _expect_few_bad(bad: int, discovered: int, options: argparse.Namespace) -> None:
    limit, is_share = options.most_bad
    if bad > (limit * discovered if is_share else limit):
        raise Img2FeaturesError(
            f"Expected at most {options.max_bad} rejected images but found {bad} of {discovered};"
            f" their reasons are in {options.out}/{_STAGED}."
        )


def _reducers(
    spark: SparkSession, good: DataFrame, extraction: Extraction, options: argparse.Namespace
) -> dict[str, Reducer]:
    """One for each column of vectors, by the column's name; none with k = 0."""
    names = extraction.columns.names
    if options.saved is not None:
        by_output = reducers_from_bytes(_read_saved(spark, options.saved))
        labels = extraction.columns.labels()
        lacking = [labels[name] for name in names if labels[name] not in by_output]
        if lacking:
            raise ReducerError(f"Expected {', '.join(lacking)} in --with but found {', '.join(by_output)}.")
        return {name: by_output[labels[name]] for name in names}
    if options.k == 0:
        return {}
    scaled = options.standardize if options.standardize is not None else options.mode == "pixels"
    return {
        name: fit_reducer(good, options.k, column=name, standardize=scaled, center=not options.seed_compat)
        for name in names
    }


def _read_saved(spark: SparkSession, path: str) -> bytes:
    return read_file(spark, path if path.endswith(".npz") else f"{path.rstrip('/')}/reducer.npz")


def _write(
    staged: DataFrame,
    extracted: int,
    out: HadoopFolder,
    extraction: Extraction,
    reducers: dict[str, Reducer],
    options: argparse.Namespace,
) -> None:
    table = rows(staged)
    parts = _count_parts(extracted, extraction)
    matrices: dict[str, tuple[str, int]] = {}
    order = ["origin", "target"]
    several = len(extraction.columns.names) > 1
    for name, length in zip(extraction.columns.names, extraction.columns.lengths):
        prefix = f"{extraction.columns.labels()[name]}_" if several else ""
        order.append(name)
        if name in reducers:
            table = transform(table, reducers[name], column=name)
            order.append(f"{name}_redux")
            matrices[f"{name}_redux"] = (f"{prefix}pc", reducers[name].k)
        else:
            matrices[name] = (f"{prefix}f", length)
    chosen = table.select(*(f"`{name}`" for name in order))
    ordered = chosen.repartitionByRange(parts, "origin").sortWithinPartitions("origin")
    if len(options.formats) > 1:
        ordered = ordered.persist()
    write_formats(ordered, out, options.formats, matrices)
    if reducers:
        labels = extraction.columns.labels()
        named = {labels[name]: reducer for name, reducer in reducers.items()}
        out.write("reducer.npz", [reducers_to_bytes(named)])
    out.write("rejected.jsonl", _rejected_lines(staged))


def _count_parts(rows: int, extraction: Extraction) -> int:
    """Files of at most 8,192 rows or 64 MiB of vectors, as src/run/plan-shards.ts cuts them."""
    row_bytes = 4 * sum(extraction.columns.lengths)
    return max(1, -(-rows // _PART_ROWS), -(-rows * row_bytes // _PART_BYTES))


def _rejected_lines(staged: DataFrame) -> Iterator[bytes]:
    for row in rejected(staged).sort("origin").toLocalIterator():
        yield json.dumps(row.asDict(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _describe(extraction: Extraction, reducers: dict[str, Reducer]) -> list[dict[str, Any]]:
    columns = extraction.columns
    features = []
    for name, layer, length in zip(columns.names, columns.layers, columns.lengths):
        feature: dict[str, Any] = {"column": name, "layer": layer, "length": length}
        if name in reducers:
            reducer = reducers[name]
            feature["explained"] = float(reducer.explained_variance_ratio.sum())
            feature["k"] = reducer.k
        features.append(feature)
    return features


def _expect_free(out: HadoopFolder, may_overwrite: bool) -> None:
    """Only what an earlier job left is ever replaced."""
    names = set(out.names())
    ours = {"parquet", "json", "csv", "reducer.npz", "rejected.jsonl", "summary.json", "_SUCCESS", _STATE}
    foreign = {name for name in names - ours if not name.endswith(".crc")}
    if foreign:
        raise OptionError(
            f"Expected an empty folder for --out but found {sorted(foreign)[0]} there. Name another one."
        )
    if "_SUCCESS" in names and not may_overwrite:
        raise OptionError("Expected an unused folder for --out but found a finished run. Add --overwrite.")
    for name in sorted(names & ours, key=lambda name: name != "_SUCCESS"):
        out.delete(name)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
