#!/usr/bin/python
# Copyright the Elastickv authors
# SPDX-License-Identifier: Apache-2.0
"""See DOCUMENTATION."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import resource
import socket
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: elastickv_host
short_description: Look at a host on which an Elastickv node is to run
description:
  - Gathers in one visit what preflight and the decision about founding need to know about a host. Nothing is changed;
    the only thing written is the file of the disk measurement, which is gone afterwards.
  - Needs Python's standard library only.
options:
  id:
    description: ID of the node, by which a port that is taken is recognised as its own.
    type: str
    required: true
  endpoints:
    description: The host:port pairs at which the node will listen, by name.
    type: dict
    default: {}
  peers:
    description: The host:port pairs of the other nodes, by node ID; each is contacted.
    type: dict
    default: {}
  data_path:
    description: Data directory on the host.
    type: path
    required: true
  marker:
    description: File in which the cluster's ID is remembered on this host.
    type: path
    required: true
  measure_disk:
    description: Measure how long a small write takes to be on the disk.
    type: bool
    default: false
author: The Elastickv authors
"""

EXAMPLES = r"""
- name: Look at the host
  elastickv_host:
    id: n1
    endpoints: {gRPC: "10.0.0.11:50051", Redis: "10.0.0.11:6379"}
    data_path: /var/lib/elastickv
    marker: /etc/elastickv/cluster.json
  register: host
"""

RETURN = r"""
now: {description: "The host's clock when it began to look, in seconds since 1970.", type: float, returned: always}
finished: {description: The same when it had looked., type: float, returned: always}
data:
  description:
    - State of the data directory (absent, empty, fresh, member, foreign).
    - From its identity the node_id, instance and cluster_id.
  type: dict
  returned: always
marker: {description: Content of the marker; empty when there is none., type: dict, returned: always}
ports: {description: "By name: free, own, taken (and who holds it) or not_local.", type: dict, returned: always}
peers: {description: "By node ID: open, refused, or why it could not be reached.", type: dict, returned: always}
disk: {description: "free_bytes, and fsync_ms when it was measured.", type: dict, returned: always}
memory_bytes: {description: Memory of the host., type: int, returned: always}
systemd: {description: Whether systemd runs the host., type: bool, returned: always}
docker_socket: {description: Whether something answers at the engine's socket., type: bool, returned: always}
docker_modules: {description: Whether Ansible's Docker modules have what they need there., type: bool, returned: always}
docker_usable: {description: Whether it answers and those modules can ask it., type: bool, returned: always}
nofile: {description: Open files that a process may have., type: int, returned: always}
"""

DOCKER_SOCKET = "/var/run/docker.sock"


def data_state(path: str) -> dict[str, object]:
    """What a data directory holds. Anything in it that no node wrote makes it foreign."""
    if not os.path.lexists(path):
        return {"state": "absent"}
    if not os.path.isdir(path):
        return {"state": "foreign", "why": "it is not a directory"}
    names = sorted(name for name in os.listdir(path) if name not in ("lost+found", "LOCK"))
    if not names:
        return {"state": "empty"}
    if "identity.json" not in names:
        # Made before the identity was written: the node had only just begun.
        if set(names) <= {"log", "state", "snapshots", "incoming"} and not any(
            files for name in names for _, _, files in os.walk(os.path.join(path, name))
        ):
            return {"state": "empty"}
        return {"state": "foreign", "why": f"it holds {', '.join(names[:5])} and no identity.json"}
    try:
        with open(os.path.join(path, "identity.json"), encoding="utf-8") as file:
            identity = json.load(file)
        found = {key: str(identity.get(key) or "") for key in ("node_id", "instance", "cluster_id")}
    except (OSError, ValueError, AttributeError) as error:
        return {"state": "foreign", "why": f"identity.json cannot be read: {error}"}
    return {"state": "member" if found["cluster_id"] else "fresh", **found}


def read_marker(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            marker = json.load(file)
        return {str(key): str(value) for key, value in marker.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        return {"unreadable": str(error)}


def holder_of(address: str, port: int) -> list[str]:
    """The command line of the process that listens there; empty when it cannot be seen."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port and overlaps(fields[1], address):
                    inodes.add(f"socket:[{fields[9]}]")
    for pid in filter(str.isdigit, os.listdir("/proc") if inodes else []):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{fd}") in inodes:
                        with open(f"/proc/{pid}/cmdline", "rb") as file:
                            return file.read().decode(errors="replace").split("\0")[:-1]
    return []


def claimant_of(endpoint: str, node_id: str) -> list[str]:
    """The command line of the node that was told to listen there; empty when there is none.

    Whose socket it is may be hidden even from root, where root lacks CAP_SYS_PTRACE (machines that are containers). A
    command line never is, and a node that does not get its port ends.
    """
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().decode(errors="replace").split("\0")[:-1]
            if is_own(command, node_id) and any(word.rpartition("=")[2] == endpoint for word in command):
                return command
    return []


def overlaps(local: str, address: str) -> bool:
    """Whether the listener `local`, as /proc/net/tcp writes it, stands in the way of `address`."""
    raw = bytes.fromhex(local.rsplit(":", 1)[0])
    if not any(raw):
        return True  # 0.0.0.0 and ::
    try:
        wanted = socket.inet_aton(socket.gethostbyname(address))
    except OSError:
        return True
    return raw[-4:][::-1] == wanted


def is_own(command: list[str], node_id: str) -> bool:
    """Whether this is the process of that node: its --raftId says so, in any of the forms that flags have."""
    for position, word in enumerate(command):
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name == "raftId":
            return (value if equals else "".join(command[position + 1 : position + 2])) == node_id
    return False


def split(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


def port_state(endpoint: str, node_id: str) -> dict[str, str]:
    address, port = split(endpoint)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
            return {"state": "free"}
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return {"state": "not_local"}
            if error.errno != errno.EADDRINUSE:
                return {"state": "taken", "by": str(error)}
    command = holder_of(address, port) or claimant_of(endpoint, node_id)
    if is_own(command, node_id):
        return {"state": "own"}
    return {"state": "taken", "by": " ".join(command[:6]) or "a process that cannot be seen"}


def peer_state(endpoint: str) -> str:
    try:
        with socket.create_connection(split(endpoint), timeout=2):
            return "open"
    except ConnectionRefusedError:
        return "refused"  # the host is there, and nothing listens yet
    except TimeoutError:
        return "no answer within 2 s"
    except OSError as error:
        return error.strerror or str(error)


def existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path


def disk_state(path: str, measure: bool) -> dict[str, object]:
    place = existing(path)
    figures = os.statvfs(place)
    state: dict[str, object] = {"free_bytes": figures.f_bavail * figures.f_frsize, "measured_at": place}
    if measure:
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                times = []
                for _ in range(5):
                    file.write(b"x" * 4096)
                    begin = time.perf_counter()
                    file.flush()
                    os.fdatasync(file.fileno())
                    times.append(time.perf_counter() - begin)
            state["fsync_ms"] = round(sorted(times)[2] * 1000, 2)
        except OSError as error:
            state["unwritable"] = error.strerror or str(error)
    return state


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str", "required": True},
            "endpoints": {"type": "dict", "default": {}},
            "peers": {"type": "dict", "default": {}},
            "data_path": {"type": "path", "required": True},
            "marker": {"type": "path", "required": True},
            "measure_disk": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    now = time.time()
    p = module.params
    answering, modules = answers(DOCKER_SOCKET), importlib.util.find_spec("requests") is not None
    module.exit_json(
        changed=False,
        now=now,
        data=data_state(p["data_path"]),
        marker=read_marker(p["marker"]),
        ports={name: port_state(endpoint, p["id"]) for name, endpoint in p["endpoints"].items()},
        peers={name: peer_state(endpoint) for name, endpoint in p["peers"].items()},
        disk=disk_state(p["data_path"], p["measure_disk"]),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        systemd=os.path.isdir("/run/systemd/system"),
        docker_socket=answering,
        docker_modules=modules,
        docker_usable=answering and modules,
        nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        finished=time.time(),
    )


if __name__ == "__main__":
    main()
