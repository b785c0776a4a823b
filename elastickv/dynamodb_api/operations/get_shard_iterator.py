"""GetShardIterator (DynamoDB Streams)."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.errors import (
    ResourceNotFoundException,
    TrimmedDataAccessException,
    ValidationException,
)
from elastickv.dynamodb_api.registry import STREAMS, Call, operation
from elastickv.dynamodb_api.shapes import Double, Shape, String, required
from elastickv.dynamodb_api.stream_arguments import (
    SEQUENCE_NUMBER,
    SHARD_ID,
    STREAM_ARN,
    make_iterator,
    parse_sequence_number,
    stream_of,
)
from elastickv.dynamodb_api.streams import horizon
from elastickv.kv.hybrid_clock import earliest


@operation(
    "GetShardIterator",
    service=STREAMS,
    shape=Shape(
        StreamArn=required(STREAM_ARN),
        ShardId=required(SHARD_ID),
        ShardIteratorType=required(
            String(enum=("TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"))
        ),
        SequenceNumber=SEQUENCE_NUMBER,
        Timestamp=Double(),
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
    elif kind == "AT_TIMESTAMP":
        position = max(stream.first, _at(request.get("Timestamp"), call.now_ms))
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


def _at(seconds: float | None, now_ms: int) -> int:
    """The sequence number of the first record that can be of this moment (Unix seconds) or later."""
    if seconds is None:
        raise ValidationException("One or more parameter values were invalid: Timestamp is required for AT_TIMESTAMP")
    if seconds * 1000 > now_ms:
        raise ValidationException("One or more parameter values were invalid: Timestamp must not be in the future")
    # Rounded, not cut: seconds with a fraction lose the last bit of their milliseconds.
    return earliest(round(max(seconds, 0) * 1000))
