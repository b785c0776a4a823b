from __future__ import annotations

from typing import Any

from tests.kit.dynamo_store import DynamoStore, N, S

ITEM: dict[str, Any] = {"pk": S("p"), "sk": S("1"), "owner": S("o"), "when": N(1), "rank": N(2), "tag": S("t")}
KEY = {"pk": S("p"), "sk": S("1")}


def test_an_item_goes_with_all_its_entries(store: DynamoStore) -> None:
    empty = store.view.dump()
    store.call("PutItem", TableName="full", Item=ITEM)
    assert store.call("DeleteItem", TableName="full", Key=KEY, ReturnValues="ALL_OLD") == {"Attributes": ITEM}
    assert store.call("DeleteItem", TableName="full", Key=KEY, ReturnValues="ALL_OLD") == {}
    left = store.view.dump()
    assert {key for key in left if key not in empty and not key.startswith(b"Dc")} == set()


def test_conditions(store: DynamoStore) -> None:
    store.call("PutItem", TableName="full", Item=ITEM)
    request: dict[str, Any] = {"TableName": "full", "Key": KEY}
    values = {":n": N(7)}
    failed = store.failure(
        "DeleteItem",
        **request,
        ConditionExpression="#r > :n",
        ExpressionAttributeNames={"#r": "rank"},
        ExpressionAttributeValues=values,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert failed["Item"] == ITEM
    assert "ConditionalCheckFailed" in store.refuse("DeleteItem", **request, Expected={"owner": {"Value": S("x")}})
    store.call("DeleteItem", **request, ConditionExpression="attribute_exists(pk)")
    message = store.refuse("DeleteItem", **request, ConditionExpression="attribute_exists(pk)")
    assert message == "ConditionalCheckFailedException: The conditional request failed"


def test_keys_and_return_values(store: DynamoStore) -> None:
    message = store.refuse("DeleteItem", TableName="full", Key={"pk": S("p")})
    assert message == "ValidationException: The provided key element does not match the schema"
    message = store.refuse("DeleteItem", TableName="full", Key=KEY, ReturnValues="ALL_NEW")
    assert message == "ValidationException: 1 validation error detected: ReturnValues can only be ALL_OLD or NONE"


def test_what_it_costs(store: DynamoStore) -> None:
    store.call("PutItem", TableName="full", Item=ITEM)
    cost = store.call("DeleteItem", TableName="full", Key=KEY, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert cost["CapacityUnits"] == 5.0
    assert set(cost["LocalSecondaryIndexes"]) == {"by_when", "slim"}
    cost = store.call("DeleteItem", TableName="full", Key=KEY, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
    assert cost == {"TableName": "full", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}
