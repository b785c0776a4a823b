"""Random command lists of all groups that are compared, and their COMMAND INFO, beside a real redis-server."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elastickv.redis_api.commands.command_table import key_specs
from elastickv.redis_api.reference import offered
from elastickv.redis_api.registry import COMMANDS, Command, Flag
from elastickv.redis_api.replies import encode
from tests.conformance.differential import BATCHES, Pair
from tests.conformance.groups import GROUPS
from tests.conformance.redis_commands import commands
from tests.conformance.words import Words
from tests.kit.raw_redis import RawRedis, decode
from tests.kit.redis_reference import AVAILABLE, running_redis_server

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def reference() -> Iterator[tuple[str, int]]:
    with running_redis_server() as server:
        yield server.host, server.port


@pytest.fixture(scope="module")
def pair(reference: tuple[str, int]) -> Iterator[Pair]:
    pair = Pair(*reference)
    yield pair
    pair.close()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rng=st.randoms(use_true_random=False),
    count=st.integers(1, 12),
    protocol=st.sampled_from((2, 3)),
    small=st.booleans(),
    batch=st.sampled_from(BATCHES),
)
def test_lists_of_commands_that_hypothesis_finds(
    pair: Pair, rng: Random, count: int, protocol: int, small: bool, batch: int
) -> None:
    difference = pair.play(commands(rng, count), protocol, small=small, batch=batch)
    assert difference is None, f"\n{difference}"


@pytest.mark.parametrize("seed", range(0, 60, 10))
def test_long_lists_of_commands(pair: Pair, seed: int) -> None:
    for number in range(seed, seed + 10):
        difference = pair.play(
            commands(Random(number), 150), 2 + number % 2, small=number % 4 >= 2, batch=BATCHES[number % len(BATCHES)]
        )
        assert difference is None, f"\nseed {number}\n{difference}"


@pytest.mark.parametrize("name", GROUPS)
def test_long_lists_about_one_group(pair: Pair, name: str) -> None:
    for number in range(8):
        plan = commands(Random(name + str(number)), 150, [name])
        difference = pair.play(plan, 2 + number % 2, small=number % 4 >= 2, batch=BATCHES[number % len(BATCHES)])
        assert difference is None, f"\nseed {name}{number}\n{difference}"


@pytest.mark.parametrize(
    "overflow", [[b"ZCOUNT", b"a", b"1e999", b"1e999"], [b"BLPOP", b"a", b"1e9999"], [b"INCRBYFLOAT", b"a", b"1e9999"]]
)
def test_sort_is_compared_as_if_no_number_had_been_too_large_before(pair: Pair, overflow: Words) -> None:
    plan = [[b"RPUSH", b"b", b"3.5", b"1.5", b"2.5"], overflow, [b"SORT", b"b", b"STORE", b"b"]]
    difference = pair.play(plan, 2)
    assert difference is None, f"\n{difference}"


@pytest.mark.parametrize("runs", [b"\x7f\xff\x40", b"\x7f\xfe\x40", b"\x7f\xfd\x40", b"\x7f\xff\x7f", b"\x40"])
def test_sketches_that_end_in_half_a_run(pair: Pair, runs: bytes) -> None:
    plan = [
        [b"SET", b"a", b"HYLL\x01" + bytes(3) + b"\xff" * 8],
        [b"APPEND", b"a", runs],
        [b"PFADD", b"b", b"x"],
        [b"PFCOUNT", b"a", b"b"],
    ]
    difference = pair.play([*plan, [b"PFCOUNT", b"a"], [b"PFMERGE", b"c", b"a", b"b"]], 2)
    assert difference is None, f"\n{difference}"


def test_counters_of_streams_wrap_around(pair: Pair) -> None:
    most = b"9223372036854775807"
    plan = [
        [b"XADD", b"a", b"1-1", b"f", b"v"],
        [b"XGROUP", b"CREATE", b"a", b"g", b"0", b"ENTRIESREAD", most],
        [b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"a", b">"],
        [b"XINFO", b"GROUPS", b"a"],
        [b"XSETID", b"a", b"5-5", b"ENTRIESADDED", most],
        [b"XADD", b"a", b"6-1", b"f", b"v"],
        [b"XINFO", b"STREAM", b"a"],
        [b"XGROUP", b"CREATE", b"a", b"h", b"5-5", b"ENTRIESREAD", most],
        [b"XREADGROUP", b"GROUP", b"h", b"c", b"STREAMS", b"a", b">"],
        [b"XINFO", b"GROUPS", b"a"],
    ]
    difference = pair.play(plan, 2)
    assert difference is None, f"\n{difference}"


def ask(reference: tuple[str, int], *argv: bytes) -> list[Any]:
    connection = RawRedis(*reference)
    reply = decode(connection.one(*argv))
    connection.close()
    assert isinstance(reply, list)
    return reply


def mapping(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


FLAGGED_OTHERWISE = {"wait", "waitaof", "migrate", "zrank", "zrevrank"}
"""In 7.2 than in the reference, or not offered here."""
OURS = [
    command
    for declared in COMMANDS.values()
    if declared.group in GROUPS and declared.name not in FLAGGED_OTHERWISE
    for command in (declared, *declared.subcommands.values())
]


@pytest.mark.parametrize("command", OURS, ids=lambda command: str(command.name))
def test_command_info_is_that_of_redis(reference: tuple[str, int], command: Command) -> None:
    [info] = ask(reference, b"COMMAND", b"INFO", command.name.encode())
    name, arity, flags, first, last, step, categories, _tips, specs, _subcommands = info
    assert name == command.name.encode()
    assert arity == command.arity
    assert set(flags) - {b"movablekeys"} == flag_names(command.flags)
    assert (first, last, step) == (command.keys.first, command.keys.last, command.keys.step)
    assert {b"@" + one.encode() for one in command.categories} == set(categories) - implied_categories(command)
    mine = decode(encode(key_specs(command)))
    assert isinstance(mine, list)
    assert [searched(spec) for spec in mine] == [searched(spec) for spec in specs]


FLAGGED_BY_US = {"auth", "hello"}
"""Kept out of SLOWLOG as a whole; Redis hides their arguments there."""
COUNTED_OTHERWISE = {"command|getkeys", "command|getkeysandflags", "zrank", "zrevrank"}
"""Of one word fewer in 7.2, or of one more."""


def test_every_command_has_the_flags_and_the_arity_of_redis(reference: tuple[str, int]) -> None:
    theirs = {}
    for info in ask(reference, b"COMMAND"):
        theirs.update({one[0].decode(): one for one in (info, *info[9])})
    different = []
    for declared in COMMANDS.values():
        for command in (declared, *declared.subcommands.values()):
            info = theirs.get(command.name)
            if info is None or not offered(declared) or command.name in FLAGGED_OTHERWISE | FLAGGED_BY_US:
                continue
            mine = flag_names(command.flags & ~(Flag.LOCAL | Flag.SESSION))
            flags = set(info[2]) - {b"no_async_loading"}
            if mine - {b"movablekeys"} != flags - {b"movablekeys"}:
                different.append((command.name, mine ^ flags))
            if command.arity != info[1] and command.name not in COUNTED_OTHERWISE:
                different.append((command.name, {command.arity, info[1]}))
    assert not different


def searched(spec: list[Any]) -> dict[bytes, Any]:
    """A key specification without its notes; 7.2 has lost the one on PFCOUNT."""
    found = mapping(spec)
    found.pop(b"notes", None)
    found[b"flags"] = set(found[b"flags"])
    return {name: repr(value) for name, value in found.items()}


def flag_names(flags: Flag) -> set[bytes]:
    return {str(flag.name).lower().encode() for flag in flags & ~Flag.MAY_REPLICATE}


def implied_categories(command: Command) -> set[bytes]:
    """What follows from group and flags."""
    implied = {b"@fast" if Flag.FAST in command.flags else b"@slow"}
    if Flag.BLOCKING in command.flags:
        implied.add(b"@blocking")
    if command.name != "object":
        implied.add(b"@keyspace" if command.group == "generic" else b"@" + command.group.replace("-", "").encode())
    if Flag.ADMIN in command.flags:
        implied |= {b"@admin", b"@dangerous"}
    if Flag.WRITE in command.flags:
        implied.add(b"@write")
    # A write is never a read for ACL.
    if Flag.READONLY in command.flags:
        implied.add(b"@read")
    return implied


RESHAPED = {"bitop"}
"""Described otherwise in 7.2 than in the reference."""


@pytest.mark.parametrize("command", OURS, ids=lambda command: str(command.name))
def test_documentation_is_complete_and_agrees_with_redis(reference: tuple[str, int], command: Command) -> None:
    [_, documented] = ask(reference, b"COMMAND", b"DOCS", command.name.encode())
    theirs = mapping(documented)
    assert command.group.encode() == theirs[b"group"]
    assert command.since.encode() == theirs[b"since"]
    assert command.summary.endswith(".")
    assert command.complexity
    known = [version for version, _ in command.history if version < "7.1"]
    assert known == [entry[0].decode() for entry in theirs.get(b"history", [])]
    if b"arguments" in theirs:
        types = [str(argument["type"]).encode() for argument in command.arguments]
        assert command.name in RESHAPED or types == [mapping(one)[b"type"] for one in theirs[b"arguments"]]
    else:
        assert not command.arguments
