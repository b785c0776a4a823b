from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api.errors import SerializationException, ValidationException
from elastickv.dynamodb_api.shapes import (
    ITEM,
    NAMES,
    RETURN_CONSUMED_CAPACITY,
    TABLE_NAME,
    Blob,
    Boolean,
    Integer,
    ListOf,
    Long,
    MapOf,
    Shape,
    String,
    Struct,
    required,
)

GET = Shape(
    ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
    AttributesToGet=ListOf(String(), min=1, max=255),
    TableName=required(TABLE_NAME),
    Key=required(ITEM),
    ConsistentRead=Boolean(),
    Limit=Integer(min=1),
    ExpressionAttributeNames=NAMES,
    Throughput=Struct("ProvisionedThroughput", ReadCapacityUnits=required(Long(min=1))),
    Writes=ListOf(Struct("WriteRequest", PutRequest=Struct("PutRequest", Item=required(ITEM)))),
    RequestItems=MapOf(
        Struct("KeysAndAttributes", Keys=required(ListOf(ITEM, min=1, max=2))),
        min=1,
        keys=String(min=3, max=255, pattern="[a-zA-Z0-9_.-]+"),
    ),
)
GOOD = {"TableName": "abc", "Key": {"a": {"S": "1"}}}


def accept(**changes: Any) -> dict[str, Any]:
    return GET.accept(GOOD | {"Key": {"a": {"S": "1"}}} | changes)


def test_unknown_members_and_nulls_fall_away() -> None:
    assert accept(Nonsense=1, ConsistentRead=None) == GOOD


def test_values_are_brought_into_the_api_s_types() -> None:
    assert accept(ConsistentRead="True", Limit=3.9) == GOOD | {"ConsistentRead": True, "Limit": 3}
    assert accept(Key={"a": {"NULL": "yes", "X": 1}})["Key"] == {"a": {"NULL": True}}
    assert accept(Key={"a": {"S": None}})["Key"] == {"a": {}}
    assert accept(Key={"a": None, "b": {"L": [None]}})["Key"] == {"a": {}, "b": {"L": [{}]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TableName": 23}, "NUMBER_VALUE cannot be converted to String"),
        ({"TableName": 2.5}, "DECIMAL_VALUE cannot be converted to String"),
        ({"TableName": True}, "TRUE_VALUE cannot be converted to String"),
        ({"TableName": []}, "Unrecognized collection type class java.lang.String"),
        ({"TableName": {}}, "Start of structure or map found where not expected"),
        ({"ConsistentRead": 1}, "NUMBER_VALUE cannot be converted to Boolean"),
        ({"ConsistentRead": "maybe"}, "Unexpected token received from parser"),
        ({"Limit": "1"}, "STRING_VALUE cannot be converted to Integer"),
        ({"Limit": False}, "FALSE_VALUE cannot be converted to Integer"),
        ({"AttributesToGet": "a"}, "Unexpected field type"),
        ({"AttributesToGet": {}}, "Start of structure or map found where not expected"),
        ({"AttributesToGet": ["a", 1]}, "NUMBER_VALUE cannot be converted to String"),
        ({"Key": "a"}, "Unexpected field type"),
        (
            {"Key": []},
            "Unrecognized collection type java.util.Map<java.lang.String, "
            "com.amazonaws.dynamodb.v20120810.AttributeValue>",
        ),
        ({"Key": {"a": 1}}, "Unexpected value type in payload"),
        ({"Key": {"a": {"S": 1}}}, "NUMBER_VALUE cannot be converted to String"),
        ({"Key": {"a": {"B": 1}}}, "only base-64-encoded strings are convertible to bytes"),
        ({"Key": {"a": {"B": "abc"}}}, "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        ({"Key": {"a": {"B": "=+/="}}}, "Invalid last non-pad Base64 character dectected"),
        ({"Key": {"a": {"SS": "b"}}}, "Unexpected field type"),
        ({"Key": {"a": {"L": [1]}}}, "Unexpected value type in payload"),
        ({"Key": {"a": {"M": {"b": {"NS": [1]}}}}}, "NUMBER_VALUE cannot be converted to String"),
        ({"Throughput": 1}, "Unexpected field type"),
        (
            {"Throughput": []},
            "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.ProvisionedThroughput",
        ),
        ({"Throughput": {"ReadCapacityUnits": "1"}}, "STRING_VALUE cannot be converted to Long"),
        ({"Writes": ["a"]}, "Unexpected value type in payload"),
    ],
)
def test_what_cannot_be_converted(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SerializationException) as caught:
        accept(**changes)
    assert caught.value.body() == {"__type": "com.amazon.coral.service#SerializationException", "Message": message}


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"ExpressionAttributeNames": {"#a": None}, "AttributesToGet": [None]},
            [
                "Value null at 'attributesToGet.1.member' failed to satisfy constraint: Member must not be null",
                "Value null at 'expressionAttributeNames.#a.member' failed to satisfy constraint: "
                "Member must not be null",
            ],
        ),
        ({"TableName": None}, ["Value null at 'tableName' failed to satisfy constraint: Member must not be null"]),
        (
            {"TableName": "a;"},
            [
                "Value 'a;' at 'tableName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            ],
        ),
        (
            {"TableName": ""},
            [
                "Value '' at 'tableName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
            ],
        ),
        (
            {"ReturnConsumedCapacity": "hi", "AttributesToGet": [], "Limit": 0},
            [
                "Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: "
                "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
                "Value '[]' at 'attributesToGet' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
                "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ],
        ),
        (
            {"Throughput": {}},
            ["Value null at 'throughput.readCapacityUnits' failed to satisfy constraint: Member must not be null"],
        ),
        (
            {"Writes": [{"PutRequest": {}}]},
            ["Value null at 'writes.1.member.putRequest.item' failed to satisfy constraint: Member must not be null"],
        ),
        (
            {"RequestItems": {"a;": {}}},
            [
                "Value '{a;=KeysAndAttributes(keys=null)}' at 'requestItems' failed to satisfy constraint: "
                "Map keys must satisfy constraint: "
                "[Member must have length less than or equal to 255, "
                "Member must have length greater than or equal to 3, "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
                "Value null at 'requestItems.a;.member.keys' failed to satisfy constraint: Member must not be null",
            ],
        ),
    ],
)
def test_what_breaks_a_constraint(changes: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ValidationException) as caught:
        accept(**changes)
    plural = "s" if len(messages) > 1 else ""
    assert caught.value.message == f"{len(messages)} validation error{plural} detected: {'; '.join(messages)}"


def test_at_most_ten_errors_are_told() -> None:
    shape = Shape(Names=ListOf(String(min=2)))
    with pytest.raises(ValidationException, match=r"^10 validation errors detected: "):
        shape.accept({"Names": ["a"] * 20})


def test_a_parameter_is_asked_for_first_and_with_other_words() -> None:
    shape = Shape(parameters=("TableName",), TableName=String(pattern="[a-z]+"), Limit=Integer(min=1))
    with pytest.raises(ValidationException, match=r"^The parameter 'TableName' is required but was not present in the"):
        shape.accept({"Limit": 0})
    with pytest.raises(ValidationException, match=r"^1 validation error detected: Value '0' at 'limit'"):
        shape.accept({"TableName": "a", "Limit": 0})


def test_a_table_may_be_named_by_its_arn() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/abc"
    assert accept(TableName=arn)["TableName"] == arn
    with pytest.raises(ValidationException, match="less than or equal to 1024"):
        accept(TableName=arn + "a" * 1000)


def test_members_are_converted_in_the_declared_order() -> None:
    with pytest.raises(SerializationException, match="Boolean"):
        Shape(First=Boolean(), Second=Blob()).accept({"Second": 1, "First": 1})
