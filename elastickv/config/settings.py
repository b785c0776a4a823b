"""The settings: one frozen dataclass per room, each field the one declaration of its flag.

Durations are seconds (float), sizes are bytes. The value behind a flag's name is its default, written as an operator
would write it. Fields without a flag are filled in by `load`, which also checks what no single value can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elastickv.config.flags import flag
from elastickv.config.kinds import (
    ADDRESS_MAP,
    ADVERTISED_ADDRESS,
    BOOLEAN,
    LISTEN_ADDRESS,
    MEMBERS,
    NODE_ID,
    OPTIONAL_LISTEN_ADDRESS,
    OPTIONAL_PATH,
    OUTPUT_LIMITS,
    PATH,
    STRING,
    Address,
    Member,
    OutputLimits,
    choice,
    duration,
    integer,
    seconds,
    size,
)

SINGLE_NODE_ID = "n1"


@dataclass(frozen=True, slots=True)
class RaftSettings:
    """Cluster and replication"""

    id: str = flag(
        "raftId",
        NODE_ID,
        "",
        f"this node's ID; required as soon as other nodes are named, else {SINGLE_NODE_ID}",
    )
    data_dir: Path = flag("raftDataDir", PATH, "data/", "data directory; it belongs to one node ID for ever")
    bootstrap: bool = flag(
        "raftBootstrap",
        BOOLEAN,
        "false",
        "create the cluster from --raftBootstrapMembers, or of this node alone when that list is empty; a node that "
        "already has data ignores it, so it may stay on the command line. A node that is told of no cluster at all "
        "(no --raftId, no members, no map) creates one of its own",
    )
    bootstrap_members: tuple[Member, ...] = flag(
        "raftBootstrapMembers",
        MEMBERS,
        "",
        "the first voters; used only together with --raftBootstrap, and must contain this node with its --address",
    )
    redis_map: Mapping[str, str] = flag(
        "raftRedisMap",
        ADDRESS_MAP,
        "",
        "where the Redis door of each node is: a follower sends commands to the leader's",
    )
    dynamo_map: Mapping[str, str] = flag(
        "raftDynamoMap",
        ADDRESS_MAP,
        "",
        "where the DynamoDB door of each node is: a follower sends requests to the leader's; those of a leader that is "
        "not in it travel over its Raft address",
    )
    heartbeat_interval: float = flag(
        "heartbeatInterval",
        duration(least=0.01, most=60),
        "100ms",
        "how often an idle leader shows that it is there",
    )
    election_timeout: float = flag(
        "electionTimeout",
        duration(least=0.05, most=600),
        "1s",
        "a follower that hears nothing for one to two of these stands for election; at least 3 heartbeats",
    )
    max_append_bytes: int = flag(
        "raftMaxAppendBytes",
        size(least=1 << 10, most=64 << 20),
        "1mb",
        "entries sent to a follower in one message, unless a single entry is larger",
    )
    snapshot_entries: int = flag(
        "raftSnapshotEntries",
        integer(least=100, most=10**9),
        "10000",
        "applied entries after which the log is cut",
    )
    log_retain: int = flag(
        "raftLogRetain",
        integer(least=0, most=10**9),
        "5000",
        "entries kept behind the cut, so that a follower that lags a little needs no snapshot",
    )
    log_retain_bytes: int = flag(
        "raftLogRetainBytes",
        size(least=0, most=1 << 40),
        "64mb",
        "the same in bytes of entries; the lower of the two limits counts",
    )


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """gRPC door"""

    address: Address = flag(
        "address",
        ADVERTISED_ADDRESS,
        "localhost:50051",
        "gRPC door, and the Raft address that the other members use",
    )
    max_message_bytes: int = flag(
        "grpcMaxMessageBytes",
        size(least=4 << 20, most=(1 << 31) - 1),
        "64mb",
        "largest message, received or sent",
    )
    max_concurrent_requests: int = flag(
        "grpcMaxConcurrentRequests",
        integer(least=16, most=10**6),
        "1024",
        "requests in progress of RawKV and of Distribution, each; more are refused with RESOURCE_EXHAUSTED",
    )
    raw_max_value_bytes: int = flag(
        "rawMaxValueBytes",
        size(least=1 << 10, most=1 << 30),
        "16mb",
        "largest value that RawKV accepts",
    )
    raw_retention: float = flag(
        "rawRetention",
        duration(least=0),
        "30m",
        "how long RawKV can read at a timestamp in the past",
    )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Redis door"""

    address: Address = flag("redisAddress", LISTEN_ADDRESS, "localhost:6379", "Redis door")
    require_pass: str = flag(
        "redisRequirePass",
        STRING,
        "",
        "password for AUTH; command lines are visible to every user of a machine, a file is not",
        secret=True,
    )
    require_pass_file: Path | None = flag(
        "redisRequirePassFile",
        OPTIONAL_PATH,
        "",
        "file whose first line is the password",
    )
    max_clients: int = flag("redisMaxClients", integer(least=1, most=10**6), "10000", "connections at one time")
    databases: int = flag("redisDatabases", integer(least=1, most=1 << 14), "16", "databases that SELECT can choose")
    proto_max_bulk_len: int = flag(
        "redisProtoMaxBulkLen",
        size(least=1 << 20, most=1 << 40),
        "512mb",
        "largest single argument of a command",
    )
    client_query_buffer_limit: int = flag(
        "redisClientQueryBufferLimit",
        size(least=1 << 20, most=1 << 40),
        "1gb",
        "most unprocessed input of one connection",
    )
    client_output_buffer_limit: OutputLimits = flag(
        "redisClientOutputBufferLimit",
        OUTPUT_LIMITS,
        "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
        "when a client that does not read its replies is cut off, as in redis.conf: hard limit, soft limit and for how "
        "many seconds it may stay above the soft one; 0 is no limit",
    )
    timeout: int = flag(
        "redisTimeout",
        seconds(least=0, most=10**9),
        "0",
        "idle seconds after which a connection is closed; 0 is never",
    )
    tcp_keepalive: int = flag(
        "redisTcpKeepalive",
        seconds(least=0, most=10**6),
        "300",
        "idle seconds after which TCP asks whether the client is still there; 0 is never",
    )
    busy_reply_threshold: int = flag(
        "redisBusyReplyThreshold",
        integer(least=0, most=10**9),
        "5000",
        "milliseconds that a script may run before other clients are told BUSY and may kill it, as in redis.conf",
    )
    script_memory: int = flag(
        "redisScriptMemory",
        size(least=16 << 20, most=1 << 36),
        "256mb",
        "memory that scripts and functions may occupy together; while more than half is in use they can call no "
        "commands",
    )


@dataclass(frozen=True, slots=True)
class DynamoSettings:
    """DynamoDB door"""

    address: Address = flag("dynamoAddress", LISTEN_ADDRESS, "localhost:8000", "DynamoDB door")
    credentials_file: Path | None = flag(
        "dynamoCredentialsFile",
        OPTIONAL_PATH,
        "",
        "file of `accessKeyId secretAccessKey [sessionToken]` lines: requests must be signed with one of them "
        "(Signature Version 4); empty is open to everyone. The same on every node",
    )
    max_connections: int = flag(
        "dynamoMaxConnections",
        integer(least=1, most=10**6),
        "10000",
        "open connections above which new ones are closed at once",
    )
    idle_timeout: float = flag(
        "dynamoIdleTimeout",
        duration(least=0, most=10**6),
        "5m",
        "connections on which nothing was sent for this long are closed; 0 is never",
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Metrics and health"""

    address: Address | None = flag(
        "metricsAddress",
        OPTIONAL_LISTEN_ADDRESS,
        "localhost:9090",
        "/metrics, /livez and /readyz; off loopback a token is required; empty is off",
    )
    token: str = flag(
        "metricsToken",
        STRING,
        "",
        "bearer token that /metrics asks for; command lines are visible to every user of a machine, a file is not",
        secret=True,
    )
    token_file: Path | None = flag("metricsTokenFile", OPTIONAL_PATH, "", "file whose first line is the token")
    address_given: bool = False
    """Somebody asked for this address. When not, and the port is taken (several nodes on one machine), that is worth a
    warning; when asked for, the node must not start without it."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Storage"""

    flush_interval: float = flag(
        "storageFlushInterval",
        duration(least=0.005, most=60),
        "5s",
        "longest time that applied changes stay in memory only (the log has them on disk)",
    )
    memtable_bytes: int = flag(
        "storageMemtableBytes",
        size(least=1 << 20, most=1 << 36),
        "32mb",
        "applied changes in memory that make a flush begin early",
    )
    map_bytes: int = flag(
        "storageMapBytes",
        size(least=16 << 20, most=1 << 44),
        "1024gb",
        "address space that each store reserves; less where there is less, then it grows by itself. It occupies "
        "neither memory nor disk before it is used",
    )
    reserve_bytes: int = flag(
        "storageReserveBytes",
        size(least=0, most=1 << 44),
        "64mb",
        "free disk space (at most a quarter of the disk) below which writes are refused while reads go on",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Logging"""

    format: str = flag(
        "logFormat",
        choice("auto", "text", "json"),
        "auto",
        "text for people, json for machines; auto is text on a terminal",
    )
    level: str = flag(
        "logLevel", choice("debug", "info", "warning", "error"), "info", "least severe level that is written"
    )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The node"""

    config: Path | None = flag(
        "config",
        OPTIONAL_PATH,
        "",
        "YAML or TOML file (.yaml, .yml, .toml) whose keys are the names of flags",
    )
    request_timeout: float = flag(
        "requestTimeout",
        duration(least=0.05, most=3600),
        "5s",
        "how long a request waits for a leader or a majority before it fails",
    )
    shutdown_timeout: float = flag(
        "shutdownTimeout",
        duration(least=0, most=600),
        "5s",
        "how long a stopping node waits for requests in progress and hands over the lead",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    raft: RaftSettings = field(default_factory=RaftSettings)
    grpc: GrpcSettings = field(default_factory=GrpcSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    dynamo: DynamoSettings = field(default_factory=DynamoSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    log: LogSettings = field(default_factory=LogSettings)
    node: NodeSettings = field(default_factory=NodeSettings)
    warnings: tuple[str, ...] = ()
    """What looks odd but is obeyed; logged once at the start."""
