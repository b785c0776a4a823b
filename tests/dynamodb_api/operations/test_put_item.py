from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S

INVALID = "ValidationException: One or more parameter values were invalid: "
ENVELOPE = "ValidationException: 1 validation error detected: "
REFUSED = f"{ENVELOPE}One or more parameter values were invalid: "
"""What is wrong with the request itself comes in an envelope, what the table or the item refuses does not."""


def test_an_item_is_written_and_replaced_whole(store: DynamoStore) -> None:
    assert store.call("PutItem", TableName="one", Item={"pk": S("a"), "n": N("01.50"), "z": {"NULL": True}}) == {}
    got = store.call("GetItem", TableName="one", Key={"pk": S("a")})
    assert got == {"Item": {"pk": S("a"), "n": N("1.5"), "z": {"NULL": True}}}
    old = store.call("PutItem", TableName="one", Item={"pk": S("a"), "x": S("")}, ReturnValues="ALL_OLD")
    assert old == {"Attributes": got["Item"]}
    assert store.call("GetItem", TableName="one", Key={"pk": S("a")}) == {"Item": {"pk": S("a"), "x": S("")}}


def test_nothing_is_returned_of_what_was_not_there(store: DynamoStore) -> None:
    assert store.call("PutItem", TableName="one", Item={"pk": S("a")}, ReturnValues="ALL_OLD") == {}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, f"{INVALID}Missing the key pk in the item"),
        ({"pk": N(1)}, f"{INVALID}Type mismatch for key pk expected: S actual: N"),
        ({"pk": {"L": []}}, f"{INVALID}Type mismatch for key pk expected: S actual: L"),
        (
            {"pk": S("")},
            "ValidationException: One or more parameter values are not valid. "
            "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
        ),
        (
            {"pk": S("a" * 2049)},
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        ({"pk": S("a"), "x": {"NULL": False}}, f"{REFUSED}Null attribute value types must have the value of true"),
        ({"pk": S("a"), "x": {"SS": []}}, f"{REFUSED}An string set  may not be empty"),
        ({"pk": S("a"), "x": S("x" * 409_600)}, "ValidationException: Item size has exceeded the maximum allowed size"),
        (
            {"pk": S("a"), "n": {"N": "x"}},
            f"{ENVELOPE}The parameter cannot be converted to a numeric value: x",
        ),
        ({"pk": S("a"), "n": {"N": ""}}, f"{ENVELOPE}The parameter cannot be converted to a numeric value: "),
        (
            {"pk": S("a"), "x": {"SS": ["b", "a", "b"]}},
            f'{REFUSED}Input collection ["a", "b", "b"] contains duplicates.',
        ),
    ],
)
@pytest.mark.parametrize("options", [{}, {"ReturnValues": "NONE"}], ids=["plain", "options"])
def test_items_that_are_refused(
    store: DynamoStore, item: dict[str, Any], message: str, options: dict[str, str]
) -> None:
    assert store.refuse("PutItem", TableName="one", Item=item, **options) == message
    assert "Item" not in store.call("GetItem", TableName="one", Key={"pk": S("a")})


def test_the_largest_item(store: DynamoStore) -> None:
    item = {"pk": S("a"), "x": S("x" * (409_600 - 4))}
    store.call("PutItem", TableName="one", Item=item)
    item["x"] = S("x" * (409_600 - 3))
    assert "Item size has exceeded" in store.refuse("PutItem", TableName="one", Item=item)


def test_keys_of_indexes_have_their_types(store: DynamoStore) -> None:
    item = {"pk": S("a"), "sk": S("b"), "owner": N(1)}
    assert store.refuse("PutItem", TableName="full", Item=item) == (
        f"{INVALID}Type mismatch for Index Key owner Expected: S Actual: N IndexName: by_owner"
    )
    item["owner"] = S("")
    assert store.refuse("PutItem", TableName="full", Item=item) == (
        "ValidationException: One or more parameter values are not valid. "
        "A value specified for a secondary index key is not supported. "
        "The AttributeValue for a key attribute cannot contain an empty string value. "
        "IndexName: by_owner, IndexKey: owner"
    )


def test_the_table_is_asked_last(store: DynamoStore) -> None:
    wrong = {"TableName": "none", "Item": {"pk": S("a"), "x": {}}}
    assert "Supplied AttributeValue is empty" in store.refuse("PutItem", **wrong)
    assert store.refuse("PutItem", TableName="none", Item={}) == (
        "ResourceNotFoundException: Requested resource not found"
    )


def test_return_values_are_all_old_or_none(store: DynamoStore) -> None:
    for mode in ("UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"):
        assert store.refuse("PutItem", TableName="one", Item={}, ReturnValues=mode) == (
            f"{ENVELOPE}ReturnValues can only be ALL_OLD or NONE"
        )


def test_a_condition_decides(store: DynamoStore) -> None:
    item = {"pk": S("a"), "v": N(1)}
    fresh: dict[str, Any] = {"TableName": "one", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    store.call("PutItem", **fresh)
    assert store.failure("PutItem", **fresh) == {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    }
    shown = store.failure("PutItem", **fresh, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert shown["Item"] == item
    following = {
        "TableName": "one",
        "Item": {"pk": S("a"), "v": N(2)},
        "ConditionExpression": "v = :old AND #v < :limit",
        "ExpressionAttributeNames": {"#v": "v"},
        "ExpressionAttributeValues": {":old": N("1.0"), ":limit": N(5)},
    }
    store.call("PutItem", **following)
    assert "ConditionalCheckFailedException" in store.refuse("PutItem", **following)


def test_the_legacy_condition(store: DynamoStore) -> None:
    item = {"pk": S("a"), "c": S("x")}
    store.call("PutItem", TableName="one", Item=item, Expected={"pk": {"Exists": False}})
    failed = "ConditionalCheckFailedException: The conditional request failed"
    assert store.refuse("PutItem", TableName="one", Item=item, Expected={"pk": {"Exists": False}}) == failed
    expected: dict[str, Any] = {
        "pk": {"Value": S("a")},
        "b": {"ComparisonOperator": "NULL"},
        "c": {"ComparisonOperator": "EQ", "AttributeValueList": [S("other")]},
    }
    assert store.refuse("PutItem", TableName="one", Item=item, Expected=expected) == failed
    store.call("PutItem", TableName="one", Item=item, Expected=expected, ConditionalOperator="OR")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({}, "Value must be provided when Exists is null for Attribute: a"),
        ({"Exists": True}, "Value must be provided when Exists is true for Attribute: a"),
        ({"Exists": False, "Value": S("a")}, "Value cannot be used when Exists is false for Attribute: a"),
        (
            {"ComparisonOperator": "LT"},
            "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
        ),
        (
            {"ComparisonOperator": "LT", "Exists": True},
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            {"AttributeValueList": [S("a")], "Value": S("a"), "ComparisonOperator": "LT"},
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            {"AttributeValueList": [S("a")]},
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            {"AttributeValueList": [], "ComparisonOperator": "EQ"},
            "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            {"Value": S("a"), "ComparisonOperator": "NULL"},
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (
            {"AttributeValueList": [S("a"), N(1)], "ComparisonOperator": "IN"},
            "AttributeValues inside AttributeValueList must be of same type",
        ),
    ],
)
def test_legacy_conditions_that_are_refused(store: DynamoStore, condition: dict[str, Any], sentence: str) -> None:
    message = store.refuse("PutItem", TableName="one", Item={}, Expected={"a": condition})
    assert message == REFUSED + sentence


def test_styles_do_not_mix(store: DynamoStore) -> None:
    both = {"Expected": {"pk": {"Exists": False}}, "ConditionExpression": "attribute_not_exists(pk)"}
    assert store.refuse("PutItem", TableName="one", Item={"pk": S("a")}, **both) == (
        f"{ENVELOPE}Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"
    )
    unused = {"ExpressionAttributeValues": {":v": S("x")}}
    assert store.refuse("PutItem", TableName="one", Item={"pk": S("a")}, **unused) == (
        f"{ENVELOPE}ExpressionAttributeValues can only be specified when using expressions"
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
        (
            {"ExpressionAttributeNames": {"a": "a"}},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
        ),
        ({"ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
        (
            {"ExpressionAttributeValues": {"b": S("a")}},
            'ExpressionAttributeValues contains invalid key: Syntax error; key: "b"',
        ),
        (
            {"ExpressionAttributeValues": {":b": {"N": "x"}}},
            "The parameter cannot be converted to a numeric value: x",
        ),
        (
            {"ExpressionAttributeNames": {"#x": "x", "#y": "y"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x, #y}",
        ),
        (
            {"ExpressionAttributeValues": {":x": S("x")}},
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}",
        ),
    ],
)
def test_placeholders(store: DynamoStore, parameters: dict[str, Any], message: str) -> None:
    request = {"TableName": "one", "Item": {"pk": S("a")}, "ConditionExpression": "attribute_not_exists(pk)"}
    assert store.refuse("PutItem", **request, **parameters) == ENVELOPE + message


def test_what_it_costs(store: DynamoStore) -> None:
    item: dict[str, Any] = {"pk": S("p"), "sk": S("1"), "when": N(1), "owner": S("o"), "title": S("t")}
    put: dict[str, Any] = {"TableName": "full", "ReturnConsumedCapacity": "INDEXES"}
    assert store.call("PutItem", **put, Item=item)["ConsumedCapacity"] == {
        "TableName": "full",
        "CapacityUnits": 3.0,
        "Table": {"CapacityUnits": 1.0},
        "LocalSecondaryIndexes": {"by_when": {"CapacityUnits": 1.0}},
        "GlobalSecondaryIndexes": {"by_owner": {"CapacityUnits": 1.0}},
    }
    again = store.call("PutItem", **put, Item=item)["ConsumedCapacity"]
    assert (again["CapacityUnits"], "GlobalSecondaryIndexes" in again) == (1.0, False)
    moved = store.call("PutItem", **put, Item={**item, "owner": S("q")})["ConsumedCapacity"]
    assert moved["GlobalSecondaryIndexes"] == {"by_owner": {"CapacityUnits": 2.0}}
    big = store.call(
        "PutItem", **{**put, "ReturnConsumedCapacity": "TOTAL"}, Item={**item, "owner": S("q"), "x": S("x" * 2000)}
    )
    assert big["ConsumedCapacity"] == {"TableName": "full", "CapacityUnits": 4.0}


def test_collections_have_an_estimate(store: DynamoStore) -> None:
    item = {"pk": S("p"), "sk": S("1")}
    answer = store.call("PutItem", TableName="full", Item=item, ReturnItemCollectionMetrics="SIZE")
    assert answer["ItemCollectionMetrics"] == {"ItemCollectionKey": {"pk": S("p")}, "SizeEstimateRangeGB": [0.0, 1.0]}
    assert store.call("PutItem", TableName="one", Item={"pk": S("p")}, ReturnItemCollectionMetrics="SIZE") == {}


def test_the_shape_is_checked_first(store: DynamoStore) -> None:
    message = store.refuse("PutItem", TableName="x!", Item={})
    assert message.startswith(f"{ENVELOPE}Value 'x!' at 'tableName' failed")


@pytest.mark.parametrize("condition", ["x <> y", "x <> :v", ":v <> x", "NOT x = y"])
def test_what_is_not_there_is_unequal_even_to_itself(store: DynamoStore, condition: str) -> None:
    values = {":v": S("v")} if ":v" in condition else None
    arguments = {"ExpressionAttributeValues": values} if values else {}
    store.call("PutItem", TableName="one", Item={"pk": S("a")}, ConditionExpression=condition, **arguments)
