"""All commands: one module per Redis command group. Importing this package fills the command table."""

from elastickv.redis_api.commands import (
    bitfields,
    bitmaps,
    clients,
    command_table,
    configuration,
    connection,
    diagnostics,
    info,
    key_expiry,
    key_objects,
    keys,
    pubsub,
    server,
    string_numbers,
    string_parts,
    strings,
    transactions,
)
from elastickv.redis_api.commands.internal import INTERNAL
from elastickv.redis_api.registry import COMMANDS

__all__ = [
    "COMMANDS",
    "INTERNAL",
    "bitfields",
    "bitmaps",
    "clients",
    "command_table",
    "configuration",
    "connection",
    "diagnostics",
    "info",
    "key_expiry",
    "key_objects",
    "keys",
    "pubsub",
    "server",
    "string_numbers",
    "string_parts",
    "strings",
    "transactions",
]
