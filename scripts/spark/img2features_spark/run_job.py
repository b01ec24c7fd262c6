"""The whole work of the notebook as one Spark application; scripts/spark/job.py starts it."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .errors import Img2FeaturesError
from .origins import FORMS
from .worker_command import MODES, PASSED_ON

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COMPLETE, WITH_REJECTED, FAILED, INTERRUPTED = 0, 1, 2, 130
#: What suits small files and wide rows better than Spark's defaults; anything the user sets stays.
_CONF = {
    "spark.sql.files.openCostInBytes": "65536",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
    "spark.ui.showConsoleProgress": "false",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the job. Exit status: 0 complete, 1 with rejected images, 2 failed, 130 interrupted."""
    options = parse_job(arguments)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    from pyspark.sql import SparkSession

    # The JVM takes seconds for its context: NumPy and Arrow load meanwhile, img2features reports its columns.
    opening = ThreadPoolExecutor(1).submit(_open_session, SparkSession.builder, options.log_level)
    try:
        from .columns_of import DriverAnswer
        from .job_run import request_of_job, run_job

        request = request_of_job(options)
        asked = DriverAnswer(request.task)
        summary = run_job(opening.result(), options, request, asked)
    except KeyboardInterrupt:
        if opening.done() and opening.exception() is None:
            opening.result().sparkContext.cancelAllJobs()
        print("Interrupted; nothing is complete.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        print(f"Failed: {reason_of(error)}", file=sys.stderr)
        return FAILED
    finally:
        if opening.exception() is None:
            opening.result().stop()
    summary["seconds"]["all"] = round(time.monotonic() - started, 3)
    print(json.dumps(summary))
    return WITH_REJECTED if summary["rejected"] and not options.accept_rejected else COMPLETE


def reason_of(error: BaseException) -> str:
    """Our own message inside of Spark's error, without the stack around them."""
    text = str(error)
    if isinstance(error, Img2FeaturesError):
        return text
    found = re.search(r"(?:Worker|Reducer|Option)Error: (.*?)(?=\\n\\n|\n\s*\n|\n\s+at |$)", text, re.DOTALL)
    return found.group(1).strip() if found else text.strip().split("\n\tat ")[0][:2000]


def _open_session(builder: SparkSession.Builder, log_level: str) -> SparkSession:
    from pyspark import SparkConf

    # Before the session is there, because setting its options afterwards loads all of Spark SQL.
    given = SparkConf()
    for key, value in _CONF.items():
        if not given.contains(key):
            builder = builder.config(key, value)
    spark = builder.appName("img2features").getOrCreate()
    spark.sparkContext.setLogLevel(log_level)
    return spark


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


FORMATS = ("parquet", "json", "csv")
_FLAGS = ("tiff", "seed_compat", "s3_path_style", "requester_pays", "s3_anonymous")
_OWN = ("layer", "pool", "model", "batch", "device")


def parse_job(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Ends the process with status 2 for options that do not fit."""
    parser = argparse.ArgumentParser(
        prog="job.py",
        description="Turn images into features and their PCA on Spark, as Parquet, JSON and a CSV matrix.",
    )
    parser.add_argument("input", nargs="+", help="folders of images, in any store that Spark reads")
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--out", required=True, help="folder for the table, in any store that Spark writes")
    parser.add_argument("--k", type=int, default=10, help="principal components to keep; 0 = no PCA")
    parser.add_argument("--format", default="parquet,json,csv", help="of parquet, json, csv (default: all)")
    parser.add_argument("--standardize", action="store_true", default=None, help="default: for pixels only")
    parser.add_argument("--no-standardize", dest="standardize", action="store_false")
    parser.add_argument("--with", dest="saved", help="reducer.npz or the --out of a run: not fitted again")
    parser.add_argument("--origin", choices=FORMS, help="default: path; url with --seed-compat")
    parser.add_argument("--read", choices=("spark", "worker"), default="spark", help="who reads the files")
    parser.add_argument("--stream-rows", help='rows packed together, or "shard": as on one machine')
    parser.add_argument("--max-bad", default="100%", help="end with 2 above so many rejected: 20 or 5%%")
    parser.add_argument("--accept-rejected", action="store_true", help="end with 0 in place of 1")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument(
        "--stage", action="store_true", help="stage few rows too, and have the executors write them"
    )
    parser.add_argument("--command", help="how an executor starts img2features")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds until a worker counts as hung")
    parser.add_argument("--glob", help="names of files to take in place of the usual extensions")
    parser.add_argument("--log-level", default="ERROR", help="of Spark's own lines (default: ERROR)")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    group = parser.add_argument_group("passed on to img2features worker (see its --help)")
    for name in (*_OWN, *(name for name in PASSED_ON if name not in _OWN)):
        flag = "--" + name.replace("_", "-")
        if name in _FLAGS:
            group.add_argument(flag, action="store_true")
        else:
            group.add_argument(flag)
    options = parser.parse_args(arguments)
    options.formats = [name.strip() for name in options.format.split(",") if name.strip()]
    if not options.formats or not set(options.formats) <= set(FORMATS):
        parser.error(f"Expected some of {', '.join(FORMATS)} for --format but found {options.format}.")
    if options.k < 0:
        parser.error(f"Expected 0 or more for --k but found {options.k}.")
    if options.stream_rows not in (None, "shard"):
        options.stream_rows = _whole(parser, "--stream-rows", options.stream_rows)
    options.most_bad = _bad_limit(parser, options.max_bad)
    return options


def _whole(parser: argparse.ArgumentParser, flag: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        parser.error(f"Expected a whole number of at least 1 for {flag} but found {text}.")
    return int(text)


def _bad_limit(parser: argparse.ArgumentParser, text: str) -> tuple[float, bool]:
    """A count or a share: (20, False) or (0.05, True)."""
    is_share = text.endswith("%")
    try:
        number = float(text.rstrip("%"))
    except ValueError:
        number = -1
    if number < 0 or (is_share and number > 100):
        parser.error(f"Expected a count or a share such as 5% for --max-bad but found {text}.")
    return (number / 100, True) if is_share else (number, False)
