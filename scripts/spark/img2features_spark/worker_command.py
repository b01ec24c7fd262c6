"""From arguments to the command line of `img2features worker`."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import OptionError, WorkerError

#: Where `--archives img2features-….tar.gz#img2features` puts the launcher, below the executor's folder.
LAUNCHER = os.path.join("img2features", "bin", "img2features")

MODES = ("pixels", "vgg16", "cnn")
#: Options of the worker that are passed on unchanged.
PASSED_ON = (
    "layer",
    "pool",
    "model",
    "preprocessing",
    "batch",
    "device",
    "engine",
    "precision",
    "conv",
    "normalize",
    "engines_per_gpu",
    "resize",
    "exif",
    "max_pixels",
    "image_timeout",
    "tiff",
    "seed_compat",
    "workers",
    "s3_endpoint",
    "s3_region",
    "s3_profile",
    "s3_path_style",
    "requester_pays",
    "s3_anonymous",
    "s3_timeout",
    "s3_patience",
)


def worker_arguments(mode: str, options: Mapping[str, Any]) -> list[str]:
    """`["worker", "--mode", …]`; options that are None or False are left out.

    Raises `OptionError` for a name that the worker does not have.
    """
    arguments = ["worker", "--mode", mode]
    for name, value in options.items():
        if name not in PASSED_ON:
            known = ", ".join(PASSED_ON)
            raise OptionError(f"Expected options of extract but found {name}=; there are: {known}.")
        if value is None or value is False:
            continue
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif isinstance(value, (list, tuple)):
            arguments += [flag, ",".join(map(str, value))]
        else:
            arguments += [flag, str(value)]
    return arguments


def split_command(command: str | Sequence[str] | None) -> list[str] | None:
    """A command as a list: text is split as a shell would."""
    if command is None:
        return None
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if not words:
        raise OptionError("Expected how to start img2features for command= but found nothing.")
    return words


def find_command(command: Sequence[str] | None) -> list[str]:
    """How to start img2features on this machine (an executor).

    The first of: `command`, the environment's IMG2FEATURES, the launcher of the unpacked archive, PATH.
    """
    if command is not None:
        return _local_launcher(list(command))
    if os.environ.get("IMG2FEATURES"):
        return _local_launcher(shlex.split(os.environ["IMG2FEATURES"]))
    launcher = _find_launcher(LAUNCHER)
    if launcher is not None:
        return [launcher]
    found = shutil.which("img2features")
    if found is not None:
        return [found]
    raise WorkerError(
        "Expected img2features on this executor but found none."
        " Ship the archive of `img2features pack` by --archives …#img2features, install it, or set command=."
    )


def _local_launcher(words: list[str]) -> list[str]:
    """A relative path with a folder in it may be where Spark unpacks archives."""
    if os.sep in words[0] and not os.path.isabs(words[0]):
        words[0] = _find_launcher(words[0]) or words[0]
    return words


def _find_launcher(relative: str) -> str | None:
    from pyspark import SparkFiles

    folders = [os.getcwd()]
    # Outside of tasks there is no such folder.
    with contextlib.suppress(AssertionError, AttributeError, TypeError):
        folders.append(SparkFiles.getRootDirectory())
    for folder in folders:
        path = os.path.join(folder, relative)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None
