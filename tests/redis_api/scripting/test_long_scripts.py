"""Scripts that take longer than a slice: the loop goes on, others wait or hear BUSY, and they can be ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import hiredis
import pytest

from elastickv.config import RedisSettings
from elastickv.errors import Fault, KvError
from elastickv.kv.ports import Leader
from elastickv.redis_api.scripting.slices import LEAD_LOST
from tests.kit.eventually import eventually
from tests.kit.redis_door import Door
from tests.kit.resp_client import NoAnswer, RespConnection

FOREVER = "while true do end"
WRITES_AND_LOOPS = "redis.call('set','w','1') while true do end"
LOAD_LIBRARY = (
    "#!lua name=lib\nredis.register_function('forever', function() while true do end end) "
    "redis.register_function('quick', function() return 'q' end)"
)


def counting(turns: int) -> str:
    """A script that takes a while and then writes what it read in the beginning."""
    return (
        "local before = redis.call('get', KEYS[1]) or '0' "
        f"for i = 1, {turns} do local x = i * 2 end "
        "redis.call('set', KEYS[1], before + 1) return redis.call('get', KEYS[1])"
    )


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door(settings=RedisSettings(busy_reply_threshold=60_000)) as door:
        yield door
        scripts(door).stop()
    for connection in OPEN:
        connection.close()
    OPEN.clear()
    await asyncio.sleep(0)


OPEN: list[RespConnection] = []
"""Connections of the present test."""


def scripts(door: Door) -> Any:
    return door.server.state.scripts


async def started(door: Door) -> None:
    await eventually(lambda: scripts(door).slices.aside is not None)


async def client(door: Door) -> RespConnection:
    connection = await RespConnection.open("127.0.0.1", door.port)
    OPEN.append(connection)
    return connection


async def run(door: Door, *words: str | int) -> tuple[RespConnection, asyncio.Task[Any]]:
    """A client that runs a script; back when it has stepped aside."""
    connection = await client(door)
    task = asyncio.create_task(connection.call(*words, timeout=60))
    await started(door)
    return connection, task


async def test_the_loop_goes_on_and_the_result_is_right(door: Door) -> None:
    connection = await client(door)
    turns = 0
    task = asyncio.create_task(connection.call("EVAL", counting(8_000_000), 1, "k", timeout=60))
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert await task == b"1"
    assert turns > 5
    assert await connection.call("GET", "k") == b"1"


async def test_others_see_nothing_of_it_and_run_after_it(door: Door) -> None:
    _, task = await run(door, "EVAL", counting(8_000_000), 1, "k")
    other = await client(door)
    reads = asyncio.create_task(other.call("GET", "k", timeout=60))
    adds = asyncio.create_task((await client(door)).call("INCR", "k", timeout=60))
    assert await task == b"1"
    assert await reads in (b"1", b"2")
    assert await adds == 2


async def test_what_the_same_client_sends_after_it_waits_for_it(door: Door) -> None:
    connection = await client(door)
    replies = await asyncio.gather(
        connection.call("EVAL", counting(4_000_000), 1, "k", timeout=60),
        asyncio.sleep(0),
    )
    assert replies[0] == b"1"
    assert await connection.call("INCR", "k") == 2


async def test_busy_after_the_threshold(door: Door) -> None:
    _, task = await run(door, "EVAL", FOREVER, 0)
    other = await client(door)
    waiting = asyncio.create_task(other.call("GET", "k", timeout=60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    scripts(door).engine._state.busy_reply_ms = 1
    reply = await waiting
    text = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
    assert str(reply) == text
    assert str(await other.call("PING")) == text
    assert str(await other.call("EVAL", "return 1", 0)) == text
    assert str(await other.call("FUNCTION", "KILL")) == text
    assert await other.call("MULTI") == b"OK"
    assert str(await other.call("SET", "k", "v")) == text
    assert str(await other.call("EXEC")) == "EXECABORT Transaction discarded because of: " + text
    assert str(await other.call("EXEC")) == "EXECABORT Transaction discarded because of: " + text
    assert await other.call("SCRIPT", "KILL") == b"OK"
    ended = str(await task)
    assert ended.startswith("ERR Script killed by user with SCRIPT KILL. script: ")
    assert ended.endswith(", on @user_script:1.")
    assert str(await other.call("SCRIPT", "KILL")) == "NOTBUSY No scripts in execution right now."
    assert await other.call("EVAL", "return 1", 0) == 1


@pytest.mark.parametrize(
    "script",
    [
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'get', 'k') end",
        "local function f() while true do end end while true do xpcall(f, function() while true do end end) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "coroutine.wrap(function() while true do end end)()",
        "local f = loadstring('while true do end') while true do pcall(f) end",
        "while true do redis.call('get', 'k') end",
        "while true do redis.pcall('nosuch') end",
        "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do end end)",
    ],
)
async def test_kill_ends_scripts_that_resist(door: Door, script: str) -> None:
    _, task = await run(door, "EVAL", script, 0)
    other = await client(door)
    assert await other.call("SCRIPT", "KILL") == b"OK"
    assert "SCRIPT KILL" in str(await task)
    assert await other.call("EVAL", "return redis.call('set', 'k', 'v')", 0) == b"OK"


async def test_a_script_that_wrote_cannot_be_killed(door: Door) -> None:
    _, task = await run(door, "EVAL", WRITES_AND_LOOPS, 0)
    other = await client(door)
    assert str(await other.call("SCRIPT", "KILL")).startswith("UNKILLABLE Sorry the script already executed write")
    scripts(door).slices.drop(LEAD_LOST)
    assert str(await task) == LEAD_LOST.text.decode()


async def test_functions_are_killed_by_their_own_command(door: Door) -> None:
    other = await client(door)
    await other.call("FUNCTION", "LOAD", LOAD_LIBRARY)
    _, task = await run(door, "FCALL", "forever", 0)
    stats = await other.call("FUNCTION", "STATS")
    assert isinstance(stats, list)
    running = stats[1]
    assert isinstance(running, list)
    assert running[:4] == [b"name", b"forever", b"command", [b"FCALL", b"forever", b"0"]]
    assert str(await other.call("SCRIPT", "KILL")).startswith(
        "BUSY Redis is busy running a script. You can only call F"
    )
    assert await other.call("FUNCTION", "KILL") == b"OK"
    assert str(await task) == ("ERR Script killed by user with FUNCTION KILL. script: forever, on @user_function:2.")
    assert await other.call("FCALL", "quick", 0) == b"q"


async def test_a_transaction_with_a_long_script_stays_one(door: Door) -> None:
    connection = await client(door)
    await connection.call("MULTI")
    await connection.call("SET", "a", "1")
    await connection.call("EVAL", counting(4_000_000), 1, "k")
    await connection.call("SET", "b", "2")
    task = asyncio.create_task(connection.call("EXEC", timeout=60))
    await started(door)
    assert door.store.view.get(door.databases.numbered[0].physical(b"a")) is None
    assert await task == [b"OK", b"1", b"OK"]
    assert await connection.call("MGET", "a", "k", "b") == [b"1", b"1", b"2"]


async def test_expiry_waits(door: Door) -> None:
    other = await client(door)
    await other.call("SET", "k", "5", "PX", "1000")
    _, task = await run(door, "EVAL", counting(8_000_000), 1, "k")
    door.store.clock.advance(5)
    door.store.view.now_ms = door.store.clock.wall_ms()
    assert door.databases.clearing.expire_due(10) == 0
    assert await task == b"6"


async def test_the_lead_is_lost_in_the_middle(door: Door) -> None:
    _, task = await run(door, "EVAL", WRITES_AND_LOOPS, 0)
    door.store.change(serving=False, leader=Leader("n2", "127.0.0.1:1"))
    assert str(await task) == LEAD_LOST.text.decode()
    door.store.change(serving=True, leader=Leader("n1", "127.0.0.1:50051"))
    door.server.on_serving()
    other = await client(door)
    assert await other.call("GET", "w") is None
    assert await other.call("EVAL", "return 1", 0) == 1
    assert await other.call("DBSIZE") == 0


async def test_a_script_goes_on_when_its_client_goes(door: Door) -> None:
    connection, task = await run(door, "EVAL", counting(8_000_000), 1, "k")
    connection.close()
    with pytest.raises(NoAnswer):
        await task
    other = await client(door)
    assert await other.call("GET", "k", timeout=60) == b"1"


async def test_the_reply_waits_for_the_commit(door: Door) -> None:
    door.store.hold = True
    _, task = await run(door, "EVAL", counting(4_000_000), 1, "k")
    await eventually(lambda: scripts(door).slices.aside is None)
    script_known, written = door.store.tickets
    script_known.release()
    await asyncio.sleep(0.01)
    assert not task.done()
    written.release()
    assert await task == b"1"


async def test_a_commit_that_fails(door: Door) -> None:
    door.store.hold = True
    _, task = await run(door, "EVAL", counting(4_000_000), 1, "k")
    await eventually(lambda: scripts(door).slices.aside is None)
    script_known, written = door.store.tickets
    script_known.release()
    written.fail(KvError(Fault.OUTCOME_UNKNOWN, "outcome unknown"))
    reply = await task
    assert isinstance(reply, hiredis.ReplyError)
    assert "outcome unknown" in str(reply)


async def test_messages_are_announced_with_the_commit(door: Door) -> None:
    subscriber = await client(door)
    await subscriber.call("SUBSCRIBE", "news")
    listening = asyncio.create_task(subscriber.call("PING", timeout=60))
    assert (await listening) == [b"pong", b""]
    script = "redis.call('publish', 'news', 'early') " + counting(4_000_000)
    _, task = await run(door, "EVAL", script, 1, "k")
    message = asyncio.create_task(subscriber.call("PING", timeout=60))
    await asyncio.sleep(0.01)
    assert await task == b"1"
    assert await message == [b"message", b"news", b"early"]


async def test_blocked_clients_are_served_after_it(door: Door) -> None:
    waiting = await client(door)
    popped = asyncio.create_task(waiting.call("BLPOP", "list", 0, timeout=60))
    await eventually(lambda: len(door.server.hub.blocking) == 1)
    script = "redis.call('rpush', 'list', 'a', 'b') " + counting(4_000_000) + ", redis.call('llen', 'list')"
    _, task = await run(door, "EVAL", script.replace("return redis", "return {redis", 1) + "}", 1, "k")
    assert not popped.done()
    assert await task == [b"1", 2]
    assert await popped == [b"list", b"a"]


async def test_stopping_ends_it() -> None:
    door = Door()
    await door.server.start()
    connection, task = await run(door, "EVAL", WRITES_AND_LOOPS, 0)
    await door.server.stop(1.0)
    assert scripts(door).slices.aside is None
    assert "the node stops" in str(await task)
    connection.close()
    OPEN.clear()


async def test_a_library_that_does_not_end_is_refused(door: Door) -> None:
    connection = await client(door)
    reply = await connection.call("FUNCTION", "LOAD", "#!lua name=x\nwhile true do end")
    assert str(reply) == "ERR Error registering functions: ERR FUNCTION LOAD timeout"
    assert await connection.call("EVAL", "return 1", 0) == 1
