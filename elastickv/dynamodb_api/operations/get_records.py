"""GetRecords (DynamoDB Streams)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from elastickv.dynamodb_api.attributes import item_size
from elastickv.dynamodb_api.registry import STREAMS, Call, operation
from elastickv.dynamodb_api.shapes import Integer, Shape, String, required
from elastickv.dynamodb_api.stream_arguments import make_iterator, parse_iterator, sequence_number
from elastickv.dynamodb_api.streams import Stream, horizon, read
from elastickv.kv.hybrid_clock import milliseconds

MOST: Final = 1000
MOST_BYTES: Final = 1 << 20


@operation(
    "GetRecords",
    service=STREAMS,
    shape=Shape(ShardIterator=required(String(min=1, max=2048)), Limit=Integer(min=1, max=MOST)),
    write=False,
)
def get_records(call: Call) -> dict[str, Any]:
    """Changes from a place in a shard on, in order."""
    stream, position = parse_iterator(call, call.request["ShardIterator"])
    position = max(position, horizon(call.now_ms))
    found, ended = read(call.view, stream, position, call.request.get("Limit", MOST), MOST_BYTES)
    answer: dict[str, Any] = {"Records": [_record(call, stream, stamp, change) for stamp, change in found]}
    if not (ended and stream.closed):
        following = found[-1][0] + 1 if found else position
        answer["NextShardIterator"] = make_iterator(call, stream, following)
    return answer


def _record(call: Call, stream: Stream, stamp: int, change: dict[str, Any]) -> dict[str, Any]:
    inside = {member: change[member] for member in ("Keys", "NewImage", "OldImage") if member in change}
    shown: dict[str, Any] = {
        "eventID": blake2b(b"%d:%d" % (stream.id, stamp), digest_size=16).hexdigest(),
        "eventName": change["eventName"],
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": call.region,
        "dynamodb": {
            "ApproximateCreationDateTime": milliseconds(stamp) // 1000,
            **inside,
            "SequenceNumber": sequence_number(stamp),
            "SizeBytes": sum(map(item_size, inside.values())),
            "StreamViewType": stream.view_type,
        },
    }
    if "userIdentity" in change:
        shown["userIdentity"] = change["userIdentity"]
    return shown
