"""GetShardIterator (DynamoDB Streams)."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.errors import (
    ResourceNotFoundException,
    TrimmedDataAccessException,
    ValidationException,
)
from elastickv.dynamodb_api.registry import STREAMS, Call, operation
from elastickv.dynamodb_api.shapes import Shape, String, required
from elastickv.dynamodb_api.stream_arguments import (
    SEQUENCE_NUMBER,
    SHARD_ID,
    STREAM_ARN,
    make_iterator,
    parse_sequence_number,
    stream_of,
)
from elastickv.dynamodb_api.streams import horizon


@operation(
    "GetShardIterator",
    service=STREAMS,
    shape=Shape(
        StreamArn=required(STREAM_ARN),
        ShardId=required(SHARD_ID),
        ShardIteratorType=required(
            String(enum=("TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"))
        ),
        SequenceNumber=SEQUENCE_NUMBER,
    ),
    write=False,
)
def get_shard_iterator(call: Call) -> dict[str, Any]:
    """Where GetRecords is to begin."""
    request = call.request
    stream = stream_of(call, request["StreamArn"])
    if request["ShardId"] != stream.shard:
        raise ResourceNotFoundException(f"Requested resource not found: Shard does not exist: {request['ShardId']}")
    kind = request["ShardIteratorType"]
    number = request.get("SequenceNumber")
    if kind in ("TRIM_HORIZON", "LATEST"):
        position = stream.first if kind == "TRIM_HORIZON" else call.view.last_timestamp + 1
    elif number is None:
        raise ValidationException(f"One or more parameter values were invalid: SequenceNumber is required for {kind}")
    else:
        position = parse_sequence_number(number)
        if position < max(stream.first, horizon(call.now_ms)) and position != stream.first:
            raise TrimmedDataAccessException(
                "The operation attempted to read past the oldest stream record in a shard."
            )
        if kind == "AFTER_SEQUENCE_NUMBER":
            position += 1
    return {"ShardIterator": make_iterator(call, stream, position)}
