"""What one UpdateTable may change together: AWS takes one concern at a time, but for billing and throughput."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.schemas import INVALID

_NOTHING_ASKED: Final = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
    "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, "
    "DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
)
_CONSISTENCY: Final = "MultiRegionConsistency"
_NOT_A_CHANGE: Final = frozenset(("TableName", "AttributeDefinitions"))
_NOTHING_WHEN_EMPTY: Final = frozenset(("OnDemandThroughput", "WarmThroughput"))
_ALONE: Final = {
    "SSESpecification": "Server-Side Encryption modification",
    "DeletionProtectionEnabled": "DeletionProtection modification",
    "TableClass": "TableClass modification",
    "WarmThroughput": "WarmThroughput",
}


def check_concerns(request: Mapping[str, Any]) -> None:
    asked = {
        member
        for member, value in request.items()
        if member not in _NOT_A_CHANGE and not (member in _NOTHING_WHEN_EMPTY and not value)
    }
    if request.get("GlobalSecondaryIndexUpdates") == []:
        if asked != {"GlobalSecondaryIndexUpdates"}:
            raise ValidationException(f"{INVALID}List of GlobalSecondaryIndexUpdates is empty")
        asked = set()
    if not asked - {_CONSISTENCY}:
        # A member that is there but asks for nothing by itself is not among those that are named.
        raise ValidationException(_NOTHING_ASKED.replace(f" {_CONSISTENCY},", "") if asked else _NOTHING_ASKED)
    if len(asked) == 1:
        return
    if "WarmThroughput" in asked and any("Create" in one for one in request.get("GlobalSecondaryIndexUpdates", ())):
        raise ValidationException(
            f"{INVALID}Create global secondary index cannot be specified when updating WarmThroughput"
        )
    for member, what in _ALONE.items():
        if member in asked:
            raise ValidationException(f"{INVALID}{what} must be the only operation in the request")
    if "OnDemandThroughput" in asked and asked != {"OnDemandThroughput", "BillingMode"}:
        raise ValidationException(
            f"{INVALID}OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
        )
