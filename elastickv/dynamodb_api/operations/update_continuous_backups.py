"""UpdateContinuousBackups."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api.errors import (
    ContinuousBackupsUnavailableException,
    TableNotFoundException,
    ValidationException,
)
from elastickv.dynamodb_api.operations.describe_continuous_backups import NONE
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Boolean, Integer, Shape, Struct, required
from elastickv.dynamodb_api.tables import find

MAX_DAYS: Final = 35


@operation(
    "UpdateContinuousBackups",
    shape=Shape(
        parameters=("TableName",),
        TableName=ADMINISTERED_TABLE,
        PointInTimeRecoverySpecification=required(
            Struct(
                "PointInTimeRecoverySpecification",
                PointInTimeRecoveryEnabled=required(Boolean()),
                RecoveryPeriodInDays=Integer(min=1, max=MAX_DAYS),
            )
        ),
    ),
    write=False,
    notes=("switching it on is refused with ContinuousBackupsUnavailableException",),
)
def update_continuous_backups(call: Call) -> dict[str, Any]:
    """Switch point-in-time recovery off, which it is."""
    name, specification = call.request["TableName"], call.request["PointInTimeRecoverySpecification"]
    if not specification["PointInTimeRecoveryEnabled"] and "RecoveryPeriodInDays" in specification:
        raise ValidationException(
            "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery."
        )
    if find(call.view, name) is None:
        raise TableNotFoundException(f"Table not found: {name}")
    if specification["PointInTimeRecoveryEnabled"]:
        raise ContinuousBackupsUnavailableException("Point in time recovery is not offered by this server")
    return NONE
