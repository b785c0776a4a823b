"""What client libraries ask for in their own tests: DEBUG and LOLWUT."""

from __future__ import annotations

import pytest

from tests.kit.server_calls import ServerCalls


@pytest.fixture
def server() -> ServerCalls:
    return ServerCalls()


def test_an_error_on_demand(server: ServerCalls) -> None:
    assert server.error("DEBUG", "ERROR", "OOM blah\r\nblah") == b"OOM blah  blah"
    assert server.error("DEBUG", "NOPE").startswith(b"ERR unknown subcommand 'NOPE'")


def test_a_picture_and_the_version(server: ServerCalls) -> None:
    for words in ((), ("VERSION", "5"), ("VERSION", "6", "7", "8")):
        assert b"\nRedis ver. 7.2.4\n" in server.run("LOLWUT", *words)
