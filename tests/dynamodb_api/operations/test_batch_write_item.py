from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S


def put(**item: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": item}}


def delete(**key: Any) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key}}


def test_puts_and_deletes(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("old"), "x": S("x" * 1500)})
    answer = store.call(
        "BatchWriteItem",
        RequestItems={
            "one": [put(pk=S("a"), n=N("01")), delete(pk=S("old")), delete(pk=S("none"))],
            "full": [put(pk=S("p"), sk=S("1"), tag=S("t")), put(pk=S("p"), sk=S("2"))],
        },
        ReturnConsumedCapacity="INDEXES",
        ReturnItemCollectionMetrics="SIZE",
    )
    assert answer == {
        "UnprocessedItems": {},
        "ConsumedCapacity": [
            {"TableName": "one", "CapacityUnits": 4.0, "Table": {"CapacityUnits": 4.0}},
            {
                "TableName": "full",
                "CapacityUnits": 3.0,
                "Table": {"CapacityUnits": 2.0},
                "GlobalSecondaryIndexes": {"by_tag": {"CapacityUnits": 1.0}},
            },
        ],
        "ItemCollectionMetrics": {"full": [{"ItemCollectionKey": {"pk": S("p")}, "SizeEstimateRangeGB": [0.0, 1.0]}]},
    }
    assert store.call("Scan", TableName="one")["Items"] == [{"pk": S("a"), "n": N(1)}]
    assert store.call("Scan", TableName="full", IndexName="by_tag")["Count"] == 1


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({}, "The requestItems parameter is required for BatchWriteItem"),
        (
            {"one": [put(pk=S(f"{number}")) for number in range(13)], "two": [delete()] * 13},
            "Too many items requested for the BatchWriteItem call",
        ),
        (
            {"one": [{}]},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported "
            "datatypes",
        ),
        ({"one": [put(pk=S("a")), delete(pk=S("a"))]}, "Provided list of item keys contains duplicates"),
        ({"one": [put(pk=N(5))]}, "The provided key element does not match the schema"),
        ({"one": [put(x=N(5))]}, "The provided key element does not match the schema"),
        ({"one": [delete(pk=S("a"), x=S("b"))]}, "The provided key element does not match the schema"),
        (
            {"one": [put(pk=S(""))]},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value. Key: pk",
        ),
        ({"one": [put(pk=S("a"), x=S("x" * 409_600))]}, "Item size has exceeded the maximum allowed size"),
        (
            {"full": [put(pk=S("a"), sk=S("b"), tag={"L": []})]},
            "One or more parameter values were invalid: "
            "Type mismatch for Index Key tag Expected: S Actual: L IndexName: by_tag",
        ),
    ],
)
def test_requests_that_are_refused_write_nothing(store: DynamoStore, items: dict[str, Any], message: str) -> None:
    good = {"two": [put(pk=S("p"), sk=N(1))]} if items and "two" not in items else {}
    assert store.refuse("BatchWriteItem", RequestItems={**good, **items}) == f"ValidationException: {message}"
    assert store.call("Scan", TableName="two")["Count"] == 0


def test_requests_are_quoted_as_their_objects(store: DynamoStore) -> None:
    found = store.refuse("BatchWriteItem", RequestItems={"no!": [put(pk=S("a"), n=N(1)), delete(pk=S("b"))]})
    rest = (
        "iNT=null, dECIMAL=null, dOUBLE=null, sS=null, nS=null, bS=null, iNTSET=null, dECIMALSET=null, dOUBLESET=null"
    )
    rest += ", m=null, l=null, nULL=null, bOOL=null"
    first = f"pk=AttributeValue(s=a, n=null, b=null, {rest}), n=AttributeValue(s=null, n=1, b=null, {rest})"
    second = f"pk=AttributeValue(s=b, n=null, b=null, {rest})"
    assert found == (
        "ValidationException: 1 validation error detected: Value '{no!=["
        f"WriteRequest(putRequest=PutRequest(item={{{first}}}, workloadProfileName=null), deleteRequest=null), "
        f"WriteRequest(putRequest=null, deleteRequest=DeleteRequest(key={{{second}}}))"
        "]}' at 'requestItems' failed to satisfy constraint: Map keys must satisfy constraint: "
        "[Member must have length less than or equal to 255, Member must have length greater than or equal to 3, "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]"
    )


def test_a_table_that_has_no_name_is_told_last(store: DynamoStore) -> None:
    request = {"RequestItems": {"no!": [put(pk=S("a"))]}, "ReturnConsumedCapacity": "BOGUS"}
    assert store.refuse("BatchWriteItem", **request) == (
        "ValidationException: 1 validation error detected: Value 'BOGUS' at 'returnConsumedCapacity' failed to satisfy "
        "constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
    )


def test_more_than_25(store: DynamoStore) -> None:
    wishes = [put(pk=S(f"{number}")) for number in range(26)]
    message = store.refuse("BatchWriteItem", RequestItems={"one": wishes})
    assert message.startswith("ValidationException: 1 validation error detected: Value '{one=[")
    assert message.endswith(
        "]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"
    )


def test_no_table(store: DynamoStore) -> None:
    message = store.refuse("BatchWriteItem", RequestItems={"one": [put(pk=S("a"))], "none": [put(pk=S("a"))]})
    assert message == "ResourceNotFoundException: Requested resource not found"
