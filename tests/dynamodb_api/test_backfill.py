from __future__ import annotations

import random
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.backfill import STEP, Backfill
from elastickv.dynamodb_api.items import every
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
    assert status(dynamodb) == ("UPDATING", "CREATING", True)
    with pytest.raises(ClientError, match="Table is being updated: abc"):
        dynamodb.update_table(TableName="abc", DeletionProtectionEnabled=True)
    with pytest.raises(ClientError, match="Table is being updated: abc"):
        dynamodb.delete_table(TableName="abc")
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
