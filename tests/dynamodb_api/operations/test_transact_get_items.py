from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S


@pytest.fixture(autouse=True)
def _items(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("a"), "n": N(1), "m": {"M": {"x": N(2)}}})
    store.call("PutItem", TableName="two", Item={"pk": S("p"), "sk": N(1)})


def get(pk: str, table: str = "one", **more: Any) -> dict[str, Any]:
    return {"Get": {"TableName": table, "Key": {"pk": S(pk)}, **more}}


def test_items_in_the_order_of_the_request(store: DynamoStore) -> None:
    two = {"Get": {"TableName": "two", "Key": {"pk": S("p"), "sk": N(1)}}}
    wishes = [two, get("none"), get("a", ProjectionExpression="m.#x", ExpressionAttributeNames={"#x": "x"})]
    assert store.call("TransactGetItems", TransactItems=wishes) == {
        "Responses": [{"Item": {"pk": S("p"), "sk": N(1)}}, {}, {"Item": {"m": {"M": {"x": N(2)}}}}]
    }


def test_what_it_costs(store: DynamoStore) -> None:
    answer = store.call("TransactGetItems", TransactItems=[get("a"), get("none")], ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"] == [
        {
            "TableName": "one",
            "CapacityUnits": 4.0,
            "ReadCapacityUnits": 4.0,
            "Table": {"CapacityUnits": 4.0, "ReadCapacityUnits": 4.0},
        }
    ]


def test_requests_that_are_refused(store: DynamoStore) -> None:
    def refuse(*wishes: dict[str, Any]) -> str:
        return store.refuse("TransactGetItems", TransactItems=list(wishes))

    assert refuse(get("a"), get("a")) == (
        "ValidationException: Transaction request cannot include multiple operations on one item"
    )
    assert refuse(get("a", "none")) == "ResourceNotFoundException: Requested resource not found"
    assert refuse(get("a", ProjectionExpression="!!!")) == (
        'ValidationException: Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"'
    )
    assert "cannot contain an empty string value" in refuse(get(""))
    assert refuse(*[get(str(number)) for number in range(101)]).endswith(
        "failed to satisfy constraint: Member must have length less than or equal to 100"
    )


def test_a_key_that_does_not_fit_cancels(store: DynamoStore) -> None:
    empty = {"Get": {"TableName": "one", "Key": {}}}
    body = store.failure("TransactGetItems", TransactItems=[get("a"), empty])
    assert body["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ValidationError", "Message": "The provided key element does not match the schema"},
    ]
