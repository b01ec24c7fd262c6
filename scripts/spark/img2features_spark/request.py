"""The request to `extract`, checked as far as possible without Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import OptionError
from .listing import PlannedFile, plan_streams, shard_rows, spread_rows
from .origins import OriginRule, origin_rule
from .worker_command import MODES, split_command, worker_arguments
from .worker_task import Columns, TaskSpec


@dataclass(frozen=True)
class Request:
    """The arguments of `extract` that its tasks and its listing use."""

    paths: tuple[str, ...]
    mode: str
    task: TaskSpec
    rule: OriginRule
    read: str
    stream_rows: int | str | None
    glob: str | None

    def streams(self, listed: Sequence[str], columns: Columns, slots: int) -> list[PlannedFile]:
        """The listed files in the order of their origins, those of one stream together."""
        most = shard_rows(columns.lengths, is_network=self.mode != "pixels")
        size = _rows_of_stream(self.stream_rows, most, len(listed), slots)
        return plan_streams(listed, self.rule, size)


def request_of(
    paths: list[str],
    mode: str,
    options: Mapping[str, Any],
    *,
    read: str,
    origin: str | None,
    stream_rows: int | str | None,
    glob: str | None,
    command: str | Sequence[str] | None,
    env: Mapping[str, str],
    timeout: float,
    start_timeout: float,
) -> Request:
    """The arguments of `extract`; raises `OptionError` for those that do not fit."""
    if mode not in MODES:
        raise OptionError(f"Expected one of {', '.join(MODES)} for mode= but found {mode!r}.")
    if read not in ("spark", "worker"):
        raise OptionError(f'Expected "spark" or "worker" for read= but found {read!r}.')
    task = TaskSpec(
        command=_as_tuple(split_command(command)),
        arguments=tuple(worker_arguments(mode, options)),
        env=tuple(sorted(env.items())),
        timeout=timeout,
        start_timeout=start_timeout,
    )
    rule = origin_rule(origin or ("url" if options.get("seed_compat") else "path"), paths)
    return Request(tuple(paths), mode, task, rule, read, stream_rows, glob)


def _rows_of_stream(given: int | str | None, most: int, count: int, slots: int) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    if given not in (None, "shard"):
        raise OptionError(f'Expected a number of rows or "shard" for stream_rows= but found {given!r}.')
    return most if given == "shard" else spread_rows(count, slots, most)


def _as_tuple(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)
