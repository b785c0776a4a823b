"""Putting a change of membership into effect: the change itself is computed in `confchange`, here it meets the core."""

from __future__ import annotations

from elastickv.raft import confchange, replication
from elastickv.raft.core import Core
from elastickv.raft.log import InvariantViolated
from elastickv.raft.types import NOBODY, ConfChange, ConfState, Role


def validate(core: Core, change: ConfChange) -> None:
    """Raise ValueError when `change` would be refused as things stand."""
    confchange.changed(core.tracker.config, change)


def apply(core: Core, change: ConfChange) -> ConfState:
    """The driver has reached a config entry. Raises ValueError (on every node alike) and changes nothing if refused."""
    index = core.unapplied_configs.popleft() if core.unapplied_configs else 0
    if 0 < index <= core.config_index:
        return core.conf_state  # a snapshot that came meanwhile contains it
    if index > 1 and not core.tracker.config.voters:
        # Applied to nothing, the change would leave a configuration of its own members only, which could elect a
        # leader beside the real one.
        raise InvariantViolated(
            f"the configuration change at {index} meets an empty configuration: a log has to begin with the founding "
            "configuration, in its first entry or in a snapshot before it"
        )
    config = confchange.changed(core.tracker.config, change)
    if core.role is Role.LEADER:
        # Those who leave should hear that it is committed, after this nobody talks to them any more.
        replication.send_commits(core)
    core.adopt_config(config)
    core.config_index = max(core.config_index, index)
    if core.role is Role.LEADER:
        _go_on_leading(core)
    return core.conf_state


def _go_on_leading(core: Core) -> None:
    tracker = core.tracker
    if not tracker.is_voter(core.id):
        # Removed or demoted, and that is committed: the lead ends here (thesis 4.2.2).
        core.become_follower(core.term, NOBODY)
        return
    # A smaller quorum may have committed more; new members are greeted with a first append.
    replication.maybe_commit(core)
    for node, progress in tracker.peers:
        replication.send_append(core, node, progress, allow_empty=False)
    if core.transferee and not tracker.is_voter(core.transferee):
        core.transferee = NOBODY
