"""Arrow IPC streams over the pipes of a child process, with a clock that sees when it hangs.

https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
"""

from __future__ import annotations

import collections
import io
import os
import queue
import select
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from .errors import WorkerError

_CONTINUATION = b"\xff\xff\xff\xff"
#: Metadata of a few columns takes hundreds of bytes; text on stdout reads as a length far above this.
_MOST_METADATA = 1 << 24
_MOST_BODY = 1 << 31
#: Bytes handed to the pipe at a time: progress is seen in between.
_WRITE_BYTES = 1 << 18
_LOOK_SECONDS = 0.25


class Clock:
    """Distinguishes a child that hangs from one that waits for others.

    Time runs while the reader waits for the child and the writer does not wait for Spark: then only the
    child can make progress. Every byte that moves starts it again.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self._is_upstream_slow = False
        self._error: BaseException | None = None

    def restart(self) -> None:
        with self._lock:
            self._since = time.monotonic()

    def wait_upstream(self, is_waiting: bool) -> None:
        """Says whether the writer waits for Spark to bring rows."""
        with self._lock:
            self._is_upstream_slow = is_waiting
            self._since = time.monotonic()

    def fail(self, error: BaseException) -> None:
        """The writer has failed: the reader, which would wait for ever, raises this."""
        with self._lock:
            self._error = error

    def check(self) -> None:
        """Raises `WorkerError` when nothing has moved for `timeout` seconds."""
        with self._lock:
            if self._error is not None:
                raise self._error
            late = time.monotonic() - self._since
            if self._is_upstream_slow or late <= self.timeout:
                return
        raise WorkerError(
            f"Expected rows from the worker but it has not moved a byte for {self.timeout:g} s;"
            " it was killed. If single batches take longer than that, raise timeout=."
        )


class PipeReader(io.RawIOBase):
    """Reads whole Arrow messages from a file descriptor; anything else there is an error at once."""

    def __init__(self, fd: int, clock: Clock) -> None:
        super().__init__()
        self._fd = fd
        self._clock = clock
        self._ahead = b""
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN | select.POLLHUP)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytearray:
        """Exactly `size` bytes, fewer only at the end of the pipe."""
        if not 0 <= size <= _MOST_BODY:
            raise WorkerError(
                f"Expected Arrow messages on the worker's stdout but found one of {size} bytes."
            )
        out = bytearray(size)
        view = memoryview(out)
        got = min(size, len(self._ahead))
        view[:got] = self._ahead[:got]
        self._ahead = self._ahead[got:]
        self._clock.restart()
        while got < size:
            if not self._poll.poll(_LOOK_SECONDS * 1000):
                self._clock.check()
                continue
            count = os.readv(self._fd, [view[got:]])
            if count == 0:
                return out[:got]
            self._clock.restart()
            got += count
        return out

    def next_message(self) -> pa.Message | None:
        """The next message; None at the end of a stream.

        Raises `EOFError` where the pipe ends, `WorkerError` for bytes that are no Arrow message.
        """
        head = bytes(self.read(8))
        if len(head) < 8:
            if head:
                raise self._junk(head)
            raise EOFError
        length = int.from_bytes(head[4:], "little", signed=True)
        if head[:4] != _CONTINUATION or not 0 <= length <= _MOST_METADATA:
            raise self._junk(head)
        if length == 0:
            return None
        self._ahead = head
        try:
            return pa.ipc.read_message(self)
        except (pa.ArrowInvalid, OSError) as error:
            raise EOFError(str(error)) from error

    def _junk(self, head: bytes) -> WorkerError:
        if len(head) < 200 and self._poll.poll(0):
            head += os.read(self._fd, 200 - len(head))
        return WorkerError(
            f"Expected only Arrow streams on the worker's stdout but found {head!r}."
            " Something else writes there: look at the command and at what it starts."
        )


class PipeWriter(io.RawIOBase):
    """Writes to a file descriptor; waits as long as the reader's clock allows."""

    def __init__(self, fd: int, clock: Clock) -> None:
        super().__init__()
        self._fd = fd
        self._clock = clock

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view):
            done += os.write(self._fd, view[done : done + _WRITE_BYTES])
            self._clock.restart()
        return len(view)


@dataclass
class SentStream:
    """What was sent of one stream and has not come back yet."""

    pending: collections.deque[pa.Array] = field(default_factory=collections.deque)
    sent: int = 0
    is_whole: bool = False

    def take(self, batch: pa.RecordBatch) -> None:
        """Takes the answer's origins from those that were sent; raises `WorkerError` where they differ."""
        origins = batch.column(batch.schema.get_field_index("origin"))
        at = 0
        while at < len(origins):
            if not self.pending:
                raise WorkerError(
                    f"Expected no more rows but the worker sent one for {origins[at].as_py()!r}."
                )
            wanted = self.pending[0]
            count = min(len(wanted), len(origins) - at)
            here = origins.slice(at, count)
            if not here.equals(wanted.slice(0, count)):
                pairs = zip(here.to_pylist(), wanted.slice(0, count).to_pylist())
                found, expected = next(pair for pair in pairs if pair[0] != pair[1])
                raise WorkerError(
                    f"Expected the row of {expected!r} next but the worker sent that of {found!r}."
                )
            if count == len(wanted):
                self.pending.popleft()
            else:
                self.pending[0] = wanted.slice(count)
            at += count


#: Each stream as its first rows leave, None after the last one; an error in place of what it prevented.
SentQueue = queue.Queue["SentStream | BaseException | None"]


def send_streams(
    streams: Iterable[Iterable[pa.RecordBatch]], writer: PipeWriter, clock: Clock, sent: SentQueue
) -> None:
    """Writes the streams one after the other, and tells `sent`; an error of their source ends both sides."""
    try:
        for batches in streams:
            stream = SentStream()
            sink: pa.ipc.RecordBatchStreamWriter | None = None
            for batch in batches:
                clock.wait_upstream(False)
                if sink is None:
                    sink = pa.ipc.new_stream(writer, batch.schema)
                    sent.put(stream)
                stream.pending.append(batch.column(batch.schema.get_field_index("origin")))
                stream.sent += batch.num_rows
                sink.write_batch(batch)
                clock.wait_upstream(True)
            if sink is not None:
                clock.wait_upstream(False)
                stream.is_whole = True
                sink.close()
        sent.put(None)
    except OSError as error:
        # The child has ended: the reader finds out why.
        sent.put(error)
    except BaseException as error:
        sent.put(error)
        clock.fail(error)
    finally:
        clock.wait_upstream(False)
