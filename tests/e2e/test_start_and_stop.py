"""Starts that must be refused with one clear line, and stops that nobody notices."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.e2e.conftest import ClusterFactory
from tests.kit.load import Load
from tests.kit.local_cluster import REPOSITORY, Node
from tests.kit.tools import redis_cli

DOORS = {"--address": 50051, "--redisAddress": 6379, "--dynamoAddress": 8000, "--metricsAddress": 9090}


@contextmanager
def taken(host: str, port: int) -> Iterator[None]:
    with socket.create_server((host, port)):
        yield


def refused_start(node: Node, *more: str) -> str:
    """Start the node's own command with more flags (the last of a kind counts): exit code 1, and why, in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "elastickv", *node.flags(), *more],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 1, lines
    errors = [line for line in lines if line["level"] == "error"]
    assert len(errors) == 1, errors
    assert "exception" not in errors[0]
    message: str = errors[0]["message"]
    return message


def test_a_data_directory_belongs_to_one_node_and_one_process(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(1)
    node = cluster["n1"]
    assert redis_cli(node.ip, 6379, "SET", "whose", "n1's") == "OK"
    assert "in use by another process" in refused_start(node)
    assert redis_cli(node.ip, 6379, "GET", "whose") == "n1's"
    assert node.stop() == 0
    members = f"n2={node.address}"
    message = refused_start(node, "--raftId", "n2", "--raftBootstrapMembers", members)
    assert str(node.data_dir) in message
    assert "belongs to node 'n1'" in message
    node.start()
    cluster.wait_for_leader()
    assert redis_cli(node.ip, 6379, "GET", "whose") == "n1's"


@pytest.mark.parametrize("flag", DOORS)
def test_a_port_that_is_taken(make_cluster: ClusterFactory, flag: str) -> None:
    node = make_cluster(1, started=False)["n1"]
    with taken(node.ip, DOORS[flag]):
        message = refused_start(node)
    assert flag in message
    assert f"{node.ip}:{DOORS[flag]}" in message


def test_a_metrics_port_that_nobody_asked_for(make_cluster: ClusterFactory) -> None:
    """As with the guide's flags on one machine: the default port is somebody else's, and the node goes on."""
    cluster = make_cluster(1, started=False)
    node = cluster["n1"]
    flags = node.flags()
    at = flags.index("--metricsAddress")
    del flags[at : at + 2]
    with ExitStack() as stack:
        try:
            stack.enter_context(taken("127.0.0.1", 9090))
        except OSError:
            pass  # taken by somebody else, which serves as well
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "elastickv", *flags],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while redis_cli(node.ip, 6379, "SET", "x", "1") != "OK":
                assert time.monotonic() < deadline
                assert process.poll() is None
            process.terminate()
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    (warning,) = [line for line in lines if line["level"] != "info"]
    assert warning["level"] == "warning"
    assert "--metricsAddress" in warning["message"]


def test_an_orderly_stop_of_the_leader(make_cluster: ClusterFactory) -> None:
    cluster = make_cluster(3)
    leader = cluster.wait_for_leader()
    others = [node for node in cluster.nodes if node is not leader]
    with Load(cluster, writers=("w0",), mixed=2) as load:
        for number, client in enumerate(load.clients):
            load.steer(client, others[number % 2])
        load.wait_for_write("w0", asked_after=time.monotonic() + 0.3)
        stopped_at = time.monotonic()
        assert leader.stop() == 0
        assert time.monotonic() - stopped_at < 7.5, "the contract says 5 s"
        load.wait_for_write("w0", asked_after=time.monotonic())
        gap = load.longest_gap("w0", stopped_at - 0.2, time.monotonic())
    assert gap < 3, "the aim is 1 s"
    assert load.troubles == []
    lines = [json.loads(line) for line in leader.log_text().splitlines()]
    assert lines[-1]["message"] == "node is down"
    assert [line for line in lines if line["level"] not in ("info", "debug")] == []
    load.findings(others[0]).assert_sound()
