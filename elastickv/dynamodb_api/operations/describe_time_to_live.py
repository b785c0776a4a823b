"""DescribeTimeToLive."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Shape
from elastickv.dynamodb_api.tables import described_table


@operation("DescribeTimeToLive", shape=Shape(parameters=("TableName",), TableName=ADMINISTERED_TABLE), write=False)
def describe_time_to_live(call: Call) -> dict[str, Any]:
    """Whether items of a table expire, and by which attribute."""
    table = described_table(call.view, call.request["TableName"])
    if not table.ttl_attribute:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": table.ttl_attribute}}
