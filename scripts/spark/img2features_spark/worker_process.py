"""One `img2features worker` child process: started, given input, watched and ended."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .arrow_pipe import Clock, PipeReader, PipeWriter, SentQueue, SentStream, send_streams
from .errors import WorkerError
from .worker_events import WorkerEvents

PROTOCOL = 1
_PIPE_BYTES = 1 << 20
_EXIT_SECONDS = 5.0
_F_SETPIPE_SZ = 1031
_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class WorkerSpec:
    """How to start a worker; equal specs can share one."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    #: Seconds without a byte before a child with unanswered rows is killed, and before it must be ready.
    timeout: float = 600.0
    start_timeout: float = 600.0


class WorkerProcess:
    """A running worker.

    `ready` is its event when it takes input: `features` (name, layer, length of each column of
    vectors), `device` and more; docs/worker-protocol.md.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.ready: dict[str, Any] = {}
        self._clock = Clock(spec.timeout)
        try:
            self._process = subprocess.Popen(
                list(spec.argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **dict(spec.env)},
                bufsize=0,
                # A group of its own: what the command starts in turn is ended with it.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise WorkerError(
                f"Expected to start img2features as {spec.argv[0]} but failed ({error.strerror})."
                " Set command=, IMG2FEATURES or PATH on the executors, or ship the archive of"
                " `img2features pack`."
            ) from error
        assert self._process.stdin and self._process.stdout and self._process.stderr
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
        self._reader = PipeReader(self._process.stdout.fileno(), self._clock)
        self._writer = PipeWriter(self._process.stdin.fileno(), self._clock)
        self._events = WorkerEvents(self._process.stderr)
        try:
            self.ready = self._expect("ready", spec.start_timeout)
            if self.ready.get("protocol") != PROTOCOL:
                raise WorkerError(
                    f"Expected a worker of protocol {PROTOCOL} but found {self.ready.get('protocol')}."
                    " Install the same version of img2features and of this package."
                )
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, streams: Iterable[Iterable[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
        """Sends streams of rows and yields what comes back: one row for each, in order.

        Each batch has `origin` (string) and perhaps `content` (binary). A second thread writes, so that
        full pipes never stop both sides. After an error the process has ended.
        """
        sent: SentQueue = queue.Queue()
        self._clock.wait_upstream(True)
        arguments = (streams, self._writer, self._clock, sent)
        thread = threading.Thread(target=send_streams, args=arguments, daemon=True)
        thread.start()
        try:
            while True:
                stream = sent.get()
                if stream is None:
                    break
                if isinstance(stream, BaseException):
                    raise stream
                yield from self._receive(stream, sent)
            thread.join()
        except BaseException:
            self.kill()
            raise

    def close(self) -> None:
        """Ends the input and waits for the process; kills it when it stays."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Ends the process and all that it started, at once."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._events.join(_EXIT_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _receive(self, stream: SentStream, sent: SentQueue) -> Iterator[pa.RecordBatch]:
        schema: pa.Schema | None = None
        received = 0
        while True:
            try:
                message = self._reader.next_message()
            except EOFError:
                raise self._failure(received, stream, sent) from None
            except WorkerError as error:
                self.kill()
                raise WorkerError(f"{error}{self._events.last_words()}") from None
            if message is None:
                break
            if schema is None:
                schema = pa.ipc.read_schema(message)
                continue
            batch = pa.ipc.read_record_batch(message, schema)
            stream.take(batch)
            received += batch.num_rows
            yield batch
            # Spark may have taken its time with the rows.
            self._clock.restart()
        event = self._expect("stream", self.spec.timeout)
        counts = (event.get("received"), event.get("sent"))
        if not stream.is_whole or counts != (stream.sent, received) or received != stream.sent:
            raise WorkerError(
                f"Expected {stream.sent} rows to come back but found {received}"
                f" (the worker counted {counts[0]} in, {counts[1]} out).{self._events.last_words()}"
            )

    def _expect(self, name: str, seconds: float) -> dict[str, Any]:
        try:
            event = self._events.expect(name, seconds)
        except TimeoutError:
            self.kill()
            raise WorkerError(
                f"Expected the worker's {name} event within {seconds:g} s but found none; it was killed."
                f"{self._events.last_words()}"
            ) from None
        if event is None:
            raise self._failure(None, None, None)
        return event

    def _failure(self, received: int | None, stream: SentStream | None, sent: SentQueue | None) -> Exception:
        """Why the output ended; an error of the rows' source is reported before the end of the child that it caused."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        status = self._process.poll()
        self.kill()
        if sent is not None:
            with contextlib.suppress(queue.Empty):
                error = sent.get_nowait()
                if isinstance(error, BaseException) and not isinstance(error, OSError):
                    return error  # type: ignore[return-value]
        if status is None:
            how = "closed its output and went on; it was killed"
        elif status < 0:
            how = f"was ended by {_signal_name(-status)}"
        else:
            how = f"ended with exit status {status}"
        when = "before it was ready" if stream is None else f"after {received} rows"
        if stream is None and self.ready:
            when = "before it had counted its rows"
        return WorkerError(f"Expected the worker to run but it {how} {when}.{self._events.last_words()}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def die_with_parent() -> None:
    """In a child, before it is replaced: Linux kills it when the Python that started it ends, for any reason."""
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
