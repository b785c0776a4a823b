"""ListStreams (DynamoDB Streams)."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from elastickv.dynamodb_api.arns import stream_arn
from elastickv.dynamodb_api.registry import STREAMS, Call, operation
from elastickv.dynamodb_api.shapes import TABLE_NAME, Integer, Shape
from elastickv.dynamodb_api.stream_arguments import STREAM_ARN, named
from elastickv.dynamodb_api.streams import streams_of

MOST: Final = 100


@operation(
    "ListStreams",
    service=STREAMS,
    shape=Shape(TableName=TABLE_NAME, Limit=Integer(min=1, max=MOST), ExclusiveStartStreamArn=STREAM_ARN),
    write=False,
)
def list_streams(call: Call) -> dict[str, Any]:
    """Streams, of one table or of all, a page at a time."""
    request = call.request
    limit = request.get("Limit", MOST)
    after = named(request["ExclusiveStartStreamArn"])[1:] if "ExclusiveStartStreamArn" in request else None
    table = request.get("TableName", "")
    if table.startswith("arn:"):
        table = table.partition(":table/")[2]
    found = list(islice(streams_of(call.view, table, after), limit + 1))
    listed = [
        {
            "StreamArn": stream_arn(call.region, one.table, one.label),
            "TableName": one.table,
            "StreamLabel": one.label,
        }
        for one in found[:limit]
    ]
    answer: dict[str, Any] = {"Streams": listed}
    if len(found) > limit:
        answer["LastEvaluatedStreamArn"] = listed[-1]["StreamArn"]
    return answer
