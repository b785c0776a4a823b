from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S

ITEM: dict[str, Any] = {
    "pk": S("a"),
    "n": N(5),
    "m": {"M": {"x": {"L": [S("0"), S("1"), {"M": {"deep": N(1)}}]}, "y": S("y")}},
    "l": {"L": [S("l0"), S("l1"), S("l2")]},
}


@pytest.fixture(autouse=True)
def _item(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item=ITEM)


def get(store: DynamoStore, **more: Any) -> Any:
    return store.call("GetItem", TableName="one", Key={"pk": S("a")}, **more).get("Item")


def test_an_item_and_none(store: DynamoStore) -> None:
    assert get(store) == ITEM
    assert get(store, ConsistentRead=True) == ITEM
    assert store.call("GetItem", TableName="one", Key={"pk": S("b")}) == {}


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("n, nothing", {"n": N(5)}),
        ("m.x[1]", {"m": {"M": {"x": {"L": [S("1")]}}}}),
        ("m.x[2].deep, m.y", {"m": {"M": {"x": {"L": [{"M": {"deep": N(1)}}]}, "y": S("y")}}}),
        ("l[2], l[0]", {"l": {"L": [S("l0"), S("l2")]}}),
        ("l[7], m.nothing, n.x", {}),
    ],
)
def test_projections(store: DynamoStore, expression: str, shown: dict[str, Any]) -> None:
    assert get(store, ProjectionExpression=expression) == shown


def test_names_and_the_legacy_list(store: DynamoStore) -> None:
    assert get(store, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "n"}) == {"n": N(5)}
    assert get(store, AttributesToGet=["n", "pk"]) == {"n": N(5), "pk": S("a")}
    message = store.refuse("GetItem", TableName="one", Key={"pk": S("a")}, AttributesToGet=["n", "n"])
    assert message == (
        "ValidationException: One or more parameter values were invalid: Duplicate value in attribute name: n"
    )
    message = store.refuse("GetItem", TableName="one", Key={}, AttributesToGet=["n"], ProjectionExpression="n")
    assert "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}" in message
    message = store.refuse("GetItem", TableName="one", Key={}, ExpressionAttributeNames={"#n": "n"})
    assert message == "ValidationException: ExpressionAttributeNames can only be specified when using expressions"


@pytest.mark.parametrize("key", [{}, {"b": S("a")}, {"pk": N(1)}, {"pk": S("a"), "b": S("b")}, {"pk": {"M": {}}}])
def test_keys_that_do_not_fit(store: DynamoStore, key: dict[str, Any]) -> None:
    message = store.refuse("GetItem", TableName="one", Key=key)
    assert message == "ValidationException: The provided key element does not match the schema"


def test_empty_and_long_keys(store: DynamoStore) -> None:
    assert "cannot contain an empty string value. Key: pk" in store.refuse(
        "GetItem", TableName="one", Key={"pk": S("")}
    )
    message = store.refuse("GetItem", TableName="one", Key={"pk": S("a" * 2049)})
    assert message.endswith("maximum size limit of2048 bytes")
    message = store.refuse("GetItem", TableName="full", Key={"pk": S("a"), "sk": S("a" * 1025)})
    assert message.endswith("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


def test_keys_have_no_inside(store: DynamoStore) -> None:
    message = store.refuse("GetItem", TableName="full", Key={"pk": S("a"), "sk": S("b")}, ProjectionExpression="tag.x")
    assert message == (
        "ValidationException: Key attributes must be scalars; list random access '[]' and map lookup '.' "
        "are not allowed: IndexKey: tag"
    )


def test_what_it_costs(store: DynamoStore) -> None:
    def units(**more: Any) -> Any:
        return store.call("GetItem", TableName="one", **more)["ConsumedCapacity"]

    small: dict[str, Any] = {"Key": {"pk": S("a")}, "ReturnConsumedCapacity": "TOTAL"}
    assert units(**small) == {"TableName": "one", "CapacityUnits": 0.5}
    assert units(**small, ConsistentRead=True)["CapacityUnits"] == 1.0
    store.call("PutItem", TableName="one", Item={"pk": S("big"), "x": S("x" * 4096)})
    big = units(Key={"pk": S("big")}, ReturnConsumedCapacity="INDEXES", ConsistentRead=True)
    assert big == {"TableName": "one", "CapacityUnits": 2.0, "Table": {"CapacityUnits": 2.0}}
    missing = {"Key": {"pk": S("none")}, "ReturnConsumedCapacity": "TOTAL"}
    assert units(**missing)["CapacityUnits"] == 0.5


def test_no_table(store: DynamoStore) -> None:
    message = store.refuse("GetItem", TableName="none", Key={})
    assert message == "ResourceNotFoundException: Requested resource not found"
