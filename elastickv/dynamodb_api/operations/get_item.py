"""GetItem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elastickv.dynamodb_api import records, schema, tables
from elastickv.dynamodb_api.attributes import check_item
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.expressions.nodes import Path
from elastickv.dynamodb_api.expressions.paths import project
from elastickv.dynamodb_api.item_shapes import ATTRIBUTES_TO_GET
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.parameters import Expressions, check_attributes_to_get, check_styles
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
from elastickv.dynamodb_api.tables import Table


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
)
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


class Projection:
    """What a request that reads single items wants of them: ProjectionExpression, AttributesToGet, or all."""

    __slots__ = ("nested", "paths")

    def __init__(self, request: Mapping[str, Any]) -> None:
        """Reads and checks both parameters and the placeholders. `check_styles` has come before."""
        names: Sequence[str] | None = request.get("AttributesToGet")
        check_attributes_to_get(names)
        self.nested: set[str] = set()
        self.paths: Sequence[Path] | None = None
        if names is not None:
            self.paths = [Path((name,)) for name in names]
        elif "ProjectionExpression" in request or "ExpressionAttributeNames" in request:
            expressions = Expressions(request)
            prepared = expressions.projection()
            expressions.finish()
            if prepared is not None:
                self.paths = prepared.tree.paths
                self.nested = prepared.nested_heads

    def check_keys(self, table: Table) -> None:
        schema.check_nested_keys(table, self.nested)

    def of(self, record: bytes) -> Any:
        """The item, or what is wanted of it, for an answer."""
        if self.paths is None:
            return records.fragment(record)
        return project(records.decode(record), self.paths)
