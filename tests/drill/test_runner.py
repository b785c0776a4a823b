"""Drills of real processes: one with a kill and its marks, one that is ended early, one that finds nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import fresh_network
from tests.kit.local_cluster import LocalCluster

pytestmark = pytest.mark.e2e

ELASTICKV = (sys.executable, "-m", "elastickv")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("drill"), nodes=3, base=f"{fresh_network()}11") as made:
        made.wait_for_leader()
        made.wait_until_ready()
        yield made


def start(cluster: LocalCluster, out: Path, *flags: str) -> subprocess.Popen[str]:
    command = [*ELASTICKV, "drill", "--address", cluster.nodes[0].address, "--out", str(out), *flags]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def mark(out: Path, text: str, kind: str = "fault") -> None:
    subprocess.run([*ELASTICKV, "drill", "mark", "--out", str(out), "--text", text, "--kind", kind], check=True)


def finish(drill: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = drill.communicate(timeout=90)
    return drill.returncode, said


def report(out: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((out / "report.json").read_text())
    return summary


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < deadline, f"{path} does not appear"
        time.sleep(0.05)


def leftovers(cluster: LocalCluster) -> list[bytes]:
    with cluster.running[0].redis() as client:
        return list(client.scan_iter("drill:*"))


def test_a_killed_leader(cluster: LocalCluster, tmp_path: Path) -> None:
    out = tmp_path / "report"
    drill = start(cluster, out, "--duration", "14s", "--title", "A killed leader", "--maxWriteGap", "12s")
    wait_for(out / "history.jsonl")
    time.sleep(2)
    leader = cluster.wait_for_leader()
    mark(out, f"{leader.id} killed")
    leader.kill()
    time.sleep(4)
    leader.start()
    mark(out, f"{leader.id} started", "repair")
    code, said = finish(drill)
    assert code == 0, said
    assert "linearizable: " in said
    assert f"fault: {leader.id} killed" in said

    summary = report(out)
    assert summary["passed"]
    assert summary["complete"]
    assert summary["title"] == "A killed leader"
    assert [mark["kind"] for mark in summary["marks"]] == ["fault", "repair"]
    assert [phase["after"] for phase in summary["phases"]] == ["begin", f"{leader.id} killed", f"{leader.id} started"]
    assert all(phase["writes"]["acknowledged"] for phase in summary["phases"])
    worst = summary["writes"]["interruptions"][0]
    assert summary["marks"][0]["at"] - 0.5 < worst["from"] < summary["marks"][1]["at"], "the kill interrupts the writes"
    leaders = [each["id"] for each in summary["leaders"] if each["id"]]
    assert leaders[0] == leader.id
    assert leaders[-1] != leader.id
    nodes = {node["id"]: node for node in summary["nodes"]}
    assert nodes[leader.id]["availability"] < 1
    assert nodes[leader.id]["longest_silence"] > 2
    assert nodes[leader.id]["errors"]
    assert all(node["availability"] == 1 for id, node in nodes.items() if id != leader.id)
    assert all(node["acknowledged"] for node in nodes.values())
    assert (out / "report.html").stat().st_size < 500_000
    assert leftovers(cluster) == []
    cluster.wait_until_ready()


def test_a_drill_ends_when_it_is_told_to(cluster: LocalCluster, tmp_path: Path) -> None:
    out = tmp_path / "report"
    chosen = cluster.nodes[1].id
    drill = start(cluster, out, "--duration", "0", "--nodes", chosen, "--keepKeys")
    wait_for(out / "history.jsonl")
    time.sleep(1)
    subprocess.run([*ELASTICKV, "drill", "stop", "--out", str(out)], check=True)
    code, said = finish(drill)
    assert code == 0, said
    summary = report(out)
    assert summary["seconds"] < 30
    assert {node["id"] for node in summary["nodes"] if node["requests"]} == {chosen}
    assert len(summary["nodes"]) == 3, "all are watched"
    assert leftovers(cluster)


def test_ctrl_c_ends_with_a_report(cluster: LocalCluster, tmp_path: Path) -> None:
    out = tmp_path / "report"
    drill = start(cluster, out, "--duration", "0")
    wait_for(out / "history.jsonl")
    time.sleep(0.5)
    drill.send_signal(signal.SIGINT)
    code, said = finish(drill)
    assert code == 0, said
    assert report(out)["complete"]


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ELASTICKV, "drill", "--address", "127.0.0.1:1", "--out", str(tmp_path / "report")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "127.0.0.1:1: UNAVAILABLE" in done.stdout


def test_a_node_that_is_no_member(cluster: LocalCluster, tmp_path: Path) -> None:
    code, said = finish(start(cluster, tmp_path / "report", "--nodes", "n9"))
    assert code == 1
    assert "n9: not a member; members are n1, n2, n3" in said
