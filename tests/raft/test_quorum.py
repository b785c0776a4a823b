"""Majorities: the fast answers against counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elastickv.raft.quorum import UNBOUNDED, VoteResult, joint_agreed, joint_vote, majority_agreed, majority_vote

nodes = st.frozensets(st.sampled_from("abcdefghi"), max_size=7)
values = st.fixed_dictionaries({node: st.integers(0, 12) for node in "abcdefghi"})
votes = st.dictionaries(st.sampled_from("abcdefghi"), st.booleans())


def counted_agreed(voters: frozenset[str], value: dict[str, int]) -> int:
    """By the definition: the largest number that more than half of the voters have reached."""
    if not voters:
        return UNBOUNDED
    return max(n for n in range(13) if 2 * sum(value[voter] >= n for voter in voters) > len(voters))


@given(nodes, values)
def test_sorting_and_counting_agree(voters: frozenset[str], value: dict[str, int]) -> None:
    assert majority_agreed(voters, value.__getitem__) == counted_agreed(voters, value)


@given(nodes, nodes, values)
def test_a_joint_configuration_agrees_where_both_halves_do(
    incoming: frozenset[str], outgoing: frozenset[str], value: dict[str, int]
) -> None:
    expected = min(counted_agreed(incoming, value), counted_agreed(outgoing, value))
    assert joint_agreed(incoming, outgoing, value.__getitem__) == expected


@given(nodes, votes)
def test_a_vote_is_decided_exactly_when_no_completion_changes_it(
    voters: frozenset[str], votes: dict[str, bool]
) -> None:
    silent = [voter for voter in voters if voter not in votes]
    best = sum(votes.get(voter, True) for voter in voters)
    worst = best - len(silent)
    result = majority_vote(voters, votes)
    if not voters or 2 * worst > len(voters):
        assert result is VoteResult.WON
    elif 2 * best <= len(voters):
        assert result is VoteResult.LOST
    else:
        assert result is VoteResult.PENDING


@given(nodes, nodes, votes)
def test_a_joint_vote_needs_both_halves(
    incoming: frozenset[str], outgoing: frozenset[str], votes: dict[str, bool]
) -> None:
    results = [majority_vote(incoming, votes), majority_vote(outgoing, votes)]
    expected = VoteResult.WON
    if VoteResult.LOST in results:
        expected = VoteResult.LOST
    elif VoteResult.PENDING in results:
        expected = VoteResult.PENDING
    assert joint_vote(incoming, outgoing, votes) is expected


@given(st.frozensets(st.sampled_from("abcdefg"), min_size=1), st.data())
def test_two_majorities_of_one_set_share_a_voter(voters: frozenset[str], data: st.DataObject) -> None:
    majority = st.lists(
        st.sampled_from(sorted(voters)), unique=True, min_size=len(voters) // 2 + 1, max_size=len(voters)
    )
    assert set(data.draw(majority)) & set(data.draw(majority))
