"""One `img2features worker` child process: started, fed, watched and ended."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from .arrow_pipe import Clock, PipeReader, PipeWriter
from .errors import WorkerError

PROTOCOL = 1
_PIPE_BYTES = 1 << 20
_LAST_LINES = 20
_EXIT_SECONDS = 5.0
_F_SETPIPE_SZ = 1031
_PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class WorkerSpec:
    """How to start a worker; equal specs can share one."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    #: Seconds without a byte before a child that owes rows is killed, and before it must be ready.
    timeout: float = 600.0
    start_timeout: float = 600.0


@dataclass
class _Stream:
    """What was sent of one stream and has not come back yet."""

    pending: collections.deque[pa.Array] = field(default_factory=collections.deque)
    sent: int = 0
    is_whole: bool = False


class WorkerProcess:
    """A running worker.

    `ready` is what it tells when it takes input: `features` (name, layer, length of each column of
    vectors), `device` and more; docs/worker-protocol.md.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.ready: dict[str, Any] = {}
        self._clock = Clock(spec.timeout)
        self._tail: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._said_error: dict[str, Any] | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
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
                preexec_fn=_die_with_parent if _prctl else None,
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
        self._listener = threading.Thread(target=self._listen, name="img2features-stderr", daemon=True)
        self._listener.start()
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
        full pipes never stop both sides. After an error the process is gone.
        """
        sent: queue.Queue[_Stream | BaseException | None] = queue.Queue()
        self._clock.wait_upstream(True)
        thread = threading.Thread(target=self._send, args=(streams, sent), daemon=True)
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
        self._listener.join(_EXIT_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _send(
        self,
        streams: Iterable[Iterable[pa.RecordBatch]],
        sent: queue.Queue[_Stream | BaseException | None],
    ) -> None:
        try:
            for batches in streams:
                stream = _Stream()
                sink: pa.ipc.RecordBatchStreamWriter | None = None
                for batch in batches:
                    self._clock.wait_upstream(False)
                    if sink is None:
                        sink = pa.ipc.new_stream(self._writer, batch.schema)
                        sent.put(stream)
                    stream.pending.append(batch.column(batch.schema.get_field_index("origin")))
                    stream.sent += batch.num_rows
                    sink.write_batch(batch)
                    self._clock.wait_upstream(True)
                if sink is not None:
                    self._clock.wait_upstream(False)
                    stream.is_whole = True
                    sink.close()
            sent.put(None)
        except OSError as error:
            # A child that is gone: the reader finds out why.
            sent.put(error)
        except BaseException as error:
            sent.put(error)
            self._clock.fail(error)
        finally:
            self._clock.wait_upstream(False)

    def _receive(self, stream: _Stream, sent: queue.Queue[Any]) -> Iterator[pa.RecordBatch]:
        schema: pa.Schema | None = None
        received = 0
        while True:
            try:
                message = self._reader.next_message()
            except EOFError:
                raise self._failure(received, stream, sent) from None
            except WorkerError as error:
                self.kill()
                raise WorkerError(f"{error}{self._last_words()}") from None
            if message is None:
                break
            if schema is None:
                schema = pa.ipc.read_schema(message)
                continue
            batch = pa.ipc.read_record_batch(message, schema)
            _expect_origins(stream, batch)
            received += batch.num_rows
            yield batch
            # Spark may have taken its time with the rows.
            self._clock.restart()
        event = self._expect("stream", self.spec.timeout)
        counts = (event.get("received"), event.get("sent"))
        if not stream.is_whole or counts != (stream.sent, received) or received != stream.sent:
            raise WorkerError(
                f"Expected {stream.sent} rows to come back but found {received}"
                f" (the worker counted {counts[0]} in, {counts[1]} out).{self._last_words()}"
            )

    def _expect(self, name: str, seconds: float) -> dict[str, Any]:
        """The next event of that name; others are kept as last words only."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self.kill()
                raise WorkerError(
                    f"Expected the worker's {name} event within {seconds:g} s but found none; it was killed."
                    f"{self._last_words()}"
                ) from None
            if event is None:
                raise self._failure(None, None, None)
            if event.get("event") == name:
                return event

    def _failure(
        self, received: int | None, stream: _Stream | None, sent: queue.Queue[Any] | None
    ) -> Exception:
        """Why the output ended; an error of the rows' source counts more than that the child died of it."""
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
        return WorkerError(f"Expected the worker to go on but it {how} {when}.{self._last_words()}")

    def _last_words(self) -> str:
        if self._said_error is not None:
            said = str(self._said_error.get("message", self._said_error))
            fix = self._said_error.get("fix")
            return f" It said: {said}{f' {fix}' if fix else ''}"
        if not self._tail:
            return " It said nothing."
        return " Its last words:\n  " + "\n  ".join(self._tail)

    def _listen(self) -> None:
        assert self._process.stderr
        for raw in iter(self._process.stderr.readline, b""):
            line = raw.decode("utf-8", "replace").rstrip()
            event = _parse_event(line)
            if event is None or event.get("event") not in ("ready", "stream"):
                self._tail.append(str((event or {}).get("message", line))[:2000])
            if event is None:
                continue
            if event.get("event") == "error":
                self._said_error = event
            self._events.put(event)
        self._process.stderr.close()
        self._events.put(None)


def _parse_event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _expect_origins(stream: _Stream, batch: pa.RecordBatch) -> None:
    """Takes the batch's origins from those that were sent; raises `WorkerError` where they differ."""
    origins = batch.column(batch.schema.get_field_index("origin"))
    at = 0
    while at < len(origins):
        if not stream.pending:
            raise WorkerError(f"Expected no more rows but the worker sent one for {origins[at].as_py()!r}.")
        wanted = stream.pending[0]
        count = min(len(wanted), len(origins) - at)
        here = origins.slice(at, count)
        if not here.equals(wanted.slice(0, count)):
            pairs = zip(here.to_pylist(), wanted.slice(0, count).to_pylist())
            found, expected = next(pair for pair in pairs if pair[0] != pair[1])
            raise WorkerError(f"Expected the row of {expected!r} next but the worker sent that of {found!r}.")
        if count == len(wanted):
            stream.pending.popleft()
        else:
            stream.pending[0] = wanted.slice(count)
        at += count


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _die_with_parent() -> None:
    """In the child, before it is replaced: the kernel kills it when this Python worker dies, however."""
    assert _prctl
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
