from __future__ import annotations

from hashlib import md5
from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S


@pytest.fixture(autouse=True)
def _items(store: DynamoStore) -> None:
    for number in range(40):
        item: dict[str, Any] = {"pk": S(f"k{number}"), "n": N(number)}
        store.call("PutItem", TableName="one", Item=item)
        if number % 4 == 0:
            extra = {"sk": S("s"), "tag": S(f"tag{number % 8}"), "owner": S("o")}
            store.call("PutItem", TableName="full", Item={**item, **extra})


def everything(store: DynamoStore, **request: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        answer = store.call("Scan", **{"TableName": "one", **request})
        assert answer["ScannedCount"] <= request.get("Limit", 1000)
        items += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return items
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def test_a_table_in_the_order_of_its_hashes(store: DynamoStore) -> None:
    found = [item["pk"]["S"] for item in everything(store)]
    assert found == sorted(
        (f"k{number}" for number in range(40)), key=lambda key: md5(f"Outliers{key}".encode()).digest()
    )
    assert [item["pk"]["S"] for item in everything(store, Limit=7)] == found


@pytest.mark.parametrize("segments", [1, 3, 64, 1_000_000])
def test_segments_are_shares(store: DynamoStore, segments: int) -> None:
    whole = everything(store)
    hashes = [int.from_bytes(md5(f"Outliers{item['pk']['S']}".encode()).digest()[:4]) for item in whole]
    used = sorted({value * segments >> 32 for value in hashes})
    parts = [everything(store, Segment=segment, TotalSegments=segments, Limit=2) for segment in used]
    assert [item for part in parts for item in part] == whole
    if segments == 3:
        assert len(parts) == 3


def test_segments_that_are_refused(store: DynamoStore) -> None:
    def refuse(**request: Any) -> str:
        return store.refuse("Scan", TableName="one", **request).removeprefix("ValidationException: ")

    assert refuse(Segment=0) == (
        "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"
    )
    assert refuse(TotalSegments=4) == (
        "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"
    )
    assert refuse(Segment=5, TotalSegments=5) == (
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
        "Segment: 5 is not less than TotalSegments: 5"
    )
    assert refuse(Limit=0) == (
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
        "Member must have value greater than or equal to 1"
    )
    last = everything(store)[-1]["pk"]
    assert refuse(Segment=0, TotalSegments=2, ExclusiveStartKey={"pk": last}) == (
        "The provided starting key is invalid: Invalid ExclusiveStartKey. "
        "Please use ExclusiveStartKey with correct Segment. TotalSegments: 2 Segment: 0"
    )
    assert refuse(ExclusiveStartKey={"x": S("a")}) == (
        "The provided starting key is invalid: The provided key element does not match the schema"
    )
    assert refuse(ExclusiveStartKey={"pk": S("a"), "x": S("a")}) == (
        "The provided starting key is invalid: The provided key element does not match the schema"
    )


def test_filters(store: DynamoStore) -> None:
    values = {":low": N(10), ":high": N(12)}
    found = store.call(
        "Scan", TableName="one", FilterExpression="n BETWEEN :low AND :high", ExpressionAttributeValues=values
    )
    assert sorted(item["n"]["N"] for item in found["Items"]) == ["10", "11", "12"]
    assert (found["Count"], found["ScannedCount"]) == (3, 40)
    legacy = {"n": {"ComparisonOperator": "IN", "AttributeValueList": [N(1), N(2)]}}
    assert store.call("Scan", TableName="one", ScanFilter=legacy, Select="COUNT") == {"Count": 2, "ScannedCount": 40}
    # Keys can be filtered here.
    by_key = {"pk": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [S("k1")]}}
    assert store.call("Scan", TableName="one", ScanFilter=by_key)["Count"] == 11


def test_operands_are_judged_without_any_item(store: DynamoStore) -> None:
    message = store.refuse(
        "Scan",
        TableName="one",
        FilterExpression="begins_with(#p, :n)",
        ExpressionAttributeNames={"#p": "no_such"},
        ExpressionAttributeValues={":n": N(5)},
    )
    assert "Incorrect operand type for operator or function; operator or function: begins_with" in message


def test_indexes(store: DynamoStore) -> None:
    tagged = everything(store, TableName="full", IndexName="by_tag", Limit=3)
    assert len(tagged) == 10
    assert {item["tag"]["S"] for item in tagged} == {"tag0", "tag4"}
    # `owner` alone is no whole key of by_owner: nothing is in there.
    assert everything(store, TableName="full", IndexName="by_owner") == []
    message = store.refuse("Scan", TableName="full", IndexName="by_tag", ConsistentRead=True)
    assert message == "ValidationException: Consistent reads are not supported on global secondary indexes"
    message = store.refuse("Scan", TableName="full", IndexName="by_tag", ExclusiveStartKey={"pk": S("a"), "sk": S("b")})
    assert message == "ValidationException: The provided starting key is invalid"


def test_conditional_operators_need_conditions(store: DynamoStore) -> None:
    message = store.refuse("Scan", TableName="one", ConditionalOperator="OR")
    assert message.endswith("ConditionalOperator cannot be used without Filter or Expected")


def test_what_it_costs(store: DynamoStore) -> None:
    for number in range(5):
        store.call("PutItem", TableName="one", Item={"pk": S(f"big{number}"), "x": S("x" * 4000)})
    cost = store.call("Scan", TableName="one", ReturnConsumedCapacity="TOTAL", ConsistentRead=True)["ConsumedCapacity"]
    assert cost == {"TableName": "one", "CapacityUnits": 5.0}


def test_select_is_refused_without_envelope(store: DynamoStore) -> None:
    """Unlike Query's, in most regions of AWS."""
    assert store.refuse("Scan", TableName="one", Select="SPECIFIC_ATTRIBUTES") == (
        "ValidationException: Must specify the AttributesToGet or ProjectionExpression when choosing to get "
        "SPECIFIC_ATTRIBUTES"
    )
    assert store.refuse("Scan", TableName="one", Select="COUNT", ProjectionExpression="a") == (
        "ValidationException: Cannot specify the ProjectionExpression when choosing to get only the Count"
    )
    assert store.refuse("Scan", TableName="one", Select="ALL_PROJECTED_ATTRIBUTES") == (
        "ValidationException: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
    )
