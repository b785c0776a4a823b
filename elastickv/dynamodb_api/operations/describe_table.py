"""DescribeTable."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.descriptions import describe
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import ADMINISTERED_TABLE, Shape
from elastickv.dynamodb_api.tables import described_table


@operation("DescribeTable", shape=Shape(parameters=("TableName",), TableName=ADMINISTERED_TABLE), write=False)
def describe_table(call: Call) -> dict[str, Any]:
    """A table's keys, indexes, status and size, counted exactly and not every six hours."""
    return {"Table": describe(call, described_table(call.view, call.request["TableName"]))}
