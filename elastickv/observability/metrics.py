"""Every metric of the project, declared here by name, once; and the registry that a scrape reads.

Nothing is counted here. A label look-up and a lock per command would cost more than many commands do, so the rooms
count in plain integers that they own, and *sources* turn those into points when somebody scrapes. The costs fall on
the scrape, a few milliseconds every quarter of a minute.

All series carry `node_id` and `node_address`.
"""

from __future__ import annotations

import logging
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from elastickv import __version__

log = logging.getLogger(__name__)


class Type(Enum):
    GAUGE = "gauge"
    COUNTER = "counter"
    SUMMARY = "summary"
    """Count and sum, for what is too frequent to sort into buckets."""
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class CountAndSum:
    count: int
    sum: float


class Durations:
    """A histogram that is counted in plain integers; about a third of a microsecond per observation."""

    BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.BOUNDS, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.BOUNDS), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets


Value = float | CountAndSum | Durations


@dataclass(frozen=True, slots=True)
class Metric:
    """A declaration. Called with a value and its labels, it gives a point."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()

    def __call__(self, value: Value, *labels: object) -> Point:
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {len(labels)} of them")
        return Point(self, value, tuple(map(str, labels)))


@dataclass(frozen=True, slots=True)
class Point:
    metric: Metric
    value: Value
    labels: tuple[str, ...]


Source = Callable[[], Iterable[Point]]

METRICS: dict[str, Metric] = {}
"""All declarations by name, in the order in which they are shown."""


def _declare(type: Type, name: str, help: str, *labels: str) -> Metric:
    if name in METRICS:
        raise ValueError(f"{name}: declared twice")
    if (type is Type.COUNTER) != name.endswith("_total"):
        raise ValueError(f"{name}: counters, and only they, end in _total")
    METRICS[name] = metric = Metric(name, type, help, labels)
    return metric


def _gauge(name: str, help: str, *labels: str) -> Metric:
    return _declare(Type.GAUGE, name, help, *labels)


def _counter(name: str, help: str, *labels: str) -> Metric:
    return _declare(Type.COUNTER, name, help, *labels)


# ---- the node -------------------------------------------------------------------------------------------------------

BUILD_INFO = _gauge("elastickv_build_info", "Always 1; what is running.", "version", "python")
LIVE = _gauge("elastickv_live", "1 while /livez says yes.")
READY = _gauge("elastickv_ready", "1 while /readyz says yes.")
SCRAPE_ERRORS = _counter("elastickv_scrape_errors_total", "Sources that failed while they were read.")

# ---- Raft -----------------------------------------------------------------------------------------------------------

RAFT_LOCAL_STATE = _gauge(
    "elastickv_raft_local_state", "1 for the role this node has, 0 for the others.", "group", "state"
)
RAFT_LEADER_IDENTITY = _gauge(
    "elastickv_raft_leader_identity", "1 for the leader this node knows.", "group", "leader_id", "leader_address"
)
RAFT_MEMBERS = _gauge("elastickv_raft_members", "Members of the configuration, learners included.", "group")
RAFT_MEMBER_PRESENT = _gauge(
    "elastickv_raft_member_present",
    "1 for each member of the configuration.",
    "group",
    "member_id",
    "member_address",
    "suffrage",
)
RAFT_MEMBER_IS_LEADER = _gauge(
    "elastickv_raft_member_is_leader", "1 for the member that leads, else 0.", "group", "member_id", "member_address"
)
RAFT_MEMBER_MATCH_INDEX = _gauge(
    "elastickv_raft_member_match_index",
    "Last entry known to be on that member's disk (leader only).",
    "group",
    "member_id",
)
RAFT_MEMBER_LAST_CONTACT = _gauge(
    "elastickv_raft_member_last_contact_seconds",
    "Since the last message from that member; -1 when never.",
    "group",
    "member_id",
)
RAFT_MEMBER_REFUSED = _gauge(
    "elastickv_raft_member_refused", "1 while that member's connection is refused.", "group", "member_id", "reason"
)
RAFT_NUM_PEERS = _gauge("elastickv_raft_num_peers", "Voters other than this node.", "group")
RAFT_TERM = _gauge("elastickv_raft_term", "Current term.", "group")
RAFT_COMMIT_INDEX = _gauge("elastickv_raft_commit_index", "Last entry known to be committed.", "group")
RAFT_APPLIED_INDEX = _gauge("elastickv_raft_applied_index", "Last entry applied to the state.", "group")
RAFT_FLUSHED_INDEX = _gauge("elastickv_raft_flushed_index", "Last entry whose effects are on disk as state.", "group")
RAFT_FIRST_LOG_INDEX = _gauge("elastickv_raft_first_log_index", "First entry still in the log.", "group")
RAFT_LAST_LOG_INDEX = _gauge("elastickv_raft_last_log_index", "Last entry in the log.", "group")
RAFT_LAST_SNAPSHOT_INDEX = _gauge("elastickv_raft_last_snapshot_index", "Last entry the log was cut at.", "group")
RAFT_FSM_PENDING = _gauge("elastickv_raft_fsm_pending", "Committed entries that wait to be applied.", "group")
RAFT_LAST_CONTACT = _gauge(
    "elastickv_raft_last_contact_seconds", "Since the leader was last heard; 0 on the leader, -1 when never.", "group"
)
RAFT_CHANGE_PENDING = _gauge(
    "elastickv_raft_configuration_change_pending", "1 while a membership change is under way.", "group"
)
RAFT_PROBLEM = _gauge("elastickv_raft_problem", "1 while something keeps this node from taking part.", "group")
RAFT_LEADER_CHANGES = _counter(
    "elastickv_raft_leader_changes_seen_total", "Times the known leader became another.", "group"
)
RAFT_PROPOSALS_FAILED = _counter(
    "elastickv_raft_proposals_failed_total", "Proposals that were refused or whose outcome is unknown.", "group"
)
RAFT_DISPATCH_DROPPED = _counter(
    "elastickv_raft_dispatch_dropped_total", "Messages to peers that were dropped because a queue was full.", "group"
)

LEASE_READS = _counter(
    "elastickv_lease_read_total",
    "Reads on the leader: hit under its lease, miss after a round to a majority.",
    "outcome",
)

# ---- doors ----------------------------------------------------------------------------------------------------------

REDIS_REQUESTS = _counter(
    "elastickv_redis_requests_total",
    "Commands by outcome: ok, error (it ran and failed), rejected (it did not run).",
    "command",
    "outcome",
)
REDIS_DURATION = _declare(
    Type.SUMMARY,
    "elastickv_redis_request_duration_seconds",
    "Execution time of commands, without waiting for the majority.",
    "command",
)
REDIS_CLIENTS = _gauge("elastickv_redis_connected_clients", "Connections that are open.")
REDIS_CONNECTIONS = _counter("elastickv_redis_connections_total", "Connections that were accepted.")
REDIS_CONNECTIONS_REJECTED = _counter(
    "elastickv_redis_connections_rejected_total", "Connections refused because --redisMaxClients were open."
)
REDIS_INPUT_BYTES = _counter("elastickv_redis_input_bytes_total", "Bytes received from clients.")
REDIS_OUTPUT_BYTES = _counter("elastickv_redis_output_bytes_total", "Bytes sent to clients.")

DYNAMODB_REQUESTS = _counter(
    "elastickv_dynamodb_requests_total",
    "Requests by outcome: ok, or the name of the exception that answered them.",
    "operation",
    "outcome",
)
DYNAMODB_DURATION = _declare(
    Type.HISTOGRAM, "elastickv_dynamodb_request_duration_seconds", "Time from request to answer.", "operation"
)
DYNAMODB_CLIENTS = _gauge("elastickv_dynamodb_connections", "Connections that are open.")
DYNAMODB_CONNECTIONS = _counter("elastickv_dynamodb_connections_total", "Connections that were accepted.")
DYNAMODB_CONNECTIONS_REJECTED = _counter(
    "elastickv_dynamodb_connections_rejected_total",
    "Connections refused because --dynamoMaxConnections were open.",
)

GRPC_REQUESTS = _counter("elastickv_grpc_requests_total", "Finished calls by method and status code.", "method", "code")
GRPC_DURATION = _declare(
    Type.HISTOGRAM, "elastickv_grpc_request_duration_seconds", "Time from request to answer.", "method"
)

# ---- storage --------------------------------------------------------------------------------------------------------

STORAGE_FLUSH_DURATION = _declare(
    Type.SUMMARY, "elastickv_storage_flush_duration_seconds", "Durable commits of applied changes.", "group"
)
STORAGE_MEMTABLE_BYTES = _gauge("elastickv_storage_memtable_bytes", "Applied changes that are not flushed.", "group")
STORAGE_STATE_BYTES = _gauge("elastickv_storage_state_bytes", "State on disk.", "group")
STORAGE_LOG_BYTES = _gauge("elastickv_storage_log_bytes", "Raft log on disk.", "group")
STORAGE_DISK_FULL = _gauge("elastickv_storage_disk_full", "1 while the disk refuses writes.", "group")

# ---------------------------------------------------------------------------------------------------------------------


class Metrics:
    """The registry of one node: const labels, sources, and the text that a scrape gets."""

    def __init__(self, node_id: str, node_address: str) -> None:
        self._node = {"node_id": node_id, "node_address": node_address}
        self._sources: list[Source] = [self._own]
        self._scrape_errors = 0
        self._registry = CollectorRegistry()
        self._registry.register(_Points(self))
        for process in (ProcessCollector(registry=None), _GarbageCollection()):
            self._registry.register(_WithLabels(process, self._node))

    def register_source(self, source: Source) -> None:
        """`source` is called at each scrape, on the loop's thread."""
        self._sources.append(source)

    def register_value(self, metric: Metric, read: Callable[[], Value], *labels: object) -> None:
        """A source of one point."""
        metric(0.0, *labels)  # a wrong number of labels is found now, not at the first scrape
        self._sources.append(lambda: (metric(read(), *labels),))

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Body and content type, in the format that the Accept header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def families(self) -> Iterator[Family]:
        """Every declared metric that has a point, in the order of declaration. A source that fails costs its own
        points and a log line, not the scrape. One series twice would make Prometheus refuse all; the first counts."""
        points: dict[Metric, dict[tuple[str, ...], Value]] = {metric: {} for metric in METRICS.values()}
        for source in self._sources:
            try:
                for point in source():
                    points[point.metric].setdefault(point.labels, point.value)
            except Exception:
                self._scrape_errors += 1
                log.exception("a source of metrics failed")
        for metric, values in points.items():
            if values:
                yield self._family(metric, values)

    def _family(self, metric: Metric, values: dict[tuple[str, ...], Value]) -> Family:
        names = [*metric.labels, *self._node]
        node = list(self._node.values())
        family: Family
        match metric.type:
            case Type.SUMMARY:
                family = summary = SummaryMetricFamily(metric.name, metric.help, labels=names)
                for labels, value in values.items():
                    assert isinstance(value, CountAndSum)
                    summary.add_metric([*labels, *node], count_value=value.count, sum_value=value.sum)
            case Type.HISTOGRAM:
                family = histogram = HistogramMetricFamily(metric.name, metric.help, labels=names)
                for labels, value in values.items():
                    assert isinstance(value, Durations)
                    histogram.add_metric([*labels, *node], buckets=value.cumulative(), sum_value=value.sum)
            case Type.COUNTER | Type.GAUGE:
                simple = CounterMetricFamily if metric.type is Type.COUNTER else GaugeMetricFamily
                family = plain = simple(metric.name, metric.help, labels=names)
                for labels, value in values.items():
                    assert isinstance(value, int | float)
                    plain.add_metric([*labels, *node], value)
        return family

    def _own(self) -> Iterable[Point]:
        return (BUILD_INFO(1, __version__, platform.python_version()), SCRAPE_ERRORS(self._scrape_errors))


class _Points(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        return self._metrics.families()

    def describe(self) -> Sequence[Family]:
        return ()  # else registering would read the sources before there are any


class _GarbageCollection(Collector):
    """python_gc_*; the library's own class insists on registering itself."""

    def __init__(self) -> None:
        scratch = CollectorRegistry()
        self._collector = GCCollector(registry=scratch)

    def collect(self) -> Iterable[Family]:
        return self._collector.collect()


class _WithLabels(Collector):
    """Another collector's series with the node's labels."""

    def __init__(self, collector: Collector, labels: dict[str, str]) -> None:
        self._collector = collector
        self._labels = labels

    def collect(self) -> Iterator[Family]:
        for family in self._collector.collect():
            family.samples = [
                Sample(sample.name, {**sample.labels, **self._labels}, *sample[2:]) for sample in family.samples
            ]
            yield family

    def describe(self) -> Sequence[Family]:
        return ()
