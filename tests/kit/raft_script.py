"""The words of the golden scripts in tests/raft/scripts: each command moves a `Cluster` and gives what it saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elastickv.raft.node import ProposalDropped
from elastickv.raft.types import Kind, Message, Role
from tests.kit.raft_cluster import Cluster, describe, describe_conf, describe_entry


class RaftScript:
    """Words are `command positional… name=value…`."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.cluster = Cluster("123", trace=self.seen.append)

    def __call__(self, line: str) -> str:
        command, *words = line.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        words = [word for word in words if "=" not in word]
        self.seen.clear()
        handler: Callable[[list[str], dict[str, str]], None] = getattr(self, "do_" + command.replace("-", "_"))
        try:
            handler(words, options)
        except (ProposalDropped, ValueError) as refusal:
            self.say(f"refused: {refusal}")
        return "\n".join(self.seen)

    def say(self, line: str) -> None:
        self.seen.append(line)

    # -- the world ------------------------------------------------------------------------------------------------

    def do_cluster(self, words: list[str], options: dict[str, str]) -> None:
        """cluster 123 learners=4 outsiders=5 setting=value: a new one, everybody a follower."""
        learners, outsiders = options.pop("learners", ""), options.pop("outsiders", "")
        settings: dict[str, Any] = {
            name: float(value) if "." in value else int(value) for name, value in options.items()
        }
        self.cluster = Cluster(words[0], learners, outsiders=outsiders, trace=self.seen.append, **settings)

    def do_elect(self, words: list[str], options: dict[str, str]) -> None:
        """elect 1: let it time out until it leads, and everybody know the commit; the messages are not shown."""
        self.cluster.elect(words[0])
        self.cluster.tick(words[0])
        self.cluster.settle()
        self.seen.clear()

    def do_tick(self, words: list[str], options: dict[str, str]) -> None:
        """tick 1 2 times=3: their work goes on the wire; without nodes all of them tick."""
        self.cluster.tick(*words, times=int(options.get("times", 1)))

    def do_run(self, words: list[str], options: dict[str, str]) -> None:
        """run 20: tick all, deliver all, so many times; shows only what nodes did, not each message."""
        self.cluster.run(int(words[0]))
        self.seen[:] = [line for line in self.seen if "->" not in line]

    def do_settle(self, words: list[str], options: dict[str, str]) -> None:
        """settle, settle 1 2: deliver until nothing moves, among all or only those."""
        self.cluster.settle(*words)

    def do_deliver(self, words: list[str], options: dict[str, str]) -> None:
        """deliver from=1 to=2 kind=append: once, what is on the wire now."""
        for id in self.cluster.machines:
            self.cluster.drain(id)
        self.cluster.deliver_some(_matcher(options))
        for id in self.cluster.machines:
            self.cluster.drain(id)

    def do_lose(self, words: list[str], options: dict[str, str]) -> None:
        """lose from=1 to=2 kind=append: take it off the wire."""
        wanted = _matcher(options)
        for id in self.cluster.machines:
            self.cluster.drain(id)
        for message in [message for message in self.cluster.wire if wanted(message)]:
            self.cluster.wire.remove(message)
            self.say(f"lost {describe(message)}")

    def do_wire(self, words: list[str], options: dict[str, str]) -> None:
        """What is under way."""
        for id in self.cluster.machines:
            self.cluster.drain(id)
        for message in self.cluster.wire:
            self.say(describe(message))

    def do_partition(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.partition(*words)

    def do_heal(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.heal()

    def do_crash(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.crash(words[0])

    def do_restart(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.restart(words[0])

    def do_hold_disk(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.machines[words[0]].disk_held = True

    def do_release_disk(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.machines[words[0]].disk_held = False
        self.cluster.drain(words[0])

    def do_compact(self, words: list[str], options: dict[str, str]) -> None:
        snapshot = self.cluster.compact(words[0])
        self.say(f"snapshot {snapshot.index}/{snapshot.term} {describe_conf(snapshot.conf_state)}")

    # -- what is asked of a node ----------------------------------------------------------------------------------

    def do_propose(self, words: list[str], options: dict[str, str]) -> None:
        """propose x y at=1: each word an entry, at the leader unless told."""
        node = self.cluster[options["at"]] if "at" in options else self.cluster.leader
        for word in words:
            index = node.propose(word.encode())
            self.say(f"{node.id}: {index}/{node.term}")

    def do_change(self, words: list[str], options: dict[str, str]) -> None:
        """change v4 l5 r2 explicit; without words: leave the joint configuration."""
        node = self.cluster.leader
        index = node.propose_config(" ".join(words).encode())
        self.say(f"{node.id}: {index}/{node.term}")

    def do_campaign(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster[words[0]].campaign()
        self.cluster.drain(words[0])

    def do_transfer(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.leader.transfer_leadership(words[0])

    def do_read(self, words: list[str], options: dict[str, str]) -> None:
        """read x y at=2"""
        node = self.cluster[options["at"]]
        for word in words:
            if not node.read_index(word.encode()):
                self.say(f"{node.id}: nobody to ask")

    def do_report_snapshot(self, words: list[str], options: dict[str, str]) -> None:
        """report-snapshot 3 ok, report-snapshot 3 failed"""
        self.cluster.leader.report_snapshot(words[0], words[1] == "ok")

    def do_unreachable(self, words: list[str], options: dict[str, str]) -> None:
        self.cluster.leader.report_unreachable(words[0])

    # -- pictures -------------------------------------------------------------------------------------------------

    def do_status(self, words: list[str], options: dict[str, str]) -> None:
        for id in words or self.cluster.machines:
            status = self.cluster[id].status()
            down = " (down)" if id in self.cluster.down else ""
            self.say(
                f"{id}: {status.role.value} term={status.term} leader={status.leader or '-'} commit={status.commit} "
                f"last={status.last_index}{down}"
            )

    def do_progress(self, words: list[str], options: dict[str, str]) -> None:
        leader = self.cluster.leader
        for id, progress in leader.status().progress.items():
            if id != leader.id:
                self.say(
                    f"{id}: {progress.state} match={progress.match} next={progress.next} inflight={progress.inflight}"
                    + (" learner" if progress.learner else "")
                )

    def do_log(self, words: list[str], options: dict[str, str]) -> None:
        for id in words:
            log = self.cluster[id]._core.log
            entries = log.slice(log.first_index, log.last_index + 1, 1 << 30)
            self.say(f"{id}: " + " ".join(map(describe_entry, entries)))

    def do_conf(self, words: list[str], options: dict[str, str]) -> None:
        for id in words or self.cluster.machines:
            self.say(f"{id}: {describe_conf(self.cluster[id].conf_state)}")

    def do_lease(self, words: list[str], options: dict[str, str]) -> None:
        """How long each leader's lease lasts from now, in ticks."""
        for id, machine in self.cluster.machines.items():
            if machine.node.role is Role.LEADER and id not in self.cluster.down:
                left = machine.node.lease_until - self.cluster.now
                self.say(f"{id}: {left / 0.02:.1f} ticks" if left > 0 else f"{id}: no lease")


def _matcher(options: dict[str, str]) -> Callable[[Message], bool]:
    kind = Kind[options["kind"].upper().replace("-", "_")] if "kind" in options else None

    def wanted(message: Message) -> bool:
        return (
            options.get("from", message.sender) == message.sender
            and options.get("to", message.to) == message.to
            and (kind is None or kind is message.kind)
        )

    return wanted
