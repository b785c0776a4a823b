"""What the inventory means and what can be wrong with it: host, value and remedy in each sentence."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.ansible.plugins import PROJECT, filters

topology = filters("elastickv_topology")

KNOWN = topology.known_options(str(PROJECT / "roles"))


def inventory(count: int = 5, **changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    hosts: dict[str, dict[str, Any]] = {
        f"n{i}": {"ansible_host": f"10.0.0.{10 + i}", "inventory_hostname": f"n{i}"} for i in range(1, count + 1)
    }
    for host, own in changes.items():
        hosts[host] |= own
    return hosts


def unresolvable(name: str) -> str:
    raise OSError(f"no such name: {name}")


def problems(hosts: dict[str, dict[str, Any]]) -> list[str]:
    found = topology.static_problems(list(hosts), hosts, KNOWN, unresolvable)
    assert isinstance(found, list)
    return found


def only(hosts: dict[str, dict[str, Any]]) -> str:
    found = problems(hosts)
    assert len(found) == 1, found
    return str(found[0])


@pytest.mark.parametrize("count", [1, 3, 4, 5, 7])
def test_the_guides_inventories_are_fine(count: int) -> None:
    assert problems(inventory(count)) == []


def test_no_hosts() -> None:
    assert "group elastickv is empty" in only({})


def test_the_maps_of_the_guide_to_the_letter() -> None:
    hosts = inventory(3)
    nodes = topology.topology(list(hosts), hosts)
    assert topology.raft_map(nodes, "redis") == (
        "10.0.0.11:50051=10.0.0.11:6379,10.0.0.12:50051=10.0.0.12:6379,10.0.0.13:50051=10.0.0.13:6379"
    )
    assert topology.member_list(nodes) == "n1=10.0.0.11:50051,n2=10.0.0.12:50051,n3=10.0.0.13:50051"


def test_the_flags_of_the_guide_to_the_letter() -> None:
    hosts = inventory(3)
    n1, n2, _ = topology.topology(list(hosts), hosts)
    settings = {"data_dir": "/var/lib/elastickv", "redis_map": "R", "members": "M", "bootstrap": True}
    assert " ".join(topology.flags(n1, settings)) == (
        "/app --address 10.0.0.11:50051 --redisAddress 10.0.0.11:6379 --dynamoAddress 10.0.0.11:8000 --raftId n1 "
        "--raftDataDir /var/lib/elastickv --raftRedisMap R --raftBootstrapMembers M --raftBootstrap"
    )
    assert topology.flags(n2, settings | {"bootstrap": False})[-2:] == ["--raftRedisMap", "R"]


def test_optional_flags() -> None:
    hosts = inventory(3)
    node = topology.topology(list(hosts), hosts)[0]
    settings = {
        "data_dir": "/d", "redis_map": "R", "dynamo_map": "D", "metrics_address": "a:1", "password_file": "/p",
        "credentials_file": "/c", "extra": {"logLevel": "debug", "keep": True},
    }  # fmt: skip
    assert topology.flags(node, settings)[13:] == [
        "--raftDynamoMap", "D", "--metricsAddress", "a:1", "--redisRequirePassFile", "/p",
        "--dynamoCredentialsFile", "/c", "--keep=true", "--logLevel=debug",
    ]  # fmt: skip


def test_the_programs_own_reader_understands_the_flags() -> None:
    """A new flag or a new spelling on either side shows here."""
    from elastickv.config import FLAGS, load, read_command_line

    hosts = inventory(5)
    nodes = topology.topology(list(hosts), hosts)
    settings = {
        "data_dir": "/var/lib/elastickv", "bootstrap": True, "redis_map": topology.raft_map(nodes, "redis"),
        "dynamo_map": topology.raft_map(nodes, "dynamo"), "members": topology.member_list(nodes),
        "metrics_address": "127.0.0.1:9090", "extra": {"logLevel": "debug"},
    }  # fmt: skip
    line = read_command_line(topology.flags(nodes[0], settings)[1:], FLAGS.values())
    assert load(line.texts, {}).raft.id == "n1"


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_quorum(count: int, quorum: int) -> None:
    assert topology.quorum(count) == quorum


def test_even_and_tiny_clusters_are_warned_about() -> None:
    def warn(count: int) -> str:
        return " ".join(topology.static_warnings([f"n{i}" for i in range(count)]))

    assert "4 nodes tolerate 1 failure, no more than 3 would; 5 nodes tolerate 2" in warn(4)
    assert "no failure" in warn(1)
    assert "no failure" in warn(2)
    assert warn(3) == warn(5) == warn(0) == ""


# ---- bad input: (change, host, value, remedy) -----------------------------------------------------------------------

BAD = {
    "duplicate ID": ({"n3": {"elastickv_id": "n2"}}, "n2 and n3", "ID n2", "elastickv_id"),
    "address of every interface": ({"n3": {"ansible_host": "0.0.0.0"}}, "n3", "0.0.0.0", "private address"),
    "IPv6 address of every interface": ({"n3": {"elastickv_address": "::"}}, "n3", '"::"', "private address"),
    "localhost": ({"n3": {"elastickv_address": "localhost"}}, "n3", "localhost", "private address"),
    "loopback among machines": ({"n3": {"elastickv_address": "127.0.0.1"}}, "n3", "127.0.0.1", "private address"),
    "a name that does not resolve": ({"n3": {"elastickv_address": "db3.invalid"}}, "n3", "db3.invalid", "correct"),
    "an unusable ID": ({"n3": {"elastickv_id": "a,b=c"}}, "n3", "a,b=c", "use letters"),
    "two doors at one port": ({"n3": {"elastickv_redis_port": 8000}}, "n3", "8000", "port of its own"),
    "no port": ({"n3": {"elastickv_raft_port": 70000}}, "n3", "70000", "1 to 65535"),
    "unknown variable": ({"n3": {"elastickv_dta_path": "/x"}}, "n3", "elastickv_dta_path", "elastickv_data_path"),
    "relative path": ({"n3": {"elastickv_data_path": "data"}}, "n3", '"data"', "absolute path"),
    "root as data directory": ({"n3": {"elastickv_data_path": "/"}}, "n3", '"/"', "absolute path"),
    "a whole tree as data directory": ({"n3": {"elastickv_data_path": "/var"}}, "n3", '"/var"', "two levels"),
    "redis map without a member": (
        {"n3": {"elastickv_raft_redis_map": ",".join(f"10.0.0.{i}:50051=10.0.0.{i}:6379" for i in (11, 12, 13, 14))}},
        "n3", "n5 (10.0.0.15:50051)", "leave the variable empty"),
    "dynamo map without a member": (
        {"n3": {"elastickv_raft_dynamo_map": ",".join(f"10.0.0.{i}:50051=10.0.0.{i}:8000" for i in (11, 12, 13, 14))}},
        "n3", "n5 (10.0.0.15:50051)", "leave the variable empty"),
    "a map with a stranger": (
        {"n3": {"elastickv_raft_redis_map": ",".join(f"10.0.0.{i}:50051=10.0.0.{i}:6379" for i in range(11, 17))}},
        "n3", "10.0.0.16:50051", "remove it"),
    "firewall that shuts out the controller": (
        {"n3": {"elastickv_firewall_enabled": True}}, "n3", "admin_networks is empty", "controller's address"),
    "firewall with a network that is none": (
        {"n3": {"elastickv_firewall_enabled": True, "elastickv_firewall_admin_networks": ["10.0.0.300/24"]}},
        "n3", "10.0.0.300/24", "such as"),
    "a flag that the inventory decides": (
        {"n3": {"elastickv_extra_flags": {"raftBootstrap": True}}}, "n3", "raftBootstrap", "remove it"),
    "containers of one name on one machine": (
        {"n2": {"elastickv_machine": "m", "elastickv_data_path": "/var/lib/a", "elastickv_config_path": "/etc/el/a"},
         "n3": {"elastickv_machine": "m"}}, "n2 and n3", "elastickv_container_name", "its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    changes, host, value, remedy = BAD[name]
    text = only(inventory(5, **changes))  # type: ignore[arg-type]
    assert text.startswith(f"{host}:")
    assert value in text
    assert remedy in text


def test_duplicate_addresses_are_named_door_by_door() -> None:
    found = problems(inventory(5, n3={"ansible_host": "10.0.0.12"}))
    assert len(found) == 3
    assert all(text.startswith("n2 and n3: the address 10.0.0.12:") for text in found)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    hosts = inventory(
        5,
        n1={"elastickv_id": "n2"},
        n3={"ansible_host": "0.0.0.0"},
        n4={"elastickv_colour": "red"},
        n5={"elastickv_id": "!"},
    )
    assert len(problems(hosts)) == 4


def test_names_that_resolve_are_addresses() -> None:
    hosts = inventory(3, n3={"elastickv_address": "db3.example"})
    assert topology.static_problems(list(hosts), hosts, KNOWN, lambda name: "10.0.0.13") == []


def test_five_nodes_on_one_machine_may_use_loopback() -> None:
    hosts = {
        f"n{i}": {
            "ansible_host": f"127.0.0.1{i}", "elastickv_machine": "local", "elastickv_container_name": f"e-{i}",
            "elastickv_data_path": f"/var/lib/e/{i}", "elastickv_config_path": f"/etc/e/{i}",
        }
        for i in range(1, 6)
    }  # fmt: skip
    assert problems(hosts) == []


def test_the_ports_are_those_of_the_role() -> None:
    defaults = yaml.safe_load((PROJECT / "roles/elastickv/defaults/main.yml").read_text(encoding="utf-8"))
    assert {name: defaults[name] for name in topology.DEFAULTS} == topology.DEFAULTS


# ---- hosts ----------------------------------------------------------------------------------------------------------

LIMITS = {"disk_bytes": 1 << 30, "memory_bytes": 1 << 28, "fsync_ms": 100, "clock_seconds": 1.0}
NODE = topology.topology(["n1"], inventory(1))[0]
GOOD: dict[str, Any] = {
    "now": 100.5,
    "finished": 100.6,
    "ports": {"raft": {"state": "free"}, "redis": {"state": "own"}},
    "peers": {"n2": "open", "n3": "refused"},
    "disk": {"free_bytes": 1 << 40, "measured_at": "/var/lib", "fsync_ms": 3.0},
    "memory_bytes": 1 << 34,
}


def host_problems(**changes: Any) -> list[str]:
    found = topology.host_problems(NODE, GOOD | changes, LIMITS, [100.0, 101.0])
    assert isinstance(found, list)
    return found


def test_a_good_host() -> None:
    assert host_problems() == []


@pytest.mark.parametrize(
    ("changes", "value", "remedy"),
    [
        ({"ports": {"redis": {"state": "taken", "by": "redis-server"}}}, "10.0.0.11:6379", "elastickv_redis_port"),
        ({"ports": {"raft": {"state": "not_local"}}}, "10.0.0.11", "give the host the address"),
        ({"peers": {"n2": "no answer within 2 s"}}, "cannot reach n2", "firewalls"),
        ({"disk": {"free_bytes": 1 << 20, "measured_at": "/"}}, "1 MiB are free", "make room"),
        ({"disk": GOOD["disk"] | {"fsync_ms": 250.0}}, "250 ms", "faster disk"),
        ({"disk": GOOD["disk"] | {"unwritable": "Read-only file system"}}, "Read-only", "writable"),
        ({"memory_bytes": 1 << 20}, "1 MiB of memory", "more"),
        ({"now": 103.0, "finished": 107.0}, "6.0 s apart", "synchronise"),
        ({"now": 95.0, "finished": 95.1}, "5.0 s apart", "synchronise"),
    ],
)
def test_bad_hosts(changes: dict[str, Any], value: str, remedy: str) -> None:
    found = host_problems(**changes)
    assert len(found) == 1, found
    assert found[0].startswith("n1:")
    assert value in found[0]
    assert remedy in found[0]
