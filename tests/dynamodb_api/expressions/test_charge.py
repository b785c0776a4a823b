"""What UpdateItem measures, clause by clause: the figures that AWS' answers were probed for, to the byte."""

from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api.expressions import resolve
from elastickv.dynamodb_api.expressions.charge import charge
from tests.kit.dynamo_store import DynamoStore, N, S

TEN = S("y" * 10)
LIMIT = 409_600
TOO_LARGE = "ValidationException: Item size to update has exceeded the maximum allowed size"


def charged(expression: str, values: dict[str, Any] | None = None) -> int:
    return charge(resolve.update(expression, None, values or {}).tree, values or {})


@pytest.mark.parametrize(
    ("expression", "values", "bytes_"),
    [
        ("SET b = :v", {":v": TEN}, 3 + 19 + 1 + 10),
        ("SET b = :v, c = :v", {":v": TEN}, 3 + 2 * (19 + 1 + 10)),
        ("SET d.leaf = :v", {":v": TEN}, 3 + 19 + (1 + 4 + 4) + 10),
        ("SET d[12] = :v", {":v": TEN}, 3 + 19 + (1 + 4 + 2) + 10),
        ("SET c = misc1", None, 3 + 19 + 1 + (1 + 14 + 5)),
        ("SET c = m.a[7]", None, 3 + 19 + 1 + (1 + 14 + 1 + 14 + 1 + 14 + 1)),
        ("SET n = n + :v", {":v": N(1)}, 3 + 19 + 1 + 34 + 16 + 2),
        ("SET n = n - :v", {":v": N(1)}, 3 + 19 + 1 + 37 + 16 + 2),
        ("SET c = if_not_exists(c, :v)", {":v": TEN}, 3 + 19 + 1 + 39 + 16 + 10),
        ("SET l = list_append(l, :v)", {":v": {"L": [TEN]}}, 3 + 19 + 1 + 37 + 16 + 14),
        ("ADD score :v", {":v": N(1)}, 3 + 19 + 5 + 2),
        ("ADD tags :v", {":v": {"SS": ["s" * 500]}}, 3 + 19 + 4 + 500),
        ("DELETE tags :v", {":v": {"SS": ["s" * 500]}}, 3 + 1 + 4),
        ("REMOVE gone", None, 3 + 1 + 4),
        ("REMOVE m.gone, l[10]", None, 3 + (1 + 1 + 4 + 4) + (1 + 1 + 4 + 2)),
    ],
)
def test_a_clause_costs(expression: str, values: dict[str, Any] | None, bytes_: int) -> None:
    assert charged(expression, values) == bytes_


def change(expression: str, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "TableName": "one",
        "Key": {"pk": S("k")},
        "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
        **more,
    }


@pytest.fixture
def store() -> DynamoStore:
    store = DynamoStore()
    store.table("one", "pk:S")
    return store


def test_the_statement_is_refused_although_the_item_would_be_small(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("k"), "c": S("x")})
    huge = change("SET c = if_not_exists(c, :v)", {":v": S("h" * LIMIT)})
    assert store.refuse("UpdateItem", **huge) == TOO_LARGE
    for condition in ("attribute_exists(c)", "attribute_exists(absent)"):
        assert store.refuse("UpdateItem", **huge, ConditionExpression=condition) == TOO_LARGE


def test_the_limit_is_met_to_the_byte(store: DynamoStore) -> None:
    def pad(size: int) -> dict[str, Any]:
        return change("SET b = :p ADD tags :t", {":p": S("x" * size), ":t": {"SS": ["abc"]}})

    room = LIMIT - 3 - (19 + 1) - (19 + 4 + 3)
    store.call("UpdateItem", **pad(room))
    assert store.refuse("UpdateItem", **pad(room + 1)) == TOO_LARGE


def test_others_look_at_the_finished_item_only(store: DynamoStore) -> None:
    room = LIMIT - len("pk" + "k" + "b")
    value = S("x" * room)
    store.call("UpdateItem", TableName="one", Key={"pk": S("k")}, AttributeUpdates={"b": {"Value": value}})
    store.call("TransactWriteItems", TransactItems=[{"Update": change("SET b = :p", {":p": value})}])
    assert store.refuse("UpdateItem", **change("SET b = :p", {":p": value})) == TOO_LARGE
    one_more = {"b": {"Value": S("x" * (room + 1))}}
    assert store.refuse("UpdateItem", TableName="one", Key={"pk": S("k")}, AttributeUpdates=one_more) == TOO_LARGE
