"""A cluster of real processes on loopback addresses, started with the guide's own flags.

End-to-end tests, benchmarks and `make processes` share it. Each node has an IP of its own in 127.0.0.0/8 (all of which
Linux answers without set-up), so that the ports are the guide's and the command lines differ from it in nothing but
the addresses. Nodes log to files; only processes that were started here are ever signalled.

    with LocalCluster(tmp_path, base="127.7.0.11") as cluster:
        leader = cluster.wait_for_leader()
        leader.kill()
        cluster.wait_for_leader(unlike=leader)

As a program (`make processes`, `make processes-stop`): start, status, stop.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import redis

from elastickv import cli
from elastickv.pb import raftadmin_pb2

REPOSITORY = Path(__file__).resolve().parent.parent.parent
STATE = REPOSITORY / "build" / "cluster"


class ClusterError(AssertionError):
    """The cluster did not do what was waited for; the text ends with the last lines of the logs."""


@dataclass(frozen=True, slots=True)
class Ports:
    grpc: int = 50051
    redis: int = 6379
    dynamo: int = 8000
    metrics: int = 9090


class Node:
    """One process: its flags, its data, its log, and signals for it."""

    def __init__(self, cluster: LocalCluster, number: int, ip: str) -> None:
        self.id = f"n{number}"
        self.ip = ip
        self.address = f"{ip}:{cluster.ports.grpc}"
        self.redis_address = f"{ip}:{cluster.ports.redis}"
        self.dynamo_address = f"{ip}:{cluster.ports.dynamo}"
        self.metrics_address = f"{ip}:{cluster.ports.metrics}"
        self.data_dir = cluster.root / self.id / "data"
        self.log_path = cluster.root / self.id / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._cluster = cluster

    def __repr__(self) -> str:
        return f"<{self.id} at {self.address}{'' if self.running else ', not running'}>"

    def flags(self) -> list[str]:
        """The guide's, section 4; and a metrics address, because all nodes are on one machine."""
        flags = [
            *("--address", self.address),
            *("--redisAddress", self.redis_address),
            *("--dynamoAddress", self.dynamo_address),
            *("--raftId", self.id),
            *("--raftDataDir", str(self.data_dir)),
            *("--raftRedisMap", self._cluster.redis_map),
            *("--metricsAddress", self.metrics_address),
        ]
        if self is self._cluster.nodes[0]:
            flags += ["--raftBootstrapMembers", self._cluster.members, "--raftBootstrap"]
        return [*flags, *self._cluster.extra_flags]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        if self.running:
            raise ClusterError(f"{self!r} is running already")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        command = [*self._cluster.executable, *self.flags()]
        if not self._cluster.outlive:
            # A test run that is killed takes its nodes along. (Not preexec_fn: it forks under gRPC's threads.)
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env=self._cluster.environment,
                start_new_session=self._cluster.outlive,
            )

    def stop(self, timeout: float = 60.0) -> int:
        """Ask it to end, as `docker stop` does; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """End it at whatever instruction it is at."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Lose the disk."""
        assert not self.running
        shutil.rmtree(self.data_dir)

    def wait(self, timeout: float) -> int:
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"{self!r} did not end within {timeout:g} s\n{self.log_tail()}") from None

    def log_text(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 30) -> str:
        return f"--- log of {self.id}\n" + "\n".join(self.log_text().splitlines()[-lines:])

    # ---- asking it --------------------------------------------------------------------------------------------------

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(self.address) as channel:
            yield channel

    def status(self, timeout: float = 1.0) -> raftadmin_pb2.RaftAdminStatusResponse:
        with self.channel() as channel:
            call = channel.unary_unary(
                "/RaftAdmin/Status",
                request_serializer=raftadmin_pb2.RaftAdminStatusRequest.SerializeToString,
                response_deserializer=raftadmin_pb2.RaftAdminStatusResponse.FromString,
            )
            status: raftadmin_pb2.RaftAdminStatusResponse = call(
                raftadmin_pb2.RaftAdminStatusRequest(), timeout=timeout
            )
            return status

    def leads(self) -> bool:
        try:
            return self.running and self.status().state == raftadmin_pb2.RAFT_ADMIN_STATE_LEADER
        except grpc.RpcError:
            return False

    def redis(self, **options: Any) -> redis.Redis:
        """A client of this node's Redis door; close it, or use it in a `with`."""
        defaults: dict[str, Any] = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0}
        return redis.Redis(host=self.ip, port=self._cluster.ports.redis, **{**defaults, **options})

    def http(self, path: str, timeout: float = 2.0) -> tuple[int, str]:
        """Status and body of a GET at the metrics door; (0, why) when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}{path}", timeout=timeout) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ready(self) -> bool:
        return self.running and self.http("/readyz")[0] == 200


class LocalCluster:
    """`nodes` processes on consecutive addresses from `base` on. Give parallel test runs different bases."""

    def __init__(
        self,
        root: Path,
        *,
        nodes: int = 5,
        base: str = "127.0.0.11",
        ports: Ports = Ports(),
        extra_flags: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        executable: Sequence[str] = (sys.executable, "-m", "elastickv"),
        outlive: bool = False,
    ) -> None:
        """`extra_flags` go to every node, `environment` is added to that of this process. `outlive`: the nodes go on
        when the starter ends."""
        self.root = root
        self.ports = ports
        self.extra_flags = list(extra_flags)
        self.executable = list(executable)
        self.outlive = outlive
        self.environment = {**os.environ, **(environment or {})}
        first = ipaddress.IPv4Address(base)
        self.nodes = [Node(self, n + 1, str(first + n)) for n in range(nodes)]
        self.redis_map = ",".join(f"{node.address}={node.redis_address}" for node in self.nodes)
        self.members = ",".join(f"{node.id}={node.address}" for node in self.nodes)

    def __getitem__(self, id: str) -> Node:
        return next(node for node in self.nodes if node.id == id)

    def __enter__(self) -> LocalCluster:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def start(self) -> None:
        try:
            for node in self.nodes:
                node.start()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """All at once, gracefully."""
        running = [node for node in self.nodes if node.running]
        for node in running:
            node.resume()
            node.process.terminate()  # type: ignore[union-attr]  # running
        for node in running:
            node.wait(60.0)

    def kill(self) -> None:
        for node in self.nodes:
            if node.running:
                node.kill()

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.running]

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            ended = [node for node in self.nodes if node.process is not None and not node.running]
            if time.monotonic() > deadline or (ended and not self.running):
                tails = "\n".join(node.log_tail() for node in self.nodes if node.process is not None)
                raise ClusterError(f"waited up to {timeout:g} s in vain: {what} (ended: {ended})\n{tails}")
            time.sleep(0.05)

    def leader(self) -> Node | None:
        """The running node that says it leads; of two that do, the one of the newer term."""
        found: list[tuple[int, Node]] = []
        for node in self.running:
            try:
                status = node.status()
            except grpc.RpcError:
                continue
            if status.state == raftadmin_pb2.RAFT_ADMIN_STATE_LEADER:
                found.append((status.term, node))
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def wait_for_leader(self, *, unlike: Node | None = None, timeout: float = 60.0) -> Node:
        leader: Node | None = None

        def found() -> bool:
            nonlocal leader
            leader = self.leader()
            return leader is not None and leader is not unlike

        self.wait_until(found, "a leader", timeout)
        assert leader is not None
        return leader

    def wait_until_ready(self, timeout: float = 90.0) -> None:
        """Every running node's /readyz says yes."""
        self.wait_until(lambda: all(node.ready() for node in self.running), "all nodes ready", timeout)

    def followers(self) -> list[Node]:
        leader = self.leader()
        return [node for node in self.running if node is not leader]


# ---- as a program ---------------------------------------------------------------------------------------------------


def _started_at(pid: int) -> str:
    """Start time of a running process in clock ticks: with the PID, a name that is never given twice."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _save(cluster: LocalCluster) -> None:
    state = {"nodes": [{"id": n.id, "pid": n.pid, "started": _started_at(n.pid)} for n in cluster.nodes]}
    (STATE / "state.json").write_text(json.dumps(state, indent=2))


def _ours() -> list[tuple[str, int]]:
    """The processes of the last `start` that still run."""
    try:
        state = json.loads((STATE / "state.json").read_text())
    except OSError:
        return []
    return [(n["id"], n["pid"]) for n in state["nodes"] if n["started"] and _started_at(n["pid"]) == n["started"]]


def _command(name: str) -> str | None:
    """A program beside this Python (grpcurl comes from a package), or on the path."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _show(*command: str) -> None:
    """Run what a reader of the guide would type, and print both."""
    program = _command(command[0])
    if program is None:
        print(f"({command[0]} is not installed: `make setup` brings it)")
        return
    print(f"$ {' '.join(command)}")
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=30)
    print((done.stdout + done.stderr).rstrip())
    if done.returncode:
        raise ClusterError(f"{command[0]} ended with {done.returncode}")


def start(arguments: argparse.Namespace) -> int:
    if running := _ours():
        print(f"already running: {', '.join(id for id, _ in running)}; `make processes-stop` ends it")
        return 1
    if arguments.fresh:
        shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True, exist_ok=True)
    cluster = LocalCluster(STATE, nodes=arguments.nodes, base=arguments.base, outlive=True)
    cluster.start()
    _save(cluster)
    try:
        cluster.wait_for_leader()
        cluster.wait_until_ready()
        first, second = cluster.nodes[0], cluster.nodes[1 % len(cluster.nodes)]
        port = str(cluster.ports.redis)
        _show("grpcurl", "-plaintext", "-d", "{}", first.address, "RaftAdmin/GetConfiguration")
        _show("grpcurl", "-plaintext", "-d", "{}", first.address, "RaftAdmin/Leader")
        _show("redis-cli", "-h", first.ip, "-p", port, "SET", "health", "ok")
        _show("redis-cli", "-h", second.ip, "-p", port, "GET", "health")
    except BaseException:
        cluster.kill()
        raise
    print()
    status(arguments)
    print(f"\nlogs and data: {STATE.relative_to(REPOSITORY)}/n*/   metrics: http://{first.metrics_address}/metrics")
    print("more: elastickv status --address", first.address)
    print("stop: make processes-stop")
    return 0


def status(arguments: argparse.Namespace) -> int:
    return cli.main(["status", "--address", f"{arguments.base}:{Ports().grpc}"])


def stop(arguments: argparse.Namespace) -> int:
    running = _ours()
    for _, pid in running:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while (left := _ours()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for _, pid in left:
        os.kill(pid, signal.SIGKILL)
    print(f"stopped: {', '.join(id for id, _ in running) or 'nothing was running'}")
    return 1 if left else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="local_cluster", description="A cluster of real processes on this machine.")
    parser.add_argument("action", choices=["start", "status", "stop"])
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--base", default="127.0.0.11", help="IP of the first node")
    parser.add_argument("--fresh", action="store_true", help="begin with empty data directories")
    arguments = parser.parse_args()
    action: Callable[[argparse.Namespace], int] = {"start": start, "status": status, "stop": stop}[arguments.action]
    return action(arguments)


if __name__ == "__main__":
    sys.exit(main())
