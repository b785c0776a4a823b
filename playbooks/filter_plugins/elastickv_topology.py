# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""What the inventory means: nodes, maps, flags, and everything that can be wrong with it before a host was contacted.

Every problem is one line: the host, the value, and what to do about it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

DEFAULTS = {"elastickv_raft_port": 50051, "elastickv_redis_port": 6379, "elastickv_dynamo_port": 8000}
"""The same as in roles/elastickv/defaults; a test compares them. Needed here for hosts that are outside the play."""

Node = dict[str, Any]


def topology(hosts: Sequence[str], hostvars: Mapping[str, Any]) -> list[Node]:
    """One entry per host, in the order of the inventory."""
    nodes = []
    for host in hosts:
        own = hostvars[host]
        address = str(own.get("elastickv_address") or own.get("ansible_host") or host)
        port = {name: own.get(name, default) for name, default in DEFAULTS.items()}
        nodes.append(
            {
                "host": host,
                "id": str(own.get("elastickv_id") or host),
                "address": address,
                "raft": f"{bracketed(address)}:{port['elastickv_raft_port']}",
                "redis": f"{bracketed(address)}:{port['elastickv_redis_port']}",
                "dynamo": f"{bracketed(address)}:{port['elastickv_dynamo_port']}",
                "machine": str(own.get("elastickv_machine") or host),
                "container": str(own.get("elastickv_container_name") or "elastickv"),
                "data_path": str(own.get("elastickv_data_path") or "/var/lib/elastickv"),
                "config_path": str(own.get("elastickv_config_path") or "/etc/elastickv"),
            }
        )
    return nodes


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def raft_map(nodes: Iterable[Node], door: str) -> str:
    return ",".join(f"{node['raft']}={node[door]}" for node in nodes)


def member_list(nodes: Iterable[Node]) -> str:
    return ",".join(f"{node['id']}={node['raft']}" for node in nodes)


def quorum(count: int) -> int:
    return count // 2 + 1


def flags(node: Node, settings: Mapping[str, Any]) -> list[str]:
    """The command of the container, in the order of the guide."""
    command = [
        "/app",
        "--address", node["raft"],
        "--redisAddress", node["redis"],
        "--dynamoAddress", node["dynamo"],
        "--raftId", node["id"],
        "--raftDataDir", settings["data_dir"],
        "--raftRedisMap", settings["redis_map"],
    ]  # fmt: skip
    optional = {
        "--raftDynamoMap": settings.get("dynamo_map"),
        "--metricsAddress": settings.get("metrics_address"),
        "--redisRequirePassFile": settings.get("password_file"),
        "--dynamoCredentialsFile": settings.get("credentials_file"),
    }
    for name, value in optional.items():
        if value:
            command += [name, value]
    for name, value in sorted((settings.get("extra") or {}).items()):
        command.append(f"--{name}={str(value).lower() if isinstance(value, bool) else value}")
    if settings.get("bootstrap"):
        command += ["--raftBootstrapMembers", settings["members"], "--raftBootstrap"]
    return command


# ---- what is wrong with it ------------------------------------------------------------------------------------------

_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_OURS = (
    "raftId", "address", "redisAddress", "dynamoAddress", "raftDataDir", "raftRedisMap", "raftDynamoMap",
    "raftBootstrap", "raftBootstrapMembers", "metricsAddress", "redisRequirePassFile", "redisRequirePass",
)  # fmt: skip


def static_problems(
    hosts: Sequence[str],
    hostvars: Mapping[str, Any],
    known: Iterable[str],
    resolve: Callable[[str], Any] = socket.gethostbyname,
) -> list[str]:
    known = set(known)
    found: list[str] = []
    if not hosts:
        return ["inventory: the group elastickv is empty; name at least three hosts in it"]
    for host in hosts:
        found += _unknown(host, hostvars[host], known)
        found += _ports(host, hostvars[host])
    nodes = topology(hosts, hostvars)
    for node in nodes:
        found += _identity(node)
        found += _address(node, nodes, resolve)
        found += _paths(node)
    found += _twice(nodes, "id", "ID", "every node needs one of its own (elastickv_id)")
    for door, variable in (("raft", "elastickv_raft_port"), ("redis", "elastickv_redis_port"),
                           ("dynamo", "elastickv_dynamo_port")):  # fmt: skip
        found += _twice(nodes, door, "address", f"give each its own ansible_host, elastickv_address or {variable}")
    found += _shared(nodes)
    for host in hosts:
        found += _maps(host, hostvars[host], nodes)
        found += _firewall(host, hostvars[host])
        found += _extra(host, hostvars[host])
    return list(dict.fromkeys(found))


def static_warnings(hosts: Sequence[str]) -> list[str]:
    count = len(hosts)
    if not count:
        return []
    loses = count - quorum(count)
    if loses == 0:
        return [f"{count} node(s) tolerate no failure at all; use five, or at least three"]
    if count % 2 == 0:
        return [
            f"{count} nodes tolerate {loses} failure{'s' if loses > 1 else ''}, no more than {count - 1} would; "
            f"{count + 1} nodes tolerate {loses + 1}"
        ]
    return []


def _unknown(host: str, own: Mapping[str, Any], known: set[str]) -> list[str]:
    import difflib

    texts = []
    for name in sorted(str(name) for name in own if str(name).startswith("elastickv_")):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            texts.append(
                f"{host}: unknown variable {name}; {hint}correct or remove it (the names are in roles/*/README.md)"
            )
    return texts


def _identity(node: Node) -> list[str]:
    if _ID.match(node["id"]):
        return []
    remedy = "use letters, digits, dots, dashes and underscores"
    return [f'{node["host"]}: elastickv_id "{node["id"]}" is not usable; {remedy}']


def _ports(host: str, own: Mapping[str, Any]) -> list[str]:
    texts, by_port = [], dict[int, str]()
    for name, default in DEFAULTS.items():
        value = own.get(name, default)
        if not str(value).isdigit() or not 1 <= int(value) <= 65535:
            texts.append(f"{host}: {name} is {value}; use a port from 1 to 65535")
            continue
        if int(value) in by_port:
            texts.append(f"{host}: {by_port[int(value)]} and {name} are both {value}; give each door a port of its own")
        by_port.setdefault(int(value), name)
    return texts


def _address(node: Node, nodes: Sequence[Node], resolve: Callable[[str], Any]) -> list[str]:
    host, address = node["host"], node["address"]
    remedy = "set ansible_host or elastickv_address to the private address at which the other nodes reach it"
    if not address or address in ("0.0.0.0", "::", "*"):
        return [f'{host}: address "{address}" means every interface, nobody can be reached there; {remedy}']
    if address == "localhost":
        return [f'{host}: address "localhost" means another machine on each machine; {remedy}']
    try:
        literal = ipaddress.ip_address(address)
    except ValueError:
        try:
            literal = ipaddress.ip_address(str(resolve(address)))
        except (OSError, ValueError):
            return [f'{host}: address "{address}" does not resolve; correct it, or {remedy}']
    if literal.is_unspecified or literal.is_multicast:
        return [f'{host}: address "{address}" ({literal}) cannot be a node\'s address; {remedy}']
    machines = {other["machine"] for other in nodes}
    if literal.is_loopback and len(machines) > 1:
        return [f'{host}: address "{address}" is loopback, and the nodes are on {len(machines)} machines; {remedy}']
    return []


def _paths(node: Node) -> list[str]:
    texts = []
    for name in ("data_path", "config_path"):
        path = node[name]
        if not path.startswith("/") or ".." in path.split("/") or len([p for p in path.split("/") if p]) < 2:
            texts.append(
                f'{node["host"]}: elastickv_{name} is "{path}"; use an absolute path of at least two levels, '
                "which belongs to this node alone"
            )
    return texts


def _twice(nodes: Sequence[Node], key: str, what: str, remedy: str) -> list[str]:
    by_value: dict[str, list[str]] = {}
    for node in nodes:
        by_value.setdefault(node[key], []).append(node["host"])
    return [
        f"{' and '.join(hosts)}: the {what} {value} is used {len(hosts)} times; {remedy}"
        for value, hosts in by_value.items()
        if len(hosts) > 1
    ]


def _shared(nodes: Sequence[Node]) -> list[str]:
    texts = []
    for key, variable in (("container", "elastickv_container_name"), ("data_path", "elastickv_data_path"),
                          ("config_path", "elastickv_config_path")):  # fmt: skip
        by_place: dict[tuple[str, str], list[str]] = {}
        for node in nodes:
            by_place.setdefault((node["machine"], node[key]), []).append(node["host"])
        texts += [
            f"{' and '.join(hosts)}: {variable} is {value} for all of them on machine {machine}; give each its own"
            for (machine, value), hosts in by_place.items()
            if len(hosts) > 1
        ]
    return texts


def _maps(host: str, own: Mapping[str, Any], nodes: Sequence[Node]) -> list[str]:
    texts = []
    for name in ("elastickv_raft_redis_map", "elastickv_raft_dynamo_map"):
        text = str(own.get(name) or "")
        if not text or text == "auto":
            continue
        entries = [entry.partition("=") for entry in text.split(",")]
        keys = [key.strip() for key, _, _ in entries]
        broken = [f"{key}{equals}{value}" for key, equals, value in entries if not key or not value]
        if broken:
            texts.append(f'{host}: {name} has the entry "{broken[0]}"; write raftAddress=doorAddress,...')
        missing = [node for node in nodes if node["raft"] not in keys]
        if missing:
            texts.append(
                f"{host}: {name} lacks {', '.join(node['id'] + ' (' + node['raft'] + ')' for node in missing)}; "
                "add it, or leave the variable empty so that it is made from the inventory"
            )
        strangers = [key for key in keys if key and key not in {node["raft"] for node in nodes}]
        if strangers:
            texts.append(f"{host}: {name} names {', '.join(strangers)}, which is no node of the inventory; remove it")
    return texts


def _firewall(host: str, own: Mapping[str, Any]) -> list[str]:
    if str(own.get("elastickv_firewall_enabled", False)).lower() not in ("true", "yes", "1"):
        return []
    texts = []
    lists = {name: own.get(f"elastickv_firewall_{name}_networks") or [] for name in ("admin", "client")}
    if not lists["admin"]:
        texts.append(
            f"{host}: elastickv_firewall_enabled is set and elastickv_firewall_admin_networks is empty, so this "
            "controller could not ask the nodes how they are; name the controller's address there"
        )
    for name, networks in lists.items():
        for network in networks:
            try:
                ipaddress.ip_network(str(network), strict=False)
            except ValueError:
                texts.append(
                    f'{host}: elastickv_firewall_{name}_networks has "{network}"; write a network such as 10.0.0.0/24'
                )
    return texts


def _extra(host: str, own: Mapping[str, Any]) -> list[str]:
    return [
        f"{host}: elastickv_extra_flags sets {name}, which the inventory decides; remove it"
        for name in sorted(map(str, own.get("elastickv_extra_flags") or {}))
        if name.lstrip("-") in _OURS
    ]


def host_problems(
    node: Node, seen: Mapping[str, Any], limits: Mapping[str, Any], window: Sequence[float] = ()
) -> list[str]:
    """What is wrong with one host, from what `elastickv_host` saw there."""
    host = node["host"]
    texts = []
    for door, port in seen["ports"].items():
        endpoint = node[door]
        if port["state"] == "not_local":
            texts.append(
                f"{host}: the host does not own the address {node['address']}; correct ansible_host or "
                "elastickv_address, or give the host the address"
            )
        elif port["state"] == "taken":
            texts.append(
                f"{host}: {endpoint} is in use by another program ({port['by']}); "
                f"stop it or choose another elastickv_{door}_port"
            )
    for peer, state in seen["peers"].items():
        if state not in ("open", "refused"):
            texts.append(f"{host}: cannot reach {peer} ({state}); look at routes and firewalls between the two")
    free, least = int(seen["disk"]["free_bytes"]), int(limits["disk_bytes"])
    if free < least:
        texts.append(
            f"{host}: {free >> 20} MiB are free for {node['data_path']}, {least >> 20} are needed; make room there"
        )
    if seen["disk"].get("unwritable"):
        texts.append(
            f"{host}: {seen['disk']['measured_at']} cannot be written ({seen['disk']['unwritable']}); mount it writable"
        )
    slow = float(seen["disk"].get("fsync_ms") or 0)
    if slow > float(limits["fsync_ms"]):
        texts.append(
            f"{host}: a write takes {slow:g} ms to be on the disk at {seen['disk']['measured_at']}, "
            f"{limits['fsync_ms']} are allowed; use a faster disk, or raise elastickv_preflight_fsync_ms"
        )
    memory, wanted = int(seen["memory_bytes"]), int(limits["memory_bytes"])
    if memory < wanted:
        texts.append(f"{host}: {memory >> 20} MiB of memory, {wanted >> 20} are needed; give the host more")
    if window:
        begin, end = window
        # Looking takes seconds where peers do not answer; only what is outside on either end tells of the clock.
        apart = max(begin - seen["now"], seen["finished"] - end, 0.0)
        if apart > float(limits["clock_seconds"]):
            texts.append(
                f"{host}: its clock is {apart:.1f} s apart from the controller's, {limits['clock_seconds']} are "
                "allowed; synchronise both (systemd-timesyncd or chrony)"
            )
    return list(dict.fromkeys(texts))


def known_options(roles: str) -> list[str]:
    """The options in the argument specs of all roles: whatever else begins with our prefix is a mistake."""
    from pathlib import Path

    import yaml

    names: set[str] = set()
    for file in Path(roles).glob("*/meta/argument_specs.yml"):
        specs = yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"]
        names.update(name for entry in specs.values() for name in entry.get("options") or {})
    return sorted(names)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "elastickv_topology": topology,
            "elastickv_raft_map": raft_map,
            "elastickv_member_list": member_list,
            "elastickv_quorum": quorum,
            "elastickv_flags": flags,
            "elastickv_static_problems": static_problems,
            "elastickv_static_warnings": static_warnings,
            "elastickv_known": known_options,
            "elastickv_host_problems": host_problems,
        }
