"""The default inventory, as `make cluster` uses it: five real containers of this checkout's image on this machine.

Addresses, names and directories are the test's own, so that it does not meet a cluster that is already there. Check
mode, separate machines, registries and faults are the business of the molecule scenarios.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.plugins import PROJECT
from tests.kit.tools import redis_cli

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]

NETWORK = f"127.{200 + os.getpid() % 50}.10."
NAME = f"elastickv-playbook-{os.getpid()}"
NODES = [f"n{number}" for number in range(1, 6)]
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


def run(*command: str, timeout: float = 600, check: bool = True) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=PROJECT,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr}"
    return done.stdout + done.stderr


class Site:
    """A copy of inventories/local for this test, and its containers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inventory = root / "inventory"
        shutil.copytree(PROJECT / "inventories" / "local", self.inventory)
        hosts = self.inventory / "hosts.yml"
        hosts.write_text(hosts.read_text().replace("127.0.0.", NETWORK))
        settings = self.inventory / "group_vars" / "elastickv.yml"
        mine = {
            "elastickv_container_name": f"{NAME}-{{{{ inventory_hostname }}}}",
            "elastickv_data_path": f"{root}/data/{{{{ inventory_hostname }}}}",
            "elastickv_config_path": f"{root}/config/{{{{ inventory_hostname }}}}",
        }
        settings.write_text(yaml.safe_dump(yaml.safe_load(settings.read_text()) | mine))

    def play(self, playbook: str, **variables: Any) -> str:
        return run(PLAYBOOK, "-i", str(self.inventory), playbook, "-e", json.dumps(variables))

    def containers(self) -> dict[str, dict[str, Any]]:
        found = json.loads(run("docker", "container", "inspect", *(f"{NAME}-{node}" for node in NODES)))
        return dict(zip(NODES, found, strict=True))

    def report(self) -> dict[str, Any]:
        file = self.root / "status.json"
        self.play("playbooks/status.yml", elastickv_report_file=str(file))
        told: dict[str, Any] = json.loads(file.read_text())
        return told


def ip(node: str) -> str:
    return f"{NETWORK}{10 + int(node[1:])}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    engine = subprocess.run(
        [sys.executable, "images/dockerd.py", "start"], cwd=PROJECT, capture_output=True, text=True, timeout=600
    )
    if engine.returncode:
        pytest.skip(f"no Docker engine can run here: {engine.stderr.strip().splitlines()[-1]}")
    run(sys.executable, "images/build.py", timeout=900)
    try:
        yield Site(tmp_path_factory.mktemp("site"))
    finally:
        run("docker", "rm", "-f", *(f"{NAME}-{node}" for node in NODES), check=False)


def says(output: str, words: str) -> bool:
    """Where lines are broken is Ansible's affair."""
    return words in re.sub(r"\s+", " ", output)


def changes(output: str) -> dict[str, int]:
    return {host: int(count) for host, count in re.findall(r"^(n\d)\s*: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)}


def test_a_cluster_from_nothing_to_nothing(site: Site) -> None:
    # Founded, verified, shown.
    output = site.play("site.yml")
    assert says(output, "5 doors open, members as in the inventory, one leader, written once and read 5 times")
    assert re.search(r"n\d leads in term \d+; 5 of 5 nodes answer; 2 more may fail", output)
    first = site.containers()
    assert {one["State"]["Status"] for one in first.values()} == {"running"}
    for one in first.values():
        assert one["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert one["HostConfig"]["NetworkMode"] == "host"
        assert "--raftBootstrap" not in one["Args"], "the cluster is founded once and the flags are taken away"
    before = site.report()
    assert len(before["members"]) == 5

    # Again: nothing changes.
    output = site.play("site.yml")
    assert changes(output) == dict.fromkeys(NODES, 0)
    again = site.containers()
    for node in NODES:
        assert (again[node]["Id"], again[node]["State"]["StartedAt"]) == (
            first[node]["Id"],
            first[node]["State"]["StartedAt"],
        )
    after = site.report()
    assert (after["leader"], after["term"], after["cluster_id"]) == (
        before["leader"],
        before["term"],
        before["cluster_id"],
    )

    # Step 7 of the guide, without the leader and another node.
    lost = [before["leader"], next(node for node in NODES if node != before["leader"])]
    reports = site.root / "drills"
    output = site.play(
        "playbooks/drill.yml",
        elastickv_drill_stop=lost,
        elastickv_drill_seconds=6,
        elastickv_drill_before_seconds=3,
        elastickv_drill_report_path=str(reports),
    )
    assert says(output, "The drill is proved")
    (report,) = reports.glob("*/report.json")
    told = json.loads(report.read_text())
    assert told["passed"]
    assert (report.parent / "report.html").stat().st_size > 10_000
    assert {one["State"]["Status"] for one in site.containers().values()} == {"running"}, "all are back"
    for node in NODES:
        assert redis_cli(ip(node), 6379, "GET", "elastickv:survive") == "yes"

    # Gone, with its data, because its name was typed.
    site.play("playbooks/cleanup.yml", elastickv_cleanup_data=True, elastickv_cleanup_cluster_id=before["cluster_id"])
    assert run("docker", "ps", "-a", "--quiet", "--filter", f"name={NAME}").strip() == ""
    for node in NODES:
        assert list((site.root / "data" / node).iterdir()) == []
        assert not (site.root / "config" / node / "cluster.json").exists()
