"""Which of AWS' two generations of checks a request meets, and in whose words it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api.layers import too_deep_to_read
from tests.kit.dynamo_store import DynamoStore, S

ONE = "ValidationException: 1 validation error detected: "
NO_WORD = "failed to satisfy constraint: Member must satisfy enum value set: "
CAPACITY = f"Value 'NO' at 'returnConsumedCapacity' {NO_WORD}[INDEXES, TOTAL, NONE]"
RETURNS = f"F{NO_WORD[1:]}[ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]"
OLDER_RETURNS = f"Value 'NO' at 'returnValues' {NO_WORD}[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
OPERATOR = f"F{NO_WORD[1:]}[ALL, OR]"
OLDER_OPERATOR = f"Value 'XOR' at 'conditionalOperator' {NO_WORD}[OR, AND]"
NO_KEY = "Value null at 'key' failed to satisfy constraint: Member must not be null"
TWO = {"a": {"Exists": False}, "b": {"Exists": False}}


@pytest.fixture
def store() -> DynamoStore:
    store = DynamoStore()
    store.table("one", "pk:S")
    return store


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = S("leaf")
    for _ in range(levels):
        value = {"M": {"n": value}}
    return value


WRITES = ("PutItem", "UpdateItem", "DeleteItem")


def write(operation: str, **more: Any) -> dict[str, Any]:
    return {"TableName": "one", "Item" if operation == "PutItem" else "Key": {"pk": S("a")}, **more}


@pytest.mark.parametrize("operation", WRITES)
def test_a_table_without_a_name_is_all_that_a_write_hears_of(store: DynamoStore, operation: str) -> None:
    request = write(operation, TableName="", ReturnValues="NO")
    message = "Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1"
    assert store.refuse(operation, **request) == ONE + message


@pytest.mark.parametrize("operation", WRITES)
def test_words_that_are_none_in_the_newer_words(store: DynamoStore, operation: str) -> None:
    assert store.refuse(operation, **write(operation, ReturnValues="NO")) == ONE + RETURNS
    assert store.refuse(operation, **write(operation, Expected=TWO, ConditionalOperator="XOR")) == ONE + OPERATOR
    assert store.refuse(operation, **write(operation, ReturnConsumedCapacity="NO")) == ONE + CAPACITY


@pytest.mark.parametrize("operation", WRITES)
def test_a_name_that_is_none_is_told_alone(store: DynamoStore, operation: str) -> None:
    request = write(operation, TableName="no name!", ReturnValues="NO", ReturnConsumedCapacity="NO")
    message = "Value 'no name!' at 'tableName' failed to satisfy constraint: "
    assert store.refuse(operation, **request) == (
        f"{ONE}{message}Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )


def test_values_of_no_type_or_several_have_no_envelope(store: DynamoStore) -> None:
    datatypes = "must contain exactly one of the supported datatypes"
    for value, message in (
        ({}, f"Supplied AttributeValue is empty, {datatypes}"),
        ({"S": "a", "N": "1"}, f"Supplied AttributeValue has more than one datatypes set, {datatypes}"),
    ):
        item = {"pk": S("a"), "x": {"L": [value]}}
        assert store.refuse("PutItem", TableName="one", Item=item) == f"ValidationException: {message}"
        assert store.refuse("DeleteItem", TableName="one", Key={"pk": value}) == f"ValidationException: {message}"


def test_put_and_delete_tell_all_of_them(store: DynamoStore) -> None:
    both = {"ReturnValues": "NO", "ReturnConsumedCapacity": "NO"}
    message = f"ValidationException: 2 validation errors detected: {CAPACITY}; {RETURNS}"
    assert store.refuse("PutItem", **write("PutItem", **both)) == message
    assert store.refuse("DeleteItem", **write("DeleteItem", **both)) == message


def test_update_tells_the_first_of_them(store: DynamoStore) -> None:
    wrong = {"ReturnValues": "NO", "ReturnConsumedCapacity": "NO", "ConditionalOperator": "XOR"}
    assert store.refuse("UpdateItem", **write("UpdateItem", **wrong)) == ONE + RETURNS


def test_without_a_member_that_must_be_there_all_are_told_in_the_older_words(store: DynamoStore) -> None:
    empty = "Value '' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 1"
    found = store.refuse("UpdateItem", TableName="", ReturnValues="NO", ReturnConsumedCapacity="NO")
    told = [CAPACITY, empty, OLDER_RETURNS, NO_KEY]
    assert found == f"ValidationException: 4 validation errors detected: {'; '.join(told)}"
    found = store.refuse("UpdateItem", TableName="one", Expected=TWO, ConditionalOperator="XOR")
    assert found == f"ValidationException: 2 validation errors detected: {OLDER_OPERATOR}; {NO_KEY}"


@pytest.mark.parametrize("operation", WRITES)
def test_what_the_newer_layer_cannot_read_is_judged_by_the_older(store: DynamoStore, operation: str) -> None:
    def condition(levels: int) -> dict[str, Any]:
        return {"ConditionExpression": "d = :d", "ExpressionAttributeValues": {":d": nested(levels)}}

    assert store.refuse(operation, **write(operation, **condition(63), ReturnValues="NO")) == ONE + OLDER_RETURNS
    assert store.refuse(operation, **write(operation, **condition(40), ReturnValues="NO")) == ONE + RETURNS
    deep = {"Expected": {"a": {"Value": nested(63)}, "b": {"Exists": False}}, "ConditionalOperator": "XOR"}
    assert store.refuse(operation, **write(operation, **deep)) == ONE + OLDER_OPERATOR
    assert "Nesting Levels have exceeded" in store.refuse(operation, **write(operation, **condition(63)))


def test_the_older_layer_has_no_envelope(store: DynamoStore) -> None:
    for levels, start in ((40, ONE), (63, "ValidationException: ")):
        deep = {"ConditionExpression": "d = :d", "ExpressionAttributeValues": {":d": nested(levels)}}
        found = store.refuse("DeleteItem", **write("DeleteItem", **deep, ReturnValues="UPDATED_NEW"))
        assert found == f"{start}ReturnValues can only be ALL_OLD or NONE"


@pytest.mark.parametrize(("levels", "too_deep"), [(31, False), (62, False), (63, True), (400, True)])
def test_how_deep_is_too_deep(levels: int, too_deep: bool) -> None:
    assert too_deep_to_read({"Item": {"d": nested(levels)}}) is too_deep
    value: dict[str, Any] = S("leaf")
    for _ in range(levels):
        value = {"L": [S("x"), value]}
    assert too_deep_to_read({"Item": {"d": value}}) is too_deep


def test_a_query_names_nothing_beside_its_operator(store: DynamoStore) -> None:
    request = {
        "TableName": "one",
        "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("a")]}},
        "QueryFilter": {"b": {"ComparisonOperator": "NULL"}, "c": {"ComparisonOperator": "NULL"}},
        "ConditionalOperator": "XOR",
    }
    assert store.refuse("Query", **request, Select="NO") == f"ValidationException: {OPERATOR}"
    one = {**request, "QueryFilter": {"b": {"ComparisonOperator": "NULL"}}, "ConditionalOperator": "AND"}
    message = "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    assert store.refuse("Query", **one) == f"ValidationException: {message}"


def test_a_scan_looks_at_values_before_their_number(store: DynamoStore) -> None:
    def scan(value: dict[str, Any]) -> str:
        condition = {"ComparisonOperator": "EQ", "AttributeValueList": [value]}
        return store.refuse("Scan", TableName="one", ScanFilter={"a": condition}, ConditionalOperator="AND")

    assert scan(nested(40)).startswith("ValidationException: Nesting Levels have exceeded")
    assert scan(S("x")) == (
        "ValidationException: One or more parameter values were invalid: "
        "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    )
