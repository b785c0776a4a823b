"""Would the simulation notice? Mistakes that real implementations have made are planted, and it has to find each one.

A simulation that never fails proves little. Every plant takes one rule out of the core or of the driver and leaves all
else as it is; within a bounded number of seeds some promise has to break. What breaks is left open: the same mistake
may show as a broken invariant, as a history that is not linearizable, as a refusal of the core to go on, or as a
cluster that does not recover.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import pytest

from elastickv.raft import follower, leader, membership, quorum, replication, voter
from elastickv.raft.core import Core
from elastickv.raft.lease import Lease
from elastickv.raft.log import RaftLog
from elastickv.raft.progress import Progress
from elastickv.raft.ready import Ready
from elastickv.raft.types import Entry, EntryKind, Kind, Message, NodeId
from tests.kit.sim.cluster import Cluster
from tests.kit.sim.loop import NodeClock
from tests.kit.sim.node import Answer, SimNode
from tests.kit.sim.profile import ELECTION_TICKS, draw
from tests.kit.sim.runner import SECONDS, founders

Plant = Callable[[pytest.MonkeyPatch], type[SimNode] | None]
PLANTS: dict[str, tuple[Plant, int, tuple[str, ...]]] = {}


def plant(seeds: int, faults: tuple[str, ...] = ()) -> Callable[[Plant], Plant]:
    """`seeds`: it must show within that many, several times what it took when this was written.

    `faults`: the misfortune that brings it out, and nothing else. Ordinary seeds find these mistakes as well (about one
    in a hundred does), which would take too long here.
    """

    def declare(function: Plant) -> Plant:
        PLANTS[function.__name__] = (function, seeds, faults)
        return function

    return declare


# -- drivers that do not keep the contract of a Ready -----------------------------------------------------------------


@plant(seeds=60)
def promises_leave_before_the_disk_has_what_they_promise(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Hasty(SimNode):
        def _handle(self, ready: Ready) -> None:
            super()._handle(replace(ready, messages=ready.messages + ready.promises, promises=()))

    return Hasty


@plant(seeds=60)
def the_vote_is_not_written(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Forgetful(SimNode):
        def _handle(self, ready: Ready) -> None:
            if ready.hard_state is not None:
                ready = replace(ready, hard_state=replace(ready.hard_state, vote=""))
            super()._handle(ready)

    return Forgetful


@plant(seeds=60)
def the_term_is_not_synced(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Lazy(SimNode):
        def _handle(self, ready: Ready) -> None:
            super()._handle(replace(ready, must_sync=bool(ready.entries)))

    return Lazy


@plant(seeds=60)
def the_core_is_told_before_the_disk_is_done(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Premature(SimNode):
        def _handle(self, ready: Ready) -> None:
            super()._handle(ready)
            if ready.entries and ready.snapshot is None and self.raw is not None:
                self.raw.persisted(ready.number)

    return Premature


@plant(seeds=120, faults=("ambush",))
def ticks_are_made_up_for_after_a_pause(_: pytest.MonkeyPatch) -> type[SimNode]:
    """The messages in the buffers are answered first, and then the voter thinks that a second has passed since."""

    class Punctual(SimNode):
        def resume(self, life: int) -> None:
            was_paused = self.paused
            super().resume(life)
            if was_paused and not self.paused and life == self.life and self.raw is not None:
                for _ in range(ELECTION_TICKS):
                    self.raw.tick(self.clock.now())
                    self._work()

    return Punctual


@plant(seeds=200)
def a_lease_read_does_not_wait_for_what_is_committed(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Impatient(SimNode):
        def read(self, key: str, answer: Answer) -> None:
            raw = self.raw
            if raw is not None and not self.paused and raw.leader_ready and self.clock.now() < raw.lease_until:
                answer("ok", self.machine.values.get(key))
            else:
                super().read(key, answer)

    return Impatient


@plant(seeds=60)
def the_leader_serves_before_its_no_op_is_applied(monkeypatch: pytest.MonkeyPatch) -> type[SimNode]:
    monkeypatch.setattr(Core, "lease_until", property(lambda core: core.lease.until))

    class Eager(SimNode):
        def read(self, key: str, answer: Answer) -> None:
            raw = self.raw
            if raw is not None and not self.paused and self.leading and self.clock.now() < raw.lease_until:
                answer("ok", self.machine.values.get(key))
            else:
                super().read(key, answer)

    return Eager


@plant(seeds=60, faults=("replace", "partition", "crash"))
def another_disk_under_the_same_name_is_taken_for_the_old_one(_: pytest.MonkeyPatch) -> type[SimNode]:
    class Gullible(SimNode):
        def address_of(self, node: NodeId, *, answer: bool) -> str:
            return ""

        def _known_instance(self, node: NodeId) -> str:
            return ""

    return Gullible


@plant(seeds=60, faults=("ambush", "pace"))
def clocks_run_further_apart_than_the_lease_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    original = NodeClock.set_pace
    monkeypatch.setattr(NodeClock, "set_pace", lambda clock, pace: original(clock, 1.0 + 15 * (pace - 1.0)))


# -- cores with a rule less -------------------------------------------------------------------------------------------


@plant(seeds=400)
def entries_of_older_terms_are_committed_by_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 3.6.2, figure 3.7."""

    def maybe_commit(log: RaftLog, index: int, term: int) -> bool:
        if index <= log.committed:
            return False
        log.committed = index
        return True

    monkeypatch.setattr(RaftLog, "maybe_commit", maybe_commit)


@plant(seeds=60)
def conflicting_entries_are_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 3.5: what is there already stays, whatever its term."""

    def find_conflict(log: RaftLog, entries: tuple[Entry, ...]) -> int:
        return next((entry.index for entry in entries if entry.index > log.last_index), 0)

    monkeypatch.setattr(RaftLog, "find_conflict", find_conflict)


@plant(seeds=60)
def the_entry_before_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RaftLog.maybe_append

    def maybe_append(
        log: RaftLog, prev_index: int, prev_term: int, commit: int, entries: tuple[Entry, ...]
    ) -> int | None:
        if log.first_index <= prev_index <= log.last_index:
            prev_term = log.term(prev_index)
        return original(log, prev_index, prev_term, commit, entries)

    monkeypatch.setattr(RaftLog, "maybe_append", maybe_append)


@plant(seeds=60)
def a_voter_does_not_compare_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 3.6.1."""
    monkeypatch.setattr(RaftLog, "is_up_to_date", lambda log, index, term: True)


@plant(seeds=60)
def a_heartbeat_commits_beyond_what_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Core.send

    def send(core: Core, message: Message) -> None:
        if message.kind is Kind.HEARTBEAT:
            message = replace(message, commit=core.log.committed)
        original(core, message)

    monkeypatch.setattr(Core, "send", send)


@plant(seeds=60)
def the_leader_counts_itself_before_its_disk_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Core.append

    def append(core: Core, data: bytes, kind: EntryKind) -> int:
        index = original(core, data, kind)
        core.tracker.progress[core.id].match = index
        return index

    monkeypatch.setattr(Core, "append", append)


@plant(seeds=60, faults=("ambush",))
def the_lease_is_used_after_timeout_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lease, "void", lambda lease: None)


@plant(seeds=60, faults=("ambush",))
def voters_do_not_respect_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 4.2.3 and 6.4.1."""
    monkeypatch.setattr(voter, "refuses_to_listen", lambda core, message: False)


@plant(seeds=60, faults=("ambush",))
def a_restart_forgets_that_a_leader_counts_on_us(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Core.__init__

    def init(core: Core, *arguments: object) -> None:
        original(core, *arguments)  # type: ignore[arg-type]
        core.ticks_since_leader = core.config.election_ticks

    monkeypatch.setattr(Core, "__init__", init)


@plant(seeds=60, faults=("pause_leader",))
def the_lease_counts_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    original = replication.acknowledge_round

    def acknowledge_round(core: Core, progress: Progress, number: int) -> None:
        # As if every open round had been sent just now.
        core.lease._open = deque((each, core.now) for each, _ in core.lease._open)
        original(core, progress, number)

    monkeypatch.setattr(replication, "acknowledge_round", acknowledge_round)


@plant(seeds=60, faults=("isolate_leader",))
def a_read_index_is_given_without_asking_a_majority(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_read(core: Core, requester: NodeId, context: bytes) -> None:
        if core.leader_ready:
            core.reads.add(requester, context, core.log.committed)
            core.reads.open_round()
            replication.finish_reads(core, core.reads.number)

    monkeypatch.setattr(leader, "add_read", add_read)


@plant(seeds=100)
def a_read_index_is_given_before_the_no_op_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_read(core: Core, requester: NodeId, context: bytes) -> None:
        core.reads.add(requester, context, core.log.committed)

    monkeypatch.setattr(leader, "add_read", add_read)


@plant(seeds=60)
def two_changes_of_membership_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 4.1."""

    def propose_config(core: Core, data: bytes) -> int:
        leader._check_may_append(core, len(data))
        return leader._append_config(core, data)

    monkeypatch.setattr(leader, "propose_config", propose_config)


@plant(seeds=100)
def a_joint_configuration_asks_one_half_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thesis 4.3."""
    monkeypatch.setattr(
        quorum, "joint_agreed", lambda incoming, outgoing, value: quorum.majority_agreed(incoming, value)
    )
    monkeypatch.setattr(quorum, "joint_vote", lambda incoming, outgoing, votes: quorum.majority_vote(incoming, votes))


@plant(seeds=60)
def a_snapshot_leaves_the_old_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    original = follower._restore

    def restore(core: Core, snapshot: object) -> bool:
        adopt = Core.adopt_config
        monkeypatch.setattr(Core, "adopt_config", lambda core, config: None)
        try:
            return original(core, snapshot)  # type: ignore[arg-type]
        finally:
            monkeypatch.setattr(Core, "adopt_config", adopt)

    monkeypatch.setattr(follower, "_restore", restore)


@plant(seeds=60)
def a_change_of_membership_is_applied_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an entry and once more from a replay, say. Joint changes are where that shows: entered, and left again."""
    original = membership.apply

    def apply(core: Core, change: object) -> object:
        state = original(core, change)  # type: ignore[arg-type]
        if core.tracker.config.joint:
            from elastickv.raft.types import ConfChange

            state = original(core, ConfChange())
        return state

    monkeypatch.setattr(membership, "apply", apply)


@plant(seeds=60)
def what_is_applied_is_handed_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    original = RaftLog.take_committed

    def take_committed(log: RaftLog) -> tuple[Entry, ...]:
        entries = original(log)
        if entries and entries[-1].index % 50 == 0:
            log.applying -= 1
        return entries

    monkeypatch.setattr(RaftLog, "take_committed", take_committed)


# -- the test ---------------------------------------------------------------------------------------------------------


def first_failure(
    seeds: int, node: type[SimNode] | None = None, faults: tuple[str, ...] = ()
) -> tuple[int, Exception] | None:
    for seed in range(seeds):
        profile = draw(random.Random(seed), founders(seed), SECONDS)
        if faults:
            profile = replace(profile, faults=faults, loss=0.0, reads=0.95)
        cluster = Cluster(seed, profile=profile, node=node or SimNode)
        try:
            cluster.run()
        except Exception as error:
            return seed, error
    return None


@pytest.mark.parametrize("name", PLANTS)
def test_the_simulation_notices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, seeds, faults = PLANTS[name]
    node = function(monkeypatch)
    assert first_failure(seeds, node, faults) is not None, f"{name} was not noticed in {seeds} seeds"


@pytest.mark.parametrize("faults", sorted({faults for _, _, faults in PLANTS.values()}), ids="-".join)
def test_without_a_plant_the_same_seeds_pass(faults: tuple[str, ...]) -> None:
    assert first_failure(10, faults=faults) is None
