"""Log lines: their fields, one line per message, and a writer that never holds anybody up."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from elastickv.observability.logs import FIRST_FIELDS, JsonFormatter, Logging, TextFormatter, ThreadedHandler


def record(message: str = "became leader", /, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "elastickv.runtime.driver", "levelname": "INFO", "levelno": logging.INFO, "msg": message, **fields}
    )
    made.created = 1_700_000_000.25
    return made


def test_text() -> None:
    assert TextFormatter("n1").format(record(group=1, peer="n 2", reason="")) == (
        '2023-11-14T22:13:20.250Z info runtime.driver: became leader node=n1 group=1 peer="n 2" reason=""'
    )


def test_json() -> None:
    fields = json.loads(JsonFormatter("n1").format(record(group=1, key=b"\xff\x00a", members={"b", "a"})))
    assert tuple(fields)[:5] == FIRST_FIELDS
    assert fields["time"] == "2023-11-14T22:13:20.250Z"
    assert (fields["level"], fields["node"], fields["group"]) == ("info", "n1", 1)
    assert fields["key"] == "\\xff\x00a"
    assert fields["members"] == ["a", "b"]


def test_a_message_cannot_forge_a_line() -> None:
    forged = record("hello\n2023 error: all is lost", client="a\nb")
    assert TextFormatter().format(forged).count("\n") == 0
    assert JsonFormatter().format(forged).count("\n") == 0


def test_a_traceback_is_a_field_in_json_and_follows_in_text() -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        failed = record("failed", exc_info=(RuntimeError, error, error.__traceback__), term=3)
    assert json.loads(JsonFormatter().format(failed))["exception"].endswith("RuntimeError: broken")
    first, *rest = TextFormatter().format(failed).splitlines()
    assert first.endswith("failed term=3")
    assert rest[-1] == "RuntimeError: broken"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", Terminal(), False),
        ("auto", io.StringIO(), True),
        ("text", io.StringIO(), False),
        ("json", Terminal(), True),
    ],
)
def test_the_form_follows_the_reader(form: str, stream: io.StringIO, is_json: bool) -> None:
    with Logging(form, "info", node="n1", stream=stream):
        logging.getLogger("elastickv.app").info("started", extra={"address": "a:1"})
        logging.getLogger("elastickv.app").debug("not written")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") is is_json
    assert "started" in line


def test_the_set_up_is_undone() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), threading.active_count())
    with Logging("json", "debug", stream=io.StringIO()):
        assert root.level == logging.DEBUG
    assert (root.level, root.handlers, threading.active_count()) == before


class Stuck(io.StringIO):
    """A terminal that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.go_on.wait(10)
        return super().write(text)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stream = Stuck()
    yield stream
    stream.go_on.set()


def test_a_stuck_reader_costs_lines_and_no_time(stuck: Stuck) -> None:
    handler = ThreadedHandler(stuck, lines=3)
    handler.setFormatter(JsonFormatter())
    for number in range(50):
        handler.handle(record(f"line {number}"))
    stuck.go_on.set()
    while not handler._queue.empty():
        pass
    handler.handle(record("after"))
    handler.close()
    lines: list[dict[str, Any]] = [json.loads(line) for line in stuck.getvalue().splitlines()]
    messages = [line["message"] for line in lines]
    assert messages[0] == "line 0"
    assert messages[-1] == "after"
    assert messages[-2].startswith("log lines were dropped")
    assert lines[-2]["lines"] + len(messages) - 2 == 50


def test_a_reader_that_went_away() -> None:
    stream = io.StringIO()
    handler = ThreadedHandler(stream)
    stream.close()
    handler.handle(record())
    handler.close()
