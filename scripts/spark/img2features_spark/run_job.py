"""The whole work of the notebook as one Spark application; scripts/spark/job.py starts it."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .errors import Img2FeaturesError
from .job_options import parse_job

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
