"""The registry and its sources: what a scrape shows, and that one failure does not cost the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from elastickv.kv.ports import ClusterStatus
from elastickv.observability import metrics as m
from elastickv.observability.health import HEALTHY, Health
from elastickv.observability.sources import (
    ClusterPoints,
    GrpcCounts,
    dynamodb_operations,
    health,
    redis_commands,
)

MakeStatus = Callable[..., ClusterStatus]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

NODE = {"node_id": "n2", "node_address": "10.0.0.12:50051"}


def registry() -> m.Metrics:
    return m.Metrics(NODE["node_id"], NODE["node_address"])


def scrape(metrics: m.Metrics) -> Series:
    body, content_type = metrics.expose()
    assert content_type.startswith("text/plain")
    series: Series = {}
    for family in parse(body.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            for name, value in NODE.items():
                assert labels.pop(name) == value, sample.name
            series[sample.name, frozenset(labels.items())] = sample.value
    return series


def at(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


class Control:
    """A group whose status the test sets."""

    def __init__(self, status: ClusterStatus) -> None:
        self.now = status
        self.callbacks: list[Callable[[], None]] = []

    def status(self) -> ClusterStatus:
        return self.now

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def become(self, status: ClusterStatus) -> None:
        self.now = status
        for callback in self.callbacks:
            callback()


@dataclass
class Counts:
    calls: int
    microseconds: float
    failed: int
    rejected: int


def test_names_follow_the_rules() -> None:
    for name, metric in m.METRICS.items():
        assert name.startswith("elastickv_")
        assert metric.help.endswith(".")
        assert not {"node_id", "node_address"} & set(metric.labels)


def test_a_node_that_counts_nothing_yet() -> None:
    series = scrape(registry())
    assert at(series, "elastickv_scrape_errors_total") == 0
    assert at(series, "process_start_time_seconds") > 0
    assert any(name == "elastickv_build_info" for name, _ in series)


def test_the_group(status: MakeStatus) -> None:
    metrics = registry()
    metrics.register_source(ClusterPoints(Control(status())))
    series = scrape(metrics)
    assert at(series, "elastickv_raft_local_state", group="1", state="follower") == 1
    assert at(series, "elastickv_raft_local_state", group="1", state="leader") == 0
    assert at(series, "elastickv_raft_leader_identity", group="1", leader_id="n1", leader_address="10.0.0.11:50051")
    assert at(series, "elastickv_raft_members", group="1") == 3
    assert at(series, "elastickv_raft_num_peers", group="1") == 1
    assert at(
        series,
        "elastickv_raft_member_present",
        group="1",
        member_id="n3",
        member_address="10.0.0.13:50051",
        suffrage="learner",
    )
    assert at(series, "elastickv_raft_term", group="1") == 4
    assert at(series, "elastickv_raft_commit_index", group="1") == 20
    assert at(series, "elastickv_raft_applied_index", group="1") == 19
    assert at(series, "elastickv_raft_last_contact_seconds", group="1") == 0.05
    assert at(series, "elastickv_raft_leader_changes_seen_total", group="1") == 0


def test_never_heard_is_minus_one(status: MakeStatus) -> None:
    metrics = registry()
    metrics.register_source(ClusterPoints(Control(status(last_contact_seconds=None, leader_id=""))))
    series = scrape(metrics)
    assert at(series, "elastickv_raft_last_contact_seconds", group="1") == -1
    assert not any(name == "elastickv_raft_leader_identity" for name, _ in series)


def test_leader_changes_are_counted_between_scrapes(status: MakeStatus) -> None:
    control = Control(status())
    points = ClusterPoints(control)
    metrics = registry()
    metrics.register_source(points)
    for leader in ("", "n1", "n3", "n3", "", "n2"):
        control.become(status(leader_id=leader))
    assert at(scrape(metrics), "elastickv_raft_leader_changes_seen_total", group="1") == 2
    points.close()
    assert not control.callbacks


def test_redis_commands() -> None:
    metrics = registry()
    metrics.register_source(
        redis_commands(
            lambda: {"get": Counts(10, 2000.0, 1, 0), "set": Counts(0, 0.0, 0, 3), "del": Counts(0, 0, 0, 0)}
        )
    )
    series = scrape(metrics)
    assert at(series, "elastickv_redis_requests_total", command="get", outcome="ok") == 9
    assert at(series, "elastickv_redis_requests_total", command="get", outcome="error") == 1
    assert at(series, "elastickv_redis_requests_total", command="set", outcome="rejected") == 3
    assert at(series, "elastickv_redis_request_duration_seconds_sum", command="get") == 0.002
    assert at(series, "elastickv_redis_request_duration_seconds_count", command="get") == 10
    assert not any(("command", "del") in labels for _, labels in series)


@dataclass
class Operation:
    name: str
    outcomes: dict[str, int]
    durations: m.Durations


def test_dynamodb_operations() -> None:
    get = Operation("GetItem", {"ok": 2, "ValidationException": 1}, m.Durations())
    for seconds in (0.0004, 0.0005, 20.0):
        get.durations.observe(seconds)
    metrics = registry()
    metrics.register_source(dynamodb_operations(lambda: [get, Operation("Scan", {}, m.Durations())]))
    series = scrape(metrics)
    assert at(series, "elastickv_dynamodb_requests_total", operation="GetItem", outcome="ok") == 2
    assert at(series, "elastickv_dynamodb_requests_total", operation="GetItem", outcome="ValidationException") == 1
    bucket = "elastickv_dynamodb_request_duration_seconds_bucket"
    assert at(series, bucket, operation="GetItem", le="0.0005") == 2
    assert at(series, bucket, operation="GetItem", le="+Inf") == 3
    assert not any(("operation", "Scan") in labels for _, labels in series)


def test_grpc_calls() -> None:
    counts = GrpcCounts()
    counts.finished("RawKV/RawGet", "OK", 0.0004)
    counts.finished("RawKV/RawGet", "OK", 0.0005)
    counts.finished("RawKV/RawGet", "UNAVAILABLE", 20.0)
    metrics = registry()
    metrics.register_source(counts)
    series = scrape(metrics)
    assert at(series, "elastickv_grpc_requests_total", method="RawKV/RawGet", code="OK") == 2
    bucket = "elastickv_grpc_request_duration_seconds_bucket"
    assert at(series, bucket, method="RawKV/RawGet", le="0.0005") == 2
    assert at(series, bucket, method="RawKV/RawGet", le="10.0") == 2
    assert at(series, bucket, method="RawKV/RawGet", le="+Inf") == 3


def test_single_values() -> None:
    metrics = registry()
    metrics.register_value(m.STORAGE_DISK_FULL, lambda: 1, 1)
    metrics.register_source(health(lambda: HEALTHY, lambda: Health(False, ("no leader",))))
    series = scrape(metrics)
    assert at(series, "elastickv_storage_disk_full", group="1") == 1
    assert (at(series, "elastickv_live"), at(series, "elastickv_ready")) == (1, 0)
    with pytest.raises(ValueError, match="elastickv_storage_disk_full has the labels"):
        metrics.register_value(m.STORAGE_DISK_FULL, lambda: 1)


def test_a_source_that_fails_costs_its_own_points(caplog: pytest.LogCaptureFixture) -> None:
    metrics = registry()

    def broken() -> list[m.Point]:
        raise RuntimeError("broken")

    metrics.register_source(broken)
    metrics.register_value(m.STORAGE_DISK_FULL, lambda: 0, 1)
    with caplog.at_level(logging.ERROR):
        scrape(metrics)
    assert "a source of metrics failed" in caplog.text
    series = scrape(metrics)
    assert at(series, "elastickv_storage_disk_full", group="1") == 0
    assert at(series, "elastickv_scrape_errors_total") == 1


def test_a_series_that_comes_twice_is_shown_once() -> None:
    metrics = registry()
    metrics.register_value(m.STORAGE_DISK_FULL, lambda: 0, 1)
    metrics.register_value(m.STORAGE_DISK_FULL, lambda: 1, 1)
    body, _ = metrics.expose()
    assert body.count(b"elastickv_storage_disk_full{") == 1


def test_openmetrics_for_those_who_ask(status: MakeStatus) -> None:
    metrics = registry()
    metrics.register_source(ClusterPoints(Control(status())))
    counts = GrpcCounts()
    counts.finished("RawKV/RawGet", "OK", 0.1)
    metrics.register_source(counts)
    body, content_type = metrics.expose("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    families = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]
    assert {family.name for family in families} > {"elastickv_raft_term"}
