"""Brings this package to the executors."""

from __future__ import annotations

import os
import py_compile
import tempfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_shipped: set[str] = set()


def ship(spark: SparkSession) -> None:
    """Sends this package's own files to every executor, once for each application.

    Executors then run the driver's version, installed there or not.
    """
    application = application_id(spark)
    if application in _shipped:
        return
    folder = os.path.dirname(os.path.abspath(__file__))
    if os.path.isdir(folder):
        _add(spark, _zip(folder))
    _shipped.add(application)


def application_id(spark: SparkSession) -> str:
    """Distinguishes one application from the next in the same Python."""
    try:
        return str(spark.sparkContext.applicationId)
    except Exception:
        # Spark Connect has no context. With one, the session's options would load all of Spark SQL.
        return str(spark.conf.get("spark.app.id", ""))


def _zip(folder: str) -> str:
    """The package's sources, each with its byte code: a Python of the same version need not compile it."""
    scratch = tempfile.mkdtemp(prefix="img2features-")
    path = os.path.join(scratch, "img2features_spark.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(os.listdir(folder)):
            if not name.endswith(".py"):
                continue
            source, code = os.path.join(folder, name), os.path.join(scratch, f"{name}c")
            archive.write(source, f"img2features_spark/{name}")
            py_compile.compile(
                source,
                code,
                doraise=True,
                # Never compared with the source: both are from the same moment.
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            archive.write(code, f"img2features_spark/{name}c")
    return path


def _add(spark: SparkSession, path: str) -> None:
    try:
        context = spark.sparkContext
    except Exception:
        # Spark Connect has no context, but takes files.
        spark.addArtifacts(path, pyfile=True)
        return
    context.addPyFile(path)
