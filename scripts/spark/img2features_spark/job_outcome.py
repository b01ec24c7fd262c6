"""The job's result, its reducers (fitted, or of an earlier run), and whether too many images are rejected."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import Img2FeaturesError, ReducerError
from .fit_moments import Fit
from .hadoop_files import HadoopFolder, read_file
from .reducer import Reducer, reducers_from_bytes, reducers_to_bytes
from .store_files import StoreFolder, read_object, store_path
from .worker_task import Columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


#: What a job stages, below --out until it is complete.
STATE = ".img2features"


@dataclass(frozen=True)
class Outcome:
    """Images with vectors and without, and the reducer of each column of vectors that has one."""

    extracted: int
    rejected: int
    reducers: dict[str, Reducer]


def expect_few_bad(bad: int, discovered: int, options: argparse.Namespace, reasons: str) -> None:
    """Raises `Img2FeaturesError` above --max-bad; `reasons` is where they can be read."""
    limit, is_share = options.most_bad
    if bad > (limit * discovered if is_share else limit):
        raise Img2FeaturesError(
            f"Expected at most {options.max_bad} rejected images but found {bad} of {discovered};"
            f" their reasons are in {reasons}."
        )


def other_rows(wanted: int, found: int, origins: int) -> Img2FeaturesError:
    """What to raise where the rows are not one for each file."""
    return Img2FeaturesError(
        f"Expected {wanted} rows, one for each file, but found {found}"
        f" of {origins} origins. Was the input changed meanwhile?"
    )


def rejected_line(origin: str, reason: str, message: str) -> bytes:
    """A line of rejected.jsonl."""
    line = {"origin": origin, "reason": reason, "message": message}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def reducers_for(
    spark: SparkSession,
    columns: Columns,
    options: argparse.Namespace,
    fit_column: Callable[[str, Fit], Reducer],
) -> dict[str, Reducer]:
    """One for each column of vectors, by the column's name; none with k = 0."""
    labels = columns.labels()
    if options.saved is not None:
        by_output = reducers_from_bytes(_read_saved(spark, options))
        lacking = [labels[name] for name in columns.names if labels[name] not in by_output]
        if lacking:
            raise ReducerError(f"Expected {', '.join(lacking)} in --with but found {', '.join(by_output)}.")
        return {name: by_output[labels[name]] for name in columns.names}
    if options.k == 0:
        return {}
    scaled = options.standardize if options.standardize is not None else options.mode == "pixels"
    return {
        name: fit_column(name, Fit(options.k, scaled, not options.seed_compat, labels[name]))
        for name in columns.names
    }


def write_reducers(out: HadoopFolder, columns: Columns, reducers: dict[str, Reducer]) -> None:
    """Writes reducer.npz, unless there is none."""
    if reducers:
        labels = columns.labels()
        named = {labels[name]: reducer for name, reducer in reducers.items()}
        out.write("reducer.npz", [reducers_to_bytes(named)])


def _read_saved(spark: SparkSession, options: argparse.Namespace) -> bytes:
    path = options.saved if options.saved.endswith(".npz") else f"{options.saved.rstrip('/')}/reducer.npz"
    return _read(spark, path, options)


def _read(spark: SparkSession, path: str, options: argparse.Namespace) -> bytes:
    stored = _stored(path, options)
    return read_file(spark, path) if stored is None else b"".join(read_object(stored))


def _stored(path: str, options: argparse.Namespace) -> str | None:
    return store_path(path, vars(options)) if options.read == "worker" else None


def expect_saved_vectors(spark: SparkSession, options: argparse.Namespace) -> None:
    """Compares the options with those of the run that --with names; a job leaves no run.json."""
    if options.saved is None or options.saved.endswith(".npz"):
        return
    stored = _stored(options.saved, options)
    folder = HadoopFolder(spark, options.saved) if stored is None else StoreFolder(options.saved, stored)
    if folder.exists("run.json"):
        run = json.loads(_read(spark, folder.path("run.json"), options))
        expect_same_vectors(options.saved, run["options"], options)


#: Options that change the vectors, by their names in run.json, and what is so where they are not there.
_OF_VECTORS = {
    "resize": "bicubic",
    "exif": "ignore",
    "seedCompat": False,
    "normalize": "none",
    "vectorType": "float32",
}


def expect_same_vectors(target: str, there: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Raises `ReducerError` where the run that --with names was fitted on vectors made by other options."""
    here = {name: getattr(options, re.sub("([A-Z])", r"_\1", name).lower(), None) for name in _OF_VECTORS}
    here["mode"] = options.mode
    differences = [
        f"{name} was {was}, is {now}"
        for name, preset in {"mode": None, **_OF_VECTORS}.items()
        if (was := there.get(name, preset)) != (now := here[name] or preset)
    ]
    if differences:
        raise ReducerError(
            f"Expected the features that {target} was fitted on but found others: {'; '.join(differences)}."
            " Give the options of that run, or name its reducer.npz itself to use it all the same."
        )
