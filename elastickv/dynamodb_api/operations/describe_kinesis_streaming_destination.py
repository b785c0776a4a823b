"""DescribeKinesisStreamingDestination."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import TABLE_NAME, Shape


@operation(
    "DescribeKinesisStreamingDestination",
    shape=Shape(parameters=("TableName",), TableName=TABLE_NAME),
    write=False,
    notes=("there are none, and none can be enabled",),
)
def describe_kinesis_streaming_destination(call: Call) -> dict[str, Any]:
    """The Kinesis streams that a table's changes go to."""
    table = tables.described_table(call.view, call.request["TableName"])
    return {"TableName": table.name, "KinesisDataStreamDestinations": []}
