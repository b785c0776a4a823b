"""BatchWriteItem."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import schema, tables, writes
from elastickv.dynamodb_api.attributes import MAX_ITEM_BYTES, SEVERAL, TOO_LARGE, check_item
from elastickv.dynamodb_api.capacity import Consumed, collection_metrics, wanted
from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.items import item_key
from elastickv.dynamodb_api.operations.batch_get_item import DUPLICATES
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    BAD_KEYS,
    ITEM,
    NEW_TABLE_NAME,
    RETURN_CONSUMED_CAPACITY,
    RETURN_ITEM_COLLECTION_METRICS,
    ListOf,
    MapOf,
    Shape,
    Struct,
    required,
)
from elastickv.dynamodb_api.tables import Table

MAX_REQUESTS: Final = 25


class _PutRequest(Struct):
    def show(self, value: Any) -> str:
        return f"{super().show(value)[:-1]}, workloadProfileName=null)"  # a member that only AWS' own requests have


_REQUESTS: Final = ListOf(
    Struct(
        "WriteRequest",
        PutRequest=_PutRequest("PutRequest", Item=required(ITEM)),
        DeleteRequest=Struct("DeleteRequest", Key=required(ITEM)),
    )
)


class _Shape(Shape):
    """A table's name that cannot be one is told only where nothing else is wrong."""

    def refusal(self, request: dict[str, Any], errors: list[str]) -> ValidationException:
        others = [error for error in errors if BAD_KEYS not in error]
        return super().refusal(request, others or errors)


@operation(
    "BatchWriteItem",
    shape=_Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        ReturnItemCollectionMetrics=RETURN_ITEM_COLLECTION_METRICS,
        RequestItems=required(
            MapOf(_REQUESTS, keys=NEW_TABLE_NAME, values=ListOf(_REQUESTS.member, min=1, max=MAX_REQUESTS))
        ),
    ),
)
def batch_write_item(call: Call) -> dict[str, Any]:
    """Put and delete items of several tables. Here all of them or none: they are one log entry."""
    requests: dict[str, list[dict[str, Any]]] = call.request["RequestItems"]
    if not requests:
        raise ValidationException("The requestItems parameter is required for BatchWriteItem")
    sizes = _check(requests)

    found = {name: tables.table(call.view, name) for name in requests}
    for name, wishes in requests.items():
        _check_table(found[name], wishes)
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    mode = wanted(call.request)
    metrics: dict[str, list[Any]] = {}
    consumed = []
    for name, wishes in requests.items():
        table = found[name]
        cost = Consumed(table.name)
        keys = {}
        for wish, size in zip(wishes, sizes[name], strict=True):
            if "PutRequest" in wish:
                key = wish["PutRequest"]["Item"]
                change = writes.put(call.view, table, key, size)
            else:
                key = wish["DeleteRequest"]["Key"]
                change = writes.delete(call.view, table, key)
            if mode:
                old = change.old if table.indexes else None
                cost.write(table, old, change.old_size, change.new, change.new_size)
            keys[str(key[table.hash.name])] = key
        consumed.append(cost)
        if call.request.get("ReturnItemCollectionMetrics") == "SIZE":
            sizes_of = [collection_metrics(call.view, table, key) for key in keys.values()]
            if any(sizes_of):
                metrics[name] = sizes_of
    if mode:
        answer["ConsumedCapacity"] = [cost.answer(mode) for cost in consumed]
    if metrics:
        answer["ItemCollectionMetrics"] = metrics
    return answer


def _check(requests: dict[str, list[dict[str, Any]]]) -> dict[str, list[int]]:
    """Everything that can be said without the tables. The sizes of what is put (0 for what is deleted)."""
    sizes: dict[str, list[int]] = {}
    if sum(map(len, requests.values())) > MAX_REQUESTS:
        raise ValidationException("Too many items requested for the BatchWriteItem call")
    for name, wishes in requests.items():
        if any(len(wish) != 1 for wish in wishes):
            # AWS' own words, although it is not about attribute values.
            raise ValidationException(SEVERAL)
        sizes[name] = []
        for wish in wishes:
            size = 0
            if "PutRequest" in wish:
                size = check_item(wish["PutRequest"]["Item"])
                if size > MAX_ITEM_BYTES:
                    raise ValidationException(TOO_LARGE)
            else:
                check_item(wish["DeleteRequest"]["Key"])
            sizes[name].append(size)
    return sizes


def _check_table(table: Table, wishes: list[dict[str, Any]]) -> None:
    seen = set()
    for wish in wishes:
        if "PutRequest" in wish:
            item = wish["PutRequest"]["Item"]
            for attribute in table.keys:
                value = item.get(attribute.name)
                if value is None or attribute.type not in value:
                    raise ValidationException(schema.MISMATCH)
            schema.check_item(table, item)
        else:
            item = wish["DeleteRequest"]["Key"]
            schema.check_key(table, item)
        seen.add(item_key(table, item))
    if len(seen) < len(wishes):
        raise ValidationException(DUPLICATES)
