"""Query."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import key_conditions, schema, tables
from elastickv.dynamodb_api.attributes import Key, equal
from elastickv.dynamodb_api.composite_keys import partition
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions import legacy
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.item_shapes import ATTRIBUTES_TO_GET, CONDITIONAL_OPERATOR, CONDITIONS, SELECT, QueryShape
from elastickv.dynamodb_api.key_conditions import KeyConditions, key_range, sort_test
from elastickv.dynamodb_api.layers import ENVELOPE, current_words
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
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAME,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    TABLE_NAME,
    VALUES,
    Boolean,
    Integer,
    String,
    required,
)
from elastickv.dynamodb_api.writes import condition_of


@operation(
    "Query",
    shape=QueryShape(
        Select=SELECT,
        IndexName=NAME,
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        QueryFilter=CONDITIONS,
        TableName=required(TABLE_NAME),
        ConditionalOperator=CONDITIONAL_OPERATOR,
        AttributesToGet=ATTRIBUTES_TO_GET,
        Limit=Integer(),
        KeyConditions=CONDITIONS,
        ExclusiveStartKey=ITEM,
        ConsistentRead=Boolean(),
        ScanIndexForward=Boolean(),
        KeyConditionExpression=String(),
        FilterExpression=String(),
        ProjectionExpression=String(),
        ExpressionAttributeValues=VALUES,
        ExpressionAttributeNames=NAMES,
    ),
    write=False,
)
@current_words
def query(call: Call) -> dict[str, Any]:
    """Read the items of one partition, in the order of their sort keys."""
    request = call.request
    if request.get("Limit", 1) < 1:
        raise ValidationException(
            "1 validation error detected: Value at 'Limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1"
        )
    check_styles(
        request,
        ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"),
        ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"),
    )
    old_filter = request.get("QueryFilter")
    legacy.check_conditional_operator(request.get("ConditionalOperator"), old_filter, current=True)
    condition = legacy.filter_condition(old_filter or {}, request.get("ConditionalOperator"))
    names = request.get("AttributesToGet")
    check_attributes_to_get(names)
    check_start_values(request)
    if "KeyConditions" not in request and "KeyConditionExpression" not in request:
        raise ValidationException(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    expressions = Expressions(request, current=True)
    key_condition = expressions.condition("KeyConditionExpression")
    filter_ = expressions.condition("FilterExpression")
    projection = expressions.projection()
    expressions.finish()
    if key_condition is not None:
        conditions = key_conditions.from_expression(key_condition.tree, expressions.values)
    else:
        conditions = key_conditions.from_legacy(request["KeyConditions"])
    check_select(request, "IndexName" in request, envelope=ENVELOPE)

    table = tables.table(call.view, request["TableName"])
    source = Source(call.view, table, request)
    start: Key | None = request.get("ExclusiveStartKey")
    if start is not None and len(start) != len(source.start_names):
        raise ValidationException(BAD_START)
    for number, attribute in enumerate(source.keys):
        if start is not None:
            check_start_piece(start, attribute, number < len(source.hashes))
        key_conditions.check_attribute(conditions, source.hashes, source.ranges, number)
    if start is not None:
        check_start_table_key(source, start)
        _check_within(source, start, conditions)
    if projection is not None:
        schema.check_nested_keys(table, projection.nested_heads)
    heads = filter_.heads if filter_ is not None else set(condition.names) if condition is not None else set()
    for attribute in source.keys:
        if attribute.name in heads:
            what = "Filter Expression" if filter_ is not None else "QueryFilter"
            raise ValidationException(
                f"{what} can only contain non-primary key attributes: Primary key attribute: {attribute.name}"
            )
    paths = projection.tree.paths if projection is not None else [Path((name,)) for name in names] if names else None
    chosen = [str(path.steps[0]) for path in paths or ()]
    check_projected(source, request, chosen, sorted(heads))
    if filter_ is not None:
        schema.check_nested_keys(table, filter_.nested_heads)

    inside = source.prefix + partition([conditions[attribute.name].values[0] for attribute in source.hashes])
    wanted = key_range(inside, source.ranges, conditions)
    holds = condition.holds if condition is not None else condition_of(filter_, expressions.values)
    page = Page(source, request, paths, holds, sorted(heads))
    reverse = request.get("ScanIndexForward") is False
    page.read(source.walk(wanted.start, wanted.end, reverse=reverse, after=start), wanted.matches)
    return page.answer()


def _check_within(source: Source, start: Key, conditions: KeyConditions) -> None:
    """A starting key lies where the query reads."""
    inside = all(equal(start[one.name], conditions[one.name].values[0]) for one in source.hashes)
    given = [(one.name, conditions[one.name]) for one in source.ranges if one.name in conditions]
    if not given:
        if not inside:
            raise ValidationException(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        return
    if not sort_test(given)(start):
        raise ValidationException("The provided starting key does not match the range key predicate")
    if not inside:
        raise ValidationException("The query can return at most one row and cannot be restarted")
