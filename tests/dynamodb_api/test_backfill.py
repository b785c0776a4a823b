from __future__ import annotations

import random
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastickv.dynamodb_api import records, tables
from elastickv.dynamodb_api.backfill import STEP, Backfill
from elastickv.dynamodb_api.items import entry_key, every
from tests.dynamodb_api.operations.test_create_table import PLAIN, definitions, index
from tests.kit.dynamo_door import DynamoDoor


def put(dynamodb: Any, number: int, value: str | None) -> None:
    item = {"a": {"S": f"k{number}"}}
    dynamodb.put_item(TableName="abc", Item=item if value is None else {**item, "b": {"S": value}})


def add_index(dynamodb: Any) -> None:
    dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=definitions("b"),
        GlobalSecondaryIndexUpdates=[{"Create": index("one", "b")}],
    )


def status(dynamodb: Any) -> tuple[str, str, bool]:
    table = dynamodb.describe_table(TableName="abc")["Table"]
    (one,) = table["GlobalSecondaryIndexes"]
    return table["TableStatus"], one["IndexStatus"], one.get("Backfilling", False)


def entries(door: DynamoDoor) -> int:
    def count(view: Any) -> int:
        found = tables.table(view, "abc").indexes["one"]
        return sum(1 for _ in view.scan(found.prefix, found.prefix + b"\xff"))

    return door.run(count)


def test_a_small_table_s_index_is_there_at_once(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    for number in range(20):
        put(dynamodb, number, "v" if number % 2 else None)
    add_index(dynamodb)
    assert status(dynamodb) == ("ACTIVE", "ACTIVE", False)
    assert entries(door) == 10
    assert dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"] == 10


def test_a_large_table_serves_while_its_index_is_filled(door: DynamoDoor, dynamodb: Any) -> None:
    """Random writes between the steps; in the end the index is what it would be had it always been there."""
    house = door.server.housekeeping
    house._backfill.step = lambda view: 0  # type: ignore[method-assign]  # the test takes the steps
    rng = random.Random(7)
    dynamodb.create_table(**PLAIN)
    total = 3 * STEP
    values: dict[int, str | None] = {}
    for number in range(total):
        values[number] = rng.choice(["v", "w", None])
        put(dynamodb, number, values[number])
    add_index(dynamodb)
    assert status(dynamodb) == ("ACTIVE", "CREATING", True)
    dynamodb.update_table(TableName="abc", TableClass="STANDARD_INFREQUENT_ACCESS")
    warmer = {"IndexName": "one", "WarmThroughput": {"ReadUnitsPerSecond": 13_000}}
    with pytest.raises(ClientError, match=r"Index is being created\. Table: abc Index: one"):
        dynamodb.update_table(TableName="abc", GlobalSecondaryIndexUpdates=[{"Update": warmer}])
    with pytest.raises(ClientError, match="Cannot delete table while indexes are being created, updated, or deleted"):
        dynamodb.delete_table(TableName="abc")
    for change in ({"Create": index("two", "b")}, {"Delete": {"IndexName": "two"}}):
        with pytest.raises(ClientError, match="Only 1 online index can be created or deleted simultaneously") as caught:
            dynamodb.update_table(
                TableName="abc", AttributeDefinitions=definitions("b"), GlobalSecondaryIndexUpdates=[change]
            )
        assert caught.value.response["Error"]["Code"] == "LimitExceededException"
    backfill = Backfill()
    while door.run(backfill.step):
        for _ in range(100):
            number = rng.randrange(total)
            if rng.random() < 0.3:
                values.pop(number, None)
                dynamodb.delete_item(TableName="abc", Key={"a": {"S": f"k{number}"}})
            else:
                values[number] = rng.choice(["v", "w", None])
                put(dynamodb, number, values[number])
    assert status(dynamodb) == ("ACTIVE", "ACTIVE", False)
    wanted = sum(value is not None for value in values.values())
    assert entries(door) == wanted
    table = dynamodb.describe_table(TableName="abc")["Table"]
    assert (table["ItemCount"], table["GlobalSecondaryIndexes"][0]["ItemCount"]) == (len(values), wanted)
    assert door.run(lambda view: len(list(every(view, tables.table(view, "abc"))))) == len(values)


def test_an_index_is_deleted_before_it_is_filled(door: DynamoDoor, dynamodb: Any) -> None:
    house = door.server.housekeeping
    house._backfill.step = lambda view: 0  # type: ignore[method-assign]  # the test takes the steps
    dynamodb.create_table(**PLAIN)
    for number in range(3 * STEP):
        put(dynamodb, number, "v")
    add_index(dynamodb)
    backfill = Backfill()
    assert door.run(backfill.step) == 1
    half = door.run(lambda view: tables.table(view, "abc").indexes["one"])
    answered = dynamodb.update_table(TableName="abc", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "one"}}])[
        "TableDescription"
    ]
    (leaving,) = answered["GlobalSecondaryIndexes"]
    assert (answered["TableStatus"], leaving["IndexName"], leaving["IndexStatus"]) == ("UPDATING", "one", "DELETING")
    assert "GlobalSecondaryIndexes" not in dynamodb.describe_table(TableName="abc")["Table"]
    assert door.run(backfill.step) == 0
    assert backfill._reached == {}
    put(dynamodb, 1, "w")
    purge = tables.Purge()
    while door.run(lambda view: purge.step(view, 1000)):
        pass
    assert door.run(lambda view: list(view.scan(half.prefix, half.prefix + b"\xff"))) == []
    add_index(dynamodb)
    while door.run(backfill.step):
        pass
    assert entries(door) == 3 * STEP


def test_the_leader_fills_by_itself(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    for number in range(STEP + 1):
        put(dynamodb, number, "v")
    add_index(dynamodb)
    for _ in range(1000):
        if status(dynamodb)[1] == "ACTIVE":
            break
        time.sleep(0.01)
    assert entries(door) == STEP + 1


def test_an_index_with_a_key_of_several_attributes(door: DynamoDoor, dynamodb: Any) -> None:
    """Items that lack one of the attributes, or have one that no key can be, stay out: also when they change later."""
    dynamodb.create_table(**PLAIN)
    good = {"b": {"S": "g"}, "c": {"N": "1"}, "d": {"S": "x"}}
    bad: dict[str, dict[str, Any]] = {
        "no b": {"c": {"N": "1"}, "d": {"S": "x"}},
        "no d": {"b": {"S": "g"}, "c": {"N": "1"}},
        "wrong type": {**good, "c": {"S": "1"}},
        "empty": {**good, "d": {"S": ""}},
        "too long": {**good, "d": {"S": "x" * 1025}},
        "too long together": {**good, "d": {"S": "x" * 1023}},
    }
    for number in range(STEP):
        dynamodb.put_item(
            TableName="abc",
            Item={"a": {"S": f"k{number}"}, **good, "c": {"N": str(number % 7)}, "d": {"S": f"v{number}"}},
        )
    for name, item in bad.items():
        dynamodb.put_item(TableName="abc", Item={"a": {"S": name}, **item})
    dynamodb.update_table(
        TableName="abc",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("b", "S"), ("c", "N"), ("d", "S"))
        ],
        GlobalSecondaryIndexUpdates=[{"Create": index("one", "b", "c", "d")}],
    )
    while status(dynamodb)[1] != "ACTIVE":
        time.sleep(0.01)

    def names() -> list[str]:
        found = dynamodb.get_paginator("query").paginate(
            TableName="abc",
            IndexName="one",
            KeyConditionExpression="b = :g",
            ExpressionAttributeValues={":g": {"S": "g"}},
            PaginationConfig={"PageSize": 97},
        )
        return [item["a"]["S"] for page in found for item in page["Items"]]

    expected = sorted(range(STEP), key=lambda number: (number % 7, f"v{number}"))
    assert names() == [f"k{number}" for number in expected]
    for name in bad:
        dynamodb.update_item(
            TableName="abc", Key={"a": {"S": name}}, AttributeUpdates={"x": {"Value": {"S": "changed"}}}
        )
    assert entries(door) == len(expected) == STEP
    dynamodb.update_item(TableName="abc", Key={"a": {"S": "empty"}}, AttributeUpdates={"d": {"Value": {"S": "-"}}})
    assert "empty" in names()
    for name in bad:
        dynamodb.delete_item(TableName="abc", Key={"a": {"S": name}})
    (described,) = dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"]
    assert entries(door) == described["ItemCount"] == STEP


def test_what_cannot_be_a_key_stays_out_of_an_index(door: DynamoDoor, dynamodb: Any) -> None:
    dynamodb.create_table(**PLAIN)
    for number, value in enumerate(["v", "", "x" * 2049, "x" * 2048]):
        put(dynamodb, number, value)
    add_index(dynamodb)
    assert entries(door) == 2
    for number in range(4):
        dynamodb.update_item(
            TableName="abc", Key={"a": {"S": f"k{number}"}}, AttributeUpdates={"x": {"Value": {"S": "changed"}}}
        )
    assert entries(door) == 2
    for number in range(4):
        dynamodb.delete_item(TableName="abc", Key={"a": {"S": f"k{number}"}})
    assert entries(door) == 0


def test_entries_of_what_cannot_be_a_key_go_with_their_item(door: DynamoDoor, dynamodb: Any) -> None:
    """An earlier version has made them."""
    dynamodb.create_table(**PLAIN)
    put(dynamodb, 1, "")
    add_index(dynamodb)

    def bring_in(view: Any) -> None:
        table = tables.table(view, "abc")
        ((place, record),) = every(view, table)
        entry = entry_key(table, table.indexes["one"], records.decode(record), place)
        assert entry is not None
        view.put(entry, place[len(table.prefix) :])
        tables.count(view, table.indexes["one"].id, 1, records.size(record))

    door.run(bring_in)
    assert entries(door) == 1
    dynamodb.delete_item(TableName="abc", Key={"a": {"S": "k1"}})
    assert entries(door) == 0
    assert dynamodb.describe_table(TableName="abc")["Table"]["GlobalSecondaryIndexes"][0]["ItemCount"] == 0
