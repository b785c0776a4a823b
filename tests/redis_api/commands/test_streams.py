"""Streams and their groups as one client sees them; what they share with Redis 7.0 is compared in tests/conformance."""

from __future__ import annotations

import pytest

from elastickv.kv.keyspace import prefix_end
from elastickv.redis_api.replies import encode
from elastickv.redis_api.values.collections import elements, incarnation_of
from tests.kit.redis_calls import RedisCalls, words

WRONG_TYPE = b"WRONGTYPE Operation against a key holding the wrong kind of value"


def fill(redis: RedisCalls, *entry_ids: str) -> None:
    for id in entry_ids:
        redis.run("XADD", "s", id, "f", id)


def ids_of(entries: object) -> list[bytes]:
    assert isinstance(entries, list)
    return [id for id, _ in entries]


def records(redis: RedisCalls) -> list[bytes]:
    """Marks of the records below the stream `s`: entries, groups, consumers, names, pending ones."""
    record = redis.call.db.lookup(b"s")
    assert record is not None
    incarnation = incarnation_of(record.raw)
    assert incarnation is not None
    prefix = elements(incarnation)
    return sorted(key[len(prefix) :][:1] for key, _ in redis.store.view.scan(prefix, prefix_end(prefix)))


def test_ids_come_from_the_clock_and_never_go_back(redis: RedisCalls) -> None:
    now = redis.now_ms
    assert redis.run("XADD", "s", "*", "f", "v") == b"%d-0" % now
    assert redis.run("XADD", "s", "*", "f", "v") == b"%d-1" % now
    redis.sleep(-5000)
    assert redis.run("XADD", "s", "*", "f", "v") == b"%d-2" % now
    redis.sleep(6000)
    assert redis.run("XADD", "s", "*", "f", "v") == b"%d-0" % (now + 1000)
    assert redis.run("XADD", "s", f"{now + 1000}-*", "f", "v") == b"%d-1" % (now + 1000)
    assert redis.error("XADD", "s", "5-*", "f", "v") == (
        b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
    )
    top = "18446744073709551615-18446744073709551615"
    assert redis.run("XADD", "s", top, "f", "v") == top.encode()
    assert redis.error("XADD", "s", "*", "f", "v") == (
        b"ERR The stream has exhausted the last possible ID, unable to add more items"
    )


def test_nomkstream(redis: RedisCalls) -> None:
    assert redis.run("XADD", "s", "NOMKSTREAM", "*", "f", "v") is None
    assert redis.run("EXISTS", "s") == 0
    assert redis.error("XADD", "s", "0-0", "f", "v") == b"ERR The ID specified in XADD must be greater than 0-0"
    assert redis.error("XADD", "s", "1-1", "f") == b"ERR wrong number of arguments for 'xadd' command"
    assert redis.run("EXISTS", "s") == 0


def test_ranges_and_deletions(redis: RedisCalls) -> None:
    fill(redis, "1-0", "1-1", "2-0", "3-0")
    assert redis.run("XRANGE", "s", "1-1", "2") == [[b"1-1", [b"f", b"1-1"]], [b"2-0", [b"f", b"2-0"]]]
    assert ids_of(redis.run("XREVRANGE", "s", "+", "(1-0", "COUNT", 2)) == [b"3-0", b"2-0"]
    assert redis.run("XDEL", "s", "1-1", "9-9", "1-0") == 2
    assert ids_of(redis.run("XRANGE", "s", "-", "+")) == [b"2-0", b"3-0"]
    info = redis.run("XINFO", "STREAM", "s")
    assert isinstance(info, dict)
    assert info[b"max-deleted-entry-id"] == b"1-1"
    assert info[b"recorded-first-entry-id"] == b"2-0"
    assert info[b"entries-added"] == 4
    assert redis.run("XDEL", "s", "2-0", "3-0") == 2
    assert redis.run("XLEN", "s") == 0
    assert redis.run("EXISTS", "s") == 1


def test_trimming_exactly_and_by_nodes(redis: RedisCalls) -> None:
    redis.databases.limits.stream_node_entries = 10
    fill(redis, *(f"{number}-0" for number in range(1, 36)))
    assert redis.run("XTRIM", "s", "MAXLEN", "~", 19) == 10
    assert redis.run("XTRIM", "s", "MAXLEN", "~", 19) == 0
    assert redis.run("XTRIM", "s", "MAXLEN", 19) == 6
    assert redis.run("XTRIM", "s", "MINID", "~", "31", "LIMIT", 9) == 4
    assert redis.run("XTRIM", "s", "MINID", "=", "33") == 12
    assert ids_of(redis.run("XRANGE", "s", "-", "+")) == [b"33-0", b"34-0", b"35-0"]
    assert redis.run("XADD", "s", "MAXLEN", "=", 1, "36-0", "f", "v") == b"36-0"
    assert redis.run("XLEN", "s") == 1
    assert redis.run("XTRIM", "s", "MAXLEN", 0) == 1
    assert records(redis) == []


def test_setid_does_not_go_back_behind_deletions(redis: RedisCalls) -> None:
    fill(redis, "5-0", "6-0")
    redis.run("XDEL", "s", "6-0")
    assert redis.error("XSETID", "s", "5-5") == (
        b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
    )
    assert redis.run("XSETID", "s", "7-0", "ENTRIESADDED", 20, "MAXDELETEDID", "6-5") == b"OK"
    assert redis.error("XADD", "s", "7-0", "f", "v").startswith(b"ERR The ID specified in XADD is equal or smaller")


def test_deliver_acknowledge_claim(redis: RedisCalls) -> None:
    fill(redis, "1-0", "2-0", "3-0")
    assert redis.run("XGROUP", "CREATE", "s", "g", "0") == b"OK"
    assert redis.error("XGROUP", "CREATE", "s", "g", "0") == b"BUSYGROUP Consumer Group name already exists"
    got = redis.run("XREADGROUP", "GROUP", "g", "a", "COUNT", 2, "STREAMS", "s", ">")
    assert got == [[b"s", [[b"1-0", [b"f", b"1-0"]], [b"2-0", [b"f", b"2-0"]]]]]
    redis.sleep(500)
    assert redis.run("XPENDING", "s", "g") == [2, b"1-0", b"2-0", [[b"a", b"2"]]]
    assert redis.run("XPENDING", "s", "g", "IDLE", 500, "-", "+", 9) == [
        [b"1-0", b"a", 500, 1],
        [b"2-0", b"a", 500, 1],
    ]
    assert redis.run("XPENDING", "s", "g", "IDLE", 501, "-", "+", 9) == []
    assert redis.run("XACK", "s", "g", "1-0", "3-0") == 1
    assert redis.run("XCLAIM", "s", "g", "b", 400, "2-0", "3-0") == [[b"2-0", [b"f", b"2-0"]]]
    assert redis.run("XPENDING", "s", "g", "-", "+", 9, "b") == [[b"2-0", b"b", 0, 2]]
    assert redis.run("XAUTOCLAIM", "s", "g", "c", 1, "0") == [b"0-0", [], []]
    redis.sleep(10)
    assert redis.run("XAUTOCLAIM", "s", "g", "c", 1, "0", "JUSTID") == [b"0-0", [b"2-0"], []]
    redis.run("XDEL", "s", "2-0")
    assert redis.run("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0") == [
        [b"s", [[b"2-0", redis.reply(words("XRANGE", "s", "-", "+", "COUNT", 0))]]]
    ]
    assert redis.run("XAUTOCLAIM", "s", "g", "c", 0, "-") == [b"0-0", [], [b"2-0"]]
    assert redis.run("XPENDING", "s", "g") == [0, None, None, redis.reply(words("XRANGE", "s", "-", "+", "COUNT", 0))]
    assert redis.run("XGROUP", "DESTROY", "s", "g") == 1
    assert records(redis) == [b"e", b"e"]


def test_a_consumer_is_made_also_when_there_is_nothing_for_it(redis: RedisCalls) -> None:
    """New in 7.2, with the time since which it has been inactive."""
    fill(redis, "1-0")
    redis.run("XGROUP", "CREATE", "s", "g", "$")
    redis.run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    redis.run("XCLAIM", "s", "g", "b", 0, "1-0")
    redis.run("XAUTOCLAIM", "s", "g", "c", 0, "-")
    redis.sleep(100)
    assert redis.run("XINFO", "CONSUMERS", "s", "g") == [
        {b"name": name, b"pending": 0, b"idle": 100, b"inactive": -1} for name in (b"a", b"b", b"c")
    ]
    fill(redis, "2-0")
    redis.run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    redis.sleep(100)
    redis.run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    redis.sleep(100)
    told = redis.run("XINFO", "CONSUMERS", "s", "g")
    assert isinstance(told, list)
    assert told[0] == {b"name": b"a", b"pending": 1, b"idle": 100, b"inactive": 200}
    full = redis.run("XINFO", "STREAM", "s", "FULL")
    assert isinstance(full, dict)
    consumer = full[b"groups"][0][b"consumers"][0]
    assert consumer == {
        b"name": b"a",
        b"seen-time": redis.now_ms - 100,
        b"active-time": redis.now_ms - 200,
        b"pel-count": 1,
        b"pending": [[b"2-0", redis.now_ms - 200, 1]],
    }


def test_lag_is_told_while_it_can_be_known(redis: RedisCalls) -> None:
    fill(redis, "1-0", "2-0", "3-0", "4-0")
    redis.run("XGROUP", "CREATE", "s", "g", "0")

    def progress() -> tuple[object, object]:
        told = redis.run("XINFO", "GROUPS", "s")
        assert isinstance(told, list)
        return told[0][b"entries-read"], told[0][b"lag"]

    assert progress() == (None, 4)
    redis.run("XREADGROUP", "GROUP", "g", "a", "COUNT", 1, "STREAMS", "s", ">")
    assert progress() == (1, 3)
    redis.run("XDEL", "s", "3-0")
    assert progress() == (1, None)
    redis.run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    assert progress() == (4, 0)


def test_huge_pending_lists_are_never_rewritten(redis: RedisCalls) -> None:
    fill(redis, *(f"{number}-0" for number in range(1, 2001)))
    redis.run("XGROUP", "CREATE", "s", "g", "0")
    redis.run("XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">")
    written: list[int] = []
    settle = redis.store.settle
    redis.store.settle = lambda: written.append(len(redis.store.view.forming.puts)) or settle()  # type: ignore[method-assign, func-returns-value]
    redis.run("XACK", "s", "g", "5-0")
    redis.run("XCLAIM", "s", "g", "b", 0, "7-0")
    assert written == [4, 7], "two indexes, the group, the consumers, and for a new one its name"
    assert redis.run("XPENDING", "s", "g") == [1999, b"1-0", b"2000-0", [[b"a", b"1998"], [b"b", b"1"]]]
    assert redis.run("XGROUP", "DELCONSUMER", "s", "g", "a") == 1998
    assert records(redis).count(b"p") == records(redis).count(b"q") == 1


def test_names_of_any_length(redis: RedisCalls) -> None:
    fill(redis, "1-0")
    for name in ("n" * 384, "n" * 385, "n" * 386, "n" * 5000):
        assert redis.run("XGROUP", "CREATE", "s", name, "0") == b"OK"
        assert redis.run("XGROUP", "CREATECONSUMER", "s", name, name) == 1
        assert redis.run("XGROUP", "CREATECONSUMER", "s", name, name) == 0
        told = redis.run("XINFO", "CONSUMERS", "s", name)
        assert isinstance(told, list)
        assert told[0][b"name"] == name.encode()
    groups = redis.run("XINFO", "GROUPS", "s")
    assert isinstance(groups, list)
    assert [len(group[b"name"]) for group in groups] == [384, 385, 386, 5000]


def test_maps_in_resp3_also_when_a_stream_is_named_twice(redis: RedisCalls) -> None:
    fill(redis, "1-0")
    once = encode(redis.reply(words("XREAD", "STREAMS", "s", "0")), 2)
    assert once.startswith(b"*1\r\n*2\r\n$1\r\ns\r\n")
    redis.call.protocol = 3
    assert encode(redis.reply(words("XREAD", "STREAMS", "s", "0")), 3).startswith(b"%1\r\n$1\r\ns\r\n*1\r\n")
    assert encode(redis.reply(words("XREAD", "STREAMS", "s", "s", "0", "0")), 3).startswith(b"%2\r\n$1\r\ns\r\n*1\r\n")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (
            "XREADGROUP GROUP g a STREAMS s s >",
            b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
        ),
        (
            "XREAD COUNT 1 STREAMS s",
            b"ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
        ),
        (
            "XREADGROUP GROUP g a STREAMS none >",
            b"NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option",
        ),
        ("XREAD BLOCK -1 STREAMS s $", b"ERR timeout is negative"),
        ("XREAD BLOCK 1.5 STREAMS s $", b"ERR timeout is not an integer or out of range"),
        ("XADD text 1-1 f v", WRONG_TYPE),
        ("XREAD STREAMS text 0", WRONG_TYPE),
        ("XGROUP CREATE text g 0 MKSTREAM", WRONG_TYPE),
        ("XINFO STREAM none", b"ERR no such key"),
    ],
)  # fmt: skip
def test_errors(redis: RedisCalls, argv: str, text: bytes) -> None:
    redis.run("SET", "text", "x")
    fill(redis, "1-0")
    redis.run("XGROUP", "CREATE", "s", "g", "0")
    assert redis.error(*argv.split()) == text


def test_copies_keep_their_groups(redis: RedisCalls) -> None:
    fill(redis, "1-0", "2-0")
    redis.run("XGROUP", "CREATE", "s", "g", "0")
    redis.run("XREADGROUP", "GROUP", "g", "a", "COUNT", 1, "STREAMS", "s", ">")
    assert redis.run("COPY", "s", "t") == 1
    redis.run("DEL", "s")
    assert redis.run("XPENDING", "t", "g") == [1, b"1-0", b"1-0", [[b"a", b"1"]]]
    assert redis.run("RENAME", "t", "s") == b"OK"
    assert redis.run("XREADGROUP", "GROUP", "g", "b", "STREAMS", "s", ">") == [[b"s", [[b"2-0", [b"f", b"2-0"]]]]]
