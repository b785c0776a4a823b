"""The in-memory network in virtual time: no loop, one seed."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from elastickv.clock import ManualClock
from elastickv.raft.types import Kind, Member, Message, SnapshotMeta
from elastickv.transport.base import Hello
from elastickv.transport.in_memory import Faults, InMemoryNetwork, InMemoryTransport, ManualScheduler, run_now
from tests.kit.transport_worlds import RecordingInbox


class Net:
    def __init__(self, seed: int = 1, faults: Faults | None = None, incoming: Path | None = None) -> None:
        self.scheduler = ManualScheduler(ManualClock())
        self.network = InMemoryNetwork(self.scheduler, Random(seed), faults)
        self.inboxes: dict[str, RecordingInbox] = {}
        self.transports: dict[str, InMemoryTransport] = {}
        names = ("n1", "n2", "n3")
        for name in names:
            inbox = RecordingInbox(Hello("c", name, f"i{name}", f"at {name}", "1", fresh=False))
            transport = self.network.transport(f"at {name}", incoming / name if incoming else None)
            run_now(transport.start(inbox))
            self.inboxes[name], self.transports[name] = inbox, transport
        for transport in self.transports.values():
            transport.set_peers({name: Member(name, f"at {name}") for name in names})
        self.scheduler.run_for(1.0)

    def say(self, sender: str, to: str, term: int) -> None:
        self.transports[sender].post(Message(Kind.HEARTBEAT, to, sender, term=term))

    def heard(self, node: str) -> list[int]:
        return [message.term for message in self.inboxes[node].delivered]


def test_order_is_kept_whatever_the_delays() -> None:
    net = Net(faults=Faults(max_delay_seconds=0.5))
    for term in range(100):
        net.say("n1", "n2", term)
        net.scheduler.run_for(0.001)
    net.scheduler.run_for(1.0)
    assert net.heard("n2") == list(range(100))


def test_the_same_seed_is_the_same_run() -> None:
    def run(seed: int) -> list[tuple[float, int]]:
        net = Net(seed, Faults(max_delay_seconds=0.1, drop=0.2, duplicate=0.2, reorder=0.3))
        arrivals = []
        for term in range(50):
            net.say("n1", "n2", term)
        while net.scheduler.step() and net.scheduler.now() < 5:
            arrivals = [(net.scheduler.now(), *net.heard("n2"))]
        return arrivals  # type: ignore[return-value]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_faults_do_what_they_say() -> None:
    for faults, check in (
        (Faults(drop=0.5), lambda heard: 20 < len(heard) < 80 and heard == sorted(heard)),
        (Faults(duplicate=0.5), lambda heard: 120 < len(heard) < 180 and set(heard) == set(range(100))),
        (Faults(reorder=0.5), lambda heard: heard != sorted(heard) and sorted(heard) == list(range(100))),
    ):
        net = Net(faults=faults)
        for term in range(100):
            net.say("n1", "n2", term)
        net.scheduler.run_for(1.0)
        assert check(net.heard("n2"))  # type: ignore[no-untyped-call]


def test_a_partition_is_silent_first_then_noticed_and_heals() -> None:
    net = Net()
    net.network.partition({"n1"}, {"n2", "n3"})
    net.say("n1", "n2", 1)
    net.say("n2", "n3", 2)
    net.scheduler.run_for(1.0)
    assert net.heard("n2") == []
    assert net.heard("n3") == [2]
    assert net.inboxes["n1"].lost == []
    net.scheduler.run_for(2.0)
    assert net.inboxes["n1"].lost == ["n2", "n3"]
    net.network.heal()
    net.scheduler.run_for(2.0)
    net.say("n1", "n2", 3)
    net.scheduler.run_for(1.0)
    assert net.heard("n2") == [3]


def test_a_cut_that_heals_in_time_breaks_no_link() -> None:
    net = Net()
    net.network.cut("n1", "n2")
    net.say("n1", "n2", 1)
    net.say("n2", "n1", 2)
    net.scheduler.run_for(1.0)
    net.network.heal()
    net.scheduler.run_for(5.0)
    assert net.heard("n2") == []
    assert net.heard("n1") == [2]
    assert net.inboxes["n1"].lost == []


def test_isolation_cuts_one_node_from_all() -> None:
    net = Net()
    net.network.isolate("n2")
    for sender, to in (("n1", "n2"), ("n2", "n3"), ("n1", "n3")):
        net.say(sender, to, 1)
    net.scheduler.run_for(1.0)
    assert (net.heard("n2"), net.heard("n3")) == ([], [1])


def test_nothing_arrives_at_a_node_that_stopped() -> None:
    net = Net()
    net.say("n1", "n2", 1)
    run_now(net.transports["n2"].stop())
    net.scheduler.run_for(1.0)
    assert net.heard("n2") == []
    assert "n2" in net.inboxes["n1"].lost
    assert run_now(net.transports["n1"].probe("at n2", 1.0)) is None
    assert run_now(net.transports["n1"].probe("at n3", 1.0)) == net.inboxes["n3"].own


def test_an_address_is_taken_once() -> None:
    net = Net()
    with pytest.raises(OSError, match="taken"):
        run_now(net.network.transport("at n1").start(net.inboxes["n1"]))


def test_a_snapshot_survives_damage_and_cuts(tmp_path: Path) -> None:
    net = Net(incoming=tmp_path, faults=Faults(damage=0.2))
    source = tmp_path / "source"
    source.mkdir()
    content = Random(1).randbytes(20 << 20)
    (source / "data").write_bytes(content)
    results: list[bool] = []
    net.transports["n1"].send_snapshot(
        Message(Kind.SNAPSHOT, "n2", "n1", term=3), SnapshotMeta(9, 2), source, results.append
    )
    net.scheduler.run_for(0.005)
    net.network.cut("n1", "n2")
    net.scheduler.run_for(0.5)
    net.network.heal()
    net.scheduler.run_for(60.0)
    assert results == [True]
    [(message, directory)] = net.inboxes["n2"].snapshots
    assert message.snapshot == SnapshotMeta(9, 2)
    assert (directory / "data").read_bytes() == content
