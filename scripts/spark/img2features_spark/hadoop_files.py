"""Small files in any store that Spark writes to, through Hadoop's file systems in the driver's JVM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CHUNK_BYTES = 1 << 20


class HadoopFolder:
    """A folder, and files in it by their names relative to it."""

    def __init__(self, spark: SparkSession, base: str) -> None:
        self._jvm: Any = spark.sparkContext._jvm
        self._base = base.rstrip("/") or "/"
        context: Any = spark.sparkContext
        self._fs = self._path("").getFileSystem(context._jsc.hadoopConfiguration())

    def path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self._path(name)))

    def names(self, name: str = "") -> list[str]:
        """What lies in a folder; empty where there is none."""
        if not self.exists(name):
            return []
        return sorted(status.getPath().getName() for status in self._fs.listStatus(self._path(name)))

    def delete(self, name: str) -> None:
        self._fs.delete(self._path(name), True)

    def rename(self, source: str, target: str) -> None:
        if not self._fs.rename(self._path(source), self._path(target)):
            raise OSError(f"Expected to rename {self.path(source)} to {self.path(target)} but failed.")

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Writes a file whole, in place of another."""
        stream = self._fs.create(self._path(name), True)
        try:
            for piece in pieces:
                for first in range(0, len(piece), _CHUNK_BYTES):
                    stream.write(bytearray(piece[first : first + _CHUNK_BYTES]))
        finally:
            stream.close()

    def _path(self, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self.path(name))


def read_file(spark: SparkSession, path: str) -> bytes:
    """A whole small file. Raises Spark's error where there is none."""
    return bytes(spark.read.format("binaryFile").load(path).select("content").collect()[0][0])
