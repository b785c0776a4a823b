"""Settings: one frozen dataclass per room, merged from flags, environment and file, checked once.

settings.py declares every flag, once; kinds.py knows the values, flags.py Go's rules for a command line, load.py the
merging and the checks, reference.py the words of --help and docs/flags.md. Rooms below `app` never see the flags, only
their own dataclass.
"""

from elastickv.config.flags import Flag, UsageError, flag, flags_of, read_command_line
from elastickv.config.kinds import (
    ADVERTISED_ADDRESS,
    BOOLEAN,
    Address,
    Member,
    OutputLimit,
    OutputLimits,
    duration,
    named_output_limits,
    parse_address,
    parse_duration,
    parse_output_limits,
    parse_size,
)
from elastickv.config.load import FLAGS, ROOMS, load
from elastickv.config.reference import flag_lines, help_text, markdown
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

__all__ = [
    "ADVERTISED_ADDRESS",
    "BOOLEAN",
    "FLAGS",
    "ROOMS",
    "SINGLE_NODE_ID",
    "Address",
    "DynamoSettings",
    "Flag",
    "GrpcSettings",
    "LogSettings",
    "Member",
    "MetricsSettings",
    "NodeSettings",
    "OutputLimit",
    "OutputLimits",
    "RaftSettings",
    "RedisSettings",
    "Settings",
    "StorageSettings",
    "UsageError",
    "duration",
    "flag",
    "flag_lines",
    "flags_of",
    "help_text",
    "load",
    "markdown",
    "parse_address",
    "parse_duration",
    "named_output_limits",
    "parse_output_limits",
    "parse_size",
    "read_command_line",
]
