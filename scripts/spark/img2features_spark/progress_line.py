"""What the job does now, on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_EACH_SECONDS = 1.0
#: Logs get a line less often than a terminal.
_LOG_EACH_SECONDS = 10.0


class ProgressLine:
    """One line that follows the running stages; in a log, a line every few seconds."""

    def __init__(self, spark: SparkSession, is_quiet: bool) -> None:
        self._tracker: Any = spark.sparkContext.statusTracker()
        self._is_quiet = is_quiet
        self._is_terminal = sys.stderr.isatty()
        self._phase = ""
        self._shown = ""
        self._stop = threading.Event()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Names what the stages until the end of the block are for, and takes its time."""
        self._phase = name
        start = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 3)
            self._show(f"{name}: done in {took:.1f} s", is_last=True)

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Shows the line while the block runs."""
        thread = threading.Thread(target=self._follow, name="img2features-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(2 * _EACH_SECONDS)

    def _follow(self) -> None:
        while not self._stop.wait(_EACH_SECONDS if self._is_terminal else _LOG_EACH_SECONDS):
            # The driver may be about to end.
            with contextlib.suppress(Exception):
                self._show(f"{self._phase}: {self._tasks()}", is_last=False)

    def _tasks(self) -> str:
        infos = [self._tracker.getStageInfo(stage) for stage in self._tracker.getActiveStageIds()]
        known = [info for info in infos if info is not None]
        done = sum(info.numCompletedTasks for info in known)
        failed = sum(info.numFailedTasks for info in known)
        lost = f", {failed} failed and tried again" if failed else ""
        return f"{done} of {sum(info.numTasks for info in known)} tasks{lost}"

    def _show(self, text: str, is_last: bool) -> None:
        if self._is_quiet or (text == self._shown and not is_last):
            return
        self._shown = text
        line = f"\r\x1b[K{text}" if self._is_terminal else text
        sys.stderr.write(line if self._is_terminal and not is_last else f"{line}\n")
        sys.stderr.flush()
