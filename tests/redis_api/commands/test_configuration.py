"""CONFIG: what programs read and put back, and what has one value only."""

from __future__ import annotations

import pytest

from elastickv.redis_api.errors import RedisError
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


def test_latencies_are_shown_while_they_are_wanted(server: ServerCalls) -> None:
    server.run("SET", "a", "1")
    assert b"latency_percentiles_usec_set" in server.run("INFO", "latencystats")
    assert server.run("CONFIG", "SET", "latency-tracking", "no") == b"OK"
    assert b"latency_percentiles_usec_set" not in server.run("INFO", "latencystats")
    assert not server.run("LATENCY", "HISTOGRAM", "set")
    assert server.run("CONFIG", "GET", "latency-tracking") == [b"latency-tracking", b"no"]
    with pytest.raises(RedisError, match="argument must be 'yes' or 'no'"):
        server.run("CONFIG", "SET", "latency-tracking", "maybe")
    server.run("CONFIG", "SET", "latency-tracking", "yes")
    assert b"latency_percentiles_usec_set" in server.run("INFO", "latencystats")


def test_limits_of_output_are_set_class_by_class(server: ServerCalls) -> None:
    name = "client-output-buffer-limit"
    assert server.run("CONFIG", "SET", name, "normal 1mb 0 0 slave 2mb 1mb 20") == b"OK"
    assert server.run("CONFIG", "SET", name, "pubsub 10mb 5mb 30") == b"OK"
    expected = b"normal 1048576 0 0 slave 2097152 1048576 20 pubsub 10485760 5242880 30"
    assert server.run("CONFIG", "GET", name)[1] == expected
    for text, reason in (
        ("wrong number", b"Wrong number of arguments in buffer limit configuration."),
        ("master 10mb 10mb 60", b"Invalid client class specified in buffer limit configuration."),
        ("pubsub 10mbs 10mb 60", b"Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("pubsub 10mb 10mb 60s", b"Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ):
        assert server.error("CONFIG", "SET", name, text).endswith(b" - " + reason)
    assert server.run("CONFIG", "GET", name)[1] == expected


def test_requirepass_is_the_password_of_the_default_user(server: ServerCalls) -> None:
    assert server.run("CONFIG", "SET", "requirepass", "one", "slowlog-log-slower-than", "0") == b"OK"
    assert server.run("CONFIG", "GET", "requirepass") == [b"requirepass", b"one"]
    assert b" nopass " not in server.run("ACL", "LIST")[0]
    assert server.error("AUTH", "two").startswith(b"WRONGPASS")
    assert server.run("AUTH", "one") == b"OK"
    server.run("CONFIG", "SET", "requirepass", "two")
    assert server.error("AUTH", "one").startswith(b"WRONGPASS")
    assert server.run("AUTH", "two") == b"OK"
    assert b"two" not in repr(server.run("SLOWLOG", "GET")).encode()
    server.run("ACL", "SETUSER", "default", "resetpass", ">three")
    assert server.run("CONFIG", "GET", "requirepass") == [b"requirepass", b""]
    server.run("CONFIG", "SET", "requirepass", "")
    assert b" nopass " in server.run("ACL", "LIST")[0]
    assert server.error("AUTH", "two").startswith(b"ERR AUTH <password> called without any password configured")
