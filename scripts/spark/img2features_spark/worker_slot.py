"""The one worker process that a Python worker of Spark keeps from task to task."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from .worker_process import WorkerProcess, WorkerSpec

#: A worker that nothing asked for within this time is ended: a model takes memory.
KEEP_SECONDS = 60.0

_lock = threading.Lock()
_kept: tuple[int, WorkerProcess] | None = None
_timer: threading.Timer | None = None


@contextlib.contextmanager
def borrowed_worker(spec: WorkerSpec) -> Iterator[WorkerProcess]:
    """The kept worker where it was started alike, else a new one replaces it.

    Given back after the block; after an error it is killed instead.
    """
    worker = _take()
    if worker is not None and not (worker.spec == spec and worker.is_alive):
        worker.close()
        worker = None
    if worker is None:
        worker = WorkerProcess(spec)
    try:
        yield worker
    except BaseException:
        worker.kill()
        raise
    _give(worker)


def close_kept_worker() -> None:
    """Ends the worker that waits for the next task, if there is one."""
    worker = _take()
    if worker is not None:
        worker.close()


def _take() -> WorkerProcess | None:
    global _kept, _timer
    with _lock:
        kept, _kept = _kept, None
        if _timer is not None:
            _timer.cancel()
            _timer = None
    # After a fork the child process belongs to the other Python.
    return kept[1] if kept is not None and kept[0] == os.getpid() else None


def _give(worker: WorkerProcess) -> None:
    global _kept, _timer
    close_kept_worker()
    with _lock:
        _kept = (os.getpid(), worker)
        _timer = threading.Timer(KEEP_SECONDS, close_kept_worker)
        _timer.daemon = True
        _timer.start()
