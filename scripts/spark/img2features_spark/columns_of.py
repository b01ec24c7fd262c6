"""Which columns the workers will answer with, asked before there is any row."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import Img2FeaturesError
from .ship import application_id, ship
from .worker_command import find_command
from .worker_process import PROTOCOL, die_with_parent
from .worker_task import Columns, TaskSpec, ask_worker

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_answers: dict[tuple[str, TaskSpec], dict[str, Any]] = {}


class DriverAnswer:
    """What img2features on the driver says, where it is there: `worker --describe` starts no engine.

    Asked as soon as this is made; it is another process, so Spark can start meanwhile.
    """

    def __init__(self, task: TaskSpec) -> None:
        self._seconds = task.start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        try:
            argv = [*find_command(task.command), *task.arguments, "--describe"]
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict(task.env)},
                preexec_fn=die_with_parent,
            )
        except (OSError, Img2FeaturesError):
            # Not installed here: the columns come from an executor.
            return

    def wait(self) -> dict[str, Any] | None:
        """None where it has no answer; that of an executor will say why."""
        if self._process is None:
            return None
        try:
            said, _ = self._process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return None
        try:
            answer = json.loads(said)
        except ValueError:
            return None
        is_known = isinstance(answer, dict) and answer.get("protocol") == PROTOCOL
        return answer if is_known and self._process.returncode == 0 else None


def columns_of(spark: SparkSession, task: TaskSpec, asked: DriverAnswer | None = None) -> Columns:
    """The driver's answer, else that of a worker on an executor; once for each application and command.

    asked: the driver's answer, where it was requested before. Each task compares the columns with its own
    worker's, so a driver and executors that differ are an error there.
    """
    key = (application_id(spark), task)
    if key not in _answers:
        _answers[key] = (asked or DriverAnswer(task)).wait() or _ask_executor(spark, task)
    return Columns.of(_answers[key])


def _ask_executor(spark: SparkSession, task: TaskSpec) -> dict[str, Any]:
    ship(spark)
    answer = spark.range(0, 1, 1, 1).mapInArrow(partial(ask_worker, task=task), "event string").collect()
    return json.loads(answer[0]["event"])
