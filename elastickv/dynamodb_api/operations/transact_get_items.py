"""TransactGetItems."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import records, schema, tables, transactions
from elastickv.dynamodb_api.attributes import check_item
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.parameters import check_styles
from elastickv.dynamodb_api.projections import Projection
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.schema import EmptyKeyValue
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    TABLE_NAME,
    ListOf,
    Shape,
    String,
    Struct,
    required,
)

_GET: Final = Struct(
    "Get",
    Key=required(ITEM),
    TableName=required(TABLE_NAME),
    ProjectionExpression=String(),
    ExpressionAttributeNames=NAMES,
)


@operation(
    "TransactGetItems",
    shape=Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        TransactItems=required(
            ListOf(Struct("TransactGetItem", Get=required(_GET)), min=1, max=transactions.MAX_ACTIONS)
        ),
    ),
    write=False,
)
def transact_get_items(call: Call) -> dict[str, Any]:
    """Read up to a hundred items as they are at one moment."""
    gets = [wish["Get"] for wish in call.request["TransactItems"]]
    projections = []
    for get in gets:
        check_styles(get, ("ProjectionExpression",), ())
        check_item(get["Key"])
        projections.append(Projection(get))

    found = [tables.table(call.view, get["TableName"]) for get in gets]
    for position, (get, table) in enumerate(zip(gets, found, strict=True)):
        try:
            schema.check_key(table, get["Key"])
            projections[position].check_keys(table)
        except EmptyKeyValue:
            raise
        except ValidationException as error:
            raise transactions.cancelled(position, len(gets), error) from None
    places = [item_key(table, get["Key"]) for get, table in zip(gets, found, strict=True)]
    transactions.check_distinct(places)
    responses: list[dict[str, Any]] = []
    consumed: dict[str, Consumed] = {}
    total = 0
    for place, table, projection in zip(places, found, projections, strict=True):
        record = call.view.get(place)
        size = records.size(record) if record is not None else 0
        total += size
        responses.append({} if record is None else {"Item": projection.of(record)})
        consumed.setdefault(table.name, Consumed(table.name, transaction=True)).read(2 * read_units(size, True))
    if total > transactions.MAX_BYTES:
        raise ValidationException(transactions.TOO_LARGE)
    answer: dict[str, Any] = {"Responses": responses}
    mode = wanted(call.request)
    if mode:
        answer["ConsumedCapacity"] = [cost.answer(mode) for cost in consumed.values()]
    return answer
