"""What was sent to a worker and has to come back, row for row."""

from __future__ import annotations

import collections
import queue
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from .arrow_pipe import Clock, PipeWriter
from .errors import WorkerError


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
