"""Real workers of job queues against three nodes while the leader is killed: no job that was accepted is lost.

Workers are started again when they end, as a supervisor would. A job may run twice when the answer to its end was lost,
and one that a worker had taken when it ended is for the queue to find (RQ does so after minutes, and calls it failed).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import celery  # type: ignore[import-untyped]  # has no types
import kombu.exceptions
import pytest
import redis

from tests.e2e import jobs
from tests.e2e.conftest import ClusterFactory
from tests.kit import tools
from tests.kit.local_cluster import REPOSITORY, LocalCluster, Node


class Supervisor:
    """Keeps one worker running."""

    def __init__(self, command: list[str], broker: str, log: Path) -> None:
        self._command = command
        self._environment = {**os.environ, "ELASTICKV_E2E_BROKER": broker}
        self._log = log
        self._ends = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self.starts = 0

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        with self._log.open("ab") as log:
            while not self._ends.is_set():
                self.starts += 1
                self._process = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    cwd=REPOSITORY,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                self._process.wait()
                self._ends.wait(0.5)

    def stop(self) -> None:
        self._ends.set()
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(20)

    def log_tail(self) -> str:
        return "--- " + self._log.name + "\n" + "\n".join(self._log.read_text(errors="replace").splitlines()[-60:])


@contextmanager
def workers(
    cluster: LocalCluster, command: Callable[[str], list[str]], root: Path, logs: list[Callable[[], str]]
) -> Iterator[list[Supervisor]]:
    """One at each node."""
    made = []
    for node in cluster.nodes:
        broker = f"redis://{node.redis_address}/0"
        one = Supervisor(command(broker), broker, root / f"worker-{node.id}.log")
        logs.append(one.log_tail)
        made.append(one)
    for one in made:
        one.start()
    try:
        yield made
    finally:
        for one in made:
            one.stop()


def ran(node: Node) -> set[int]:
    with node.redis() as client:
        found: Any = client.lrange("ran", 0, -1)
        return {int(number) for number in found}


class Producer(threading.Thread):
    """Enqueues jobs through one node, one after the other; `taken` are those that the queue took."""

    def __init__(self, enqueue: Callable[[int], object], numbers: range) -> None:
        super().__init__()
        self._enqueue = enqueue
        self._numbers = numbers
        self.taken: dict[int, Any] = {}
        self.start()

    def run(self) -> None:
        for number in self._numbers:
            try:
                self.taken[number] = self._enqueue(number)
            except redis.RedisError:
                time.sleep(0.1)  # in doubt, and not asked for again
            time.sleep(0.05)


def kill_and_restart(cluster: LocalCluster) -> None:
    """In the main thread: a node ends with the thread that started it."""
    time.sleep(1.0)
    leader = cluster.wait_for_leader()
    leader.kill()
    cluster.wait_for_leader(unlike=leader)
    time.sleep(1.0)
    leader.start()
    cluster.wait_until(leader.ready, f"{leader.id} is back")


def wait_for(cluster: LocalCluster, wanted: Iterable[int], timeout: float) -> set[int]:
    """What has not run in the end."""
    deadline = time.monotonic() + timeout
    while (missing := set(wanted) - ran(cluster.wait_for_leader())) and time.monotonic() < deadline:
        time.sleep(0.5)
    return missing


def test_rq(make_cluster: ClusterFactory, tmp_path: Path, logs: list[Callable[[], str]]) -> None:
    import rq

    cluster = make_cluster(3)

    def command(broker: str) -> list[str]:
        worker = [sys.executable, "-m", "rq.cli", "worker", "--url", broker]
        return [*worker, "--worker-class", "rq.worker.SimpleWorker", "--maintenance-interval", "5", "queue"]

    kills = 2
    taken: dict[int, Any] = {}
    with workers(cluster, command, tmp_path, logs) as supervisors:
        for round in range(kills):
            # Jobs come in at a node that is not killed.
            with cluster.followers()[0].redis(socket_timeout=20) as client:
                queue = rq.Queue("queue", connection=client)
                producer = Producer(partial(queue.enqueue, jobs.count), range(round * 100, round * 100 + 60))
                kill_and_restart(cluster)
                producer.join()
            taken |= producer.taken
        missing = wait_for(cluster, taken, 15)
    assert len(taken) > 60
    with cluster.wait_for_leader().redis() as client:
        queue = rq.Queue("queue", connection=client)
        known = {
            *queue.job_ids,
            *queue.intermediate_queue.get_job_ids(),
            *queue.started_job_registry.get_job_ids(cleanup=False),
            *queue.failed_job_registry.get_job_ids(cleanup=False),
        }
    lost = [number for number in missing if taken[number].id not in known]
    assert not lost, f"{len(lost)} of {len(taken)} jobs are nowhere: {sorted(lost)[:10]}"
    # RQ moves a job to its intermediate queue and works on what that answers: a job whose answer was lost with the
    # leader stands there until RQ's maintenance finds it, a minute later. So does what a worker had that ended.
    stuck = kills * len(supervisors) + sum(one.starts - 1 for one in supervisors)
    assert len(missing) <= stuck, f"{len(missing)} of {len(taken)} jobs are stuck: {sorted(missing)}"


def test_celery(make_cluster: ClusterFactory, tmp_path: Path, logs: list[Callable[[], str]]) -> None:
    cluster = make_cluster(3)

    def command(_: str) -> list[str]:
        worker = [sys.executable, "-m", "celery", "-A", "tests.e2e.jobs", "worker", "--pool", "solo"]
        return [*worker, "--loglevel", "INFO", "--without-gossip", "--without-mingle"]

    kills = 2
    taken: dict[int, Any] = {}
    with workers(cluster, command, tmp_path, logs) as supervisors:
        for round in range(kills):
            broker = f"redis://{cluster.followers()[0].redis_address}/0"
            application = celery.Celery(broker=broker, broker_transport_options={"socket_timeout": 20})
            enqueue = partial(_send, application)
            producer = Producer(enqueue, range(round * 100, round * 100 + 60))
            kill_and_restart(cluster)
            producer.join()
            application.close()
            taken |= producer.taken
        missing = wait_for(cluster, taken, 60)
    assert len(taken) > 60
    # Celery pops with BRPOP: what was popped for an answer that was lost with its leader is gone (at most once).
    assert len(missing) <= kills * len(supervisors), f"{len(missing)} of {len(taken)} jobs never ran: {sorted(missing)}"


def _send(application: celery.Celery, number: int) -> object:
    try:
        return application.send_task("jobs.double", (number,), retry=False)
    except kombu.exceptions.OperationalError as error:
        raise redis.RedisError(str(error)) from error


BULLMQ = Path(__file__).parent / "bullmq"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js with BullMQ beside its programs, as package-lock.json says."""
    try:
        tools.npm_ci(BULLMQ)
    except RuntimeError as error:
        pytest.skip(str(error))
    return tools.node()


def test_bullmq(make_cluster: ClusterFactory, tmp_path: Path, logs: list[Callable[[], str]], node: str) -> None:
    cluster = make_cluster(3)

    def command(broker: str) -> list[str]:
        host = broker.removeprefix("redis://").partition(":")[0]
        return [node, str(BULLMQ / "worker.mjs"), host, str(cluster.ports.redis)]

    taken: set[int] = set()
    with workers(cluster, command, tmp_path, logs):
        for round in range(2):
            host = cluster.followers()[0].ip
            producer = subprocess.Popen(
                [node, str(BULLMQ / "produce.mjs"), host, str(cluster.ports.redis), str(round * 100), "60"],
                stdout=subprocess.PIPE,
                text=True,
            )
            kill_and_restart(cluster)
            output, _ = producer.communicate(timeout=60)
            taken |= {int(line.split()[0]) for line in output.splitlines()}
        missing = wait_for(cluster, taken, 60)
    assert len(taken) > 60
    assert not missing, f"{len(missing)} of {len(taken)} jobs never ran: {sorted(missing)[:10]}"
