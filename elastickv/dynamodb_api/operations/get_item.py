"""GetItem."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api import records, schema, tables
from elastickv.dynamodb_api.attributes import check_item
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.item_shapes import ATTRIBUTES_TO_GET
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.layers import current_words
from elastickv.dynamodb_api.parameters import check_styles
from elastickv.dynamodb_api.plain_items import plain_place, plain_size, plain_table
from elastickv.dynamodb_api.projections import Projection
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    TABLE_NAME,
    Boolean,
    Shape,
    String,
    required,
)
from elastickv.kv.view import View


def _get_plainly(view: View, request: dict[str, Any]) -> bytes | None:
    """A whole item, by a key that is in order."""
    if len(request) != 2 and (len(request) != 3 or request.get("ConsistentRead").__class__ is not bool):
        return None
    key: Any = request.get("Key")
    if plain_size(key) < 0:
        return None
    table = plain_table(view, request.get("TableName"))
    if table is None or len(key) != len(table.keys):
        return None
    place = plain_place(table, key)
    if place is None:
        return None
    record = view.get(place)
    return b"{}" if record is None else b'{"Item":%b}' % record[records.BODY :]


@operation(
    "GetItem",
    shape=Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        AttributesToGet=ATTRIBUTES_TO_GET,
        TableName=required(TABLE_NAME),
        Key=required(ITEM),
        ConsistentRead=Boolean(),
        ProjectionExpression=String(),
        ExpressionAttributeNames=NAMES,
    ),
    write=False,
    short=_get_plainly,
)
@current_words
def get_item(call: Call) -> dict[str, Any]:
    """Read the item with a key."""
    request = call.request
    check_styles(request, ("ProjectionExpression",), ("AttributesToGet",))
    key = request["Key"]
    check_item(key)
    projection = Projection(request)

    table = tables.table(call.view, request["TableName"])
    schema.check_key(table, key)
    projection.check_keys(table)
    record = call.view.get(item_key(table, key))
    answer: dict[str, Any] = {}
    if record is not None:
        answer["Item"] = projection.of(record)
    mode = wanted(request)
    if mode:
        consumed = Consumed(table.name)
        size = records.size(record) if record is not None else 0
        consumed.read(read_units(size, request.get("ConsistentRead", False)))
        answer["ConsumedCapacity"] = consumed.answer(mode)
    return answer
