"""CONFIG: what programs read and put back, and what has one value only."""

from __future__ import annotations

import pytest

from elastickv.redis_api.parameters import PARAMETERS
from tests.kit.server_calls import ServerCalls


@pytest.fixture
def server() -> ServerCalls:
    return ServerCalls()


def test_what_was_read_can_be_set(server: ServerCalls) -> None:
    names = [name for name, parameter in PARAMETERS.items() if parameter.parse is not None and not parameter.shared]
    before = server.run("CONFIG", "GET", "*")
    for name in names:
        shown = server.run("CONFIG", "GET", name)
        value = shown[name.encode()] if isinstance(shown, dict) else shown[1]
        assert server.run("CONFIG", "SET", name, value) == b"OK", name
    assert server.run("CONFIG", "GET", "*") == before


def test_one_value_only(server: ServerCalls) -> None:
    assert server.run("CONFIG", "SET", "save", "", "appendonly", "YES", "maxmemory-policy", "NoEviction") == b"OK"
    assert server.error("CONFIG", "SET", "timeout", "7", "appendonly", "no") == (
        b"ERR CONFIG SET failed (possibly related to argument 'appendonly') - this server has no other value than 'yes'"
    )
    assert server.state.timeout_seconds == 0
    assert server.error("CONFIG", "SET", "databases", "16") == (
        b"ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"
    )
