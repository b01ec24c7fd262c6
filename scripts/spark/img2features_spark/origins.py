"""From the paths that Spark lists to what the worker reads and what the table calls them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .errors import OptionError

FORMS = ("path", "relative", "url")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(.*)$", re.DOTALL)
_S3 = ("s3", "s3a", "s3n")
#: What Node's pathToFileURL leaves as it is, besides letters and digits.
_PLAIN = "!$&'()*+,-./:;=@^_"


@dataclass(frozen=True)
class OriginRule:
    """How `origin` is written, as the command line's --origin: path, relative or url.

    `inputs` are the paths as the user gave them, each with its absolute form.
    """

    form: str
    inputs: tuple[tuple[str, str], ...]

    def origin_of(self, location: str) -> str:
        """`location` is what `location_of` gave."""
        is_local = location.startswith("/")
        if self.form == "url":
            return _file_url(location) if is_local else location
        for given, root in self.inputs:
            if location == root:
                return given if self.form == "path" else posixpath.basename(location)
            below = _below(location, root)
            if below is None:
                continue
            if self.form == "relative":
                return below
            if is_local and not _SCHEME.match(given):
                return posixpath.normpath(posixpath.join(given, below))
        return location


def origin_rule(form: str, inputs: Sequence[str]) -> OriginRule:
    """Raises `OptionError` for another form."""
    if form not in FORMS:
        raise OptionError(f"Expected path, relative or url for origin= but found {form!r}.")
    return OriginRule(form, tuple((given, _root_of(given)) for given in inputs))


def location_of(path: str) -> str:
    """Spark's `file:/a b/c.jpg` as `/a b/c.jpg`, `s3a://…` as `s3://…`; other stores' paths as they are."""
    match = _SCHEME.match(path)
    if match is None:
        return path
    scheme, rest = match.group(1).lower(), match.group(2)
    if scheme == "file":
        return "/" + rest.lstrip("/")
    return f"s3:{rest}" if scheme in _S3 else path


def path_of_uri(uri: str) -> str:
    """What `binaryFile` calls a file that `DataFrame.inputFiles` lists: percent-codes undone."""
    path = unquote(uri)
    return "file:/" + path[5:].lstrip("/") if path.startswith("file:") else path


def _file_url(location: str) -> str:
    # quote never encodes a tilde, Node always.
    return "file://" + quote(location, safe=_PLAIN).replace("~", "%7E")


def _root_of(given: str) -> str:
    if _SCHEME.match(given):
        return location_of(given).rstrip("/") or "/"
    return os.path.abspath(given)


def _below(location: str, root: str) -> str | None:
    if location.startswith(root.rstrip("/") + "/"):
        return location[len(root.rstrip("/")) + 1 :]
    # A path without a scheme on a cluster: hdfs://host:8020/data/a.jpg for /data.
    match = _SCHEME.match(location)
    if match is None or not root.startswith("/"):
        return None
    path = "/" + match.group(2).lstrip("/").partition("/")[2]
    return path[len(root) + 1 :] if path.startswith(root.rstrip("/") + "/") else None
