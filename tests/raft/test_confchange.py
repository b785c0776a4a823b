"""Changes of membership: single rules, and random walks that never leave a contradictory configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.confchange import Config, changed, from_conf_state, to_conf_state
from elastickv.raft.types import ConfChange, ConfChangeKind, ConfChangeStep, ConfState, Member, Transition
from tests.kit.raft_cluster import conf_state, describe_conf, parse_change


def after(state: ConfState, *changes: str) -> str:
    config = from_conf_state(state)
    for change in changes:
        config = changed(config, parse_change(change))
    return describe_conf(to_conf_state(config))


@pytest.mark.parametrize(
    ("voters", "learners", "changes", "expected"),
    [
        ("1", "", ["v2"], "voters=1,2"),
        ("12", "", ["r2"], "voters=1"),
        ("12", "3", ["v3"], "voters=1,2,3"),
        ("123", "", ["l3"], "voters=1,2 learners=3"),
        ("123", "", ["l4 l5"], "voters=1,2,3 learners=4,5"),  # learners do not move a majority
        ("123", "4", ["r4 l5 v6"], "voters=1,2,3,6 learners=5"),
        ("123", "", ["r9"], "voters=1,2,3"),  # as if it were done already
        ("123", "", ["v4 v5"], "voters=1,2,3,4,5&1,2,3 auto-leave"),
        ("123", "", ["v4 r3"], "voters=1,2,4&1,2,3 auto-leave"),
        ("123", "", ["v4 r3", ""], "voters=1,2,4"),
        ("123", "", ["v4 implicit"], "voters=1,2,3,4&1,2,3 auto-leave"),
        ("123", "", ["v4 explicit"], "voters=1,2,3,4&1,2,3"),
        ("123", "", ["l3 explicit"], "voters=1,2&1,2,3 learners-next=3"),
        ("123", "", ["l3 explicit", ""], "voters=1,2 learners=3"),
        ("123", "", ["l3 v3 explicit"], "voters=1,2,3&1,2,3"),
        ("123", "4", ["v4 l3"], "voters=1,2,4&1,2,3 learners-next=3 auto-leave"),
        ("123", "", ["r3 explicit", ""], "voters=1,2"),
        ("", "", ["v1 v2 v3"], "voters=1,2,3"),  # founding
    ],
)
def test_changes(voters: str, learners: str, changes: list[str], expected: str) -> None:
    assert after(conf_state(voters, learners), *changes) == expected


@pytest.mark.parametrize(
    ("voters", "changes", "sentence"),
    [
        ("1", ["r1"], "last voter"),
        ("1", ["l1"], "last voter"),
        ("12", ["r1 r2"], "last voter"),
        ("12", ["u3=host:1"], "3 is not a member"),
        ("12", ["v"], "needs a node ID"),
        ("12", [""], "not joint"),
        ("12", ["v3 explicit", "v4"], "has to be left"),
        ("", ["l1"], "last voter"),
        ("", ["v1 explicit"], "without voters"),
    ],
)
def test_refusals(voters: str, changes: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        after(conf_state(voters), *changes)


def test_addresses_and_instances_stay_beside_their_node() -> None:
    config = from_conf_state(conf_state("1"))
    config = changed(config, ConfChange((ConfChangeStep(ConfChangeKind.ADD_LEARNER, "2", "b:1"),)))
    config = changed(config, ConfChange((ConfChangeStep(ConfChangeKind.UPDATE, "2", instance="x"),)))
    config = changed(config, ConfChange((ConfChangeStep(ConfChangeKind.ADD_VOTER, "2"),)))
    assert config.members["2"] == Member("2", "b:1", "x")
    config = changed(config, ConfChange((ConfChangeStep(ConfChangeKind.UPDATE, "2", "c:2"),)))
    assert config.members["2"] == Member("2", "c:2", "x")
    config = changed(config, ConfChange((ConfChangeStep(ConfChangeKind.REMOVE, "2"),)))
    assert "2" not in config.members


def test_a_removed_voter_keeps_its_address_while_it_still_votes() -> None:
    config = from_conf_state(ConfState(voters=("1", "2"), members=(Member("1", "a"), Member("2", "b"))))
    joint = changed(config, parse_change("r2 explicit"))
    assert joint.members["2"].address == "b"
    assert "2" not in changed(joint, parse_change("")).members


@pytest.mark.parametrize(
    "state",
    [
        ConfState(voters=("1",), learners=("1",)),
        ConfState(voters=("1",), voters_outgoing=("2",), learners=("2",)),
        ConfState(voters=("1",), learners_next=("2",)),
        ConfState(voters=("1",), auto_leave=True),
    ],
)
def test_contradictory_states_are_refused(state: ConfState) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        from_conf_state(state)


steps = st.builds(
    ConfChangeStep, st.sampled_from(ConfChangeKind), st.sampled_from("12345"), st.sampled_from(["", "a", "b"])
)
walks = st.lists(st.builds(ConfChange, st.lists(steps, max_size=4).map(tuple), st.sampled_from(Transition)))


@given(walks)
def test_random_walks(walk: list[ConfChange]) -> None:
    config = from_conf_state(conf_state("123"))
    for change in walk:
        before = config
        try:
            config = changed(config, change)
        except ValueError:
            assert config is before
            continue
        config.check()
        assert config.voters
        assert config.members.keys() == config.ids
        # Any majority before shares a voter with any majority after: either the old voters are one half of what
        # decides now (or of what decided before), or at most one voter moved.
        if not before.joint:
            assert config.outgoing == before.voters or len(config.voters ^ before.voters) <= 1
        else:
            assert config.voters == before.voters
            assert not config.joint
        assert from_conf_state(to_conf_state(config)) == config


def test_an_empty_configuration() -> None:
    assert from_conf_state(ConfState()) == Config()
