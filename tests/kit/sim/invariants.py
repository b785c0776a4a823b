"""What must never happen, asked after each step of each node.

The five promises of thesis figure 3.2, and what the rest of this design promises on top of them. Each check looks only
at what the step changed, so that asking after every step is affordable. A broken promise raises `Violation` with a
sentence.

Where a check needs the log of a node it does not ask the core under test: it keeps its own copy of the terms, from what
the Readies handed out (`_Shadow`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from elastickv.raft.ready import Ready
from elastickv.raft.types import ConfState, Entry, EntryKind, Kind, Message, NodeId, Role
from tests.kit.sim.disk import SimDisk
from tests.kit.sim.machine import Command, Image
from tests.kit.sim.node import SimNode


class Violation(AssertionError):
    """A promise was broken."""


@dataclass(slots=True)
class _Shadow:
    """What one life of a node has shown of itself."""

    base: int
    terms: list[int]
    """terms[0] belongs to index `base`."""
    role: Role = Role.FOLLOWER
    term: int = 0
    commit: int = 0
    configs: list[int] = field(default_factory=list)
    """Indexes of the config entries in the log, as far as they were not compacted when this life began."""

    @property
    def last(self) -> int:
        return self.base + len(self.terms) - 1

    def term_of(self, index: int) -> int | None:
        position = index - self.base
        return self.terms[position] if 0 <= position < len(self.terms) else None


class Invariants:
    def __init__(self, nodes: Mapping[NodeId, SimNode]) -> None:
        self._nodes = nodes
        self._shadows: dict[NodeId, _Shadow] = {}
        self.on_election: Callable[[SimNode], None] = lambda node: None
        """Told of each leader, for misfortune that waits for one."""
        self.leaders: dict[int, NodeId] = {}
        self._entries: dict[tuple[int, int], tuple[Entry, int]] = {}
        """(index, term) -> the entry and the term of the one before it. There is only one, in the whole run."""
        self.committed: dict[int, int] = {}
        """index -> term of every entry that was ever committed anywhere."""
        self._last_commit_of_term: dict[int, int] = {}
        """term -> the highest index that its leader committed."""
        self._newest_commit_term = 0
        self._votes: dict[tuple[NodeId, str, int], NodeId] = {}
        self.configurations: dict[int, ConfState] = {}
        self._effects: dict[int, int] = {}
        """Command -> index at which it took effect."""
        self.disks: dict[tuple[NodeId, str], SimDisk] = {}
        """By ID and instance; a disk that was lost since then counts as it was."""

    # -- a life begins ------------------------------------------------------------------------------------------------

    def started(self, node: SimNode) -> None:
        raw = node.raw
        assert raw is not None
        base, terms = node.disk.terms()
        self._shadows[node.id] = _Shadow(
            base, terms, raw.role, raw.term, raw.commit, configs=node.disk.config_indexes()
        )
        self.disks[node.id, node.instance] = node.disk
        hard_state = node.disk.hard_state
        if raw.term != hard_state.term or raw.commit < hard_state.commit:
            raise Violation(f"{node.id} started with term {raw.term}, commit {raw.commit}; its disk has {hard_state}")

    # -- a Ready ------------------------------------------------------------------------------------------------------

    def handed_out(self, node: SimNode, ready: Ready) -> None:
        raw = node.raw
        assert raw is not None
        shadow = self._shadows[node.id]
        role, term = raw.role, raw.term
        if term < shadow.term:
            raise Violation(f"{node.id} went back from term {shadow.term} to {term}")
        if ready.snapshot is not None:
            meta = ready.snapshot
            if meta.index < shadow.commit:
                raise Violation(f"{node.id} goes back from {shadow.commit} to a snapshot at {meta.index}")
            self._committed(node, meta.index, meta.term)
            shadow.base, shadow.terms, shadow.configs = meta.index, [meta.term], []
            shadow.commit = meta.index
        if ready.entries:
            self._appended(node, shadow, ready.entries, role, term)
        if role is Role.LEADER and (shadow.role is not Role.LEADER or shadow.term != term):
            self._elected(node, shadow, term)
        if raw.commit != shadow.commit:
            self._commit_moved(node, shadow, role, term, raw.commit)
        shadow.role, shadow.term = role, term

    def _appended(self, node: SimNode, shadow: _Shadow, entries: tuple[Entry, ...], role: Role, term: int) -> None:
        first = entries[0].index
        if first > shadow.last + 1:
            raise Violation(f"{node.id} left a gap: entry {first} after {shadow.last}")
        if first <= shadow.commit:
            raise Violation(f"{node.id} replaced the committed entry {first}")
        if role is Role.LEADER and shadow.role is Role.LEADER and shadow.term == term and first <= shadow.last:
            raise Violation(f"leader append-only: {node.id} replaced entry {first} of its own log in term {term}")
        del shadow.terms[first - shadow.base :]
        shadow.configs = [index for index in shadow.configs if index < first]
        before = shadow.terms[-1]
        for entry in entries:
            if entry.index != shadow.last + 1 or entry.term < before:
                raise Violation(f"{node.id}: entry {entry.index}/{entry.term} after {shadow.last}/{before}")
            known = self._entries.setdefault((entry.index, entry.term), (entry, before))
            if known != (entry, before):
                raise Violation(f"log matching: {node.id} has {entry} after term {before}, elsewhere it is {known}")
            if entry.kind is EntryKind.CONFIG:
                if role is Role.LEADER and shadow.configs and shadow.configs[-1] > node.machine.applied:
                    raise Violation(
                        f"{node.id} proposed a change at {entry.index} while {shadow.configs[-1]} is not applied"
                    )
                shadow.configs.append(entry.index)
            shadow.terms.append(entry.term)
            before = entry.term

    def _elected(self, node: SimNode, shadow: _Shadow, term: int) -> None:
        self.on_election(node)
        other = self.leaders.setdefault(term, node.id)
        if other != node.id:
            raise Violation(f"election safety: {other} and {node.id} lead in term {term}")
        for earlier, index in self._last_commit_of_term.items():
            if earlier < term and index > shadow.base and shadow.term_of(index) != self.committed[index]:
                raise Violation(
                    f"leader completeness: {node.id} leads in term {term} without entry"
                    f" {index}/{self.committed[index]}, which was committed in term {earlier}"
                )

    def _commit_moved(self, node: SimNode, shadow: _Shadow, role: Role, term: int, commit: int) -> None:
        if commit < shadow.commit:
            raise Violation(f"{node.id}: the commit index fell from {shadow.commit} to {commit}")
        for index in range(shadow.commit + 1, commit + 1):
            entry_term = shadow.term_of(index)
            if entry_term is None:
                raise Violation(f"{node.id} committed {index}, which is not in its log")
            self._committed(node, index, entry_term)
        if role is Role.LEADER:
            if self.committed[commit] != term:
                raise Violation(
                    f"{node.id} committed {commit}/{self.committed[commit]} by counting, and leads in term {term}:"
                    " only entries of its own term may be (thesis 3.6.2)"
                )
            self._on_majority_of_disks(node, commit, term)
            if term > self._newest_commit_term:
                self._newest_commit_term = term
                for other in self._nodes.values():
                    self.rested(other)
            if commit > self._last_commit_of_term.get(term, 0):
                self._last_commit_of_term[term] = commit
        shadow.commit = commit

    def _committed(self, node: SimNode, index: int, term: int) -> None:
        known = self.committed.setdefault(index, term)
        if known != term:
            raise Violation(f"committed was lost: entry {index}/{known}, yet {node.id} has committed {index}/{term}")

    def _on_majority_of_disks(self, node: SimNode, index: int, term: int) -> None:
        """Committed means: durable on a majority, of both halves while the configuration is joint."""
        raw = node.raw
        assert raw is not None
        state = raw.conf_state
        instances = {member.id: member.instance for member in state.members}
        for half in (state.voters, state.voters_outgoing):
            holders = [
                voter
                for voter in half
                if (disk := self.disks.get((voter, instances[voter]))) is not None and disk.holds(index, term)
            ]
            if half and len(holders) * 2 <= len(half):
                raise Violation(
                    f"{node.id} committed {index}/{term}, which is durable on {holders} only, of {list(half)}"
                )

    # -- messages -----------------------------------------------------------------------------------------------------

    def sent(self, node: SimNode, message: Message) -> None:
        """Called when it leaves. What it promises must be on disk by now."""
        kind = message.kind
        if kind is Kind.VOTE:
            self._voted(node, message.term, node.id)
        elif kind is Kind.VOTE_REPLY:
            if not message.reject:
                self._voted(node, message.term, message.to)
        elif kind is Kind.APPEND_REPLY and not message.reject and message.index:
            disk = node.disk
            if disk.hard_state.term == message.term and disk.last_index() < message.index:
                raise Violation(f"{node.id} acknowledged entry {message.index}, its disk ends at {disk.last_index()}")
            if disk.hard_state.term < message.term:
                raise Violation(f"{node.id} acknowledged in term {message.term}, on its disk is {disk.hard_state}")

    def _voted(self, node: SimNode, term: int, candidate: NodeId) -> None:
        other = self._votes.setdefault((node.id, node.instance, term), candidate)
        if other != candidate:
            raise Violation(f"{node.id} voted for {other} and for {candidate} in term {term}")
        hard_state = node.disk.hard_state
        if hard_state.term < term or (hard_state.term == term and hard_state.vote != candidate):
            raise Violation(f"{node.id} voted for {candidate} in term {term}, on its disk is {hard_state}")

    # -- the state machine --------------------------------------------------------------------------------------------

    def applies(self, node: SimNode, entry: Entry) -> None:
        if entry.index != node.machine.applied + 1:
            raise Violation(f"{node.id} applies entry {entry.index} after {node.machine.applied}")
        if self.committed.get(entry.index) != entry.term:
            raise Violation(
                f"state machine safety: {node.id} applies {entry.index}/{entry.term},"
                f" committed is term {self.committed.get(entry.index)}"
            )
        if entry.kind is EntryKind.NORMAL and entry.data:
            command = Command.decode(entry.data)
            at = self._effects.setdefault(command.id, entry.index)
            if at != entry.index:
                raise Violation(f"{command} takes effect at {at} and at {entry.index}")

    def installed(self, node: SimNode, image: Image) -> None:
        if self.committed.get(image.meta.index) != image.meta.term:
            raise Violation(f"{node.id} installed a snapshot of {image.meta.index}/{image.meta.term}: not committed")
        self.configured(node, image.meta.index, image.meta.conf_state, by_snapshot=True)

    def configured(self, node: SimNode, index: int, state: ConfState, *, by_snapshot: bool = False) -> None:
        raw = node.raw
        assert raw is not None
        if raw.conf_state != state and not by_snapshot:
            raise Violation(f"{node.id} says its configuration is {raw.conf_state}, not {state}")
        before = self.configuration_at(index - 1)
        if by_snapshot:
            known = self.configuration_at(index)
            if known is not None and known != state:
                raise Violation(f"{node.id} got {state} in a snapshot of {index}, others have {known}")
            return
        known = self.configurations.setdefault(index, state)
        if known != state:
            raise Violation(f"{node.id} has {state} as of {index}, others have {known}")
        if before is not None and not _majorities_overlap(before, state):
            raise Violation(f"majorities of {before} and of {state} (entry {index}) need not overlap")

    def founded(self, entry: Entry, state: ConfState) -> None:
        """The entry with which the cluster begins, committed by decree."""
        self.configurations[entry.index] = state
        self.committed[entry.index] = entry.term
        self._entries[entry.index, entry.term] = (entry, 0)

    @property
    def newest_configuration(self) -> ConfState:
        return self.configurations[max(self.configurations)]

    def config_in_log(self, node: SimNode) -> int:
        """The last config entry in a node's log, whether committed or not; 0 when there is none."""
        configs = node.disk.config_indexes() if node.raw is None else self._shadows[node.id].configs
        return max(configs, default=0)

    def configuration_at(self, index: int) -> ConfState | None:
        """The newest configuration up to there that anybody has applied."""
        at = max((each for each in self.configurations if each <= index), default=None)
        return None if at is None else self.configurations[at]

    # -- reads --------------------------------------------------------------------------------------------------------

    def rested(self, node: SimNode) -> None:
        """A lease says that nobody else has committed anything: it must not outlast a commit in a newer term."""
        raw = node.raw
        if raw is None or raw.role is not Role.LEADER or raw.term >= self._newest_commit_term:
            return
        if node.clock.now() < raw.lease_until:
            term = self._newest_commit_term
            raise Violation(
                f"{node.id} holds a lease of term {raw.term} for {raw.lease_until - node.clock.now():.3f} s more, and"
                f" {self.leaders[term]} has committed in term {term}"
            )


def _majorities_overlap(before: ConfState, after: ConfState) -> bool:
    """Thesis 4.1 and 4.3: from one configuration to the next without a moment with two independent majorities."""
    old, new = set(before.voters), set(after.voters)
    if before.voters_outgoing:
        if after.voters_outgoing:
            return before == after
        return old == new
    if after.voters_outgoing:
        return set(after.voters_outgoing) == old
    return len(old ^ new) <= 1
