"""The generic group, command by command. What it has in common with Redis is also compared in tests/conformance."""

from __future__ import annotations

import pytest

from elastickv.redis_api.crc64 import crc64
from elastickv.redis_api.rdb import dump_string
from elastickv.redis_api.registry import COMMANDS
from tests.kit.redis_calls import RedisCalls, Word

NOW = 1_700_000_000_000
MAX = 2**63 - 1
NO_INTEGER = b"ERR value is not an integer or out of range"
SYNTAX = b"ERR syntax error"
SAME = b"ERR source and destination objects are the same"
NO_DATABASE = b"ERR DB index is out of range"
OURS = [
    "copy", "del", "dump", "exists", "expire", "expireat", "expiretime", "keys", "move", "object", "persist", "pexpire",
    "pexpireat", "pexpiretime", "pttl", "randomkey", "rename", "renamenx", "restore", "scan", "touch", "ttl", "type",
    "unlink",
]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_arity(redis: RedisCalls, name: str) -> None:
    error = b"ERR wrong number of arguments for '%b' command" % name.encode()
    arity = COMMANDS[name].arity
    if abs(arity) > 1:
        assert redis.error(name, *["1"] * (abs(arity) - 2)) == error
    if arity > 0:
        assert redis.error(name, *["1"] * arity) == error


def test_del_unlink_exists_touch(redis: RedisCalls) -> None:
    redis.run("MSET", "a", 1, "b", 2, "c", 3)
    assert redis.run("EXISTS", "a", "a", "x", "alist") == 3
    assert redis.run("TOUCH", "a", "b", "x") == 2
    assert redis.run("DEL", "a", "a", "x") == 1
    assert redis.run("UNLINK", "b", "c", "alist") == 3
    assert redis.run("KEYS", "*") == []


def test_what_has_expired_is_not_there(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v", "PX", 5)
    redis.sleep(5)
    assert redis.run("EXISTS", "k") == 0
    assert redis.run("TYPE", "k") == b"none"
    assert redis.run("KEYS", "*") == [b"alist"]
    assert redis.run("DEL", "k") == 0
    assert redis.error("RENAME", "k", "l") == b"ERR no such key"


def test_type(redis: RedisCalls) -> None:
    redis.run("SET", "s", "")
    assert redis.run("TYPE", "s") == b"string"
    assert redis.run("TYPE", "alist") == b"list"
    assert redis.run("TYPE", "none") == b"none"


def test_rename(redis: RedisCalls) -> None:
    redis.run("SET", "a", "1", "EX", 10)
    redis.run("SET", "b", "2")
    assert redis.run("RENAME", "a", "b") == b"OK"
    assert redis.run("MGET", "a", "b") == [None, b"1"]
    assert redis.run("TTL", "b") == 10
    assert redis.run("RENAME", "b", "b") == b"OK"
    assert redis.run("RENAME", "alist", "b") == b"OK"
    assert redis.run("TYPE", "b") == b"list"
    assert redis.run("TTL", "b") == -1
    assert redis.error("RENAME", "none", "b") == b"ERR no such key"
    assert redis.error("RENAME", "none", "none") == b"ERR no such key"


def test_renamenx(redis: RedisCalls) -> None:
    redis.run("MSET", "a", "1", "b", "2")
    assert redis.run("RENAMENX", "a", "b") == 0
    assert redis.run("RENAMENX", "a", "a") == 0
    assert redis.run("RENAMENX", "a", "c") == 1
    assert redis.error("RENAMENX", "a", "d") == b"ERR no such key"


def test_copy(redis: RedisCalls) -> None:
    redis.run("SET", "a", "1", "EX", 10)
    assert redis.run("COPY", "a", "b") == 1
    assert redis.run("TTL", "b") == 10
    redis.run("SET", "a", "2")
    assert redis.run("COPY", "a", "b") == 0
    assert redis.run("COPY", "a", "b", "replace") == 1
    assert (redis.run("GET", "b"), redis.run("TTL", "b")) == (b"2", -1)
    assert redis.run("COPY", "none", "b", "REPLACE") == 0
    assert redis.run("COPY", "a", "a", "DB", 3) == 1
    redis.select(3)
    assert redis.run("GET", "a") == b"2"
    assert redis.error("COPY", "a", "a") == SAME
    assert redis.error("COPY", "a", "a", "DB", 3) == SAME
    for number in (16, -1):
        assert redis.error("COPY", "a", "b", "DB", number) == NO_DATABASE
    assert redis.error("COPY", "a", "b", "DB", "x") == NO_INTEGER
    assert redis.error("COPY", "a", "b", "DB") == SYNTAX


def test_move(redis: RedisCalls) -> None:
    redis.run("SET", "a", "1", "EX", 10)
    assert redis.run("MOVE", "a", 1) == 1
    assert redis.run("MOVE", "a", 1) == 0
    redis.run("SET", "a", "2")
    assert redis.run("MOVE", "a", 1) == 0
    assert redis.error("MOVE", "a", 0) == SAME
    assert redis.error("MOVE", "a", 99) == NO_DATABASE
    assert redis.error("MOVE", "a", "1.0") == NO_INTEGER
    redis.select(1)
    assert (redis.run("GET", "a"), redis.run("TTL", "a")) == (b"1", 10)


# Deadlines


@pytest.mark.parametrize(
    ("name", "time", "left"),
    [
        ("EXPIRE", 7, 7000),
        ("PEXPIRE", 1500, 1500),
        ("EXPIREAT", NOW // 1000 + 7, 7000),
        ("PEXPIREAT", NOW + 1500, 1500),
    ],
)
def test_expire(redis: RedisCalls, name: str, time: int, left: int) -> None:
    assert redis.run(name, "k", time) == 0
    redis.run("SET", "k", "v")
    assert redis.run(name, "k", time) == 1
    assert redis.run("PTTL", "k") == left
    assert redis.run("TTL", "k") == (left + 500) // 1000
    assert redis.run("PEXPIRETIME", "k") == NOW + left
    assert redis.run("EXPIRETIME", "k") == (NOW + left + 500) // 1000
    redis.sleep(left - 1)
    assert redis.run("PTTL", "k") == 1
    redis.sleep(1)
    assert redis.run("PTTL", "k") == -2


@pytest.mark.parametrize(
    "argv", [("EXPIRE", 0), ("EXPIRE", -1), ("PEXPIRE", -(2**62)), ("EXPIREAT", 1), ("PEXPIREAT", NOW)]
)
def test_a_deadline_that_is_not_in_the_future_deletes(redis: RedisCalls, argv: tuple[Word, Word]) -> None:
    redis.run("SET", "k", "v")
    assert redis.run(argv[0], "k", argv[1]) == 1
    assert redis.run("EXISTS", "k") == 0
    assert redis.databases.numbered[0].sizes() == (1, 0)


@pytest.mark.parametrize(
    ("present", "condition", "wanted", "done"),
    [
        (0, "NX", 50, 1), (100, "NX", 50, 0), (0, "XX", 50, 0), (100, "xx", 50, 1), (0, "GT", 50, 0),
        (100, "GT", 150, 1), (100, "GT", 100, 0), (100, "GT", 50, 0), (0, "LT", 50, 1), (100, "LT", 50, 1),
        (100, "LT", 100, 0), (100, "LT", 150, 0), (100, "XX GT", 150, 1), (0, "XX LT", 50, 0), (100, "LT LT", 50, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
def test_conditions(redis: RedisCalls, name: str, present: int, condition: str, wanted: int, done: int) -> None:
    redis.run("SET", "k", "v", *(("EX", present) if present else ()))
    time = {
        "EXPIRE": wanted,
        "PEXPIRE": wanted * 1000,
        "EXPIREAT": NOW // 1000 + wanted,
        "PEXPIREAT": NOW + wanted * 1000,
    }
    assert redis.run(name, "k", time[name], *condition.split()) == done
    assert redis.run("TTL", "k") == (wanted if done else present or -1)


def test_conditions_that_contradict_each_other(redis: RedisCalls) -> None:
    for other in ("XX", "GT", "LT"):
        assert redis.error("EXPIRE", "k", 1, "NX", other) == (
            b"ERR NX and XX, GT or LT options at the same time are not compatible"
        )
    assert redis.error("EXPIRE", "k", 1, "LT", "GT") == b"ERR GT and LT options at the same time are not compatible"
    assert redis.error("EXPIRE", "k", 1, "AB") == b"ERR Unsupported option AB"
    assert redis.error("EXPIRE", "k", "x", "AB") == b"ERR Unsupported option AB"


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("EXPIRE", MAX), ("EXPIRE", -(2**63)), ("EXPIRE", MAX // 1000), ("PEXPIRE", MAX), ("EXPIREAT", MAX // 1000 + 1),
        ("EXPIREAT", -(MAX // 1000) - 1),
    ],
)  # fmt: skip
def test_times_that_overflow(redis: RedisCalls, name: str, time: int) -> None:
    redis.run("SET", "k", "v")
    assert redis.error(name, "k", time) == b"ERR invalid expire time in '%b' command" % name.lower().encode()
    assert redis.run("TTL", "k") == -1


def test_the_last_moment(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v")
    assert redis.run("PEXPIREAT", "k", MAX) == 1
    assert redis.run("PEXPIRETIME", "k") == MAX
    assert redis.error("EXPIRE", "k", "1.5") == NO_INTEGER


def test_ttl_of_what_does_not_expire(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v")
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert redis.run(name, "k") == -1
        assert redis.run(name, "none") == -2


def test_persist(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v")
    assert redis.run("PERSIST", "k") == 0
    assert redis.run("PERSIST", "none") == 0
    redis.run("EXPIRE", "k", 5)
    assert redis.run("PERSIST", "k") == 1
    assert redis.run("TTL", "k") == -1
    assert redis.run("GET", "k") == b"v"


# Looking around


def names(reply: object) -> list[bytes]:
    assert isinstance(reply, list)
    return sorted(reply)


def test_keys(redis: RedisCalls) -> None:
    redis.run("MSET", "user:1", 1, "user:2", 2, "users", 3, "", 4, "a*b", 5)
    assert names(redis.run("KEYS", "*")) == [b"", b"a*b", b"alist", b"user:1", b"user:2", b"users"]
    assert names(redis.run("KEYS", "user:*")) == [b"user:1", b"user:2"]
    assert names(redis.run("KEYS", "user[:s]*")) == [b"user:1", b"user:2", b"users"]
    assert redis.run("KEYS", "users") == [b"users"]
    assert redis.run("KEYS", "a\\*b") == [b"a*b"]
    assert redis.run("KEYS", "") == [b""]
    assert redis.run("KEYS", "none") == []


def test_scan(redis: RedisCalls) -> None:
    for number in range(50):
        redis.run("SET", f"k:{number}", number)
    met: list[bytes] = []
    cursor, steps = b"0", 0
    while True:
        reply = redis.run("SCAN", cursor)
        assert isinstance(reply, list)
        cursor, found = reply
        met += found
        steps += 1
        if cursor == b"0":
            break
    assert sorted(met) == sorted([b"k:%d" % number for number in range(50)] + [b"alist"])
    assert steps == 6
    assert redis.run("SCAN", 0, "TYPE", "LIST", "COUNT", 100) == [b"0", [b"alist"]]
    assert redis.run("SCAN", 0, "MATCH", "k:7", "COUNT", 100) == [b"0", [b"k:7"]]
    assert redis.run("SCAN", 0, "type", "zset", "count", 100) == [b"0", []]


def test_scan_errors(redis: RedisCalls) -> None:
    for cursor in ("x", "1.0", " 1", "18446744073709551616", "-", "1 "):
        assert redis.error("SCAN", cursor) == b"ERR invalid cursor"
    assert redis.run("SCAN", 2**64 - 1) == [b"0", []]
    for options in (("COUNT",), ("COUNT", "0"), ("COUNT", "-1"), ("WHAT", "1"), ("MATCH",)):
        assert redis.error("SCAN", 0, *options) == SYNTAX
    assert redis.error("SCAN", 0, "COUNT", "x") == NO_INTEGER


def test_randomkey(redis: RedisCalls) -> None:
    redis.run("SET", "k", "v")
    assert {redis.run("RANDOMKEY") for _ in range(60)} == {b"k", b"alist"}
    redis.run("DEL", "k", "alist")
    assert redis.run("RANDOMKEY") is None


# OBJECT


@pytest.mark.parametrize(
    ("commands", "encoding"),
    [
        ([("SET", "k", "1")], b"int"),
        ([("SET", "k", str(2**63 - 1))], b"int"),
        ([("SET", "k", str(2**63))], b"embstr"),
        ([("SET", "k", "01")], b"embstr"),
        ([("SET", "k", "")], b"embstr"),
        ([("SET", "k", "x" * 44)], b"embstr"),
        ([("SET", "k", "x" * 45)], b"raw"),
        ([("APPEND", "k", "1")], b"int"),
        ([("SET", "k", "1"), ("APPEND", "k", "2")], b"raw"),
        ([("SET", "k", "1"), ("APPEND", "k", "2"), ("INCR", "k")], b"int"),
        ([("SET", "k", "1"), ("APPEND", "k", "2"), ("SET", "k", "x")], b"embstr"),
        ([("SETRANGE", "k", "0", "1")], b"raw"),
        ([("SETBIT", "k", "0", "1")], b"raw"),
        ([("SETBIT", "a", "0", "1"), ("COPY", "a", "k")], b"raw"),
        ([("SETBIT", "a", "0", "1"), ("EXPIRE", "a", "9"), ("RENAME", "a", "k"), ("PERSIST", "k")], b"raw"),
    ],
)
def test_object_encoding(redis: RedisCalls, commands: list[tuple[str, ...]], encoding: bytes) -> None:
    for argv in commands:
        redis.run(*argv)
    assert redis.run("OBJECT", "ENCODING", "k") == encoding


def test_object(redis: RedisCalls) -> None:
    redis.run("MSET", "k", "v", "small", 9999, "large", 10000)
    assert redis.run("object", "refcount", "k") == 1
    assert redis.run("OBJECT", "REFCOUNT", "small") == 2**31 - 1
    assert redis.run("OBJECT", "REFCOUNT", "large") == 1
    for sub in ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ"):
        assert redis.run("OBJECT", sub, "none") is None
        assert (
            redis.error("OBJECT", sub)
            == b"ERR wrong number of arguments for 'object|%b' command" % sub.lower().encode()
        )
    assert redis.error("OBJECT", "FREQ", "k").startswith(b"ERR An LFU maxmemory policy is not selected")
    assert redis.error("OBJECT", "IDLETIME", "k") == b"ERR Idle time is not tracked by this server."
    assert redis.error("OBJECT", "WHAT", "k") == b"ERR unknown subcommand 'WHAT'. Try OBJECT HELP."
    help = redis.run("OBJECT", "HELP")
    assert isinstance(help, list)
    assert help[0] == b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"


# DUMP and RESTORE


def test_dump_and_restore(redis: RedisCalls) -> None:
    redis.run("SET", "k", "value", "EX", 10)
    payload = redis.run("DUMP", "k")
    assert isinstance(payload, bytes)
    assert redis.run("DUMP", "none") is None
    assert redis.run("RESTORE", "copy", 0, payload) == b"OK"
    assert (redis.run("GET", "copy"), redis.run("TTL", "copy")) == (b"value", -1)
    assert redis.error("RESTORE", "copy", 0, payload) == b"BUSYKEY Target key name already exists."
    assert redis.run("RESTORE", "copy", 2500, payload, "replace") == b"OK"
    assert redis.run("PTTL", "copy") == 2500
    assert redis.run("RESTORE", "copy", NOW + 77, payload, "REPLACE", "ABSTTL", "IDLETIME", 5) == b"OK"
    assert redis.run("PTTL", "copy") == 77
    assert redis.run("RESTORE", "alist", 0, payload, "REPLACE", "FREQ", 255) == b"OK"
    assert redis.run("RESTORE", "copy", 5, payload, "REPLACE", "ABSTTL") == b"OK"
    assert redis.run("EXISTS", "copy") == 0
    assert redis.run("RESTORE", "copy", MAX, payload) == b"OK"
    assert redis.run("EXISTS", "copy") == 0


def test_restore_errors(redis: RedisCalls) -> None:
    payload = dump_string(b"v")
    damaged = payload[:-1] + bytes((payload[-1] ^ 1,))
    a_list = b"\x12\x00\x0a\x00"
    a_list += crc64(a_list).to_bytes(8, "little")
    nonsense = b"\x00\x05ab\x0a\x00"
    nonsense += crc64(nonsense).to_bytes(8, "little")
    footer = b"ERR DUMP payload version or checksum are wrong"
    for argv, error in [
        ((0, damaged), footer),
        ((0, b"x"), footer),
        ((0, nonsense), b"ERR Bad data format"),
        ((0, a_list), b"ERR Bad data format"),
        ((-1, payload), b"ERR Invalid TTL value, must be >= 0"),
        (("x", payload), NO_INTEGER),
        ((0, payload, "WHAT"), SYNTAX),
        ((0, payload, "IDLETIME"), SYNTAX),
        ((0, payload, "IDLETIME", -1), b"ERR Invalid IDLETIME value, must be >= 0"),
        ((0, payload, "FREQ", 256), b"ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ((0, payload, "FREQ", 1, "IDLETIME", 1), SYNTAX),
    ]:
        assert redis.error("RESTORE", "k", *argv) == error  # type: ignore[arg-type]
    assert redis.run("EXISTS", "k") == 0
