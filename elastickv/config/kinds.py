"""Kinds of values a setting can have: from text to value, and what is said when the text is wrong.

A kind knows nothing of flags, files or environments; it is a word for `--help` and a function that parses text or
raises ValueError with the second half of the sentence `invalid value "x" for …: <reason>`. Values in files may be
written as YAML or TOML numbers, booleans, lists and tables; `to_text` turns them into the same text that a flag takes,
so that there is one parser per kind.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from types import MappingProxyType
from typing import Generic, TypeVar

T = TypeVar("T")


class Shape(Enum):
    """How a value may be written in a configuration file, besides as text."""

    TEXT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    PAIRS = auto()
    """A list of "key=value" texts, or a table."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    word: str
    """Stands behind the flag in --help; empty for a boolean."""
    parse: Callable[[str], T]
    shape: Shape = Shape.TEXT

    @property
    def boolean(self) -> bool:
        return self.shape is Shape.BOOLEAN

    def to_text(self, value: object) -> str:
        """The text form of a value that was read from a YAML or TOML file."""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            if self.shape is Shape.BOOLEAN:
                return "true" if value else "false"
            raise ValueError("a boolean was not expected; put text in quotes")
        if isinstance(value, int):
            if self.shape is Shape.NUMBER:
                return str(value)
            # YAML reads 0123 as octal: what was meant can no longer be known.
            raise ValueError("a number was not expected; put text in quotes")
        if self.shape is Shape.PAIRS:
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                return ",".join(value)
            if isinstance(value, Mapping) and all(isinstance(x, str) for pair in value.items() for x in pair):
                return ",".join(f"{key}={target}" for key, target in value.items())
            raise ValueError("text, a list of texts or a table of texts is expected")
        raise ValueError(f"a {type(value).__name__} was not expected")


# ---- plain ----------------------------------------------------------------------------------------------------------

TRUE_WORDS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE_WORDS = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def _boolean(text: str) -> bool:
    """Exactly the words of Go's strconv.ParseBool, which the flag rules come from."""
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise ValueError("neither true nor false")


def _identifier(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", text):
        raise ValueError(
            "a node ID has 1 to 64 characters, letters, digits and . _ : -, and begins with a letter or a digit"
        )
    return text


STRING = Kind("text", str)
BOOLEAN = Kind("", _boolean, Shape.BOOLEAN)
NODE_ID = Kind("id", _identifier)


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a path is expected")
    return Path(text)


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


PATH = Kind("path", _path)
OPTIONAL_PATH = Kind("path", _optional_path)


def choice(*words: str) -> Kind[str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return Kind("|".join(words), parse)


# ---- numbers --------------------------------------------------------------------------------------------------------


def integer(*, least: int, most: int) -> Kind[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError("a whole number is expected")
        return _within(int(text), least, most, str)

    return Kind("number", parse, Shape.NUMBER)


_SIZE_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}


def parse_size(text: str) -> int:
    """Bytes, in the units of redis.conf: 1k is 1000 bytes, 1kb is 1024, in any case of letters."""
    match = re.fullmatch(r"([0-9]{1,18})([a-z]{0,2})", text.lower())
    if match is None or match[2] not in _SIZE_UNITS:
        raise ValueError("a size is expected, such as 64mb, 512kb or 1048576")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def show_size(count: int) -> str:
    for unit in ("gb", "mb", "kb"):
        if count and count % _SIZE_UNITS[unit] == 0:
            return f"{count // _SIZE_UNITS[unit]}{unit}"
    return str(count)


def size(*, least: int, most: int = 1 << 46) -> Kind[int]:
    return Kind("size", lambda text: _within(parse_size(text), least, most, show_size), Shape.NUMBER)


_TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds, written as Go's time.ParseDuration takes them: 100ms, 1.5s, 1m30s; 0 needs no unit."""
    if text == "0":
        return 0.0
    total, position = 0.0, 0
    while part := _DURATION_PART.match(text, position):
        total += float(part[1]) * _TIME_UNITS[part[2]]
        position = part.end()
    if position == 0 or position != len(text):
        raise ValueError("a duration is expected, such as 100ms, 5s or 1m30s")
    return round(total, 9)


def show_duration(seconds: float) -> str:
    if seconds and seconds < 1:
        return f"{seconds * 1000:g}ms"
    for unit, name in ((3600, "h"), (60, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds / unit:g}{name}"
    return f"{seconds:g}s"


def duration(*, least: float, most: float = 366 * 86400.0) -> Kind[float]:
    return Kind("duration", lambda text: _within(parse_duration(text), least, most, show_duration))


def seconds(*, least: int, most: int) -> Kind[int]:
    """Whole seconds, for settings that Redis knows as a bare number of seconds; 5m is understood too."""

    def parse(text: str) -> int:
        value = float(text) if re.fullmatch(r"[0-9]{1,12}", text) else parse_duration(text)
        if value != int(value):
            raise ValueError("whole seconds are expected")
        return _within(int(value), least, most, str)

    return Kind("seconds", parse, Shape.NUMBER)


N = TypeVar("N", int, float)


def _within(value: N, least: N, most: N, show: Callable[[N], str]) -> N:
    if value < least:
        raise ValueError(f"must be at least {show(least)}")
    if value > most:
        raise ValueError(f"must be at most {show(most)}")
    return value


# ---- addresses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """host:port. An empty host means every interface. IPv6 hosts are kept without their brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def every_interface(self) -> bool:
        ip = _ip(self.host)
        return not self.host or (ip is not None and ip.is_unspecified)

    @property
    def loopback(self) -> bool:
        """By name or number; other names are not resolved: what they mean may differ from machine to machine."""
        ip = _ip(self.host)
        if ip is not None:
            return ip.is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")


def parse_address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f'"{text}" has no port; host:port is expected')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        ip = _ip(host)
        if ip is None or ip.version != 6:
            raise ValueError(f'"{host}" is not an IPv6 address')
    elif ":" in host:
        raise ValueError(f'an IPv6 address is written in brackets, such as "[{host}]:{port}"')
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f'"{port}" is not a port (0 to 65535)')
    host = host.lower()
    ip = _ip(host)
    if ip is not None:
        host = str(ip)  # one spelling per address, so that addresses can be compared
    elif re.fullmatch(r"[0-9.]+", host):
        raise ValueError(f'"{host}" is not an IPv4 address')
    elif host and not _HOST_NAME.fullmatch(host):
        raise ValueError(f'"{host}" is not a host name')
    return Address(host, int(port))


def parse_advertised(text: str) -> Address:
    """An address that other machines are told to call."""
    address = parse_address(text)
    if address.every_interface:
        shown = f'"{address.host}"' if address.host else "an empty host"
        raise ValueError(
            f"this address is given to other members, and {shown} leads nowhere from there; "
            f"use the address by which they reach this node, such as 10.0.0.11:{address.port or 50051}"
        )
    if address.port == 0:
        raise ValueError("this address is given to other members, so its port cannot be 0")
    return address


def _optional_address(text: str) -> Address | None:
    return parse_address(text) if text else None


LISTEN_ADDRESS = Kind("host:port", parse_address)
OPTIONAL_LISTEN_ADDRESS = Kind("host:port", _optional_address)
ADVERTISED_ADDRESS = Kind("host:port", parse_advertised)


def _pairs(text: str, left: str, right: str) -> list[tuple[str, str]]:
    pairs = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        before, equals, after = item.partition("=")
        if not equals:
            raise ValueError(f'"{item}" has no "="; {left}={right},... is expected')
        pairs.append((before.strip(), after.strip()))
    return pairs


def _address_map(text: str) -> Mapping[str, str]:
    doors: dict[str, str] = {}
    owner: dict[str, str] = {}
    for raft_text, door_text in _pairs(text, "raftAddress", "doorAddress"):
        raft, door = str(parse_advertised(raft_text)), str(parse_advertised(door_text))
        if raft in doors:
            raise ValueError(f'"{raft}" is listed twice')
        if door in owner:
            raise ValueError(f'"{door}" stands behind both "{owner[door]}" and "{raft}"')
        doors[raft] = door
        owner[door] = raft
    return MappingProxyType(doors)


@dataclass(frozen=True, slots=True)
class Member:
    """One of the first voters."""

    id: str
    address: Address


def _members(text: str) -> tuple[Member, ...]:
    members: list[Member] = []
    for id_text, address_text in _pairs(text, "id", "host:port"):
        if not id_text:
            raise ValueError(f'"={address_text}" has no node ID before the "="')
        member = Member(_identifier(id_text), parse_advertised(address_text))
        for other in members:
            if other.id == member.id:
                raise ValueError(f'node ID "{member.id}" is listed twice')
            if other.address == member.address:
                raise ValueError(f'"{other.id}" and "{member.id}" have the same address {member.address}')
        members.append(member)
    return tuple(members)


ADDRESS_MAP = Kind("raftAddr=addr,...", _address_map, Shape.PAIRS)
MEMBERS = Kind("id=host:port,...", _members, Shape.PAIRS)


# ---- Redis' own syntax ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """When a client that does not read its replies is cut off. 0 turns a limit off."""

    hard_bytes: int
    soft_bytes: int
    soft_seconds: int


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """Redis' client-output-buffer-limit; `str()` gives it back in Redis' words."""

    normal: OutputLimit = OutputLimit(0, 0, 0)
    replica: OutputLimit = OutputLimit(256 << 20, 64 << 20, 60)
    pubsub: OutputLimit = OutputLimit(32 << 20, 8 << 20, 60)

    def __str__(self) -> str:
        classes = (("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub))
        return " ".join(f"{name} {x.hard_bytes} {x.soft_bytes} {x.soft_seconds}" for name, x in classes)


def named_output_limits(text: str) -> dict[str, OutputLimit]:
    """The classes that are named, with what is said of them."""
    words = text.split()
    if len(words) % 4:
        raise ValueError('four words per class are expected: "class hard-limit soft-limit soft-seconds"')
    named: dict[str, OutputLimit] = {}
    for start in range(0, len(words), 4):
        name, hard, soft, soft_seconds = words[start : start + 4]
        name = {"slave": "replica"}.get(name.lower(), name.lower())
        if name not in ("normal", "replica", "pubsub"):
            raise ValueError(f'"{name}" is not a client class (normal, replica, pubsub)')
        if not re.fullmatch(r"[0-9]{1,9}", soft_seconds):
            raise ValueError(f'"{soft_seconds}" is not a number of seconds')
        named[name] = OutputLimit(parse_size(hard), parse_size(soft), int(soft_seconds))
    return named


def parse_output_limits(text: str) -> OutputLimits:
    """Classes that are not named keep their default, as in redis.conf."""
    return replace(OutputLimits(), **named_output_limits(text))


OUTPUT_LIMITS = Kind("class hard soft seconds ...", parse_output_limits)
