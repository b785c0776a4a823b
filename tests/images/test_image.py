"""The image, followed by hand through the guide: five real containers on five loopback addresses of this machine.

The blocks are the guide's own (`tests.e2e.test_guide` has them). Exchanged in their text is only what one machine
cannot have five times: the network, the container's name and the host's side of the volume; and the image's name. One
setting is added, the address of the metrics door, which every node otherwise opens on the same localhost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import test_guide as guide
from tests.kit.tools import redis_cli

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = "elastickv:latest"
NETWORK = f"127.{200 + os.getpid() % 50}.9."
PREFIX = f"elastickv-test-{os.getpid()}"
UID = 10001


def run(*command: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done


def inside(*command: str) -> str:
    """What a program prints in a container of its own, as the image's user."""
    return run("docker", "run", "--rm", "--network", "none", IMAGE, *command).stdout.strip()


def inspect(name: str, kind: str = "container") -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(run("docker", kind, "inspect", name).stdout)
    return found[0]


@pytest.fixture(scope="module")
def image() -> dict[str, Any]:
    """The image of these sources; built when it is not there."""
    engine = run(sys.executable, "images/dockerd.py", "start", timeout=600, check=False)
    if engine.returncode:
        pytest.skip(f"no Docker engine can run here: {engine.stderr.strip().splitlines()[-1]}")
    built = run(sys.executable, "images/build.py", timeout=900, check=False)
    assert built.returncode == 0, built.stderr
    return inspect(IMAGE, "image")


class Machine:
    """One "VM" of the guide: an address, a directory, a container."""

    def __init__(self, root: Path, number: int) -> None:
        self.number = number
        self.ip = f"{NETWORK}{10 + number}"
        self.name = f"{PREFIX}-n{number}"
        self.directory = root / f"vm{number}"

    def block(self, text: str) -> str:
        """Run a block of the guide and return what it printed."""
        text = f"{guide.VARIABLES}\n{text}"
        for theirs, ours in (
            ('"${GRPCURL_IMG}"', f"{IMAGE} grpcurl"),
            ("fullstorydev/grpcurl:v1.9.3", f"{IMAGE} grpcurl"),
            ("10.0.0.", NETWORK),
            ("docker rm -f elastickv", f"docker rm -f {self.name}"),
            ("docker stop elastickv", f"docker stop {self.name}"),
            ("--name elastickv", f"--name {self.name} --env ELASTICKV_METRICS_ADDRESS={self.ip}:9090"),
            ("-v /var/lib/elastickv:", f"-v {self.directory}:"),
            ("mkdir -p /var/lib/elastickv", f"mkdir -p {self.directory}"),
            ("sudo ", ""),
        ):
            text = text.replace(theirs, ours)
        return run("bash", "-c", text).stdout.strip()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = inspect(self.name)["State"]
        return state

    def redis(self, *words: str) -> str:
        return redis_cli(self.ip, 6379, *words)


@pytest.fixture
def machines(image: dict[str, Any], tmp_path: Path) -> Iterator[list[Machine]]:
    found = [Machine(tmp_path, number) for number in range(1, 6)]
    try:
        yield found
    finally:
        for machine in found:
            logs = run("docker", "logs", "--tail", "20", machine.name, check=False)
            sys.stderr.write(f"--- {machine.name}\n{logs.stdout}{logs.stderr}")
            run("docker", "rm", "-f", machine.name, check=False)


def until(holds: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.2)


def test_the_guide_word_for_word(machines: list[Machine]) -> None:
    first, second, third, fourth, fifth = machines
    # Sections 2 and 4. The directories are root's, as `sudo mkdir` makes them.
    for machine in machines:
        machine.block(guide.PREPARE)
        assert machine.directory.stat().st_uid == os.getuid()
        machine.block(guide.start_block(machine.number))

    # 5) Verify cluster convergence
    first.block(guide.WAIT_FOR_ALL)
    members = json.loads(first.block(guide.CHECK_MEMBERS))["servers"]
    assert sorted(each["id"] for each in members) == ["n1", "n2", "n3", "n4", "n5"]
    assert {each["address"] for each in members} == {f"{machine.ip}:50051" for machine in machines}

    # 6) Validate read/write
    until(lambda: "address" in json.loads(first.block(guide.CHECK_LEADER)), "a leader")
    assert first.redis("SET", "health", "ok") == "OK"
    assert second.redis("GET", "health") == "ok"
    for machine in machines:
        until(lambda m=machine: m.state["Health"]["Status"] == "healthy", f"{machine.name} is healthy", 90)  # type: ignore[misc]
        assert machine.directory.stat().st_uid == UID, "the node's user owns its data"
        assert all(path.stat().st_uid == UID for path in machine.directory.rglob("*"))

    # 7) Fault tolerance drill, with the leader among the lost.
    leader = json.loads(first.block(guide.CHECK_LEADER))["address"]
    lost = [next(m for m in machines if leader.startswith(f"{m.ip}:"))]
    lost += [next(m for m in (fifth, fourth) if m not in lost)]
    for machine in lost:
        begun_at = time.monotonic()
        machine.block(guide.STOP)
        assert time.monotonic() - begun_at < 10, "docker stop would have killed it"
        assert machine.state["ExitCode"] == 0
        assert not machine.state["OOMKilled"]
    left = [machine for machine in machines if machine not in lost]
    until(lambda: left[0].redis("SET", "survive", "yes") == "OK", "writes go on")
    assert left[1].redis("GET", "survive") == "yes"
    assert left[2].redis("GET", "health") == "ok"

    # Back, with everything.
    for machine in lost:
        run("docker", "start", machine.name)
    until(lambda: all(m.redis("GET", "survive") == "yes" for m in lost), "the lost nodes serve again")

    # What dies by itself is brought back by the restart policy. (A `docker kill` counts as the operator's wish.)
    os.kill(int(third.state["Pid"]), 9)
    until(lambda: inspect(third.name)["RestartCount"] == 1 and third.state["Running"], "the restart policy acts")
    until(lambda: third.redis("GET", "survive") == "yes", "the killed node serves again")

    # Stop and cleanup
    for machine in machines:
        machine.block(guide.CLEAN_UP)
        assert run("docker", "container", "inspect", machine.name, check=False).returncode != 0


def test_what_the_image_promises(image: dict[str, Any]) -> None:
    config = image["Config"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "elastickv"
    assert labels["org.opencontainers.image.version"] == inside("version").split()[1]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/app", "health"]
    assert image["Size"] < 250e6


@pytest.mark.parametrize(
    "options", [[], ["--user", "10001"], ["--read-only", "--cap-drop", "ALL", "--user", "10001:10001"]]
)
def test_nobody_in_it_is_root(image: dict[str, Any], options: list[str]) -> None:
    status = run("docker", "run", "--rm", *options, IMAGE, "cat", "/proc/self/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {str(UID)}
    assert int(fields["CapEff"], 16) == 0
    if not options:
        assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "pip", "pip3"])
def test_it_has_nothing_to_build_with(image: dict[str, Any], program: str) -> None:
    assert inside("sh", "-c", f"command -v {program} || echo none") == "none"


def test_it_carries_no_caches(image: dict[str, Any]) -> None:
    assert (
        inside("sh", "-c", "find / -xdev -path '*/.cache/*' -o -path '*/lib/apt/lists/*' -type f 2>/dev/null; true")
        == ""
    )
    assert inside("python3", "-c", "import importlib.util as u; print(u.find_spec('pip'))") == "None"


@pytest.mark.parametrize("words", [["/app", "version"], ["version"], ["/app", "--version"], ["--version"]])
def test_app_is_both_the_program_and_the_way_in(image: dict[str, Any], words: list[str]) -> None:
    assert inside(*words).startswith("elastickv ")


def test_the_guides_tools_are_in_it(image: dict[str, Any]) -> None:
    assert inside("redis-cli", "--version").startswith("redis-cli ")
    assert run("docker", "run", "--rm", IMAGE, "grpcurl", "--version").stderr.startswith("grpcurl ")


def test_a_data_directory_that_cannot_be_handed_over_is_named(image: dict[str, Any], tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    done = run(
        *("docker", "run", "--rm", "--cap-drop", "CHOWN", "-v", f"{directory}:/var/lib/elastickv", IMAGE),
        check=False,
    )
    assert done.returncode != 0
    assert "chown -R 10001:10001" in done.stderr


def test_a_drill_in_a_container_leaves_its_report_on_the_host(machines: list[Machine], tmp_path: Path) -> None:
    """One node that founds a cluster of its own, and a drill from another container of the same image."""
    machine, report = machines[0], tmp_path / "report"
    run(
        *("docker", "run", "-d", "--name", machine.name, "--network", "host", IMAGE),
        *("--address", f"{machine.ip}:50051", "--redisAddress", f"{machine.ip}:6379"),
        *("--dynamoAddress", f"{machine.ip}:8000", "--metricsAddress", f"{machine.ip}:9090"),
    )
    until(lambda: machine.redis("PING") == "PONG" and machine.redis("SET", "a", "b") == "OK", "the node serves")
    drill = ("drill", "--address", f"{machine.ip}:50051", "--duration", "2s", "--out", "/report")
    done = run("docker", "run", "--rm", "--network", "host", "-v", f"{report}:/report", IMAGE, *drill)
    assert "linearizable: " in done.stdout
    assert json.loads((report / "report.json").read_text())["passed"]


def test_a_wrong_flag_ends_with_two(image: dict[str, Any]) -> None:
    done = run("docker", "run", "--rm", IMAGE, "/app", "--adress", "127.0.0.1:1", check=False)
    assert done.returncode == 2
    assert "did you mean --address" in done.stderr


def test_an_archive_is_what_was_built(image: dict[str, Any], tmp_path: Path) -> None:
    run(sys.executable, "images/build.py", "--archive", str(tmp_path), timeout=900)
    identity = inspect(IMAGE, "image")["Id"]
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("elastickv-*.tar.gz")
    loaded = run("docker", "load", "-i", str(archive)).stdout
    assert "elastickv:latest" in loaded
    assert inspect(IMAGE, "image")["Id"] == identity
