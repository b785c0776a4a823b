"""The modules: judging on plain values, the host module on this machine, member changes as plans."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.plugins import filters, module, shared

NODES = {"n1": "a:1", "n2": "b:1", "n3": "c:1"}
MEMBERS = [{"id": i, "address": a, "suffrage": "voter"} for i, a in NODES.items()]


def report(name: str, /, **changes: Any) -> dict[str, Any]:
    good = {
        "id": name, "address": NODES.get(name, "x:1"), "reachable": True, "node_id": name,
        "state": "leader" if name == "n1" else "follower", "leader_id": "n1", "term": 3, "commit_index": 9,
        "applied_index": 9, "last_log_index": 9, "configuration_index": 3, "members": MEMBERS, "cluster_id": "c",
        "problem": "", "lag": 0,
    }  # fmt: skip
    return good | changes


def silent(node_id: str) -> dict[str, Any]:
    return {"id": node_id, "address": NODES[node_id], "reachable": False, "error": "not reachable"}


def three(**changes: Any) -> list[dict[str, Any]]:
    return [changes.get(node_id) or report(node_id) for node_id in NODES]


def test_a_healthy_cluster_has_no_problems() -> None:
    assert shared().problems(three(), NODES, 9) == []


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (silent("n2"), "n2 at b:1 does not answer: not reachable"),
        (report("n2", cluster_id="d"), "more than one cluster: c, d"),
        (report("n2", cluster_id=""), "n2 belongs to no cluster yet"),
        (report("n2", problem="disk full"), "n2 reports: disk full"),
        (report("n2", leader_id=""), "n2 follows nobody, not n1"),
        (report("n2", leader_id="n3"), "n2 follows n3, not n1"),
        (report("n2", applied_index=8), "n2 has applied 8 of 9"),
        (report("n2", node_id="n9"), "b:1 is n9, not n2"),
    ],
)
def test_the_gate_says_no(node: dict[str, Any], words: str) -> None:
    assert words in shared().problems(three(n2=node), NODES, 9)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (MEMBERS[:2], "n3 is not a member"),
        ([*MEMBERS[:2], MEMBERS[2] | {"suffrage": "learner"}], "n3 does not vote: it is a learner"),
        ([*MEMBERS[:2], MEMBERS[2] | {"address": "z:1"}], "n3 is a member under z:1, not c:1"),
        ([*MEMBERS, {"id": "n4", "address": "d:1", "suffrage": "voter"}], "n4 is a member, but not expected"),
    ],
)
def test_the_gate_compares_the_members(members: list[dict[str, str]], words: str) -> None:
    assert words in shared().problems(three(n1=report("n1", members=members)), NODES, 9)


def test_the_gate_wants_a_leader() -> None:
    reports = three(n1=report("n1", state="candidate", leader_id=""))
    assert "no node leads" in shared().problems(reports, NODES)


def test_a_deposed_leader_is_not_the_leader() -> None:
    reports = three(n2=report("n2", state="leader", term=4, leader_id="n2"))
    assert shared().summary(reports)["leader"] == "n2"


@pytest.mark.parametrize(("answering", "can_lose"), [(5, 2), (4, 1), (3, 0), (2, 0)])
def test_how_much_more_may_fail(answering: int, can_lose: int) -> None:
    names = [f"n{i}" for i in range(1, 6)]
    members = [{"id": n, "address": "x:1", "suffrage": "voter"} for n in names]
    reports = [report(n, members=members) for n in names[:answering]]
    reports += [{"id": n, "address": "x:1", "reachable": False, "error": ""} for n in names[answering:]]
    assert shared().summary(reports)["can_lose"] == can_lose


@pytest.mark.parametrize(("voters", "quorum"), [(3, 2), (4, 3), (5, 3)])
def test_quorum_is_of_the_voters_alone(voters: int, quorum: int) -> None:
    members = [{"id": str(i), "suffrage": "voter"} for i in range(voters)]
    assert shared().quorum_of([*members, {"id": "x", "suffrage": "learner"}]) == quorum


def test_nodes_that_do_not_answer_are_reports_too() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        [answer] = shared().ask({"n1": address}, 1.0)
    assert (answer["reachable"], answer["error"]) == (False, "not reachable")


# ---- members and leader ---------------------------------------------------------------------------------------------

LEARNER = {"id": "n4", "address": "d:1", "suffrage": "learner"}
VOTER = {"id": "n4", "address": "d:1", "suffrage": "voter"}


@pytest.mark.parametrize(
    ("before", "state", "steps"),
    [
        (None, "voter", ["AddVoter"]),
        (None, "learner", ["AddNonvoter"]),
        (None, "absent", []),
        (LEARNER, "voter", ["AddVoter"]),
        (LEARNER, "learner", []),
        (LEARNER, "absent", ["RemoveServer"]),
        (VOTER, "voter", []),
        (VOTER, "learner", ["DemoteVoter"]),
        (VOTER, "absent", ["RemoveServer"]),
        (VOTER | {"address": "old:1"}, "voter", ["RemoveServer", "AddVoter"]),
    ],
)
def test_member_changes(before: dict[str, str] | None, state: str, steps: list[str]) -> None:
    assert module("elastickv_member").plan(before, state, "d:1") == steps


@pytest.mark.parametrize(
    ("leaving", "answering", "refused"),
    [
        ("n3", ["n1", "n2", "n3"], False),
        ("n3", ["n1", "n2"], False),
        ("n3", ["n1", "n3"], True),
        ("n2", ["n2"], True),
    ],
)
def test_a_removal_that_costs_the_quorum_is_refused(leaving: str, answering: list[str], refused: bool) -> None:
    facts = {"members": MEMBERS, "answering": answering}
    assert bool(module("elastickv_member").why_not(leaving, ["RemoveServer"], facts)) == refused


def test_the_last_voter_stays() -> None:
    facts = {"members": MEMBERS[:1], "answering": ["n1"]}
    assert "only voter" in module("elastickv_member").why_not("n1", ["RemoveServer"], facts)


def test_the_next_leader_is_the_voter_that_is_furthest_along() -> None:
    choose = module("elastickv_leader").choose
    assert choose(three(n3=report("n3", last_log_index=12)), "n1") == "n3"
    assert choose(three(n3=silent("n3")), "n1") == "n2"
    assert choose(three(n2=silent("n2"), n3=silent("n3")), "n1") == ""


# ---- the host -------------------------------------------------------------------------------------------------------


def test_data_directories(tmp_path: Path) -> None:
    state = module("elastickv_host").data_state
    assert state(str(tmp_path / "none"))["state"] == "absent"
    assert state(str(tmp_path))["state"] == "empty"
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "log").mkdir()
    assert state(str(tmp_path))["state"] == "empty"
    (tmp_path / "log" / "data.mdb").write_text("x")
    assert state(str(tmp_path))["state"] == "foreign"
    (tmp_path / "identity.json").write_text(json.dumps({"node_id": "n1", "instance": "i", "cluster_id": None}))
    assert state(str(tmp_path)) == {"state": "fresh", "node_id": "n1", "instance": "i", "cluster_id": ""}
    (tmp_path / "identity.json").write_text(json.dumps({"node_id": "n1", "instance": "i", "cluster_id": "c"}))
    assert state(str(tmp_path))["state"] == "member"
    (tmp_path / "identity.json").write_text("{")
    assert state(str(tmp_path))["state"] == "foreign"


def test_other_peoples_files_are_foreign(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("x")
    found = module("elastickv_host").data_state(str(tmp_path))
    assert found["state"] == "foreign"
    assert "holiday.jpg" in found["why"]


def test_a_real_data_directory_is_understood(tmp_path: Path) -> None:
    """What the node itself writes: the two sides must not drift apart."""
    import inspect

    from elastickv.storage import data_dir

    source = inspect.getsource(data_dir)
    for name in ("identity.json", "node_id", "instance", "cluster_id"):
        assert name in source


def test_markers(tmp_path: Path) -> None:
    read = module("elastickv_host").read_marker
    assert read(str(tmp_path / "none")) == {}
    (tmp_path / "m").write_text('{"cluster_id": "c"}')
    assert read(str(tmp_path / "m")) == {"cluster_id": "c"}
    (tmp_path / "m").write_text("[")
    assert "unreadable" in read(str(tmp_path / "m"))


def test_ports() -> None:
    host = module("elastickv_host")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        found = host.port_state(endpoint, "n1")
        assert found["state"] == "taken"
        assert "py" in found["by"]  # this test
    assert host.port_state(endpoint, "n1") == {"state": "free"}
    assert host.port_state("192.0.2.1:5000", "n1") == {"state": "not_local"}


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (["/app", "--raftId", "n1"], True),
        (["/app", "-raftId=n1"], True),
        (["/app", "--raftId", "n11"], False),
        (["/app", "--raftId"], False),
        (["redis-server", "n1"], False),
        ([], False),
    ],
)
def test_a_node_knows_its_own_process(command: list[str], own: bool) -> None:
    assert module("elastickv_host").is_own(command, "n1") is own


def test_a_node_is_known_by_its_command_line_where_sockets_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    host = module("elastickv_host")
    monkeypatch.setattr(host, "holder_of", lambda address, port: [])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)", "--address", endpoint, "--raftId", "n1"]
        with subprocess.Popen(sleeper) as node:
            try:
                # Until exec, the child has its parent's command line.
                deadline = time.monotonic() + 10
                while endpoint.encode() not in Path(f"/proc/{node.pid}/cmdline").read_bytes():
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                assert host.port_state(endpoint, "n1") == {"state": "own"}
                assert host.port_state(endpoint, "n2") == {"state": "taken", "by": "a process that cannot be seen"}
            finally:
                node.kill()
        assert host.port_state(endpoint, "n1")["state"] == "taken"


def test_peers() -> None:
    state = module("elastickv_host").peer_state
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{there.getsockname()[1]}"
        assert state(endpoint) == "refused"
        there.listen(1)
        assert state(endpoint) == "open"


def test_disks(tmp_path: Path) -> None:
    found = module("elastickv_host").disk_state(str(tmp_path / "not" / "yet"), True)
    assert found["measured_at"] == str(tmp_path)
    assert found["fsync_ms"] >= 0
    assert os.listdir(tmp_path) == []


# ---- the table ------------------------------------------------------------------------------------------------------


def test_the_status_table() -> None:
    reports = three(n2=report("n2", lag=4, applied_index=5, problem="disk full"), n3=silent("n3"))
    facts = shared().summary(reports)
    info = facts | {"nodes": reports, "problems": ["n3 at c:1 does not answer: not reachable"]}
    lines = filters("elastickv_report").status_table(info, {"n1": "running", "n2": "running", "n3": "exited"})
    assert lines == [
        "NODE  ADDRESS  CONTAINER  ROLE      TERM  APPLIED  LAG  REMARK",
        "n1    a:1      running    leader    3     9        0",
        "n2    b:1      running    follower  3     5        4    disk full",
        "n3    c:1      exited     -         -     -        -    not reachable",
        "n1 leads in term 3; 2 of 3 nodes answer; 0 more may fail",
        "cluster c",
        "problem: n3 at c:1 does not answer: not reachable",
    ]


@pytest.mark.parametrize("name", ["elastickv_info", "elastickv_leader", "elastickv_member", "elastickv_host"])
def test_modules_document_what_they_accept(name: str) -> None:
    import ast

    import yaml

    loaded = module(name)
    options = yaml.safe_load(loaded.DOCUMENTATION)["options"]
    assert yaml.safe_load(loaded.RETURN)
    assert yaml.safe_load(loaded.EXAMPLES)
    tree = ast.parse(Path(loaded.__file__ or "").read_text(encoding="utf-8"))
    keywords = [keyword for call in ast.walk(tree) if isinstance(call, ast.Call) for keyword in call.keywords]
    [spec] = [keyword.value for keyword in keywords if keyword.arg == "argument_spec"]
    accepted = ast.literal_eval(spec)
    assert set(accepted) == set(options)
    for option, described in options.items():
        for key in ("type", "required", "default", "choices"):
            assert accepted[option].get(key) == described.get(key), (option, key)
