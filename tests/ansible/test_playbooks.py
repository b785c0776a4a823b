"""The playbooks against crafted inventories: each mistake stops before anything changes and says what to do.

No containers: what is wrong with an inventory is found before a host is contacted, and the only hosts here are names
for this machine.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ansible.plugins import PROJECT

pytestmark = pytest.mark.e2e

PLAYBOOK = [str(Path(sys.executable).parent / "ansible-playbook")]


def hosts(tmp_path: Path, count: int = 3, **changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """As inventories/local, in a directory of its own and on addresses that nobody else uses."""
    made: dict[str, dict[str, Any]] = {}
    for i in range(1, count + 1):
        name = f"n{i}"
        made[name] = {
            "ansible_host": f"127.0.88.{i}",
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "elastickv_machine": "test",
            "elastickv_container_name": f"elastickv-test-{name}",
            "elastickv_data_path": str(tmp_path / "data" / name),
            "elastickv_config_path": str(tmp_path / "config" / name),
        } | changes.get(name, {})
    return made


def run(
    tmp_path: Path, inventory: dict[str, dict[str, Any]], playbook: str = "site.yml", *more: str
) -> tuple[int, str]:
    """Exit code, and the output with its lines joined: where they are broken is Ansible's affair."""
    file = tmp_path / "hosts.yml"
    file.write_text(json.dumps({"elastickv": {"hosts": inventory}}))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    done = subprocess.run(
        [*PLAYBOOK, "-i", str(file), str(PROJECT / playbook), *more],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,  # any directory will do, and no ansible.cfg helps
        env=environment | {"NO_COLOR": "1", "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"), "COLUMNS": "10000"},
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


def refused(tmp_path: Path, inventory: dict[str, dict[str, Any]], *words: str) -> str:
    code, output = run(tmp_path, inventory, "site.yml", "--tags", "preflight")
    assert code != 0, output
    assert "Nothing was changed" in output
    for word in words:
        assert word in output, f"{word!r} is not in: {output}"
    assert not re.search(r"changed=[1-9]", output)
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "config").exists()
    return output


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "duplicate IDs": ({"n2": {"elastickv_id": "n1"}}, ["n1 and n2: the ID n1", "elastickv_id"]),
    "duplicate addresses": ({"n2": {"ansible_host": "127.0.88.1"}}, ["n1 and n2: the address 127.0.88.1:50051"]),
    "every interface": ({"n2": {"elastickv_address": "0.0.0.0"}}, ['n2: address "0.0.0.0"', "private address"]),
    "localhost": ({"n2": {"elastickv_address": "localhost"}}, ['n2: address "localhost"', "private address"]),
    "no such name": ({"n2": {"elastickv_address": "db2.invalid"}}, ['n2: address "db2.invalid" does not resolve']),
    "map without a member": (
        {"n2": {"elastickv_raft_redis_map": "127.0.88.1:50051=127.0.88.1:6379,127.0.88.2:50051=127.0.88.2:6379"}},
        ["n2: elastickv_raft_redis_map lacks n3 (127.0.88.3:50051)", "leave the variable empty"],
    ),
    "unknown variable": (
        {"n2": {"elastickv_redis_prt": 7000}},
        ["n2: unknown variable elastickv_redis_prt", "did you mean elastickv_redis_port?"],
    ),
    "not the host's address": ({"n2": {"ansible_host": "192.0.2.7", "elastickv_machine": "other"},
                                "n1": {"ansible_host": "192.0.2.8", "elastickv_machine": "another"},
                                "n3": {"ansible_host": "192.0.2.9"}},
                               ["n2: the host does not own the address 192.0.2.7", "elastickv_address"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_stops_before_anything_changes(tmp_path: Path, name: str) -> None:
    changes, words = BAD[name]
    refused(tmp_path, hosts(tmp_path, **changes), *words)


def test_all_mistakes_come_in_one_report(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "n1": {"elastickv_colour": "red"}, "n2": {"elastickv_address": "0.0.0.0"}, "n3": {"elastickv_raft_port": 0},
    }  # fmt: skip
    refused(
        tmp_path, hosts(tmp_path, **changes), "n1: unknown", 'n2: address "0.0.0.0"', "n3: elastickv_raft_port is 0"
    )


def test_a_port_in_use_by_another_program(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.88.2", 6379))
        other.listen(1)
        refused(tmp_path, hosts(tmp_path), "n2: 127.0.88.2:6379 is in use by another program", "elastickv_redis_port")


def test_hosts_that_cannot_be_reached_are_no_reason_to_found_without_them(tmp_path: Path) -> None:
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.88.2", "ansible_port": 9, "ansible_ssh_retries": 0}
    output = refused(tmp_path, hosts(tmp_path, n2=away), "n2: cannot be reached", "repair the connection")
    assert "FRESH" in output


def test_a_host_left_out_is_no_reason_to_found_without_it(tmp_path: Path) -> None:
    code, output = run(tmp_path, hosts(tmp_path), "site.yml", "--tags", "preflight", "--limit", "n1,n2")
    assert code != 0
    assert "n3: cannot be reached or was left out" in output


@pytest.fixture
def identities(tmp_path: Path) -> Path:
    for i in (1, 2, 3):
        place = tmp_path / "data" / f"n{i}"
        place.mkdir(parents=True)
        (place / "identity.json").write_text(json.dumps({"node_id": f"n{i}", "instance": "i", "cluster_id": "c" * 32}))
    return tmp_path / "data"


def rewrite(file: Path, **changes: str) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def judged(tmp_path: Path, *words: str) -> None:
    code, output = run(tmp_path, hosts(tmp_path), "site.yml", "--tags", "preflight")
    assert code != 0, output
    for word in words:
        assert word in output, f"{word!r} is not in: {output}"
    assert not re.search(r"changed=[1-9]", output)


def test_the_data_of_another_cluster(tmp_path: Path, identities: Path) -> None:
    rewrite(identities / "n2" / "identity.json", cluster_id="d" * 32)
    judged(tmp_path, "CONFLICT", f"{'d' * 32} at n2 (data)", "move the data directory")


def test_the_data_of_another_node(tmp_path: Path, identities: Path) -> None:
    rewrite(identities / "n2" / "identity.json", node_id="n9")
    judged(tmp_path, "CONFLICT", "n2: its data belongs to node n9", "correct the inventory")


def test_files_of_somebody_else(tmp_path: Path, identities: Path) -> None:
    (identities / "n2" / "identity.json").rename(identities / "n2" / "holiday.jpg")
    judged(tmp_path, "CONFLICT", f"n2: {identities}/n2 is not a data directory", "holiday.jpg", "move it aside")


def test_a_lost_disk_is_not_a_new_cluster(tmp_path: Path, identities: Path) -> None:
    marker = tmp_path / "config" / "n1" / "cluster.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({"cluster_id": "c" * 32, "node_id": "n1"}))
    (identities / "n1" / "identity.json").unlink()
    judged(tmp_path, "STOPPED", "n1: was a member", "elastickv_rejoin_host=n1")


def test_a_clock_that_is_apart(tmp_path: Path) -> None:
    """The clocks here are one; a tolerance below nothing stands for two that are not."""
    code, output = run(
        tmp_path, hosts(tmp_path), "site.yml", "--tags", "preflight", "-e", '{"elastickv_preflight_clock_seconds": -1}'
    )
    assert code != 0
    assert "n1: its clock is" in output
    assert "synchronise" in output


def test_a_disk_that_is_slow_and_small(tmp_path: Path) -> None:
    limits = {"elastickv_preflight_fsync_ms": 0, "elastickv_preflight_disk_bytes": 1 << 60}
    code, output = run(tmp_path, hosts(tmp_path), "site.yml", "--tags", "preflight", "-e", json.dumps(limits))
    assert code != 0
    assert "n1: a write takes" in output
    assert "make room" in output


def test_a_wrong_type_is_refused(tmp_path: Path) -> None:
    code, output = run(tmp_path, hosts(tmp_path, n2={"elastickv_image_source": "pigeon"}), "site.yml")
    assert code != 0
    assert "pigeon" in output
    assert not (tmp_path / "data").exists()


def test_four_nodes_are_accepted_with_a_warning(tmp_path: Path) -> None:
    code, output = run(tmp_path, hosts(tmp_path, 4), "site.yml", "--tags", "preflight")
    assert code == 0, output
    assert "WARNING: 4 nodes tolerate 1 failure, no more than 3 would" in output
    code, output = run(tmp_path, hosts(tmp_path, 5), "site.yml", "--tags", "preflight")
    assert code == 0, output
    assert "WARNING: 5" not in output


@pytest.mark.parametrize("name", ["local", "five_nodes", "four_nodes"])
@pytest.mark.parametrize("playbook", sorted(p.name for p in (PROJECT / "playbooks").glob("*.yml")))
def test_playbooks_and_inventories_fit_together(name: str, playbook: str) -> None:
    done = subprocess.run(
        [*PLAYBOOK, "--syntax-check", "-i", str(PROJECT / "inventories" / name), str(PROJECT / "playbooks" / playbook)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


def test_cleanup_asks_for_the_name_of_the_cluster(tmp_path: Path, identities: Path) -> None:
    for typed in ("", "d" * 32):
        code, output = run(
            tmp_path, hosts(tmp_path), "playbooks/cleanup.yml",
            "-e", "elastickv_cleanup_data=true", "-e", f"elastickv_cleanup_cluster_id={typed}",
        )  # fmt: skip
        assert code != 0
        assert "nothing was removed" in output
    assert sorted(p.parent.name for p in identities.glob("*/identity.json")) == ["n1", "n2", "n3"]
