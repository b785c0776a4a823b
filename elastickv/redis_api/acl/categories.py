"""ACL categories of commands: those of their group, those that flags imply, those that a declaration adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from elastickv.redis_api.registry import COMMANDS, Command, Flag

CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)
"""In the order in which Redis lists them."""

_BY_GROUP: Final = {
    "string": "string",
    "generic": "keyspace",
    "bitmap": "bitmap",
    "transactions": "transaction",
    "connection": "connection",
    "list": "list",
    "set": "set",
    "sorted-set": "sortedset",
    "hash": "hash",
    "hyperloglog": "hyperloglog",
    "stream": "stream",
    "geo": "geo",
    "scripting": "scripting",
}


def categories(command: Command) -> list[str]:
    """In Redis' order. HELP of a container and the container itself have only what their flags imply."""
    name, flags = command.name, command.flags
    found = set(command.categories)
    group = _BY_GROUP.get(command.group)
    plain_help = name.endswith("|help") and command.group in ("pubsub", "server")
    if group is not None and name not in _WITHOUT_GROUP and not command.subcommands and not plain_help:
        found.add(group)
    if Flag.WRITE in flags:
        found.add("write")
    # A script reads and writes what its commands do; only the commands are judged by that.
    if Flag.READONLY in flags and "scripting" not in found:
        found.add("read")
    if Flag.ADMIN in flags:
        found |= {"admin", "dangerous"}
    if Flag.PUBSUB in flags:
        found.add("pubsub")
    if Flag.BLOCKING in flags:
        found.add("blocking")
    found.add("fast" if Flag.FAST in flags else "slow")
    return sorted(found, key=CATEGORIES.index)


_WITHOUT_GROUP: Final = frozenset(("wait", "waitaof", "sort", "sort_ro"))


def all_commands(commands: Mapping[str, Command] = COMMANDS) -> Iterator[Command]:
    """With all subcommands, each behind its container."""
    for command in commands.values():
        yield command
        yield from command.subcommands.values()


def members(category: str) -> list[Command]:
    return [command for command in all_commands() if category in categories(command)]
