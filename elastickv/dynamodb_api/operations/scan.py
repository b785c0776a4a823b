"""Scan."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import schema, tables
from elastickv.dynamodb_api.attributes import Key
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.item_shapes import ATTRIBUTES_TO_GET, CONDITIONAL_OPERATOR, CONDITIONS, SELECT
from elastickv.dynamodb_api.parameters import Expressions, check_attributes_to_get, check_styles
from elastickv.dynamodb_api.reads import (
    BAD_START,
    Page,
    Source,
    check_projected,
    check_select,
    check_start_piece,
    check_start_table_key,
    check_start_values,
)
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schema import MISMATCH
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAME,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    TABLE_NAME,
    VALUES,
    Boolean,
    Integer,
    Shape,
    String,
    required,
)
from elastickv.dynamodb_api.writes import condition_of
from elastickv.kv.keyspace import prefix_end, u32

MAX_SEGMENTS: Final = 1_000_000


@operation(
    "Scan",
    shape=Shape(
        Select=SELECT,
        IndexName=NAME,
        TotalSegments=Integer(min=1, max=MAX_SEGMENTS),
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        TableName=required(TABLE_NAME),
        ConditionalOperator=CONDITIONAL_OPERATOR,
        ScanFilter=CONDITIONS,
        Segment=Integer(min=0, max=MAX_SEGMENTS - 1),
        Limit=Integer(min=1),
        AttributesToGet=ATTRIBUTES_TO_GET,
        ExclusiveStartKey=ITEM,
        ConsistentRead=Boolean(),
        FilterExpression=String(),
        ProjectionExpression=String(),
        ExpressionAttributeValues=VALUES,
        ExpressionAttributeNames=NAMES,
    ),
    write=False,
)
def scan(call: Call) -> dict[str, Any]:
    """Read all items of a table or index, or of a segment of it, in the order of their partitions' hashes."""
    request = call.request
    check_styles(
        request,
        ("ProjectionExpression", "FilterExpression"),
        ("AttributesToGet", "ScanFilter", "ConditionalOperator"),
    )
    names = request.get("AttributesToGet")
    check_attributes_to_get(names)
    old_filter = request.get("ScanFilter")
    condition = legacy.filter_condition(old_filter or {}, request.get("ConditionalOperator"))
    legacy.check_conditional_operator(request.get("ConditionalOperator"), old_filter)
    check_start_values(request)
    segment, segments = request.get("Segment"), request.get("TotalSegments")
    _check_segments(segment, segments)
    expressions = Expressions(request)
    filter_ = expressions.condition("FilterExpression")
    projection = expressions.projection()
    expressions.finish()
    check_select(request, "IndexName" in request)

    table = tables.table(call.view, request["TableName"])
    source = Source(call.view, table, request)
    start: Key | None = request.get("ExclusiveStartKey")
    if start is not None:
        if len(start) != len(source.start_names):
            raise ValidationException(BAD_START if source.index is not None else f"{BAD_START}: {MISMATCH}")
        if source.index is not None:
            for number, attribute in enumerate(source.keys):
                check_start_piece(start, attribute, number < len(source.hashes))
    heads = filter_.heads if filter_ is not None else set(condition.names) if condition is not None else set()
    paths = projection.tree.paths if projection is not None else [Path((name,)) for name in names] if names else None
    check_projected(source, request, [str(path.steps[0]) for path in paths or ()], sorted(heads))
    if start is not None:
        check_start_table_key(source, start)
    first, end = _bounds(source.prefix, segment, segments)
    if start is not None and segments is not None:
        place, _ = source.place(start)
        if not (first <= place and (not end or place < end)):
            raise ValidationException(
                f"{BAD_START}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
                f"TotalSegments: {segments} Segment: {segment}"
            )
    if projection is not None:
        schema.check_nested_keys(table, projection.nested_heads)
    if filter_ is not None:
        schema.check_nested_keys(table, filter_.nested_heads)

    holds = condition.holds if condition is not None else condition_of(filter_, expressions.values)
    page = Page(source, request, paths, holds, sorted(heads))
    page.read(source.walk(first, end, after=start))
    return page.answer()


def _check_segments(segment: int | None, segments: int | None) -> None:
    if segment is not None and segments is None:
        raise ValidationException(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is "
            "present"
        )
    if segments is not None:
        if segment is None:
            raise ValidationException(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments "
                "is present"
            )
        if segment >= segments:
            raise ValidationException(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
                f"Segment: {segment} is not less than TotalSegments: {segments}"
            )


def _bounds(prefix: bytes, segment: int | None, segments: int | None) -> tuple[bytes, bytes]:
    """The keys of a segment: an equal share of all hashes."""
    if segment is None or segments is None:
        return prefix, prefix_end(prefix)
    hashes = 1 << 32
    first = -(-hashes * segment // segments)
    behind = -(-hashes * (segment + 1) // segments)
    end = prefix_end(prefix) if behind == hashes else prefix + u32(behind)
    return prefix + u32(first), end
