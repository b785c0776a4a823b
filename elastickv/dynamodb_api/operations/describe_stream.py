"""DescribeStream (DynamoDB Streams)."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.arns import stream_arn
from elastickv.dynamodb_api.registry import STREAMS, Call, operation
from elastickv.dynamodb_api.shapes import Integer, Shape, String, Struct, required
from elastickv.dynamodb_api.stream_arguments import SHARD_ID, STREAM_ARN, sequence_number, stream_of


@operation(
    "DescribeStream",
    service=STREAMS,
    shape=Shape(
        StreamArn=required(STREAM_ARN),
        Limit=Integer(min=1, max=100),
        ExclusiveStartShardId=SHARD_ID,
        ShardFilter=Struct("ShardFilter", Type=String(enum=("CHILD_SHARDS",)), ShardId=SHARD_ID),
    ),
    write=False,
    notes=("a stream has one shard, which stays open as long as the stream is on",),
)
def describe_stream(call: Call) -> dict[str, Any]:
    """A stream's status, and its shard."""
    request = call.request
    stream = stream_of(call, request["StreamArn"])
    numbers = {"StartingSequenceNumber": sequence_number(stream.first)}
    if stream.closed:
        numbers["EndingSequenceNumber"] = sequence_number(stream.closed)
    shards = [{"ShardId": stream.shard, "SequenceNumberRange": numbers}]
    if request.get("ExclusiveStartShardId", "") >= stream.shard or "ShardFilter" in request:
        shards = []
    return {
        "StreamDescription": {
            "StreamArn": stream_arn(call.region, stream.table, stream.label),
            "StreamLabel": stream.label,
            "StreamStatus": stream.status,
            "StreamViewType": stream.view_type,
            "CreationRequestDateTime": stream.created_ms / 1000,
            "TableName": stream.table,
            "KeySchema": stream.key_schema,
            "Shards": shards,
        }
    }
