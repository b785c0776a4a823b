"""UpdateTimeToLive. It takes effect at once; AWS' hour between two changes is not kept."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Boolean, Shape, String, Struct, required


@operation(
    "UpdateTimeToLive",
    shape=Shape(
        parameters=("TableName",),
        TableName=ADMINISTERED_TABLE,
        TimeToLiveSpecification=required(
            Struct(
                "TimeToLiveSpecification",
                AttributeName=required(String(min=1, max=255)),
                Enabled=required(Boolean()),
            )
        ),
    ),
)
def update_time_to_live(call: Call) -> dict[str, Any]:
    """Let items expire by an attribute, or stop that."""
    specification = call.request["TimeToLiveSpecification"]
    table = tables.described_table(call.view, call.request["TableName"])
    name, present = specification["AttributeName"], table.ttl_attribute
    if specification["Enabled"]:
        if present == name:
            raise ValidationException("TimeToLive is already enabled")
        if present:
            raise ValidationException(
                f"TimeToLive is active on a different AttributeName: current AttributeName is {present}"
            )
        tables.save(call.view, {**table.raw, "Ttl": name})
    else:
        if not present:
            raise ValidationException("TimeToLive is already disabled")
        if present != name:
            raise ValidationException(
                f"TimeToLive is active on a different AttributeName: current AttributeName is {present}"
            )
        tables.save(call.view, {member: value for member, value in table.raw.items() if member != "Ttl"})
    return {"TimeToLiveSpecification": specification}
