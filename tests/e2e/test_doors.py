"""Every door of a real cluster, through the leader and through followers, with the clients that people use."""

from __future__ import annotations

import base64
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.conftest import ClusterFactory
from tests.e2e.failover import transfer
from tests.kit.local_cluster import LocalCluster, Node
from tests.kit.resp_client import RespConnection
from tests.kit.tools import ask, grpcurl, program, redis_cli

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def cluster(make_shared_cluster: ClusterFactory) -> LocalCluster:
    return make_shared_cluster(3)


@pytest.fixture
def leader(cluster: LocalCluster) -> Node:
    return cluster.wait_for_leader()


@pytest.fixture
def follower(cluster: LocalCluster, leader: Node) -> Node:
    return next(node for node in cluster.nodes if node is not leader)


@pytest.fixture(params=["leader", "follower"])
def client(request: pytest.FixtureRequest, leader: Node, follower: Node) -> Iterator[redis.Redis]:
    node = leader if request.param == "leader" else follower
    with node.redis(retry=None) as client:
        client.flushall()
        yield client


# ---- HTTP and health ------------------------------------------------------------------------------------------------


def test_metrics_and_health_over_http(cluster: LocalCluster) -> None:
    redis_cli(cluster.nodes[0].ip, 6379, "SET", "counted", "1")
    for node in cluster.nodes:
        assert node.http("/livez")[0] == 200
        assert node.http("/readyz")[0] == 200
        status, text = node.http("/metrics")
        assert status == 200
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        states = [line for line in samples if line.startswith("elastickv_raft_local_state{") and line.endswith(" 1.0")]
        assert len(states) == 1, states
        assert any(line.startswith("elastickv_raft_commit_index") for line in samples)
        assert node.http("/nothing")[0] == 404


def test_health_checks_follow_the_lead(cluster: LocalCluster, leader: Node) -> None:
    expected = {"": (SERVING, SERVING), "RawKV": (SERVING, NOT_SERVING), "quis.RaftLeader": (SERVING, NOT_SERVING)}
    for node in cluster.nodes:
        with node.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service, states in expected.items():
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
                assert answer.status == states[0 if node is leader else 1], (node, service)
            with pytest.raises(grpc.RpcError) as caught:
                stub.Check(health_pb2.HealthCheckRequest(service="nonsense"), timeout=5)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_watch_tells_of_a_new_leader(cluster: LocalCluster, leader: Node) -> None:
    seen: Queue[tuple[str, int]] = Queue()

    def watch(node: Node, channel: grpc.Channel) -> None:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            for answer in stub.Watch(health_pb2.HealthCheckRequest(service="quis.RaftLeader")):
                seen.put((node.id, answer.status))
        except grpc.RpcError:
            pass  # the channel was closed

    channels = [grpc.insecure_channel(node.address) for node in cluster.nodes]
    threads = [
        threading.Thread(target=watch, args=pair, daemon=True) for pair in zip(cluster.nodes, channels, strict=True)
    ]
    for thread in threads:
        thread.start()
    state = dict(seen.get(timeout=10) for _ in cluster.nodes)
    assert state == {node.id: SERVING if node is leader else NOT_SERVING for node in cluster.nodes}
    transfer(leader)
    while list(state.values()).count(SERVING) != 1 or state[leader.id] == SERVING:
        state.update([seen.get(timeout=10)])
    for channel in channels:
        channel.close()
    for thread in threads:
        thread.join(10)


# ---- gRPC -----------------------------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_raw_kv_through_every_node(cluster: LocalCluster) -> None:
    for number, node in enumerate(cluster.nodes):
        key, value = b"raw/\x00%d" % number, b"\xff value \x00%d" % number
        put = ask(node.address, "RawKV/RawPut", key=b64(key), value=b64(value))
        assert put["success"]
        assert int(put["commitIndex"]) > 0
        for reader in cluster.nodes:
            got = ask(reader.address, "RawKV/RawGet", key=b64(key))
            assert (got["exists"], got["value"]) == (True, b64(value))
    for node in cluster.nodes:
        scan = ask(node.address, "RawKV/RawScanAt", startKey=b64(b"raw/"), endKey=b64(b"raw0"), limit=10)
        assert [pair["key"] for pair in scan["kv"]] == [b64(b"raw/\x00%d" % n) for n in range(3)]
        back = ask(
            node.address, "RawKV/RawScanAt", startKey=b64(b"raw/"), endKey=b64(b"raw0"), limit=1, reverse=True,
            keysOnly=True,
        )  # fmt: skip
        assert back["kv"] == [{"key": b64(b"raw/\x00" + b"2")}]
    latest = {int(ask(n.address, "RawKV/RawLatestCommitTS", key=b64(b"raw/\x001"))["ts"]) for n in cluster.nodes}
    assert len(latest) == 1
    (at,) = latest
    assert ask(cluster.nodes[2].address, "RawKV/RawDelete", key=b64(b"raw/\x001"))["success"]
    assert "exists" not in ask(cluster.nodes[1].address, "RawKV/RawGet", key=b64(b"raw/\x001"))
    assert ask(cluster.nodes[0].address, "RawKV/RawGet", key=b64(b"raw/\x001"), ts=str(at))["exists"]


def test_distribution_and_reflection(cluster: LocalCluster) -> None:
    stamps = [int(ask(n.address, "Distribution/GetTimestamp")["timestamp"]) for n in [*cluster.nodes, *cluster.nodes]]
    assert stamps == sorted(set(stamps)), "never repeated, never backwards, whichever node is asked"
    for node in cluster.nodes:
        (route,) = ask(node.address, "Distribution/ListRoutes")["routes"]
        assert route["state"] == "ROUTE_STATE_ACTIVE"
        assert ask(node.address, "Distribution/GetRoute", key=b64(b"any"))["raftGroupId"] == route["raftGroupId"]
        services = set(grpcurl(node.address, "list").split())
        assert {"Distribution", "RaftAdmin", "RawKV", "grpc.health.v1.Health"} <= services
        assert "TransactionalKV" not in services


def test_only_the_leader_changes_the_members(leader: Node, follower: Node) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ask(follower.address, "RaftAdmin/AddLearner", id="n9", address="127.0.0.1:1")
    assert "FailedPrecondition" in caught.value.stdout
    assert leader.address in caught.value.stdout
    with pytest.raises(subprocess.CalledProcessError) as caught:
        ask(leader.address, "RaftAdmin/ApplyLog", data=b64(b"x"))
    assert "PermissionDenied" in caught.value.stdout


# ---- Redis ----------------------------------------------------------------------------------------------------------


def test_commands_of_the_first_groups(client: redis.Redis) -> None:
    assert client.set("k", "v", ex=100)
    assert client.get("k") == b"v"
    assert 0 < int(client.ttl("k")) <= 100
    assert client.incrby("n", 41) == 41
    assert client.append("k", "w") == 2
    assert client.setbit("bits", 7, 1) == 0
    assert client.bitcount("bits") == 1
    assert sorted(client.scan_iter(count=1)) == [b"bits", b"k", b"n"]
    assert client.delete("k", "nothing") == 1
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("bits")


def test_transactions_and_watches(client: redis.Redis, cluster: LocalCluster) -> None:
    with client.pipeline(transaction=True) as pipe:
        pipe.set("a", "1")
        pipe.incr("a")
        pipe.get("a")
        assert pipe.execute() == [True, 2, b"2"]
    with client.pipeline() as pipe, cluster.nodes[0].redis() as another:
        pipe.watch("a")  # type: ignore[no-untyped-call]
        another.set("a", "changed")
        pipe.multi()
        pipe.set("a", "lost")
        with pytest.raises(redis.WatchError):
            pipe.execute()
        assert client.get("a") == b"changed"
        pipe.watch("a")  # type: ignore[no-untyped-call]
        another.set("b", "unwatched")
        pipe.multi()
        pipe.set("a", "won")
        assert pipe.execute() == [True]
    assert client.get("a") == b"won"


async def test_a_watch_outlives_a_select(cluster: LocalCluster) -> None:
    """A follower tells the leader of the new database; the watch must survive that, and not become a blank cheque."""
    for node in cluster.nodes:
        for interfere, expected in ((True, None), (False, [b"OK"])):
            one = await RespConnection.open(node.ip, 6379)
            another = await RespConnection.open(cluster.nodes[0].ip, 6379)
            await another.call("SET", "guard", "0")
            await one.call("WATCH", "guard")
            await one.call("SELECT", "1")
            await one.call("GET", "anything")
            if interfere:
                await another.call("SET", "guard", "1")
            await one.call("MULTI")
            await one.call("SET", "guarded", "x")
            assert await one.call("EXEC") == expected
            one.close()
            another.close()


def test_a_long_pipeline_keeps_its_order(client: redis.Redis) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(1000):
        pipe.set(f"p{number}", number)
        pipe.get(f"p{number}")
        pipe.incr("total")
    replies = pipe.execute()
    assert replies[0::3] == [True] * 1000
    assert replies[1::3] == [b"%d" % number for number in range(1000)]
    assert replies[2::3] == list(range(1, 1001))


def test_databases_are_separate(leader: Node, follower: Node) -> None:
    for node in (leader, follower):
        with node.redis(db=3) as third, node.redis(db=0) as zeroth:
            third.flushdb()
            zeroth.set("where", "0")
            assert third.get("where") is None
            third.set("where", "3")
            assert (zeroth.get("where"), third.get("where"), third.dbsize()) == (b"0", b"3", 1)


def test_large_values(client: redis.Redis, cluster: LocalCluster) -> None:
    value = bytes(range(256)) * (16 << 12)
    assert len(value) == 16 << 20
    assert client.set("large", value)
    for node in cluster.nodes:
        with node.redis() as reader:
            assert reader.get("large") == value
    assert client.getrange("large", (16 << 20) - 3, -1) == value[-3:]


def test_resp3(leader: Node, follower: Node) -> None:
    for node in (leader, follower):
        with node.redis(protocol=3) as client:
            assert client.set("three", "1.5")
            assert client.get("three") == b"1.5"
            hello: Any = client.execute_command("HELLO")
            assert hello[b"proto"] == 3
            assert hello[b"role"] == (b"master" if node is leader else b"replica")


def test_redis_benchmark_against_a_follower(follower: Node) -> None:
    options = "-p 6379 -t set,get,incr,mset -n 2000 -c 20 -d 64 -r 1000 --csv"
    for more in ([], ["-P", "16"]):
        done = subprocess.run(
            [program("redis-benchmark"), "-h", follower.ip, *options.split(), *more],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "error" not in (done.stdout + done.stderr).lower()
        assert len([line for line in done.stdout.splitlines() if '"' in line]) >= 4, done.stdout


def test_a_password_is_asked_for_and_travels_with_forwarded_commands(
    make_cluster: ClusterFactory, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    cluster = make_cluster(3, extra_flags=["--redisRequirePassFile", str(secret)])
    for node in cluster.nodes:
        assert redis_cli(node.ip, 6379, "GET", "x") == "NOAUTH Authentication required."
        assert redis_cli(node.ip, 6379, "AUTH", "wrong").startswith("WRONGPASS ")
        with node.redis(password="correct horse", protocol=3) as friend:
            assert friend.set(node.id, "served")
        with node.redis(password="correct horse") as friend:
            assert friend.get(node.id) == b"served"
    for node in cluster.nodes:
        assert "correct horse" not in node.log_text()
