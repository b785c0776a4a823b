"""Clusters of real processes for these tests: addresses of their own, and the nodes' logs when a test fails."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.kit.local_cluster import LocalCluster

_NUMBERS = itertools.count(1)
_LOGS: list[Callable[[], str]] = []
"""What to print when a test fails: the logs of everything that was started and not yet forgotten."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when != "teardown":
        report.sections.extend(("nodes", show()) for show in _LOGS)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


def fresh_network() -> str:
    """A part of 127.0.0.0/8 ("127.x.y.") that no other test uses, and hardly another run on this machine."""
    return f"127.{64 + os.getpid() % 128}.{next(_NUMBERS)}."


@pytest.fixture
def network() -> str:
    """ELASTICKV_E2E_NETWORK=127.0.0. puts the guide's nodes on the addresses that its readers know."""
    return os.environ.get("ELASTICKV_E2E_NETWORK") or fresh_network()


@pytest.fixture
def logs() -> Iterator[list[Callable[[], str]]]:
    """Functions added here are called when the test fails, for what they return to be shown."""
    before = len(_LOGS)
    yield _LOGS
    del _LOGS[before:]


class ClusterFactory(Protocol):
    def __call__(self, nodes: int = 3, *, started: bool = True, **options: Any) -> LocalCluster: ...


def _factory(root: Path, stack: ExitStack) -> ClusterFactory:
    def make(nodes: int = 3, *, started: bool = True, **options: Any) -> LocalCluster:
        """A cluster of its own; started, with a leader and every node ready, unless asked otherwise."""
        network = fresh_network()
        made = LocalCluster(root / network.rstrip("."), nodes=nodes, base=f"{network}11", **options)
        stack.callback(made.kill)
        _LOGS.append(lambda: "\n".join(node.log_tail() for node in made.nodes if node.process is not None))
        if started:
            made.start()
            made.wait_for_leader()
            made.wait_until_ready()
        return made

    return make


@pytest.fixture
def make_cluster(tmp_path: Path) -> Iterator[ClusterFactory]:
    before = len(_LOGS)
    with ExitStack() as stack:
        yield _factory(tmp_path, stack)
    del _LOGS[before:]


@pytest.fixture(scope="module")
def make_shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterFactory]:
    """The same for all tests of a module."""
    before = len(_LOGS)
    with ExitStack() as stack:
        yield _factory(tmp_path_factory.mktemp("cluster"), stack)
    del _LOGS[before:]
