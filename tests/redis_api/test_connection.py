"""One client's connection over a transport without a socket: order, tickets, retries, limits, MULTI."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.config import OutputLimits, RedisSettings
from elastickv.config.kinds import OutputLimit
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from elastickv.redis_api import connection
from elastickv.redis_api.connection import MAX_BACKLOG, Connection
from elastickv.redis_api.replies import encode
from elastickv.redis_api.resp import encode_command
from tests.kit.redis_door import Door


class Wire(asyncio.Transport):
    """What the server wrote, and whether it wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.closed = False
        self.reading = True
        self.unread = 0

    def write(self, data: Any) -> None:
        self.written += data
        self.writes += 1

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unread


class Client:
    def __init__(self, door: Door) -> None:
        self.wire = Wire()
        self.connection = Connection(door.server.hub)
        self.connection.connection_made(self.wire)

    def send(self, *commands: str | bytes) -> bytes:
        """One burst; what is written in the same turn is returned."""
        words = [one.encode().split() if isinstance(one, str) else one.split() for one in commands]
        return self.receive(b"".join(map(encode_command, words)))

    def receive(self, data: bytes) -> bytes:
        self.connection.data_received(data)
        self.connection.hub.send_all()
        return self.wire.take()


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns do not end by time, which runs differently on a busy machine."""
    monkeypatch.setattr(connection, "TURN_NS", 60_000_000_000)


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def client(door: Door) -> Client:
    return Client(door)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_burst_is_answered_with_one_write(client: Client) -> None:
    assert client.send("SET a 1", "GET a", "INCR a", "PING", "NOPE", "GET") == (
        b"+OK\r\n$1\r\n1\r\n:2\r\n+PONG\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n"
        b"-ERR wrong number of arguments for 'get' command\r\n"
    )


async def test_writes_wait_for_their_ticket_and_later_reads_behind_them(door: Door, client: Client) -> None:
    client.send("SET seen old")
    door.store.hold = True
    assert client.send("SET a 1", "GET a") == b""
    assert client.send("GET seen") == b""
    assert client.send("SET b 2") == b""
    first, second = door.store.tickets
    second.release()
    assert client.wire.take() == b""
    first.release()
    assert client.wire.take() == b"+OK\r\n$1\r\n1\r\n$3\r\nold\r\n+OK\r\n"


async def test_a_burst_whose_fate_is_unknown_says_so_once_per_command(door: Door, client: Client) -> None:
    door.store.hold = True
    client.send("SET a 1", "GET a")
    client.send("SET b 1")
    first, second = door.store.tickets
    second.release()
    first.fail(KvError(Fault.OUTCOME_UNKNOWN))
    unknown = b"-ERR outcome unknown\r\n"
    assert client.wire.take() == unknown * 2 + b"+OK\r\n"


async def test_a_burst_that_was_dropped_is_executed_again_in_order(door: Door, client: Client) -> None:
    client.send("SELECT 1")
    door.store.hold = True
    client.send("INCR n")
    client.send("SELECT 2")
    client.send("GET elsewhere")
    [ticket] = door.store.tickets
    # The store of this test keeps what it executed, so the second execution shows.
    ticket.fail(KvError(Fault.NOT_LEADER))
    await turns()
    door.store.tickets[-1].release()
    assert client.wire.take() == b":2\r\n+OK\r\n$-1\r\n"
    assert client.connection.session.call.db.number == 2


async def test_what_a_transfer_drops_waits_for_the_next_leader(door: Door, client: Client) -> None:
    door.store.hold = True
    client.send("SET a 1")
    [ticket] = door.store.tickets
    door.store.change(serving=False, leader=None)
    ticket.fail(KvError(Fault.NOT_LEADER))
    await turns()
    assert client.wire.take() == b""
    door.store.hold = False
    door.store.change(serving=True, leader=Leader("n1", "127.0.0.1:50051"))
    await turns(10)
    assert client.wire.take() == b"+OK\r\n"


async def test_without_a_leader_every_command_is_refused_in_time_and_order(client: Client, door: Door) -> None:
    door.server.state.facts = replace(door.server.state.facts, request_timeout=0.1)
    door.store.change(serving=False, leader=None)
    assert client.send("SET a 1", "PING", "GET a", "NOPE") == b""
    await asyncio.sleep(0.3)
    down = b"-CLUSTERDOWN no leader, or no majority of the members can be reached\r\n"
    assert client.wire.take().startswith(down + b"+PONG\r\n" + down + b"-ERR unknown command 'NOPE'")


async def test_an_unexpected_failure_is_told_and_survived(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    route = client.connection.hub.router.plain[b"GET"]

    def broken(_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(route, "handler", broken)
    assert client.send("GET a", "PING") == b"-ERR internal error\r\n+PONG\r\n"
    assert "ZeroDivisionError" in caplog.text


async def test_long_bursts_take_turns(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TURN_NS", 1_000_000)
    count = 50_000
    first = client.send(*["PING"] * count)
    assert 0 < len(first) < 7 * count
    while len(first) < 7 * count:
        await asyncio.sleep(0)
        first += client.wire.take()
    assert first == b"+PONG\r\n" * count


async def test_a_client_that_does_not_read_is_not_read(client: Client) -> None:
    client.connection.pause_writing()
    assert not client.wire.reading
    assert client.send("PING") == b""
    client.connection.resume_writing()
    await turns()
    assert client.wire.take() == b"+PONG\r\n"
    assert client.wire.reading


async def test_reading_stops_when_too_much_waits(client: Client, door: Door) -> None:
    door.store.change(serving=False, leader=None)
    client.send(*["GET a"] * (MAX_BACKLOG + 1))
    assert not client.wire.reading


async def test_hard_output_limit(door: Door) -> None:
    door.server.state.output_limits = OutputLimits(normal=OutputLimit(1000, 0, 0))
    door.server.state.settings_changed()
    client = Client(door)
    client.wire.unread = 1001
    client.send("PING")
    assert client.wire.closed
    assert door.server.state.stats.output_limit_disconnections == 1


async def test_a_reply_beyond_the_hard_limit_is_not_begun(door: Door) -> None:
    client = Client(door)
    client.send("SET a " + "x" * 1500, "SET b " + "x" * 500)
    client.wire.take()
    door.server.state.output_limits = OutputLimits(normal=OutputLimit(1000, 0, 0))
    door.server.state.settings_changed()
    assert len(client.send("GET b")) == 508
    assert client.send("GET a") == b""
    assert client.wire.closed


async def test_query_buffer_limit(door: Door) -> None:
    door.server.state.query_buffer_limit = 1 << 20
    client = Client(door)
    client.connection.data_received(b"*1\r\n$2000000\r\n")
    for _ in range(17):
        client.connection.data_received(b"x" * 65536)
    assert client.wire.closed


async def test_protocol_errors_come_after_the_replies_before_them(client: Client) -> None:
    client.connection.data_received(encode_command([b"SET", b"a", b"1"]) + b"*1\r\n+x\r\nPING\r\n")
    assert client.wire.take() == b"+OK\r\n-ERR Protocol error: expected '$', got '+'\r\n"
    assert client.wire.closed


async def test_maxclients() -> None:
    door = Door(settings=replace(RedisSettings(), max_clients=1))
    first, second = Client(door), Client(door)
    assert second.wire.take() == b"-ERR max number of clients reached\r\n"
    assert second.wire.closed
    assert first.send("PING") == b"+PONG\r\n"


async def test_quit_answers_and_drops_the_rest(client: Client) -> None:
    assert client.send("PING", "QUIT", "SET a 1") == b"+PONG\r\n+OK\r\n"
    assert client.wire.closed


async def test_nothing_is_executed_behind_not_leader(client: Client, door: Door) -> None:
    assert client.send("ELASTICKV.SESSION n2 0 2 name 0 default o") == b"+OK\r\n"
    door.store.hold = True
    client.send("SET a 1")
    door.store.change(serving=False, leader=Leader("n3", "10.0.0.3:50051"))
    client.send("SET b 1")
    door.store.tickets[0].fail(KvError(Fault.NOT_LEADER))
    door.store.change(serving=True, leader=Leader("n1", "127.0.0.1:50051"))
    assert client.send("SET c 1") == b"-NOTLEADER 10.0.0.3:50051\r\n"
    assert client.wire.closed
    assert Client(door).send("EXISTS b c") == b":0\r\n"


async def test_the_end_of_input_waits_for_the_replies(client: Client, door: Door) -> None:
    door.store.hold = True
    client.send("SET a 1")
    assert client.connection.eof_received()
    assert not client.wire.closed
    door.store.tickets[0].release()
    assert client.wire.take() == b"+OK\r\n"
    assert client.wire.closed


# authentication


@pytest.fixture
async def locked() -> Client:
    return Client(Door(settings=replace(RedisSettings(), require_pass="secret")))


async def test_nothing_works_before_authentication(locked: Client) -> None:
    assert locked.send("GET a", "PING", "FOO") == (
        b"-NOAUTH Authentication required.\r\n" * 2 + b"-ERR unknown command 'FOO', with args beginning with: \r\n"
    )
    assert locked.send("AUTH wrong").startswith(b"-WRONGPASS ")
    assert locked.send("HELLO 3").startswith(b"-NOAUTH HELLO must be called")
    assert locked.send("AUTH other secret").startswith(b"-WRONGPASS ")


async def test_auth_opens_the_rest_of_the_same_burst(locked: Client) -> None:
    big = b"x" * 20_000
    replies = locked.receive(
        encode_command([b"AUTH", b"secret"]) + encode_command([b"ECHO", big]) + encode_command([b"PING"])
    )
    assert replies == b"+OK\r\n" + encode(big) + b"+PONG\r\n"


async def test_hello_can_authenticate(locked: Client) -> None:
    assert locked.send("HELLO 3 AUTH default secret SETNAME me").startswith(b"%7\r\n")
    assert locked.send("CLIENT GETNAME") == b"$2\r\nme\r\n"
    assert locked.send("RESET", "PING") == b"+RESET\r\n-NOAUTH Authentication required.\r\n"


async def test_auth_without_a_password_set(client: Client) -> None:
    assert client.send("AUTH x").startswith(b"-ERR AUTH <password> called without any password configured")
    assert client.send("AUTH default x") == b"+OK\r\n"


# transactions


async def test_exec_is_one_array(client: Client) -> None:
    assert client.send("MULTI", "SET a 1", "INCR a", "GET a", "LPUSHX", "EXEC").endswith(
        b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    )
    assert client.send("MULTI", "SET a 1", "INCR a", "EXEC") == (b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:2\r\n")


async def test_exec_settles_once(client: Client, door: Door) -> None:
    client.send("MULTI", "SET a 1", "SET b 2")
    before = door.store.settled
    client.send("EXEC")
    assert door.store.settled == before + 1


@pytest.mark.parametrize(
    ("between", "answer"),
    [
        ("SET k 2", b"*-1\r\n"),
        ("SET other 2", b"*1\r\n$1\r\n1\r\n"),
        ("FLUSHALL", b"*-1\r\n"),
        ("DEL nothing", b"*1\r\n$1\r\n1\r\n"),
    ],
)
async def test_watch(client: Client, door: Door, between: str, answer: bytes) -> None:
    other = Client(door)
    client.send("SET k 1", "WATCH k")
    other.send(between)
    assert client.send("MULTI", "GET k", "EXEC") == b"+OK\r\n+QUEUED\r\n" + answer
    assert client.send("MULTI", "PING", "EXEC").endswith(b"*1\r\n+PONG\r\n")


async def test_watched_key_that_expires(client: Client, door: Door) -> None:
    client.send("SET k 1 PX 100", "WATCH k")
    door.store.clock.advance(1)
    assert client.send("MULTI", "PING", "EXEC").endswith(b"*-1\r\n")
    client.send("WATCH k")  # its time had passed before
    assert client.send("MULTI", "PING", "EXEC").endswith(b"*1\r\n+PONG\r\n")


async def test_a_new_leadership_ends_watches(client: Client, door: Door) -> None:
    client.send("WATCH k")
    door.server.on_serving()
    assert client.send("MULTI", "PING", "EXEC").endswith(b"*-1\r\n")


async def test_client_reply(client: Client) -> None:
    assert client.send("CLIENT REPLY SKIP", "PING", "ECHO a") == b"$1\r\na\r\n"
    assert client.send("CLIENT REPLY OFF", "PING", "SET a 1") == b""
    assert client.send("GET a") == b""
    assert client.send("CLIENT REPLY ON", "GET a") == b"+OK\r\n$1\r\n1\r\n"


async def test_client_pause(client: Client, door: Door) -> None:
    other = Client(door)
    assert client.send("CLIENT PAUSE 60000 WRITE") == b"+OK\r\n"
    assert other.send("GET a") == b"$-1\r\n"
    assert other.send("SET a 1", "GET a") == b""
    assert client.send("CLIENT UNPAUSE") == b"+OK\r\n"
    await turns()
    assert other.wire.take() == b"+OK\r\n$1\r\n1\r\n"


async def test_client_kill(client: Client, door: Door) -> None:
    other = Client(door)
    id = other.connection.session.id
    assert client.send(f"CLIENT KILL ID {id}") == b":1\r\n"
    assert other.wire.closed
    assert client.send(f"CLIENT KILL ID {client.connection.session.id} SKIPME no") == b":1\r\n"
    assert client.wire.closed


# whatever is sent, in whatever pieces: the same replies

SCRIPT = [
    "SET a 1", "GET a", "INCR a", "SELECT 3", "SET a x", "INCR a", "MULTI", "GET a", "BAD", "EXEC", "MULTI", "SET b 1",
    "EXEC", "SELECT 0", "GET a", "CLIENT REPLY SKIP", "PING", "PING hi", "WATCH a", "SET a 5", "MULTI", "GET a", "EXEC",
    "DISCARD", "HELLO 3", "GET none", "EXISTS a b", "HELLO 2", "GET none", "APPEND a 1", "STRLEN a",
]  # fmt: skip
STREAM = b"".join(encode_command(line.encode().split()) for line in SCRIPT)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=10), st.booleans())
@settings(max_examples=60, deadline=None)
def test_pipelines_in_any_cut(loop: asyncio.AbstractEventLoop, cuts: list[int], hold: bool) -> None:
    async def run(places: list[int], hold: bool) -> bytes:
        door = Door()
        client = Client(door)
        door.store.hold = hold
        replies = b""
        for start, end in itertools.pairwise(places):
            replies += client.receive(STREAM[start:end])
        for _ in range(100):
            await asyncio.sleep(0)
            for ticket in door.store.tickets:
                ticket.release()
        replies += client.wire.take()
        # HELLO tells the id of the client, which is the same in every fresh server.
        return replies

    whole = loop.run_until_complete(run([0, len(STREAM)], False))
    assert loop.run_until_complete(run(sorted({0, *cuts, len(STREAM)}), hold)) == whole
