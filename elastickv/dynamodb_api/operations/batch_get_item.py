"""BatchGetItem."""

from __future__ import annotations

from typing import Any, Final

import orjson

from elastickv.dynamodb_api import records, schema, tables
from elastickv.dynamodb_api.attributes import check_item
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.item_shapes import ATTRIBUTES_TO_GET
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.layers import ENVELOPE, current_words
from elastickv.dynamodb_api.parameters import check_styles
from elastickv.dynamodb_api.projections import Projection
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    NEW_TABLE_NAME,
    RETURN_CONSUMED_CAPACITY,
    Boolean,
    ListOf,
    MapOf,
    Shape,
    String,
    Struct,
    required,
)

MAX_KEYS: Final = 100
MAX_ANSWER_BYTES: Final = 16 << 20
DUPLICATES: Final = "Provided list of item keys contains duplicates"

_AT_LEAST_ONE: Final = "failed to satisfy constraint: Member must have length greater than or equal to 1"
_BLOCK: Final = Struct(
    "KeysAndAttributes",
    Keys=required(ListOf(ITEM)),
    AttributesToGet=ATTRIBUTES_TO_GET,
    ConsistentRead=Boolean(),
    ProjectionExpression=String(),
    ExpressionAttributeNames=NAMES,
)


class _Blocks(MapOf):
    def show(self, value: Any) -> str:
        return orjson.dumps(value).decode()  # AWS quotes this request as JSON, and all others as its objects


@operation(
    "BatchGetItem",
    shape=Shape(
        RequestItems=required(_Blocks(_BLOCK, keys=NEW_TABLE_NAME)),
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
    ),
    write=False,
)
@current_words
def batch_get_item(call: Call) -> dict[str, Any]:
    """Read items by their keys, from several tables."""
    blocks: dict[str, dict[str, Any]] = call.request["RequestItems"]
    if not blocks:
        raise ValidationException(f"{ENVELOPE}Value at 'RequestItems' {_AT_LEAST_ONE}")
    projections = _check(blocks)

    found = {name: tables.table(call.view, name) for name in blocks}
    for name, block in blocks.items():
        for key in block["Keys"]:
            schema.check_key(found[name], key)
        projections[name].check_keys(found[name])
    responses: dict[str, list[Any]] = {}
    unprocessed: dict[str, dict[str, Any]] = {}
    consumed = []
    total = 0
    for name, block in blocks.items():
        table = found[name]
        items = responses.setdefault(name, [])
        cost = Consumed(table.name)
        consistent = bool(block.get("ConsistentRead"))
        for number, key in enumerate(block["Keys"]):
            record = call.view.get(item_key(table, key))
            size = records.size(record) if record is not None else 0
            if total + size > MAX_ANSWER_BYTES:
                unprocessed[name] = {**block, "Keys": block["Keys"][number:]}
                break
            total += size
            cost.read(read_units(size, consistent))
            if record is not None:
                items.append(projections[name].of(record))
        consumed.append(cost)
    answer: dict[str, Any] = {"Responses": responses, "UnprocessedKeys": unprocessed}
    mode = wanted(call.request)
    if mode:
        answer["ConsumedCapacity"] = [cost.answer(mode) for cost in consumed]
    return answer


def _check(blocks: dict[str, dict[str, Any]]) -> dict[str, Projection]:
    """Everything that can be said without the tables."""
    for name, block in blocks.items():
        count = len(block["Keys"])
        if not 1 <= count <= MAX_KEYS:
            constraint = f"failed to satisfy constraint: Member must have length less than or equal to {MAX_KEYS}"
            raise ValidationException(
                f"{ENVELOPE}Value at 'RequestItems.{name}.member.Keys' {constraint if count else _AT_LEAST_ONE}"
            )
    projections: dict[str, Projection] = {}
    count = 0
    for name, block in blocks.items():
        check_styles(block, ("ProjectionExpression",), ("AttributesToGet",))
        projections[name] = Projection(block)
        seen = set()
        for key in block["Keys"]:
            check_item(key)
            seen.add(orjson.dumps(key, option=orjson.OPT_SORT_KEYS))
            count += 1
        if len(seen) < len(block["Keys"]):
            raise ValidationException(DUPLICATES)
        if count > MAX_KEYS:
            raise ValidationException("Too many items requested for the BatchGetItem call")
    styles = [style for style in ("AttributesToGet", "ProjectionExpression") if _uses(blocks, style)]
    if len(styles) > 1:
        raise ValidationException(
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
        )
    return projections


def _uses(blocks: dict[str, dict[str, Any]], parameter: str) -> bool:
    return any(parameter in block for block in blocks.values())
