"""All groups of commands that are compared with redis-server."""

from __future__ import annotations

from typing import Final

from tests.conformance import (
    bitmap_commands,
    generic_commands,
    geo_commands,
    hash_commands,
    hyperloglog_commands,
    list_commands,
    set_commands,
    stream_commands,
    string_commands,
    zset_commands,
)
from tests.conformance.group import Group

GROUPS: Final[dict[str, Group]] = {
    "string": string_commands.GROUP,
    "bitmap": bitmap_commands.GROUP,
    "generic": generic_commands.GROUP,
    "hash": hash_commands.GROUP,
    "hyperloglog": hyperloglog_commands.GROUP,
    "list": list_commands.GROUP,
    "set": set_commands.GROUP,
    "sorted-set": zset_commands.GROUP,
    "stream": stream_commands.GROUP,
    "geo": geo_commands.GROUP,
}
"""By the name that COMMAND DOCS gives the group."""
