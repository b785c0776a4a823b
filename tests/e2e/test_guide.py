"""The guide for a cluster on several machines, sections 3 to 7 and the clean-up, word for word.

The blocks below are the guide's own, but for the image's name. They run in one shell per "VM" (see
`tests.kit.guide_vm`), as an operator would paste them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.guide_vm import Vm
from tests.kit.tools import redis_cli

REQUEST_TIMEOUT = 5.0
"""The default of --requestTimeout."""
MARGIN = 2.5
"""For starting programs on a busy machine, on top of the node's own deadline."""

PULL = "docker pull elastickv:latest"

PREPARE = "sudo mkdir -p /var/lib/elastickv"

VARIABLES = """
RAFT_TO_REDIS_MAP="10.0.0.11:50051=10.0.0.11:6379,10.0.0.12:50051=10.0.0.12:6379,10.0.0.13:50051=10.0.0.13:6379,10.0.0.14:50051=10.0.0.14:6379,10.0.0.15:50051=10.0.0.15:6379"

RAFT_BOOTSTRAP_MEMBERS="n1=10.0.0.11:50051,n2=10.0.0.12:50051,n3=10.0.0.13:50051,n4=10.0.0.14:50051,n5=10.0.0.15:50051"
"""

START_N1 = r"""
docker rm -f elastickv 2>/dev/null || true

docker run -d \
  --name elastickv \
  --restart unless-stopped \
  --network host \
  -v /var/lib/elastickv:/var/lib/elastickv \
  elastickv:latest /app \
  --address "10.0.0.11:50051" \
  --redisAddress "10.0.0.11:6379" \
  --dynamoAddress "10.0.0.11:8000" \
  --raftId "n1" \
  --raftDataDir "/var/lib/elastickv" \
  --raftRedisMap "${RAFT_TO_REDIS_MAP}" \
  --raftBootstrapMembers "${RAFT_BOOTSTRAP_MEMBERS}" \
  --raftBootstrap
"""

START_N2 = r"""
docker rm -f elastickv 2>/dev/null || true

docker run -d \
  --name elastickv \
  --restart unless-stopped \
  --network host \
  -v /var/lib/elastickv:/var/lib/elastickv \
  elastickv:latest /app \
  --address "10.0.0.12:50051" \
  --redisAddress "10.0.0.12:6379" \
  --dynamoAddress "10.0.0.12:8000" \
  --raftId "n2" \
  --raftDataDir "/var/lib/elastickv" \
  --raftRedisMap "${RAFT_TO_REDIS_MAP}"
"""

WAIT_FOR_ALL = """
GRPCURL_IMG="fullstorydev/grpcurl:v1.9.3"

# Wait for every node gRPC endpoint
for ip in 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15; do
  until docker run --rm --network host "${GRPCURL_IMG}" \\
    -plaintext "${ip}:50051" list >/dev/null 2>&1; do
    sleep 1
  done
done
"""

CHECK_MEMBERS = """
docker run --rm --network host "${GRPCURL_IMG}" \\
  -plaintext -d '{}' 10.0.0.11:50051 RaftAdmin/GetConfiguration
"""

CHECK_LEADER = """
docker run --rm --network host fullstorydev/grpcurl:v1.9.3 \\
  -plaintext -d '{}' 10.0.0.11:50051 RaftAdmin/Leader
"""

WRITE = "redis-cli -h 10.0.0.11 -p 6379 SET health ok"
READ = "redis-cli -h 10.0.0.12 -p 6379 GET health"

STOP = "docker stop elastickv"

WRITE_AGAIN = "redis-cli -h 10.0.0.11 -p 6379 SET survive yes"
READ_AGAIN = "redis-cli -h 10.0.0.12 -p 6379 GET survive"

CLEAN_UP = """
docker rm -f elastickv 2>/dev/null || true
"""
REMOVE_DATA = "sudo rm -rf /var/lib/elastickv/*"


def for_four(block: str) -> str:
    """For a 4-node cluster, "remove the `n5` entry"."""
    for entry in (",10.0.0.15:50051=10.0.0.15:6379", ",n5=10.0.0.15:50051", " 10.0.0.15"):
        block = block.replace(entry, "")
    return block


def start_block(number: int) -> str:
    """n3 to n5 are started "the same way by replacing" the addresses and the ID."""
    if number == 1:
        return START_N1
    return START_N2.replace("10.0.0.12", f"10.0.0.{10 + number}").replace('"n2"', f'"n{number}"')


class Machines:
    def __init__(self, vms: list[Vm]) -> None:
        self.vms = vms
        for vm in vms:
            vm.run(PULL)
            vm.run(PREPARE)
            vm.run(VARIABLES if len(vms) == 5 else for_four(VARIABLES))

    def start(self, *numbers: int) -> None:
        """Start these nodes, and wait for their gRPC endpoints with the guide's loop."""
        for number in numbers:
            self.vms[number - 1].run(start_block(number))
        endpoints = " ".join(f"10.0.0.{10 + number}" for number in numbers)
        self.vms[0].run(WAIT_FOR_ALL.replace("10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15", endpoints))

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self.vms[number - 1].run(STOP)
            assert self.vms[number - 1].exit_code() == 0

    def redis(self, number: int, *words: str) -> str:
        return redis_cli(self.vms[number - 1].ip, 6379, *words)

    def ask(self, number: int, block: str) -> dict[str, object]:
        """A block that asks n1 something in JSON, turned to another node."""
        answer: dict[str, object] = json.loads(self.vms[0].run(block.replace("10.0.0.11", f"10.0.0.{10 + number}")))
        return answer

    def are_refused(self, *requests: tuple[int, str]) -> None:
        """Sent all at once, each to its node; each ends inside the deadline, with the error that the contract names."""

        def ask(request: tuple[int, str]) -> tuple[str, float]:
            begun_at = time.monotonic()
            return self.redis(request[0], *request[1].split()), time.monotonic() - begun_at

        with ThreadPoolExecutor(len(requests)) as pool:
            for request, (reply, seconds) in zip(requests, pool.map(ask, requests), strict=True):
                assert reply.startswith("CLUSTERDOWN "), f"{request}: {reply}"
                assert seconds < REQUEST_TIMEOUT + MARGIN, f"{request}: {seconds:.1f} s"

    def notice_the_loss(self, number: int) -> None:
        """A leader notices within an election timeout that its majority is gone. What it has put into its log until
        then is neither done nor refused, and it says so."""
        reply = self.redis(number, "SET", "limbo", "perhaps")
        assert reply.startswith("CLUSTERDOWN ") or "outcome unknown" in reply, reply

    def converge(self) -> None:
        """Section 5, and then until every node names the same leader."""
        first = self.vms[0]
        first.run(WAIT_FOR_ALL if len(self.vms) == 5 else for_four(WAIT_FOR_ALL))
        deadline = time.monotonic() + 60
        while True:
            leaders = {str(self.ask(number, CHECK_LEADER).get("address")) for number in self.numbers}
            if len(leaders) == 1 and leaders <= {f"{vm.ip}:50051" for vm in self.vms}:
                return
            assert time.monotonic() < deadline, f"leaders named: {leaders}"
            time.sleep(0.2)

    @property
    def numbers(self) -> range:
        return range(1, len(self.vms) + 1)


@pytest.fixture
def machines(
    request: pytest.FixtureRequest, tmp_path: Path, network: str, logs: list[Callable[[], str]]
) -> Iterator[Machines]:
    with ExitStack() as stack:
        vms = [stack.enter_context(Vm(tmp_path, network, number)) for number in range(1, request.param + 1)]
        logs.append(lambda: "\n".join(vm.log() for vm in vms))
        yield Machines(vms)


@pytest.mark.parametrize("machines", [5], indirect=True)
def test_five_nodes(machines: Machines) -> None:
    network = machines.vms[0].localized("10.0.0.")

    # n1 alone has no quorum of five: it answers, and refuses.
    machines.start(1)
    machines.are_refused((1, "SET early bird"), (1, "GET early"))
    machines.start(2)
    machines.are_refused((1, "SET early bird"), (2, "SET early bird"), (2, "GET early"))

    # Three of five are a quorum.
    machines.start(3)
    _eventually(lambda: machines.redis(1, "SET", "three", "of five"), "OK")
    assert machines.redis(3, "GET", "three") == "of five"
    assert machines.redis(2, "GET", "early") == "", "a refused write was done after all"

    machines.start(4, 5)
    machines.converge()
    for number in machines.numbers:
        assert "RaftAdmin" in machines.vms[0].run(f'"$GRPCURL" -plaintext 10.0.0.{10 + number}:50051 list').split()
        configuration = machines.ask(number, CHECK_MEMBERS)
        assert configuration == {
            "servers": [{"id": f"n{n}", "address": f"{network}{10 + n}:50051"} for n in machines.numbers]
        }, "a voter is VOTER, the default, which JSON leaves out"

    # Section 6, and then every pair.
    assert machines.vms[0].run(WRITE) == "OK"
    assert machines.vms[0].run(READ) == "ok"
    for writer in machines.numbers:
        assert machines.redis(writer, "SET", f"from-{writer}", f"value {writer}") == "OK"
        assert {machines.redis(reader, "GET", f"from-{writer}") for reader in machines.numbers} == {f"value {writer}"}

    # Section 7: two of five stop.
    machines.stop(4, 5)
    assert machines.vms[0].run(WRITE_AGAIN) == "OK"
    assert machines.vms[0].run(READ_AGAIN) == "yes"
    assert machines.redis(3, "GET", "survive") == "yes"

    # The third is killed: no request is served, and none hangs.
    machines.vms[2].run(CLEAN_UP)
    machines.notice_the_loss(1)
    machines.are_refused(*((number, request) for number in (1, 2) for request in ("SET survive no", "GET survive")))

    # Back: everything acknowledged is there, and nothing that was refused.
    machines.start(3, 4, 5)
    machines.converge()
    for number in machines.numbers:
        expected = {"health": "ok", "survive": "yes", "three": "of five", "early": ""}
        expected |= {f"from-{n}": f"value {n}" for n in machines.numbers}
        assert {key: machines.redis(number, "GET", key) for key in expected} == expected
    assert {machines.redis(number, "GET", "limbo") for number in machines.numbers} in ({""}, {"perhaps"})

    # "Stop and Cleanup"
    for vm in machines.vms:
        vm.run(CLEAN_UP)
        assert any(vm.data_dir.iterdir())
        vm.run(REMOVE_DATA)
        assert not any(vm.data_dir.iterdir())


@pytest.mark.parametrize("machines", [4], indirect=True)
def test_four_nodes(machines: Machines) -> None:
    machines.start(*machines.numbers)
    machines.converge()
    assert len(machines.ask(1, CHECK_MEMBERS)["servers"]) == 4  # type: ignore[arg-type]  # a list
    assert machines.vms[0].run(WRITE) == "OK"
    assert machines.vms[0].run(READ) == "ok"

    # One of four is bearable.
    machines.vms[3].run(CLEAN_UP)
    _eventually(lambda: machines.redis(1, "SET", "survive", "yes"), "OK")
    assert {machines.redis(number, "GET", "survive") for number in (1, 2, 3)} == {"yes"}

    # Two of four are not.
    machines.vms[2].run(CLEAN_UP)
    machines.notice_the_loss(1)
    machines.are_refused(*((number, request) for number in (1, 2) for request in ("SET survive no", "GET survive")))

    machines.start(3)
    _eventually(lambda: machines.redis(1, "GET", "survive"), "yes")
    assert {machines.redis(number, "GET", "health") for number in (1, 2, 3)} == {"ok"}


def _eventually(ask: Callable[[], str], expected: str, timeout: float = 60.0) -> None:
    """While a leader is being elected a request may be refused; each one still ends in time."""
    deadline = time.monotonic() + timeout
    while (reply := ask()) != expected:
        assert reply.startswith(("CLUSTERDOWN ", "ERR ")), reply
        assert time.monotonic() < deadline, reply
