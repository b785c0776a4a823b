"""Structured logging on the standard library: a message that is a constant sentence, and fields that say the rest.

    log = logging.getLogger(__name__)
    log.info("became leader", extra={"group": 1, "term": 7})

A terminal gets `2026-01-31T12:00:00.000Z info runtime.driver: became leader group=1 term=7`; anything else gets one
JSON object per line. Every line has `time`, `level`, `logger`, `message` and, once known, `node`. Where they apply the
same names are used everywhere: `group`, `term`, `index`, `member`, `leader`, `peer`, `address`, `client`, `command`,
`request`, `seconds`, `bytes`, `path`, `reason`; a traceback is in `exception`.

Lines are formatted where they are logged but written by a thread of their own: the loop that sends heartbeats must not
stand still because a terminal or a log collector does. The queue is bounded; what does not fit is counted and the
count is logged, so that a flood of messages costs messages and never memory or leadership.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final, TextIO

FIRST_FIELDS: Final = ("time", "level", "logger", "message", "node")
"""In every line, in this order."""

QUEUE_LINES: Final = 10_000
CLOSE_SECONDS: Final = 2.0
"""How long the end of the program waits for a reader that does not read."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields_of(record: logging.LogRecord, node: str) -> dict[str, object]:
    """Everything that a line says, by field name."""
    milliseconds = int(record.created * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    fields: dict[str, object] = {
        "time": f"{stamp}.{milliseconds % 1000:03d}Z",
        "level": record.levelname.lower(),
        "logger": record.name.removeprefix("elastickv."),
        "message": record.getMessage(),
    }
    if node:
        fields["node"] = node
    for name, value in vars(record).items():
        if name not in _STANDARD and not name.startswith("_"):
            fields[name] = value
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        fields["stack"] = record.stack_info
    return fields


class JsonFormatter(logging.Formatter):
    def __init__(self, node: str = "") -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields_of(record, self._node), default=_plain, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    def __init__(self, node: str = "") -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record, self._node)
        line = f"{fields.pop('time')} {fields.pop('level')} {fields.pop('logger')}: {_one_line(fields.pop('message'))}"
        blocks = [str(fields.pop(name)) for name in ("exception", "stack") if name in fields]
        line += "".join(f" {name}={_quoted(value)}" for name, value in fields.items())
        return "\n".join([line, *blocks])


def _plain(value: object) -> object:
    """What JSON has no word for."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _one_line(value: object) -> str:
    """A client can put a line feed into what we log; it must not be able to forge a line."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _quoted(value: object) -> str:
    text = str(_plain(value)) if isinstance(value, bytes) else str(value)
    if text and text.isprintable() and not set(text) & {" ", '"', "="}:
        return text
    return json.dumps(text, ensure_ascii=False)


class ThreadedHandler(logging.Handler):
    """Formats at once, writes on a thread, drops rather than blocks."""

    def __init__(self, stream: TextIO, *, lines: int = QUEUE_LINES) -> None:
        super().__init__()
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(lines)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._dropped:
                dropped = self._dropped
                self._queue.put_nowait(self.format(_dropped_record(dropped)))
                self._dropped -= dropped
            self._queue.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write what is waiting, for a bounded time."""
        try:
            self._queue.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            pass
        else:
            self._thread.join(CLOSE_SECONDS)
        super().close()

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._stream.write(line + "\n")
                if self._queue.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                pass  # nobody reads any more; the node goes on without a log
        try:
            self._stream.flush()
        except (OSError, ValueError):
            pass


def _dropped_record(count: int) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": __name__,
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": "log lines were dropped because nobody read them in time",
            "lines": count,
        }
    )


class Logging:
    """The set-up of the process, undone by `close`. A context manager."""

    def __init__(self, form: str, level: str, *, node: str = "", stream: TextIO | None = None) -> None:
        """`form` is auto, text or json; `level` is debug, info, warning or error. The stream is stderr by default:
        standard output belongs to what a command was asked to print."""
        target = sys.stderr if stream is None else stream
        text = form == "text" or (form == "auto" and target.isatty())
        self._handler = ThreadedHandler(target)
        self._handler.setFormatter(TextFormatter(node) if text else JsonFormatter(node))
        self._root = logging.getLogger()
        self._level_before = self._root.level
        self._root.addHandler(self._handler)
        self._root.setLevel(level.upper())
        # asyncio's debug chatter ("Using selector", slow callbacks) is about asyncio.
        logging.getLogger("asyncio").setLevel(logging.WARNING)
        logging.captureWarnings(True)

    def __enter__(self) -> Logging:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        logging.captureWarnings(False)
        self._root.removeHandler(self._handler)
        self._root.setLevel(self._level_before)
        self._handler.close()
