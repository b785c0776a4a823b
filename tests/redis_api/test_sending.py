"""When replies leave: those that wait for nothing at the end of the turn, all others at once, and in order always."""

from __future__ import annotations

import asyncio

import pytest

from elastickv.config import OutputLimits
from elastickv.config.kinds import OutputLimit
from elastickv.redis_api import hub
from elastickv.redis_api.outgoing import MAX_UNSENT, MAX_UNSENT_BYTES
from elastickv.redis_api.resp import encode_command
from tests.kit.redis_door import Door
from tests.redis_api.test_connection import Client

GET = encode_command([b"GET", b"a"])
SET = encode_command([b"SET", b"a", b"2"])


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def client(door: Door) -> Client:
    client = Client(door)
    client.send("SET a 1")
    client.wire.writes = 0
    return client


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "GATHER_NS", 60_000_000_000)


async def test_at_the_end_of_the_turn(client: Client) -> None:
    client.connection.data_received(GET)
    client.connection.data_received(GET + GET)
    assert client.wire.written == b""
    await asyncio.sleep(0)
    assert client.wire.written == b"$1\r\n1\r\n" * 3
    assert client.wire.writes == 1


async def test_clients_are_answered_in_the_order_in_which_they_asked(door: Door) -> None:
    clients = [Client(door) for _ in range(5)]
    order: list[int] = []
    for number, one in enumerate(clients):
        one.wire.write = lambda data, number=number: order.append(number)  # type: ignore[method-assign, misc]
    for number in (3, 1, 4, 0, 2):
        clients[number].connection.data_received(GET)
    await asyncio.sleep(0)
    assert order == [3, 1, 4, 0, 2]


async def test_not_later_than_a_moment(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Client(door), Client(door)
    first.connection.data_received(GET)
    monkeypatch.setattr(hub, "GATHER_NS", -1)
    second.connection.data_received(GET)
    assert first.wire.written == b"$-1\r\n"
    assert second.wire.written == b""
    await asyncio.sleep(0)
    assert second.wire.written == b"$-1\r\n"


async def test_a_reply_that_waited_for_its_commit_comes_behind_those_before_it(door: Door, client: Client) -> None:
    client.connection.data_received(GET)
    door.store.hold = True
    client.connection.data_received(SET)
    client.connection.data_received(GET)
    door.store.hold = False
    (ticket, *_) = door.store.tickets
    ticket.release()
    assert client.wire.written.startswith(b"$1\r\n1\r\n+OK\r\n")
    await asyncio.sleep(0)
    for one in door.store.tickets:
        one.release()
    assert client.wire.written == b"$1\r\n1\r\n+OK\r\n$1\r\n2\r\n"


async def test_a_large_burst_takes_along_what_came_before_it(client: Client) -> None:
    big = b"x" * MAX_UNSENT_BYTES
    client.send(b"SET big " + big)
    client.connection.data_received(GET)
    client.connection.data_received(encode_command([b"GET", b"big"]))
    assert client.wire.take() == b"$1\r\n1\r\n$%d\r\n%b\r\n" % (len(big), big)


async def test_only_so_many_bursts_wait(client: Client) -> None:
    for _ in range(MAX_UNSENT):
        client.connection.data_received(GET)
    assert client.wire.written == b""
    client.connection.data_received(GET)
    assert client.wire.take() == b"$1\r\n1\r\n" * (MAX_UNSENT + 1)


async def test_a_push_comes_behind_the_replies_before_it(door: Door) -> None:
    client = Client(door)
    client.send("HELLO 3", "SUBSCRIBE news")
    client.connection.data_received(GET)
    client.connection.push_out(b">1\r\n+news\r\n")
    client.connection.data_received(GET)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert client.wire.take() == b"_\r\n>1\r\n+news\r\n_\r\n"


async def test_who_closes_his_side_gets_his_replies(client: Client) -> None:
    client.connection.data_received(GET)
    assert not client.connection.eof_received()
    assert client.wire.take() == b"$1\r\n1\r\n"


async def test_an_orderly_close_sends_what_is_due(client: Client) -> None:
    client.connection.data_received(GET)
    client.connection.close_after_replies()
    assert client.wire.written == b"$1\r\n1\r\n"
    assert client.wire.closed


@pytest.mark.parametrize("end", ["abort", "lost"])
async def test_nothing_is_sent_to_who_is_gone(client: Client, end: str) -> None:
    client.connection.data_received(GET)
    if end == "abort":
        client.connection.abort()
    else:
        client.connection.connection_lost(None)
    await asyncio.sleep(0)
    assert client.wire.writes == 0


async def test_a_transport_that_fails_takes_no_other_client_along(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Client(door), Client(door)

    def fail(data: bytes) -> None:
        raise RuntimeError("planted")

    first.wire.write = fail  # type: ignore[method-assign]
    first.connection.data_received(GET)
    second.connection.data_received(GET)
    await asyncio.sleep(0)
    assert first.wire.closed
    assert second.wire.written == b"$-1\r\n"
    assert "replies could not be sent" in caplog.text


async def test_unsent_replies_count_against_the_output_limit(door: Door, client: Client) -> None:
    state = door.server.state
    state.output_limits = OutputLimits(normal=OutputLimit(16, 0, 0))
    state.settings_changed()
    client.connection.data_received(GET)
    assert client.connection.figures().output_bytes == 7
    client.connection.data_received(GET)
    assert not client.wire.closed
    client.connection.data_received(GET)
    assert client.wire.closed


async def test_over_a_socket_in_any_order_of_turns() -> None:
    """Many clients at once, each with several requests under way: everybody gets his own, in order."""

    async def talk(port: int, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in range(30):
            words = [[b"SET", b"k%d" % number, b"%d" % turn], [b"GET", b"k%d" % number], [b"ECHO", b"e%d" % turn]]
            for argv in words:
                writer.write(encode_command(argv))
                if (number + turn) % 3 == 0:
                    await asyncio.sleep(0)
            value, echo = b"%d" % turn, b"e%d" % turn
            expected = b"+OK\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(value), value, len(echo), echo)
            assert await reader.readexactly(len(expected)) == expected
        writer.close()
        await writer.wait_closed()

    async with Door() as door:
        await asyncio.gather(*[talk(door.port, number) for number in range(20)])


async def test_a_slow_reader_gets_all_of_it() -> None:
    """More than the kernel takes at once, in bursts that wait for the end of the turn."""
    value = b"x" * 50_000
    async with Door() as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1 << 16)
        writer.write(encode_command([b"SET", b"a", value]))
        assert await reader.readexactly(5) == b"+OK\r\n"
        reply = b"$%d\r\n%b\r\n" % (len(value), value)
        for _ in range(400):
            writer.write(GET)
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        for _ in range(400):
            assert await reader.readexactly(len(reply)) == reply
        writer.close()
        await writer.wait_closed()
