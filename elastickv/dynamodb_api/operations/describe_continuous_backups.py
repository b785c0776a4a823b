"""DescribeContinuousBackups."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api.errors import TableNotFoundException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Shape
from elastickv.dynamodb_api.tables import find

NONE: Final[dict[str, Any]] = {
    "ContinuousBackupsDescription": {
        "ContinuousBackupsStatus": "DISABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
    }
}


@operation(
    "DescribeContinuousBackups",
    shape=Shape(parameters=("TableName",), TableName=ADMINISTERED_TABLE),
    write=False,
    notes=("always DISABLED: there are no continuous backups, and none can be switched on",),
)
def describe_continuous_backups(call: Call) -> dict[str, Any]:
    """Says that there are none."""
    name = call.request["TableName"]
    if find(call.view, name) is None:
        raise TableNotFoundException(f"Table not found: {name}")
    return NONE
