"""Brings this package to the executors."""

from __future__ import annotations

import os
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
    application = str(spark.conf.get("spark.app.id", ""))
    if application in _shipped:
        return
    folder = os.path.dirname(os.path.abspath(__file__))
    if os.path.isdir(folder):
        path = os.path.join(tempfile.mkdtemp(prefix="img2features-"), "img2features_spark.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name in sorted(os.listdir(folder)):
                if name.endswith(".py"):
                    archive.write(os.path.join(folder, name), f"img2features_spark/{name}")
        _add(spark, path)
    _shipped.add(application)


def _add(spark: SparkSession, path: str) -> None:
    try:
        context = spark.sparkContext
    except Exception:
        # Spark Connect has no context, but takes files.
        spark.addArtifacts(path, pyfile=True)
        return
    context.addPyFile(path)
