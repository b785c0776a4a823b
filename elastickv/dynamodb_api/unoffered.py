"""Parameters of CreateTable and UpdateTable that ask for what this server does not have. They are refused: a table that
comes without what its maker relies on does harm later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.schemas import INVALID
from elastickv.dynamodb_api.shapes import Boolean, Kind, ListOf, String, Struct

_REPLICATION_MODE: Final = String(enum=("ENABLED", "DISABLED", "ENABLED_WITH_OVERRIDES"))
OF_CREATE_TABLE: Final[dict[str, Kind]] = {
    "ResourcePolicy": String(),
    "GlobalTableSourceArn": String(min=1, max=1024),
    "GlobalTableSettingsReplicationMode": _REPLICATION_MODE,
    "VectorIndexes": ListOf(Struct("VectorIndex")),
}
OF_UPDATE_TABLE: Final[dict[str, Kind]] = {
    "ReplicaUpdates": ListOf(Struct("ReplicationGroupUpdate")),
    "MultiRegionConsistency": String(enum=("EVENTUAL", "STRONG")),
    "GlobalTableWitnessUpdates": ListOf(Struct("GlobalTableWitnessGroupUpdate")),
    "GlobalTableSettingsReplicationMode": _REPLICATION_MODE,
    "DisassociationProtectionEnabled": Boolean(),
    "VectorIndexUpdates": ListOf(Struct("VectorIndexUpdate")),
}
_MISSING: Final = {
    "ResourcePolicy": "resource policies",
    "VectorIndexes": "vector indexes",
    "VectorIndexUpdates": "vector indexes",
}
"""What there is none of; for all other members: global tables."""


def check_unoffered(request: Mapping[str, Any]) -> None:
    """What is switched off anyway may be asked for: a GlobalTableSettingsReplicationMode of DISABLED. What
    UpdateTable says of MultiRegionConsistency alone is the business of `update_concerns`."""
    for member in (*OF_CREATE_TABLE, *OF_UPDATE_TABLE):
        value = request.get(member)
        if value is None or value == "DISABLED":
            continue
        if value == "ENABLED_WITH_OVERRIDES":
            raise ValidationException(
                f"Value '{value}' at '{member}' failed to satisfy constraint: "
                "Only ENABLED and DISABLED settings replication are supported for a Regional Table."
            )
        if member == "MultiRegionConsistency" and set(request) <= {"TableName", "AttributeDefinitions", member}:
            continue
        what = _MISSING.get(member, "global tables")
        raise ValidationException(f"{INVALID}{member} cannot be specified: there are no {what}")
