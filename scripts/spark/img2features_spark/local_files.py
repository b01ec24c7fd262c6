"""Images in folders of the machine itself, listed without Spark SQL, which takes seconds to load."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .listing import is_image_name
from .origins import location_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_STORE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
#: Hadoop takes these for patterns.
_PATTERN = re.compile(r"[*?\[\]{}\\]")


class _SparksToList(Exception):
    """Something that Spark's own listing handles, or reports."""


def list_local(spark: SparkSession, inputs: Sequence[str]) -> list[str] | None:
    """The absolute paths of the images below the inputs, each once, in no order; those that Spark would list.

    None where that is Spark's to do: another store, a pattern, an input or a link's target that is not there,
    a name that is not UTF-8.
    """
    if not all(_is_local(spark, given) for given in inputs):
        return None
    try:
        found: dict[str, None] = {}
        for given in inputs:
            found.update(dict.fromkeys(_images_at(os.path.abspath(location_of(given)))))
        return list(found)
    except (_SparksToList, OSError, UnicodeEncodeError):
        return None


def _is_local(spark: SparkSession, given: str) -> bool:
    if _PATTERN.search(given):
        return False
    if _STORE.match(given):
        return given.lower().startswith("file:")
    # Without a scheme a path is of the cluster's own file system.
    context: Any = spark.sparkContext
    return str(context._jsc.hadoopConfiguration().get("fs.defaultFS")).startswith("file:")


def _images_at(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        if not (os.path.isfile(path) and is_image_name(path)):
            raise _SparksToList
        yield _text(path)
        return
    folders = [path]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if _is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(entry.path)
                elif not entry.is_file():
                    raise _SparksToList
                elif is_image_name(entry.name):
                    yield _text(entry.path)


def _is_hidden(name: str) -> bool:
    """As Spark's HadoopFSUtils.shouldFilterOutPathName."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_")


def _text(path: str) -> str:
    path.encode("utf-8")
    return path
