"""What each reply waits for, and what becomes of it when the lead is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest

from elastickv.clock import ManualClock
from elastickv.errors import Fault, KvError
from elastickv.kv.effects import decode
from elastickv.kv.executor import GATHER_ROUNDS, GATHER_WRITES, Executor, ReadRound
from elastickv.kv.hybrid_clock import HybridClock
from elastickv.kv.view import Batch, View


class Flushed:
    def get(self, key: bytes) -> bytes | None:
        return None

    def scan(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


class Granted:
    """A lease for ever, until the test takes it away."""

    granted = math.inf


class Log:
    """A replicator whose every answer the test decides."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.lease = Granted()
        self.paused = False
        self.fault: KvError | None = None
        self.rounds: list[ReadRound] = []

    def propose(self, data: bytes) -> int:
        if self.fault is not None:
            raise self.fault
        self.entries.append(data)
        return len(self.entries)

    def proposals_paused(self) -> bool:
        return self.paused

    def begin_read(self, round: ReadRound) -> bool:
        self.rounds.append(round)
        return True


class Client:
    """A waiter that writes down what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def release(self, ticket: object) -> None:
        self.told.append("released")

    def fail(self, ticket: object, fault: Exception) -> None:
        assert isinstance(fault, KvError)
        self.told.append(fault.fault.name)


class Bench:
    def __init__(self) -> None:
        self.log = Log()
        self.clock = ManualClock()
        self.view = View(Flushed(), HybridClock(self.clock))
        self.turn: list[Callable[[], None]] = []
        self.timers: list[Callable[[], None]] = []
        self.executor = Executor(
            self.view,
            self.log,
            self.clock,
            self.turn.append,
            lambda seconds, callback: self.timers.append(callback),
            request_timeout=5.0,
        )
        self.executor.begin(term=3)

    def end_turn(self) -> None:
        turn, self.turn[:] = list(self.turn), []
        for callback in turn:
            callback()

    def pass_time(self) -> None:
        """A millisecond: timers that were set have run."""
        timers, self.timers[:] = list(self.timers), []
        for callback in timers:
            callback()

    def write(self, key: bytes = b"k") -> Client:
        self.view.put(key, b"v")
        return self.settle()

    def read(self, key: bytes = b"k") -> Client:
        self.view.get(key)
        return self.settle()

    def settle(self) -> Client:
        client = Client()
        ticket = self.executor.settle()
        if ticket is None:
            client.told.append("at once")
        else:
            ticket.wait(client)
        return client

    def commit(self, index: int, term: int = 3) -> Batch:
        own = self.executor.take_own(index, term)
        assert own is not None
        batch, _ = own
        self.view.applied.merge(batch)
        self.executor.committed(batch)
        self.pass_time()
        return batch


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_all_writes_of_a_turn_are_one_entry_and_wait_for_it(bench: Bench) -> None:
    clients = [bench.write(b"k%d" % number) for number in range(5)]
    assert bench.log.entries == []
    bench.end_turn()
    assert len(bench.log.entries) == 1
    assert len(decode(bench.log.entries[0]).puts) == 5
    assert all(client.told == [] for client in clients)
    bench.commit(1)
    assert all(client.told == ["released"] for client in clients)


class Total:
    """An unwritten record."""

    def __init__(self) -> None:
        self.number = 0

    def written(self) -> bytes:
        return b"%d" % self.number


def test_an_unwritten_record_is_logged_once_for_all_requests_of_a_batch(bench: Bench) -> None:
    total = Total()
    clients = []
    for _ in range(3):
        total.number += 1
        bench.view.put_unwritten(b"total", total)
        clients.append(bench.settle())
    bench.end_turn()
    assert decode(bench.log.entries[0]).puts == {b"total": b"3"}
    assert all(client.told == [] for client in clients)
    bench.commit(1)
    assert bench.view.get(b"total") == b"3"


def test_an_unwritten_record_is_refused_like_others(bench: Bench) -> None:
    bench.executor.refusal = KvError(Fault.DISK_FULL)
    bench.view.put_unwritten(b"total", Total())
    client = bench.settle()
    bench.end_turn()
    assert client.told == ["DISK_FULL"]
    assert bench.view.get(b"total") is None


def test_the_next_batch_forms_while_one_travels(bench: Bench) -> None:
    bench.write(b"a")
    bench.end_turn()
    second = [bench.write(b"b"), bench.write(b"c")]
    bench.end_turn()
    assert len(bench.log.entries) == 1
    bench.commit(1)
    assert len(bench.log.entries) == 2
    bench.commit(2)
    assert [client.told for client in second] == [["released"], ["released"]]


def test_the_next_entry_waits_for_the_clients_that_were_just_answered(bench: Bench) -> None:
    for number in range(3):
        bench.write(b"k%d" % number)
    bench.end_turn()
    own = bench.executor.take_own(1, 3)
    assert own is not None
    bench.executor.committed(own[0])
    for number in range(2):
        bench.write(b"k%d" % number)
        bench.end_turn()
        assert len(bench.log.entries) == 1, "the third is still expected"
    bench.write(b"k2")
    bench.end_turn()
    assert len(decode(bench.log.entries[1]).puts) == 3


def answered(bench: Bench, clients: int) -> None:
    """An entry with a write of each client is committed just now."""
    for number in range(clients):
        bench.write(b"k%d" % number)
    bench.end_turn()
    own = bench.executor.take_own(1, 3)
    assert own is not None
    bench.executor.committed(own[0])


def come(bench: Bench, clients: int) -> None:
    for _ in range(clients):
        bench.write()
    bench.end_turn()


def test_the_next_entry_does_not_wait_for_clients_that_do_not_come(bench: Bench) -> None:
    answered(bench, 3)
    come(bench, 1)
    bench.pass_time()
    assert len(bench.log.entries) == 1, "one has come, so the others may be near"
    bench.pass_time()
    assert len(bench.log.entries) == 2
    bench.pass_time()
    assert len(bench.log.entries) == 2


def test_the_next_entry_waits_as_long_as_many_come(bench: Bench) -> None:
    answered(bench, 40)
    for _ in range(6):
        come(bench, 6)
        assert len(bench.log.entries) == 1
        bench.pass_time()
    assert len(bench.log.entries) == 2, "four of forty are too few to wait for"


def test_the_next_entry_does_not_wait_for_ever(bench: Bench) -> None:
    answered(bench, 40)
    for _ in range(GATHER_ROUNDS):
        assert len(bench.log.entries) == 1
        come(bench, 1)
        bench.pass_time()
    assert len(bench.log.entries) == 2


def test_after_a_large_entry_the_next_one_leaves_at_once(bench: Bench) -> None:
    for number in range(GATHER_WRITES):
        bench.write(b"k%d" % number)
    bench.end_turn()
    bench.write(b"next")
    bench.end_turn()
    own = bench.executor.take_own(1, 3)
    assert own is not None
    bench.executor.committed(own[0])
    assert len(bench.log.entries) == 2


def test_a_client_alone_never_waits(bench: Bench) -> None:
    bench.write()
    bench.end_turn()
    own = bench.executor.take_own(1, 3)
    assert own is not None
    bench.executor.committed(own[0])
    bench.write()
    bench.end_turn()
    assert len(bench.log.entries) == 2


def test_a_full_batch_leaves_although_one_travels(bench: Bench) -> None:
    bench.write(b"a")
    bench.end_turn()
    bench.view.put(b"b", bytes(2 << 20))
    bench.settle()
    bench.end_turn()
    assert len(bench.log.entries) == 2


def test_reads_of_settled_state_go_out_at_once_under_a_lease(bench: Bench) -> None:
    assert bench.read().told == ["at once"]


def test_a_read_of_an_unconfirmed_write_waits_for_it(bench: Bench) -> None:
    bench.write(b"k")
    bench.end_turn()
    reader = bench.read(b"k")
    assert reader.told == []
    bench.commit(1)
    assert reader.told == ["released"]


def test_without_a_lease_reads_share_one_round(bench: Bench) -> None:
    bench.log.lease.granted = -math.inf
    readers = [bench.read(), bench.read(b"other")]
    bench.end_turn()
    assert len(bench.log.rounds) == 1
    bench.executor.read_confirmed(bench.log.rounds[0])
    assert [reader.told for reader in readers] == [["released"], ["released"]]


def test_without_a_lease_a_read_of_a_flying_write_waits_for_an_entry_of_its_own(bench: Bench) -> None:
    """The commit of an older entry does not prove that nothing newer was written elsewhere in the meantime."""
    bench.write(b"k")
    bench.end_turn()
    bench.log.lease.granted = -math.inf
    reader = bench.read(b"k")
    bench.commit(1)
    assert reader.told == []
    assert len(bench.log.entries) == 2
    assert decode(bench.log.entries[1]).puts == {}
    bench.commit(2)
    assert reader.told == ["released"]


def test_a_pinned_batch_holds_back_every_answer(bench: Bench) -> None:
    bench.view.put(b"catalog", b"new")
    bench.view.pin()
    bench.settle()
    bench.end_turn()
    reader = bench.read(b"unrelated")
    assert reader.told == []
    bench.commit(1)
    assert reader.told == ["released"]
    assert bench.read(b"unrelated").told == ["at once"]


def test_what_was_not_logged_may_be_repeated_elsewhere(bench: Bench) -> None:
    flying = bench.write(b"a")
    bench.end_turn()
    forming = bench.write(b"b")
    bench.executor.end()
    assert forming.told == ["NOT_LEADER"]
    assert flying.told == [], "its fate will show"


def test_a_logged_write_whose_entry_survives_the_leader_is_acknowledged(bench: Bench) -> None:
    client = bench.write()
    bench.end_turn()
    bench.executor.end()
    bench.executor.entry_applied(1, 3)
    assert client.told == ["released"]


def test_a_logged_write_whose_place_was_taken_may_be_repeated(bench: Bench) -> None:
    client = bench.write()
    bench.end_turn()
    bench.executor.end()
    bench.executor.entry_applied(1, 4)
    assert client.told == ["NOT_LEADER"]


def test_a_logged_write_whose_fate_does_not_show_is_unknown(bench: Bench) -> None:
    client = bench.write()
    bench.end_turn()
    bench.executor.end()
    bench.clock.advance(5.1)
    bench.executor.check_deadlines()
    assert client.told == ["OUTCOME_UNKNOWN"]
    bench.executor.entry_applied(1, 3)
    assert client.told == ["OUTCOME_UNKNOWN"]


def test_a_snapshot_over_the_place_of_a_write_makes_it_unknown(bench: Bench) -> None:
    client = bench.write()
    bench.end_turn()
    bench.executor.end()
    bench.executor.history_skipped(10)
    assert client.told == ["OUTCOME_UNKNOWN"]


def test_a_stuck_entry_is_given_up_after_the_timeout_and_what_formed_behind_it_too(bench: Bench) -> None:
    stuck = bench.write(b"a")
    bench.end_turn()
    behind = bench.write(b"b")
    bench.clock.advance(5.1)
    bench.executor.check_deadlines()
    assert stuck.told == ["OUTCOME_UNKNOWN"]
    assert behind.told == ["NO_QUORUM"]
    assert bench.view.get(b"b") is None
    bench.commit(1)
    assert stuck.told == ["OUTCOME_UNKNOWN"], "told once"


def test_a_refused_proposal_is_undone_and_says_why(bench: Bench) -> None:
    reloaded: list[bool] = []
    bench.executor.on_serving.append(lambda: reloaded.append(True))
    bench.log.fault = KvError(Fault.OVERLOAD)
    client = bench.write()
    bench.end_turn()
    assert client.told == ["OVERLOAD"]
    assert bench.view.get(b"k") is None
    assert reloaded == [True], "caches over the dropped writes are loaded anew"


def test_during_a_transfer_writes_wait_instead_of_failing(bench: Bench) -> None:
    bench.log.paused = True
    client = bench.write()
    bench.end_turn()
    assert client.told == []
    assert bench.log.entries == []
    bench.log.paused = False
    bench.executor.seal()
    bench.commit(1)
    assert client.told == ["released"]


def test_a_full_disk_refuses_writes_and_lets_reads_through(bench: Bench) -> None:
    bench.executor.refusal = KvError(Fault.DISK_FULL)
    client = bench.write()
    bench.end_turn()
    assert client.told == ["DISK_FULL"]
    assert bench.read(b"other").told == ["at once"]


def test_losing_the_lead_fails_the_waiting_reads(bench: Bench) -> None:
    bench.log.lease.granted = -math.inf
    reader = bench.read()
    bench.executor.end()
    assert reader.told == ["NOT_LEADER"]
