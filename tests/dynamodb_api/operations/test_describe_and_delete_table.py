from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastickv.dynamodb_api import tables
from elastickv.kv.view import View
from tests.dynamodb_api.operations.test_create_table import PLAIN, definitions, index
from tests.kit.dynamo_door import DynamoDoor


def test_a_table_is_gone_at_once(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    dynamodb.get_waiter("table_exists").wait(TableName="abc", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    described = dynamodb.delete_table(TableName="abc")["TableDescription"]
    assert (described["TableName"], described["TableStatus"]) == ("abc", "DELETING")
    dynamodb.get_waiter("table_not_exists").wait(TableName="abc", WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    assert dynamodb.list_tables()["TableNames"] == []


@pytest.mark.parametrize("operation", ["describe_table", "delete_table"])
def test_a_table_that_is_not_there(dynamodb: Any, operation: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(dynamodb, operation)(TableName="abc")
    assert caught.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "Requested resource not found: Table: abc not found",
    }


def test_a_table_may_be_named_by_its_arn(dynamodb: Any) -> None:
    arn = dynamodb.create_table(**PLAIN)["TableDescription"]["TableArn"]
    assert dynamodb.describe_table(TableName=arn)["Table"]["TableName"] == "abc"
    dynamodb.delete_table(TableName=arn)
    assert dynamodb.list_tables()["TableNames"] == []


def test_protection(dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN, DeletionProtectionEnabled=True)
    with pytest.raises(ClientError) as caught:
        dynamodb.delete_table(TableName="abc")
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Resource cannot be deleted as it is currently protected against deletion. "
        "Disable deletion protection first.",
    }
    dynamodb.update_table(TableName="abc", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName="abc")


def test_sizes_are_exact(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN, GlobalSecondaryIndexes=[index("one", "a")])

    def count(view: View) -> None:
        table = tables.table(view, "abc")
        tables.count(view, table.id, 3, 100)
        tables.count(view, table.indexes["one"].id, 2, 50)

    door.run(count)
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert (table["ItemCount"], table["TableSizeBytes"]) == (3, 100)
    (one,) = table["GlobalSecondaryIndexes"]
    assert (one["ItemCount"], one["IndexSizeBytes"]) == (2, 50)


def test_what_a_table_held_is_purged_behind_and_a_new_one_starts_empty(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    prefix = door.run(lambda view: tables.table(view, "abc").prefix)

    def fill(view: View) -> None:
        for number in range(3000):
            view.put(prefix + number.to_bytes(4), b"x")

    door.run(fill)
    dynamodb.delete_table(TableName="abc")
    dynamodb.create_table(**PLAIN)
    assert door.run(lambda view: tables.table(view, "abc").prefix) != prefix
    for _ in range(1000):
        if not door.do(lambda: any(key.startswith(prefix) for key in door.store.engine.data)):
            break
        time.sleep(0.01)
    else:
        raise AssertionError("the old items are still there")
    assert not door.do(lambda: any(key.startswith(tables.PURGE) for key in door.store.engine.data))


@pytest.mark.parametrize("operation", ["DescribeTable", "DeleteTable", "UpdateTable", "DescribeTimeToLive"])
def test_names_of_tables_have_three_characters(door: DynamoDoor, operation: str) -> None:
    def refused(name: str) -> str:
        status, said = door.call(operation, {"TableName": name, "BillingMode": "PAY_PER_REQUEST"})
        assert status == 400
        return str(said["message"])

    short = "failed to satisfy constraint: Member must have length greater than or equal to 3"
    assert refused("ab") == f"1 validation error detected: Value 'ab' at 'tableName' {short}"
    assert refused("") == (
        f"2 validation errors detected: Value '' at 'tableName' {short}; Value '' at 'tableName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )


def test_names_are_told_in_order(dynamodb: Any) -> None:
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["y", "x"]}
    answered = dynamodb.create_table(
        TableName="abc",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=definitions("p", "b"),
        KeySchema=[{"AttributeName": "p", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[index("one", "b", Projection=projection)],
    )["TableDescription"]
    assert answered["AttributeDefinitions"] == definitions("b", "p")
    assert answered["GlobalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"] == ["x", "y"]
