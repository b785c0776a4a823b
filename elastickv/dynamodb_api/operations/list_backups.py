"""ListBackups."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.attributes import INVALID
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import TABLE_NAME, Double, Integer, Shape, String


@operation(
    "ListBackups",
    shape=Shape(
        TableName=TABLE_NAME,
        Limit=Integer(min=1, max=100),
        TimeRangeLowerBound=Double(),
        TimeRangeUpperBound=Double(),
        ExclusiveStartBackupArn=String(min=37, max=1024),
        BackupType=String(enum=("USER", "SYSTEM", "AWS_BACKUP", "ALL")),
    ),
    write=False,
    notes=("there are no backups",),
)
def list_backups(call: Call) -> dict[str, Any]:
    """An empty list."""
    lower, upper = call.request.get("TimeRangeLowerBound"), call.request.get("TimeRangeUpperBound")
    if lower is not None and upper is not None and lower > upper:
        raise ValidationException(f"{INVALID}Time range lower bound must be less than or equal to upper bound")
    return {"BackupSummaries": []}
