"""Real clients on real sockets: redis-py (both kinds), redis-cli; and the same raw input as redis-server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
import redis
import redis.asyncio

from elastickv.redis_api.registry import COMMANDS, Command, Flag
from tests.kit.redis_door import Door
from tests.kit.redis_reference import RedisReference, exchange


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with Door() as door:
        yield door


@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_py_asyncio(door: Door, protocol: int) -> None:
    client = redis.asyncio.Redis(port=door.port, protocol=protocol, client_name="me", decode_responses=True)
    assert await client.set("a", "1", ex=100)
    assert await client.get("a") == "1"
    async with client.pipeline(transaction=True) as pipe:
        pipe.incr("a")
        pipe.get("a")
        assert await pipe.execute() == [2, "2"]
    info = await client.info("everything")
    assert info["redis_mode"] == "standalone"
    assert info["role"] == "master"
    assert info["db0"] == {"keys": 1, "expires": 1, "avg_ttl": 0}
    assert info["node_id"] == "n1"
    [me] = await client.client_list()
    assert (me["name"], me["resp"]) == ("me", str(protocol))
    assert (await client.config_get("maxclients"))["maxclients"] == "10000"
    assert "get" in await client.command()
    assert await client.role() == ["master", 10, []]
    await client.aclose()


async def test_redis_py_blocking_client(door: Door) -> None:
    def use() -> None:
        client = redis.Redis(port=door.port)
        assert client.set("k", b"\0\r\nbinary")
        assert client.get("k") == b"\0\r\nbinary"
        assert client.mset({f"k{number}": number for number in range(1000)})
        pipe = client.pipeline(transaction=False)
        for number in range(1000):
            pipe.get(f"k{number}")
        assert pipe.execute() == [str(number).encode() for number in range(1000)]
        with pytest.raises(redis.ResponseError):
            client.execute_command("NOPE")  # type: ignore[no-untyped-call]
        client.slowlog_get()
        client.close()

    await asyncio.to_thread(use)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
async def test_redis_cli(door: Door) -> None:
    process = await asyncio.create_subprocess_exec(
        *["redis-cli", "-p", str(door.port), "-3"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"SET a 1\nGET a\nCONFIG GET slowlog-max-len\nMULTI\nINCR a\nEXEC\n")
    assert out == b"OK\n1\nslowlog-max-len 128\nOK\nQUEUED\n2\n"


SAME_AS_REDIS = [
    b"MULTI\r\nMULTI\r\nSET a 1\r\nWATCH a\r\nEXEC\r\n",
    b"EXEC\r\nDISCARD\r\nMULTI\r\nDISCARD\r\nUNWATCH\r\n",
    b"MULTI\r\nSET a 1\r\nNOPE x\r\nEXEC\r\nGET a\r\n",
    b"MULTI\r\nSET a\r\nEXEC x\r\nEXEC\r\n",
    b"MULTI\r\nSET s x\r\nINCR s\r\nGET s\r\nEXEC\r\n",
    b"WATCH a\r\nSET a 1\r\nMULTI\r\nEXEC\r\nMULTI\r\nEXEC\r\n",
    b"MULTI\r\nSELECT 1\r\nSET x 1\r\nEXEC\r\nEXISTS x\r\nSELECT 0\r\nEXISTS x\r\n",
    b"MULTI\r\nPING\r\nRESET\r\nEXEC\r\n",
    b"PING\r\nPING a\r\nPING a b\r\nECHO\r\nECHO a\r\necho 'a b' c\r\n",
    b"SELECT 99\r\nSELECT -1\r\nSELECT x\r\nSELECT 15\r\nSELECT\r\n",
    b"SWAPDB 0 99\r\nSWAPDB x 0\r\nSWAPDB 0 x\r\nSWAPDB 0 1\r\nFLUSHDB foo\r\nFLUSHALL SYNC ASYNC\r\nDBSIZE\r\n",
    b"HELLO 4\r\nHELLO x\r\nHELLO 2 FOO\r\nHELLO 2 SETNAME\r\n",
    b"HELLO 2 SETNAME 'a b'\r\nCLIENT SETNAME 'a b'\r\nCLIENT GETNAME\r\nCLIENT SETNAME a\r\nCLIENT GETNAME\r\n",
    b"AUTH x\r\nAUTH default x\r\nAUTH other x\r\nAUTH a b c\r\n",
    b"CLIENT\r\nCLIENT FOO\r\nCLIENT KILL 1.1.1.1:1\r\nCLIENT KILL ID x\r\nCLIENT KILL TYPE foo\r\n",
    b"CLIENT KILL SKIPME maybe\r\nCLIENT KILL ID 99999\r\nCLIENT KILL USER nobody\r\nCLIENT UNBLOCK 9999\r\n",
    b"CLIENT UNBLOCK x\r\nCLIENT PAUSE x\r\nCLIENT PAUSE -1\r\nCLIENT NO-EVICT x\r\nCLIENT REPLY x\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nPING x\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\n",
    b"CLIENT GETREDIR\r\nCLIENT TRACKINGINFO\r\nCLIENT CACHING YES\r\nCLIENT TRACKING OFF\r\n",
    b"CONFIG SET foo 1\r\nCONFIG SET maxclients abc\r\nCONFIG SET maxclients\r\nCONFIG GET nothing\r\nCONFIG\r\n",
    b"CONFIG SET port 1 port 2\r\nCONFIG SET databases 1\r\nCONFIG GET slowlog-max-len\r\n",
    b"SLOWLOG GET x\r\nSLOWLOG GET -2\r\nSLOWLOG RESET\r\nLATENCY HISTORY x\r\nLATENCY RESET\r\nLATENCY LATEST\r\n",
    b"COMMAND COUNT x\r\nCOMMAND GETKEYS MSET a 1 b 2\r\nCOMMAND GETKEYS NOPE a\r\n",
    b"COMMAND GETKEYS GET a b\r\nCOMMAND INFO nope\r\nCOMMAND LIST FILTERBY FOO x\r\nCOMMAND DOCS nope\r\n",
    b"COMMAND INFO get renamenx multi\r\nCOMMAND GETKEYSANDFLAGS GET a\r\n",
    b"WAIT 0 0\r\nWAIT x 0\r\nWAIT 0 x\r\nWAIT 0 -1\r\nTIME x\r\nROLE x\r\nMEMORY USAGE nothing\r\nMEMORY USAGE\r\n",
    b"CLUSTER INFO\r\nREPLICAOF x\r\nDEBUG\r\nSHUTDOWN FOO\r\nSHUTDOWN ABORT\r\n",
    b"QUIT\r\nPING\r\n",
    b"*1\r\n$4\r\nPING\r\n*0\r\n*2\r\n$3\r\nGET\r\n$-5\r\n",
]


@pytest.mark.parametrize("stream", SAME_AS_REDIS, ids=lambda stream: stream[:24].decode())
async def test_same_input_same_output(door: Door, redis_reference: RedisReference, stream: bytes) -> None:
    setup = b"FLUSHALL\r\n"
    expected = await asyncio.to_thread(redis_reference.raw, setup + stream, idle_seconds=0.15)
    got = await asyncio.to_thread(exchange, "127.0.0.1", door.port, setup + stream, idle_seconds=0.15)
    assert got.split(b"\r\n") == expected.split(b"\r\n")


def _all_commands() -> list[Command]:
    return [one for command in COMMANDS.values() for one in (command, *command.subcommands.values())]


async def test_the_command_table_agrees_with_redis(redis_reference: RedisReference) -> None:
    """Arity and keys of every command that both have."""
    client = redis_reference.client()
    ours = [one for one in _all_commands() if not one.name.startswith("debug|")]
    differences: list[object] = []
    for one in ours:
        [theirs] = client.execute_command("COMMAND", "INFO", one.name)  # type: ignore[no-untyped-call]
        if theirs is None or one.name.startswith("command|getkeys") or one.name in ("zrank", "zrevrank"):
            continue  # 7.2 takes a command without arguments there, to tell that it has no keys; and WITHSCORE
        mine = (one.arity, one.keys.first, one.keys.last, one.keys.step)
        if mine != (theirs[1], *theirs[3:6]):
            differences.append((one.name, mine, (theirs[1], *theirs[3:6])))
        for flag, name in ((Flag.WRITE, b"write"), (Flag.READONLY, b"readonly"), (Flag.FAST, b"fast")):
            if (flag in one.flags) != (name in theirs[2]) and one.name not in ("monitor",):
                differences.append((one.name, flag.name, theirs[2]))
    client.close()
    assert differences == []
