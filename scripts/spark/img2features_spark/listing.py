"""Which files are images, and which of them share a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .origins import OriginRule, location_of, path_of_uri

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: As src/source/image-extensions.ts: what a file really holds is found by its bytes.
EXTENSIONS = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff")

#: Hadoop's globs know no "ignore case".
_PATTERNS = ("".join(f"[{letter}{letter.upper()}]" for letter in extension) for extension in EXTENSIONS)
IMAGE_GLOB = f"*.{{{','.join(_PATTERNS)}}}"

#: As src/run/plan-shards.ts.
_SHARD_ROWS = {"network": 512, "large_network": 1024, "pixels": 4096}
_MANY_IMAGES = 102_400
_SHARD_BYTES = 32 << 20
_ROW_STEP = 64


def read_files(spark: SparkSession, paths: Sequence[str], glob: str | None) -> DataFrame:
    """`path`, `modificationTime`, `length`, `content` of each image below the paths."""
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    return reader.option("pathGlobFilter", glob or IMAGE_GLOB).load(list(paths))


def list_files(files: DataFrame, glob: str | None) -> list[str]:
    """The paths of `read_files` without a job, in no order: the driver holds the listing anyway."""
    paths = [path_of_uri(uri) for uri in _input_files(files)]
    return [path for path in paths if is_image_name(path)] if glob is None else paths


def empty_files(files: DataFrame, listed: Sequence[str]) -> list[str]:
    """The listed files that a scan leaves out: Spark never opens those without a byte, and does not report them."""
    locations = [location_of(path) for path in listed]
    if all(location.startswith("/") for location in locations):
        # Seen by the driver, which has just listed them; a missing one fails the scan anyway.
        return [path for path, location in zip(listed, locations) if _is_empty(location)]
    everything = files.sparkSession.createDataFrame([(path,) for path in listed], "path string")
    lacking = everything.join(files.select("path"), "path", "left_anti").collect()
    return [row["path"] for row in lacking]


def _is_empty(location: str) -> bool:
    try:
        return os.path.getsize(location) == 0
    except OSError:
        return False


def _input_files(files: DataFrame) -> list[str]:
    """`files.inputFiles()` as one text: element by element a million of them take a minute."""
    try:
        jvm: Any = files.sparkSession.sparkContext._jvm
        text = jvm.java.lang.String.join("\n", files._jdf.inputFiles())
    except Exception:
        # Spark Connect has no JVM here.
        return files.inputFiles()
    return text.split("\n") if text else []


def is_image_name(path: str) -> bool:
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    return bool(dot and stem) and extension.lower() in EXTENSIONS


@dataclass(frozen=True)
class PlannedFile:
    """A file's place: `position` in the order of origins, and the stream in which it is sent."""

    path: str
    position: int
    stream: int


def plan_streams(paths: Sequence[str], rule: OriginRule, stream_rows: int) -> list[PlannedFile]:
    """Cuts the files, sorted by the bytes of their origins, into streams of `stream_rows`."""

    def key(path: str) -> bytes:
        return rule.origin_of(location_of(path)).encode("utf-8", "surrogateescape")

    ordered = sorted(paths, key=key)
    return [PlannedFile(path, i, i // stream_rows) for i, path in enumerate(ordered)]


def shard_rows(lengths: Sequence[int], is_network: bool, count: int) -> int:
    """Rows of a shard on a single machine, for so many images and vectors of these many float32."""
    network = "network" if count < _MANY_IMAGES else "large_network"
    rows = min(_SHARD_ROWS[network if is_network else "pixels"], _SHARD_BYTES // max(1, 4 * sum(lengths)))
    return max(1, rows) if rows < _ROW_STEP else rows - rows % _ROW_STEP


def spread_rows(count: int, slots: int, most: int) -> int:
    """Rows of a stream such that each slot gets one: a multiple of 64, or `most` where that is less."""
    share = -(-count // max(1, slots))
    return min(most, max(1, -(-share // _ROW_STEP)) * _ROW_STEP)


def partition_keys(partitions: int) -> list[int]:
    """An int for each partition that `repartition(partitions, key)` sends there, and nowhere else."""
    keys: dict[int, int] = {}
    candidate = 0
    while len(keys) < partitions:
        keys.setdefault(_murmur3(candidate) % partitions, candidate)
        candidate += 1
    return [keys[partition] for partition in range(partitions)]


def _murmur3(value: int, seed: int = 42) -> int:
    """Spark's `hash` of one int (Murmur3 x86 32 bits); Python's % makes it Spark's pmod."""
    mask = 0xFFFFFFFF

    def rotate(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (32 - bits))) & mask

    k = rotate(value * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask
    h = rotate(seed ^ k, 13) * 5 + 0xE6546B64 & mask
    h ^= 4
    h = (h ^ (h >> 16)) * 0x85EBCA6B & mask
    h = (h ^ (h >> 13)) * 0xC2B2AE35 & mask
    h ^= h >> 16
    return h - (1 << 32) if h >= 1 << 31 else h


_STORE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
#: Hadoop takes these for patterns.
_PATTERN = re.compile(r"[*?\[\]{}\\]")


class _SparksToList(Exception):
    """Something that Spark's own listing handles, or reports."""


def list_local(spark: SparkSession, inputs: Sequence[str]) -> list[str] | None:
    """The absolute paths of the images below the inputs, each once, in no order; those that Spark would list.

    For folders of the machine itself: Spark SQL, which lists the others, takes seconds to load.

    None where that is Spark's to do: another store, a pattern, an input or a link's target that is not there,
    a name that is not UTF-8.
    """
    if not all(is_local(spark, given) for given in inputs):
        return None
    try:
        found: dict[str, None] = {}
        for given in inputs:
            found.update(dict.fromkeys(_images_at(os.path.abspath(location_of(given)))))
        return list(found)
    except (_SparksToList, OSError, UnicodeEncodeError):
        return None


def is_local(spark: SparkSession, given: str) -> bool:
    """Whether a path is one of the machine's own file system, and no pattern."""
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
                if is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    folders.append(entry.path)
                elif not entry.is_file():
                    raise _SparksToList
                elif is_image_name(entry.name):
                    yield _text(entry.path)


def is_hidden(name: str) -> bool:
    """As Spark's HadoopFSUtils.shouldFilterOutPathName."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_")


def _text(path: str) -> str:
    path.encode("utf-8")
    return path
