"""Files on S3, read and written by pyarrow: where workers read the store themselves, Hadoop has no part.

Their paths can be joined as those of a disk: `s3://<how to reach the store>@<bucket>/<key>`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
from pyarrow import fs

from .hadoop_files import HadoopFolder
from .listing import is_hidden, is_image_name
from .origins import location_of

#: Hadoop takes these for patterns; what stands before the bucket ends with an @.
_PLAIN_PLACE = re.compile(r"^[^*?\[\]{}\\@]+$")


def store_path(given: str, options: Mapping[str, Any]) -> str | None:
    """None for a path that is not of S3, or that pyarrow does not reach as the worker would."""
    location = location_of(given)
    place = location[len("s3://") :].strip("/")
    if not location.startswith("s3://") or not _PLAIN_PLACE.match(place):
        return None
    if options.get("s3_profile") or options.get("requester_pays"):
        return None
    how = {"region": options.get("s3_region")}
    if options.get("s3_endpoint"):
        endpoint = urlsplit(options["s3_endpoint"])
        how |= {"scheme": endpoint.scheme, "endpoint_override": endpoint.netloc}
    elif not how["region"]:
        how["region"] = fs.resolve_s3_region(place.partition("/")[0])
    return f"s3://{urlencode({name: value for name, value in how.items() if value})}@{place}"


def is_store_path(path: str) -> bool:
    return path.startswith("s3://")


@functools.lru_cache
def _store(how: str) -> fs.FileSystem:
    # The bucket is not asked for.
    return fs.FileSystem.from_uri(f"s3://bucket?{how}")[0]


def _opened(path: str) -> tuple[fs.FileSystem, str]:
    how, _, place = path[len("s3://") :].partition("@")
    return _store(how), place


def open_object(path: str) -> pa.BufferReader:
    """The whole object, by one request."""
    store, place = _opened(path)
    with store.open_input_stream(place) as stream:
        return pa.BufferReader(stream.read())


def create_object(path: str) -> pa.NativeFile:
    store, place = _opened(path)
    return store.open_output_stream(place)


def list_images(paths: Iterable[str | None]) -> list[str] | None:
    """The locations of the images below the paths, as Spark would list them, each once: a thousand a request.

    None where one of the paths is.
    """
    found: dict[str, None] = {}
    for path in paths:
        if path is None:
            return None
        store, place = _opened(path)
        selector = fs.FileSelector(place, recursive=True, allow_not_found=True)
        for info in [store.get_file_info(place), *store.get_file_info(selector)]:
            if info.type != fs.FileType.File or not is_image_name(info.path):
                continue
            if not any(is_hidden(name) for name in info.path[len(place) :].split("/")):
                found[f"s3://{info.path}"] = None
    return list(found)


class StoreFolder(HadoopFolder):
    """The same without Hadoop."""

    def __init__(self, given: str, path: str) -> None:
        self._given = given.rstrip("/")
        self._stored = path

    def path(self, name: str) -> str:
        return f"{self._given}/{name}" if name else self._given

    def exists(self, name: str) -> bool:
        store, place = _opened(f"{self._stored}/{name}")
        return store.get_file_info(place).type != fs.FileType.NotFound

    def names(self, name: str = "") -> list[str]:
        store, place = _opened(f"{self._stored}/{name}".rstrip("/"))
        return sorted(
            info.base_name for info in store.get_file_info(fs.FileSelector(place, allow_not_found=True))
        )

    def delete(self, name: str) -> None:
        store, place = _opened(f"{self._stored}/{name}")
        kind = store.get_file_info(place).type
        if kind == fs.FileType.File:
            store.delete_file(place)
        elif kind == fs.FileType.Directory:
            store.delete_dir(place)

    def rename(self, source: str, target: str) -> None:
        store, place = _opened(f"{self._stored}/{source}")
        store.move(place, _opened(f"{self._stored}/{target}")[1])

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        put_object(f"{self._stored}/{name}", pieces)


def put_object(path: str, pieces: Iterable[bytes]) -> None:
    with create_object(path) as stream:
        for piece in pieces:
            stream.write(piece)


def read_object(path: str) -> Iterator[bytes]:
    yield open_object(path).read_buffer().to_pybytes()


def remove_object(path: str) -> None:
    store, place = _opened(path)
    store.delete_file(place)
