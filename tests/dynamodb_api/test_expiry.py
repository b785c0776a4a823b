from __future__ import annotations

import time
from typing import Any

from elastickv.dynamodb_api.expiry import OLDEST_SECONDS, Expiry
from elastickv.dynamodb_api.streams import TTL_IDENTITY
from tests.dynamodb_api.operations.test_create_table import PLAIN, index
from tests.kit.dynamo_door import DynamoDoor

NOW = 1_700_000_000
"""The fake store's clock, in seconds."""


def put(dynamodb: Any, key: str, until: dict[str, Any] | None, table: str = "abc") -> None:
    item = {"a": {"S": key}, "x": {"S": 'until":'}}
    dynamodb.put_item(TableName=table, Item=item if until is None else {**item, "until": until})


def keys(dynamodb: Any, names: list[str], table: str = "abc") -> list[str]:
    return [one for one in names if "Item" in dynamodb.get_item(TableName=table, Key={"a": {"S": one}})]


def walk(door: DynamoDoor, limit: int) -> int:
    """One whole walk by steps of `limit` items; how many were removed."""
    expiry = Expiry()
    for _ in range(1000):
        if door.run(lambda view: expiry.step(view, limit)):
            return expiry.expired
    raise AssertionError("the walk does not end")


def switch_on(dynamodb: Any, table: str = "abc") -> None:
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})


def test_what_expires(door: DynamoDoor, dynamodb: Any) -> None:
    door.server.housekeeping._walk_at = 1e18  # the test walks itself
    dynamodb.create_table(**PLAIN)
    values: dict[str, dict[str, Any] | None] = {
        "past": {"N": str(NOW - 1)},
        "now": {"N": str(NOW)},
        "fraction": {"N": f"{NOW - 1}.5"},
        "future": {"N": str(NOW + 1)},
        "ancient": {"N": str(NOW - OLDEST_SECONDS - 1)},
        "zero": {"N": "0"},
        "text": {"S": str(NOW - 1)},
        "none": None,
        "milliseconds": {"N": str(NOW * 1000)},
    }
    for key, until in values.items():
        put(dynamodb, key, until)
    assert walk(door, 100) == 0, "time to live is off"
    switch_on(dynamodb)
    assert walk(door, 2) == 3
    assert set(keys(dynamodb, list(values))) == set(values) - {"past", "now", "fraction"}


def test_several_tables_and_steps(door: DynamoDoor, dynamodb: Any) -> None:
    door.server.housekeeping._walk_at = 1e18
    for table in ("abc", "abd", "abe"):
        dynamodb.create_table(**PLAIN | {"TableName": table})
        for number in range(7):
            put(dynamodb, f"k{number}", {"N": str(NOW - number % 2)} if number % 3 else None, table)
        if table != "abd":
            switch_on(dynamodb, table)
    assert walk(door, 3) == 8
    assert walk(door, 3) == 0


def test_indexes_counts_and_streams_hear_of_it(door: DynamoDoor, dynamodb: Any) -> None:
    described = dynamodb.create_table(
        **PLAIN,
        GlobalSecondaryIndexes=[index("one", "a")],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"},
    )["TableDescription"]
    put(dynamodb, "past", {"N": str(NOW - 1)})
    switch_on(dynamodb)
    for _ in range(1000):
        table = dynamodb.describe_table(TableName="abc")["Table"]
        if table["ItemCount"] == 0:
            break
        time.sleep(0.01)
    assert (table["ItemCount"], table["GlobalSecondaryIndexes"][0]["ItemCount"]) == (0, 0)
    reader = door.client("dynamodbstreams")
    arn = described["LatestStreamArn"]
    (shard,) = reader.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    place = reader.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    found = reader.get_records(ShardIterator=place["ShardIterator"])["Records"]
    assert [one["eventName"] for one in found] == ["INSERT", "REMOVE"]
    assert found[1]["userIdentity"] == TTL_IDENTITY
    assert found[1]["dynamodb"]["OldImage"]["a"] == {"S": "past"}
