"""How long writes stop when the leader dies or hands over, and whether anything is lost meanwhile.

    python -m tests.e2e.failover --kills 30 --transfers 20

Five nodes with the guide's flags and the default timeouts. Several clients write, read, count and compare-and-set; the
writer that is measured is always connected to a node that is not the victim. The tests of this folder run the same
functions with fewer rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from elastickv.pb import raftadmin_pb2 as pb
from tests.kit.load import Findings, Load
from tests.kit.local_cluster import LocalCluster, Node

ON_FOLLOWER, ON_LEADER = "follower", "leader"
"""The measured writers, by where they are connected."""


@dataclass(slots=True)
class Figures:
    """Seconds, except where the name says otherwise."""

    until_acknowledged: list[float] = field(default_factory=list)
    """From each kill to the first acknowledged write that was asked for after it."""
    gaps: dict[str, list[float]] = field(default_factory=lambda: {ON_FOLLOWER: [], ON_LEADER: []})
    """Longest time between two acknowledged writes of one client around each transfer."""
    quiet_gaps: dict[str, list[float]] = field(default_factory=lambda: {ON_FOLLOWER: [], ON_LEADER: []})
    """The same before each transfer, when nothing happens: what the machine itself does to the figures."""
    slowest_request: float = 0.0
    """Of those that were acknowledged."""
    acknowledged: int = 0
    unknown: int = 0
    refused: int = 0
    failed_by_transfer: list[str] = field(default_factory=list)

    def add(self, load: Load) -> None:
        self.acknowledged += len(load.answers)
        self.unknown += len(load.unknown)
        self.refused += len(load.refused)
        self.slowest_request = max(self.slowest_request, *(answer.seconds for answer in load.answers))


def another(cluster: LocalCluster, node: Node, chance: random.Random) -> Node:
    return chance.choice([one for one in cluster.running if one is not node])


def kill_leaders(cluster: LocalCluster, load: Load, rounds: int, figures: Figures, chance: random.Random) -> None:
    """Kill the leader, time the next acknowledged write, start the node again; so many times."""
    for _ in range(rounds):
        load.new_keys()
        time.sleep(chance.uniform(0.2, 0.6))
        leader = cluster.wait_for_leader()
        load.steer(ON_FOLLOWER, another(cluster, leader, chance))
        load.wait_for_write(ON_FOLLOWER, asked_after=time.monotonic() + 0.05)
        killed_at = time.monotonic()
        leader.kill()
        answer = load.wait_for_write(ON_FOLLOWER, asked_after=killed_at)
        figures.until_acknowledged.append(answer.answered_at - killed_at)
        leader.start()
        cluster.wait_until(leader.ready, f"{leader.id} is back")


def transfer(leader: Node, timeout: float = 10.0) -> None:
    """RaftAdmin/LeadershipTransfer and Await, at the leader."""
    with grpc.insecure_channel(leader.address) as channel:
        start = channel.unary_unary(
            "/RaftAdmin/LeadershipTransfer", pb.LeadershipTransferRequest.SerializeToString, pb.Future.FromString
        )
        await_ = channel.unary_unary("/RaftAdmin/Await", pb.Future.SerializeToString, pb.AwaitResponse.FromString)
        done = await_(start(pb.LeadershipTransferRequest(), timeout=timeout), timeout=timeout)
        assert not done.error, f"{leader.id} did not hand over: {done.error}"


def transfer_leads(cluster: LocalCluster, load: Load, rounds: int, figures: Figures, chance: random.Random) -> None:
    """Hand the lead over, with one writer on the leader and one on another node; so many times."""
    troubles = len(load.troubles)
    for _ in range(rounds):
        load.new_keys()
        leader = cluster.wait_for_leader()
        load.steer(ON_LEADER, leader)
        load.steer(ON_FOLLOWER, another(cluster, leader, chance))
        for client in (ON_FOLLOWER, ON_LEADER):
            load.wait_for_write(client, asked_after=time.monotonic() + 0.05)
        quiet_since = time.monotonic()
        time.sleep(0.6)
        begun_at = time.monotonic()
        transfer(leader)
        for client in (ON_FOLLOWER, ON_LEADER):
            load.wait_for_write(client, asked_after=time.monotonic())
        time.sleep(0.3)
        ended_at = time.monotonic()
        for client in (ON_FOLLOWER, ON_LEADER):
            figures.quiet_gaps[client].append(load.longest_gap(client, quiet_since, begun_at))
            figures.gaps[client].append(load.longest_gap(client, begun_at - 0.2, ended_at))
        assert cluster.wait_for_leader() is not leader, f"{leader.id} leads again"
    figures.failed_by_transfer += load.troubles[troubles:]


def table(figures: Figures, findings: Findings) -> str:
    """For a person; milliseconds, because the aims are."""
    rows: list[tuple[str, str]] = []

    def times(what: str, seconds: Sequence[float]) -> None:
        if seconds:
            rows.append((what, f"median {statistics.median(seconds):6.3f} s   worst {max(seconds):6.3f} s"))

    if figures.until_acknowledged:
        rows.append(("kills -9 of the leader", str(len(figures.until_acknowledged))))
        times("  next acknowledged write after", figures.until_acknowledged)
    if figures.gaps[ON_LEADER]:
        rows.append(("planned transfers", str(len(figures.gaps[ON_LEADER]))))
        for client in (ON_FOLLOWER, ON_LEADER):
            times(f"  longest gap, client on the {client}", figures.gaps[client])
            times("    without a transfer", figures.quiet_gaps[client])
        rows.append(("  failed requests", str(len(figures.failed_by_transfer))))
    rows.append(("requests acknowledged", str(figures.acknowledged)))
    rows.append(("  slowest", f"{figures.slowest_request:.3f} s"))
    rows.append(("requests of unknown outcome", str(figures.unknown)))
    rows.append(("requests refused", str(figures.refused)))
    report = findings.report
    rows.append(("history", f"{report.verdict.value}: {report.operations} operations on {report.keys} keys"))
    lost, back = len(findings.lost), len(findings.resurrected)
    rows.append(("ledger", f"{findings.ledger} acknowledged, {lost} lost; {back} refused ones there"))
    width = max(len(what) for what, _ in rows)
    return "\n".join(f"{what.ljust(width)}  {value}" for what, value in rows)


def run(
    cluster: LocalCluster, *, kills: int, transfers: int, seed: int = 1, say: Callable[[str], None] = lambda text: None
) -> tuple[Figures, Findings]:
    """Kills, then transfers, on a cluster that was just started."""
    figures, chance = Figures(), random.Random(seed)
    cluster.wait_for_leader()
    cluster.wait_until_ready()
    with Load(cluster, writers=(ON_FOLLOWER, ON_LEADER), seed=seed) as load:
        if kills:
            say(f"killing the leader {kills} times")
            kill_leaders(cluster, load, kills, figures, chance)
        if transfers:
            say(f"handing the lead over {transfers} times")
            transfer_leads(cluster, load, transfers, figures, chance)
    figures.add(load)
    say("checking what the clients saw")
    findings = load.findings(cluster.wait_for_leader(), seconds=300)
    assert not load.hung, load.hung
    assert not load.surprises, load.surprises
    return figures, findings


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.failover", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--transfers", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--base", default="127.5.0.11", help="IP of the first node")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(prefix="elastickv-failover-") as root,
        LocalCluster(Path(root), nodes=arguments.nodes, base=arguments.base) as cluster,
    ):
        figures, findings = run(
            cluster, kills=arguments.kills, transfers=arguments.transfers, seed=arguments.seed, say=_say
        )
        print(table(figures, findings))
    sound = not findings.lost and not findings.resurrected and not figures.failed_by_transfer
    if findings.report.violations or not sound:
        print(findings.report, *figures.failed_by_transfer, sep="\n", file=sys.stderr)
        return 1
    return 0


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
