"""Founding, row by row: what was seen on the nodes, and what may be done. See playbooks/filter_plugins."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from elastickv.transport.base import AMNESIAC
from tests.ansible.plugins import filters

decision = filters("elastickv_decision")

ID, OTHER = "c" * 32, "d" * 32
ABSENT = {"state": "absent"}
EMPTY = {"state": "empty"}
FOREIGN = {"state": "foreign", "why": "it holds photos and no identity.json"}


def member(node: str, cluster_id: str = ID) -> dict[str, str]:
    return {"state": "member", "node_id": node, "cluster_id": cluster_id}


def node(
    name: str,
    data: dict[str, str] | None = None,
    container: str = "absent",
    marker: str = "",
    live: str | None = None,
    reachable: bool = True,
) -> dict[str, Any]:
    """`live`: the cluster ID that the node itself reports; None when it does not answer."""
    return {
        "host": name,
        "id": name,
        "reachable": reachable,
        "data": data or ABSENT,
        "marker": {"cluster_id": marker, "node_id": name} if marker else {},
        "container": {"state": container},
        "live": {"reachable": live is not None, "cluster_id": live or ""},
    }


def unreachable(name: str) -> dict[str, Any]:
    return node(name, {"state": "unknown"}, "unknown", reachable=False)


def well(name: str) -> dict[str, Any]:
    return node(name, member(name), "running", ID, ID)


def down(name: str) -> dict[str, Any]:
    return node(name, member(name), "stopped", ID)


NAMES = ["n1", "n2", "n3", "n4", "n5"]


def decide(*nodes: dict[str, Any]) -> dict[str, Any]:
    result = decision.decide(list(nodes))
    assert isinstance(result, dict)
    return result


def five(make: Any, **others: dict[str, Any]) -> dict[str, Any]:
    return decide(*(others.get(name) or make(name) for name in NAMES))


# ---- FRESH ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [ABSENT, EMPTY])
def test_nothing_anywhere_is_fresh_and_is_founded(data: dict[str, str]) -> None:
    found = five(lambda name: node(name, data))
    assert (found["verdict"], found["bootstrap"], found["start"]) == ("FRESH", True, NAMES)


@pytest.mark.parametrize("silent", NAMES)
def test_a_fresh_cluster_is_not_founded_while_a_host_cannot_be_seen(silent: str) -> None:
    found = five(node, **{silent: unreachable(silent)})
    assert (found["verdict"], found["proceed"], found["bootstrap"], found["start"]) == ("FRESH", False, False, [])
    assert found["refusals"][0].startswith(f"{silent}: cannot be reached")
    assert "--limit" in found["refusals"][0]


# ---- INTERRUPTED ----------------------------------------------------------------------------------------------------


def test_containers_without_a_cluster_are_an_interrupted_deployment_that_founds() -> None:
    found = five(node, n1=node("n1", EMPTY, "running", live=""))
    assert (found["verdict"], found["bootstrap"]) == ("INTERRUPTED", True)
    assert found["start"] == NAMES  # n1 too: it may lack the flag


def test_identities_without_a_cluster_are_an_interrupted_deployment_that_founds() -> None:
    fresh = {"state": "fresh", "node_id": "n1", "cluster_id": ""}
    found = five(node, n1=node("n1", fresh, "stopped"))
    assert (found["verdict"], found["bootstrap"]) == ("INTERRUPTED", True)


def test_a_cluster_that_was_founded_and_not_finished_goes_on_without_the_flag() -> None:
    founded = {name: node(name, member(name), "running", live=ID) for name in ("n1", "n2", "n3")}
    found = five(node, **founded)
    assert (found["verdict"], found["bootstrap"], found["start"]) == ("INTERRUPTED", False, ["n4", "n5"])


def test_n1_that_lost_its_disk_before_the_end_founds_nothing() -> None:
    founded = {name: node(name, member(name), "running", live=ID) for name in ("n2", "n3")}
    found = five(node, **founded)
    assert (found["verdict"], found["bootstrap"]) == ("INTERRUPTED", False)


def test_an_interrupted_deployment_is_not_resumed_while_a_host_cannot_be_seen() -> None:
    founded = {name: node(name, member(name), "running", live=ID) for name in ("n1", "n2", "n3")}
    assert five(node, **founded, n5=unreachable("n5"))["proceed"] is False
    assert five(node, n1=node("n1", EMPTY, "running", live=""), n5=unreachable("n5"))["proceed"] is False


# ---- RUNNING --------------------------------------------------------------------------------------------------------


def test_a_running_cluster_needs_nothing() -> None:
    found = five(well)
    assert (found["verdict"], found["proceed"], found["start"], found["bootstrap"]) == ("RUNNING", True, [], False)
    assert found["cluster_id"] == ID


def test_a_cluster_that_was_started_by_hand_is_adopted() -> None:
    found = five(lambda name: node(name, member(name), "running", live=ID))
    assert (found["verdict"], found["proceed"], found["start"]) == ("RUNNING", True, [])


def test_a_running_cluster_bears_a_host_that_cannot_be_seen() -> None:
    found = five(well, n4=unreachable("n4"))
    assert (found["verdict"], found["proceed"]) == ("RUNNING", True)
    assert found["warnings"] == ["n4: cannot be reached and stays as it is"]


# ---- STOPPED --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["stopped", "absent"])
def test_a_stopped_cluster_is_started_without_the_flag(container: str) -> None:
    found = five(lambda name: node(name, member(name), container, ID))
    assert (found["verdict"], found["start"], found["bootstrap"]) == ("STOPPED", NAMES, False)


def test_a_stopped_cluster_with_a_lost_disk_is_not_started_blindly() -> None:
    found = five(down, n1=node("n1", EMPTY, "stopped", ID))
    assert (found["verdict"], found["proceed"], found["bootstrap"]) == ("STOPPED", False, False)
    assert "n1: was a member" in found["refusals"][0]
    assert "elastickv_rejoin_host=n1" in found["refusals"][0]


def test_a_stopped_cluster_is_not_started_while_a_host_cannot_be_seen() -> None:
    assert five(down, n2=unreachable("n2"))["proceed"] is False


# ---- PARTIAL --------------------------------------------------------------------------------------------------------


def test_what_is_missing_of_a_cluster_is_started() -> None:
    found = five(well, n2=down("n2"), n5=down("n5"))
    assert (found["verdict"], found["start"], found["bootstrap"]) == ("PARTIAL", ["n2", "n5"], False)


@pytest.mark.parametrize("lost", NAMES)
def test_a_lost_disk_is_never_taken_for_a_fresh_node(lost: str) -> None:
    found = five(well, **{lost: node(lost, ABSENT, "absent", ID)})
    assert (found["verdict"], found["proceed"], found["bootstrap"], found["start"]) == ("PARTIAL", False, False, [])
    assert f"elastickv_rejoin_host={lost}" in found["refusals"][0]


def test_a_lost_disk_whose_container_runs_is_seen_too() -> None:
    assert five(well, n1=node("n1", EMPTY, "running", ID, ""))["proceed"] is False


@pytest.mark.parametrize("marker", [ID, ""])
@pytest.mark.parametrize("reachable", [True, False])
def test_a_lost_disk_is_seen_when_the_node_has_learned_the_clusters_id_again(marker: str, reachable: bool) -> None:
    """Found by molecule: its directory looks like any member's, only the node itself knows."""
    risen = well("n1") | {"marker": {"cluster_id": marker, "node_id": "n1"} if marker else {}, "reachable": reachable}
    risen["live"] = {"reachable": True, "cluster_id": ID, "problem": f"{AMNESIAC}: node n1 is known with instance i"}
    found = five(well, n1=risen)
    assert (found["verdict"], found["proceed"], found["start"]) == ("PARTIAL", False, [])
    assert [text for text in found["refusals"] if "elastickv_rejoin_host=n1" in text]


def test_a_new_host_beside_a_cluster_is_let_in_and_not_merely_started() -> None:
    found = decide(*map(well, NAMES), node("n6"))
    assert (found["verdict"], found["proceed"]) == ("PARTIAL", False)
    assert "n6: is not a member" in found["refusals"][0]


# ---- CONFLICT -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stranger", "words"),
    [
        (node("n3", member("n3", OTHER), "stopped"), "more than one cluster"),
        (node("n3", member("n3"), "stopped", OTHER), "more than one cluster"),
        (node("n3", member("n3"), "running", ID, OTHER), "more than one cluster"),
        (node("n3", member("n4"), "stopped", ID), "belongs to node n4"),
        (node("n3", FOREIGN), "is not a data directory"),
        ({**down("n3"), "marker": {"unreadable": "cut off"}}, "marker cannot be read"),
    ],
)
def test_pieces_that_do_not_belong_together_are_a_conflict(stranger: dict[str, Any], words: str) -> None:
    for others in (well, down):
        found = five(others, n3=stranger)
        assert (found["verdict"], found["proceed"], found["bootstrap"]) == ("CONFLICT", False, False)
        assert found["start"] == []
        assert any(words in text for text in found["refusals"]), found["refusals"]
        assert all("n3" in text or "n1" in text for text in found["refusals"])


def test_foreign_files_stop_a_founding() -> None:
    found = five(node, n2=node("n2", FOREIGN))
    assert (found["verdict"], found["bootstrap"]) == ("CONFLICT", False)


# ---- all of it ------------------------------------------------------------------------------------------------------


def test_nothing_is_ever_founded_where_a_cluster_was_seen() -> None:
    """Every combination of three nodes over every state that a node can be in."""
    states: list[Any] = [
        node,
        well,
        down,
        unreachable,
        lambda name: node(name, EMPTY, "running", live=""),
        lambda name: node(name, EMPTY, "stopped", ID),
        lambda name: node(name, member(name), "absent"),
        lambda name: node(name, member(name, OTHER), "stopped"),
        lambda name: node(name, {"state": "fresh", "node_id": name, "cluster_id": ""}, "stopped"),
        lambda name: node(name, FOREIGN),
    ]
    verdicts = set()
    for makers in product(states, repeat=3):
        nodes = [make(name) for make, name in zip(makers, NAMES, strict=False)]
        found = decision.decide(nodes)
        verdicts.add(found["verdict"])
        seen = any(n["data"].get("cluster_id") or n["marker"] or n["live"]["cluster_id"] for n in nodes)
        hidden = any(not n["reachable"] for n in nodes)
        if found["bootstrap"]:
            assert not seen
            assert not hidden
        assert found["proceed"] == (not found["refusals"])
        assert found["proceed"] or not found["start"]
    assert verdicts == {"FRESH", "RUNNING", "STOPPED", "PARTIAL", "INTERRUPTED", "CONFLICT"}


def test_evidence_joins_hosts_and_nodes_and_does_not_guess_about_hosts_left_out() -> None:
    hostvars = {"n1": {"_elastickv_evidence": node("n1")}, "n2": {}}
    joined = decision.evidence_of(["n1", "n2"], hostvars, [{"id": "n1", "reachable": True, "cluster_id": ID}], ["n1"])
    assert joined[0]["live"]["cluster_id"] == ID
    assert (joined[1]["reachable"], joined[1]["live"]) == (False, {"reachable": False})
