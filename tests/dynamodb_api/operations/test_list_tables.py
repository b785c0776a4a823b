from __future__ import annotations

from typing import Any

from tests.dynamodb_api.operations.test_create_table import PLAIN
from tests.kit.dynamo_door import DynamoDoor


def test_names_come_in_order_a_page_at_a_time(dynamodb: Any) -> None:
    for number in (3, 1, 2, 0):
        dynamodb.create_table(**PLAIN | {"TableName": f"abc{number}"})
    first = dynamodb.list_tables(Limit=3)
    assert (first["TableNames"], first["LastEvaluatedTableName"]) == (["abc0", "abc1", "abc2"], "abc2")
    last = dynamodb.list_tables(Limit=3, ExclusiveStartTableName="abc2")
    assert last["TableNames"] == ["abc3"]
    assert "LastEvaluatedTableName" not in last
    assert "LastEvaluatedTableName" not in dynamodb.list_tables(Limit=4)
    assert dynamodb.list_tables(ExclusiveStartTableName="abc11")["TableNames"] == ["abc2", "abc3"]


def test_limits(door: DynamoDoor) -> None:
    _, said = door.call("ListTables", {"Limit": 101, "ExclusiveStartTableName": "a;"})
    assert said["message"] == (
        "3 validation errors detected: Value 'a;' at 'exclusiveStartTableName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; "
        "Value 'a;' at 'exclusiveStartTableName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 3; "
        "Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"
    )
