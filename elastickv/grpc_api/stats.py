"""The figures of `RaftAdmin/Stats`, under the names that hashicorp/raft gave them where it had them.

Tools read these names and formats: state is capitalised, last_contact is a Go duration ("0" on the leader, "never"
before the first contact), latest_configuration is a Go struct print. Ours follow under names of our own.
"""

from __future__ import annotations

from elastickv.kv.ports import ClusterStatus

# What a hashicorp node of today reports. We speak another protocol between peers; these say which generation of
# semantics the administration calls follow, which is what tools make of them.
_VERSIONS = {
    "protocol_version": "3",
    "protocol_version_min": "0",
    "protocol_version_max": "3",
    "snapshot_version_min": "0",
    "snapshot_version_max": "1",
}


def peers(status: ClusterStatus) -> int:
    """Voters other than this node; 0 when this node is not a voter itself, as in hashicorp/raft."""
    voters = [member.id for member in status.members if member.voter]
    return len(voters) - 1 if status.node_id in voters else 0


def last_contact(status: ClusterStatus) -> str:
    if status.role == "leader":
        return "0"
    if status.last_contact_seconds is None:
        return "never"
    return go_duration(status.last_contact_seconds)


def go_duration(seconds: float) -> str:
    """As Go prints a time.Duration: 1h2m3.5s, 12.3ms, 450µs, 20ns."""
    nanos = round(seconds * 1e9)
    if nanos == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanos < size * 1_000:
            return f"{_decimal(nanos, size)}{unit}"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(nanos: int, size: int) -> str:
    whole, rest = divmod(nanos, size)
    if rest == 0:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(size)) - 1).rstrip('0')}"


def configuration_text(status: ClusterStatus) -> str:
    servers = (
        f"{{Suffrage:{'Voter' if member.voter else 'Nonvoter'} ID:{member.id} Address:{member.address}}}"
        for member in status.members
    )
    return f"[{' '.join(servers)}]"


def stats(status: ClusterStatus) -> dict[str, str]:
    return {
        **status.extra,
        "state": status.role.capitalize(),
        "term": str(status.term),
        "last_log_index": str(status.last_log_index),
        "last_log_term": str(status.last_log_term),
        "commit_index": str(status.commit_index),
        "applied_index": str(status.applied_index),
        "fsm_pending": str(status.pending_entries),
        "last_snapshot_index": str(status.snapshot_index),
        "last_snapshot_term": str(status.snapshot_term),
        "latest_configuration": configuration_text(status),
        "latest_configuration_index": str(status.configuration_index),
        "last_contact": last_contact(status),
        "num_peers": str(peers(status)),
        **_VERSIONS,
        "cluster_id": status.cluster_id,
        "node_id": status.node_id,
        "instance": status.instance,
        "group_id": str(status.group_id),
        "leader_id": status.leader_id,
        "leader_address": status.leader_address,
        "first_log_index": str(status.first_log_index),
        "flushed_index": str(status.flushed_index),
        "pending_configuration_change": str(status.pending_configuration_change).lower(),
        "problem": status.problem,
    }
