"""The result of the job, and whether it has too many rejected images."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

from .errors import Img2FeaturesError
from .reducer import Reducer


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
