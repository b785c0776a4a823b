"""Reads and their rounds."""

from __future__ import annotations

from elastickv.raft.read_index import ReadIndexQueue, decode_round, encode_round


def wants(queue: ReadIndexQueue) -> bool:
    return queue.wants_round


def contexts(queue: ReadIndexQueue, number: int) -> list[bytes]:
    return [read.context for read in queue.confirm(number)]


def test_reads_share_a_round() -> None:
    queue = ReadIndexQueue()
    assert not wants(queue)
    queue.add("1", b"a", 5)
    queue.add("2", b"b", 6)
    assert wants(queue)
    number = queue.open_round()
    assert not wants(queue)
    done = queue.confirm(number)
    assert [(read.requester, read.context, read.index) for read in done] == [("1", b"a", 5), ("2", b"b", 6)]
    assert queue.confirm(number) == []


def test_later_reads_wait_for_the_next_round() -> None:
    queue = ReadIndexQueue()
    queue.add("1", b"a", 5)
    first = queue.open_round()
    queue.add("1", b"b", 5)
    assert not wants(queue)
    assert contexts(queue, first) == [b"a"]
    assert wants(queue)


def test_a_newer_round_confirms_the_older_ones() -> None:
    queue = ReadIndexQueue()
    queue.add("1", b"a", 5)
    first = queue.open_round()
    queue.add("1", b"b", 5)
    assert queue.heartbeat_context() == encode_round(first + 1)
    assert queue.open_number == first + 1
    assert contexts(queue, first + 1) == [b"a", b"b"]
    assert queue.heartbeat_context() == b""


def test_reads_before_the_first_commit_of_the_term() -> None:
    queue = ReadIndexQueue()
    queue.defer("2", b"a")
    assert not wants(queue)
    queue.release_deferred(7)
    assert wants(queue)
    assert [read.index for read in queue.confirm(queue.open_round())] == [7]


def test_clear_keeps_the_numbers_growing() -> None:
    queue = ReadIndexQueue()
    queue.add("1", b"a", 5)
    first = queue.open_round()
    queue.clear()
    queue.add("1", b"b", 5)
    assert queue.open_round() == first + 1


def test_foreign_contexts_are_no_round() -> None:
    assert decode_round(b"") == 0
    assert decode_round(b"something else") == 0
    assert decode_round(encode_round(77)) == 77
