"""From command line, environment and file to checked `Settings`: merged once, checked once, never looked at again.

The strongest source that names a setting wins: flag, environment, file, default. Every refusal names the setting where
it was written, the value and the remedy, in one line; the program then ends with code 2 before it touches anything.
Contradictions that can be obeyed become warnings instead.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from elastickv.config.flags import ENVIRONMENT_PREFIX, Flag, UsageError, flags_of, nearest
from elastickv.config.kinds import Address, show_duration, show_size
from elastickv.config.settings import (
    SINGLE_NODE_ID,
    DynamoSettings,
    GrpcSettings,
    LogSettings,
    MetricsSettings,
    NodeSettings,
    RaftSettings,
    RedisSettings,
    Settings,
    StorageSettings,
)

ROOMS: Mapping[str, type] = {
    "raft": RaftSettings,
    "grpc": GrpcSettings,
    "redis": RedisSettings,
    "dynamo": DynamoSettings,
    "metrics": MetricsSettings,
    "storage": StorageSettings,
    "log": LogSettings,
    "node": NodeSettings,
}
"""Every room of `Settings` that declares flags, in the order in which --help shows them."""

FLAGS: Mapping[str, Flag] = {f.name: f for room in ROOMS.values() for f in flags_of(room)}

DEFAULT, FILE, ENVIRONMENT, COMMAND_LINE = range(4)


@dataclass(frozen=True, slots=True)
class Written:
    """A setting as somebody wrote it, and where."""

    text: str
    strength: int
    place: str


def load(texts: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Settings from the flags of a command line (texts by name) and the environment. Raises UsageError."""
    written = {name: Written(text, COMMAND_LINE, f"flag -{name}") for name, text in texts.items()}
    warnings = list(_add_environment(written, environment))
    if "config" in written and written["config"].text:
        _add_file(written, Path(written["config"].text))
    merged = _Merged(written)
    rooms: dict[str, Any] = {room: _build(cls, merged) for room, cls in ROOMS.items()}
    rooms["redis"] = dataclasses.replace(
        rooms["redis"], require_pass=_secret(merged, rooms["redis"].require_pass, "redisRequirePass")
    )
    rooms["metrics"] = dataclasses.replace(
        rooms["metrics"],
        token=_secret(merged, rooms["metrics"].token, "metricsToken"),
        address_given="metricsAddress" in written,
    )
    settings = Settings(**rooms)
    settings = _settle_bootstrap(settings, merged)
    _check_advertised(settings, merged)
    _check_doors(settings, merged)
    _check_proportions(settings, merged)
    warnings.extend(_oddities(settings))
    return dataclasses.replace(settings, warnings=tuple(warnings))


# ---- sources --------------------------------------------------------------------------------------------------------


def _add_environment(written: dict[str, Written], environment: Mapping[str, str]) -> Iterator[str]:
    variables = {f.environment: f for f in FLAGS.values()}
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or not text:
            continue  # empty is how compose files and shells spell "not set"
        if found := variables.get(variable):
            written.setdefault(found.name, Written(text, ENVIRONMENT, f"environment variable {variable}"))
        elif similar := nearest(variable, variables, prefix=""):
            # Only a warning, and only for what looks like a slip: Kubernetes puts ELASTICKV_SERVICE_HOST,
            # ELASTICKV_PORT_6379_TCP_ADDR and the like into every container beside a service of that name.
            yield f"the environment variable {variable} is not a setting{similar}"


def _add_file(written: dict[str, Written], path: Path) -> None:
    for name, value in _read_file(path, written["config"]).items():
        if not isinstance(name, str) or name not in FLAGS:
            hint = nearest(str(name), FLAGS, prefix="")
            raise UsageError(f'unknown setting "{name}" in {path}{hint}; keys are the names of flags')
        if name == "config":
            raise UsageError(f"{path} cannot name another configuration file; remove its config key")
        place = f"{name} in {path}"
        try:
            text = FLAGS[name].kind.to_text(value)
        except ValueError as error:
            raise UsageError(f'invalid value "{_shown(FLAGS[name], str(value))}" for {place}: {error}') from None
        written.setdefault(name, Written(text, FILE, place))


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error and not a silent second thought."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f'"{key}" is there twice', problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_file(path: Path, written: Written) -> Mapping[Any, object]:
    try:
        raw = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".toml":
                content: object = tomllib.loads(raw)
            case ".yaml" | ".yml":
                content = yaml.load(raw, _UniqueKeys)  # derived from SafeLoader
            case _:
                raise UsageError(
                    f'invalid value "{path}" for {written.place}: the name must end in .yaml, .yml or .toml'
                )
    except OSError as error:
        raise UsageError(f'invalid value "{path}" for {written.place}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise UsageError(f'invalid value "{path}" for {written.place}: the file is not UTF-8 text') from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}{line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {' '.join(str(error).split())}") from None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise UsageError(f"{path}: settings are expected as `name: value` lines")
    return content


# ---- merging --------------------------------------------------------------------------------------------------------


class _Merged:
    """What was written, by name, with the words for talking about it."""

    def __init__(self, written: Mapping[str, Written]) -> None:
        self._written = written

    def given(self, name: str) -> bool:
        return name in self._written

    def strength(self, name: str) -> int:
        return self._written[name].strength if name in self._written else DEFAULT

    def text(self, name: str) -> str:
        return self._written[name].text if name in self._written else FLAGS[name].default

    def place(self, name: str) -> str:
        return self._written[name].place if name in self._written else f"flag -{name} (its default)"

    def refuse(self, name: str, reason: str) -> NoReturn:
        shown = _shown(FLAGS[name], self.text(name))
        raise UsageError(f'invalid value "{shown}" for {self.place(name)}: {reason}')


def _shown(flag: Flag, text: str) -> str:
    """One line, of bearable length, and no secrets."""
    if flag.secret:
        return "***"
    line = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return line if len(line) <= 200 else line[:197] + "..."


def _build(room: type, merged: _Merged) -> object:
    values = {}
    for flag in flags_of(room):
        try:
            values[flag.field] = flag.kind.parse(merged.text(flag.name))
        except ValueError as error:
            merged.refuse(flag.name, str(error))
    return room(**values)


def _secret(merged: _Merged, direct: str, name: str) -> str:
    """The secret that was written, or the first line of the file that was named, whichever source is stronger."""
    in_file = f"{name}File"
    if not merged.given(in_file) or not merged.text(in_file):
        return direct
    if merged.given(name) and direct:
        if merged.strength(name) == merged.strength(in_file):
            raise UsageError(f"{merged.place(name)} and {merged.place(in_file)} exclude each other; give one of them")
        if merged.strength(name) > merged.strength(in_file):
            return direct
    try:
        lines = Path(merged.text(in_file)).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        merged.refuse(in_file, error.strerror or str(error))
    except UnicodeDecodeError:
        merged.refuse(in_file, "the file is not UTF-8 text")
    secret = lines[0].strip() if lines else ""
    if not secret:
        merged.refuse(in_file, "its first line is empty; write the secret there")
    return secret


# ---- checks ---------------------------------------------------------------------------------------------------------


def _settle_bootstrap(settings: Settings, merged: _Merged) -> Settings:
    """Node ID, members and the decision whether this node creates a cluster."""
    raft = settings.raft
    named = [n for n in ("raftBootstrapMembers", "raftRedisMap", "raftDynamoMap") if merged.text(n)]
    if not raft.id:
        if named:
            merged.refuse(
                "raftId",
                f"a node ID is required because {merged.place(named[0])} names other nodes; give --raftId, such as n1",
            )
        # Told of no cluster at all: a useful node of its own, unless bootstrapping was refused in so many words.
        alone = not merged.given("raftBootstrap")
        raft = dataclasses.replace(raft, id=SINGLE_NODE_ID, bootstrap=raft.bootstrap or alone)
    if raft.bootstrap and raft.bootstrap_members:
        own = [member for member in raft.bootstrap_members if member.id == raft.id]
        if not own:
            merged.refuse(
                "raftBootstrapMembers",
                f'this node, "{raft.id}", is not in it; '
                f"add {raft.id}={settings.grpc.address} or start --raftBootstrap on one of the nodes that are",
            )
        if own[0].address != settings.grpc.address:
            merged.refuse(
                "raftBootstrapMembers",
                f'"{raft.id}" has the address {own[0].address} here, but --address is {settings.grpc.address}; '
                "make them equal",
            )
    return dataclasses.replace(settings, raft=raft)


def _check_advertised(settings: Settings, merged: _Merged) -> None:
    """A node that others cannot call would be a member that never votes. Its address has been parsed as one that is
    not every interface; here remains the loopback address beside members that live elsewhere."""
    own = settings.grpc.address
    if not own.loopback:
        return
    others: list[tuple[str, Address]] = []
    if settings.raft.bootstrap:
        others += [("raftBootstrapMembers", member.address) for member in settings.raft.bootstrap_members]
    for name, doors in (("raftRedisMap", settings.raft.redis_map), ("raftDynamoMap", settings.raft.dynamo_map)):
        others += [(name, FLAGS["address"].kind.parse(raft_address)) for raft_address in doors]
    for name, other in others:
        if not other.loopback:
            merged.refuse(
                "address",
                f"{merged.place(name)} names {other}, from where {own.host} does not lead here; "
                f"use the address by which the other members reach this node, such as 10.0.0.11:{own.port}",
            )


def _check_doors(settings: Settings, merged: _Merged) -> None:
    doors = {
        "address": settings.grpc.address,
        "redisAddress": settings.redis.address,
        "dynamoAddress": settings.dynamo.address,
        "metricsAddress": settings.metrics.address,
    }
    taken: dict[Address, str] = {}
    for name, address in doors.items():
        if address is None or address.port == 0:
            continue
        if address in taken:
            merged.refuse(name, f"--{taken[address]} has the same address; give each door a port of its own")
        taken[address] = name
    metrics = settings.metrics
    if metrics.address is not None and not metrics.address.loopback and not metrics.token:
        merged.refuse(
            "metricsAddress",
            "off loopback a token is required; give --metricsTokenFile (or --metricsToken), or listen on localhost",
        )


def _check_proportions(settings: Settings, merged: _Merged) -> None:
    raft, grpc = settings.raft, settings.grpc
    if raft.election_timeout < 3 * raft.heartbeat_interval:
        merged.refuse(
            "electionTimeout",
            f"must be at least 3 times --heartbeatInterval ({show_duration(raft.heartbeat_interval)}), "
            "else one late heartbeat costs the leader its office",
        )
    room = 1 << 20  # for the key and the envelope
    for name, value in (("rawMaxValueBytes", grpc.raw_max_value_bytes), ("raftMaxAppendBytes", raft.max_append_bytes)):
        if value + room > grpc.max_message_bytes:
            merged.refuse(
                name,
                f"must be at least 1mb below --grpcMaxMessageBytes ({show_size(grpc.max_message_bytes)}), "
                "or it would not fit into a message",
            )


def _oddities(settings: Settings) -> Iterator[str]:
    raft, own = settings.raft, str(settings.grpc.address)
    if raft.bootstrap_members and not raft.bootstrap:
        yield "--raftBootstrapMembers is used only together with --raftBootstrap; this node waits to be contacted"
    for name, doors in (("raftRedisMap", raft.redis_map), ("raftDynamoMap", raft.dynamo_map)):
        if doors and own not in doors:
            yield (
                f"--{name} has no entry for this node ({own}): if the other nodes got the same map, they cannot find "
                "this door when this node leads"
            )
