"""DeleteTable. The table is gone when this is answered; its items are purged behind."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.descriptions import describe
from elastickv.dynamodb_api.errors import ResourceInUseException, ValidationException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Shape


@operation("DeleteTable", shape=Shape(parameters=("TableName",), TableName=ADMINISTERED_TABLE))
def delete_table(call: Call) -> dict[str, Any]:
    """Drop a table, whatever it holds, in one small change."""
    name = call.request["TableName"]
    table = tables.described_table(call.view, name)
    if table.raw["DeletionProtectionEnabled"]:
        raise ValidationException(
            "Resource cannot be deleted as it is currently protected against deletion. "
            "Disable deletion protection first."
        )
    if any(one.status == "CREATING" for one in table.indexes.values()):
        raise ResourceInUseException(
            "Attempt to change a resource which is still in use: "
            "Cannot delete table while indexes are being created, updated, or deleted."
        )
    described = describe(call, table, status="DELETING")
    for member in ("AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        described.pop(member, None)
    tables.remove(call.view, table)
    streams.close_stream(call.view, table)
    return {"TableDescription": described}
