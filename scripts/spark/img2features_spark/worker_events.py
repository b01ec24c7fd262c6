"""What a worker writes to stderr: one JSON object a line, and whatever else is printed there."""

from __future__ import annotations

import collections
import json
import queue
import threading
import time
from typing import IO, Any

_LAST_LINES = 20
_LINE_CHARACTERS = 2000


class WorkerEvents:
    """Reads stderr to its end in a thread of its own."""

    def __init__(self, stderr: IO[bytes]) -> None:
        self._stderr = stderr
        self._tail: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._said_error: dict[str, Any] | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, name="img2features-stderr", daemon=True)
        self._listener.start()

    def expect(self, name: str, seconds: float) -> dict[str, Any] | None:
        """The next event of that name, None where stderr ends before; others are kept as its last output only.

        Raises `TimeoutError`.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError from None
            if event is None or event.get("event") == name:
                return event

    def last_words(self) -> str:
        """What it said of its end, as the tail of a message: the error that it told, else its last lines."""
        if self._said_error is not None:
            said = str(self._said_error.get("message", self._said_error))
            fix = self._said_error.get("fix")
            return f" It said: {said}{f' {fix}' if fix else ''}"
        if not self._tail:
            return " It said nothing."
        return " Its last words:\n  " + "\n  ".join(self._tail)

    def join(self, seconds: float) -> None:
        """Waits until everything was read."""
        self._listener.join(seconds)

    def _listen(self) -> None:
        for raw in iter(self._stderr.readline, b""):
            line = raw.decode("utf-8", "replace").rstrip()
            event = _parse_event(line)
            if event is None or event.get("event") not in ("ready", "stream"):
                self._tail.append(str((event or {}).get("message", line))[:_LINE_CHARACTERS])
            if event is None:
                continue
            if event.get("event") == "error":
                self._said_error = event
            self._events.put(event)
        self._stderr.close()
        self._events.put(None)


def _parse_event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
