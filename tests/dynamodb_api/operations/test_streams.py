from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from elastickv.dynamodb_api import streams, tables
from elastickv.dynamodb_api.registry import STREAMS
from elastickv.kv.view import View
from tests.dynamodb_api.operations.test_create_table import PLAIN
from tests.kit.dynamo_door import DynamoDoor

HOUR_MS = 3600 * 1000


@pytest.fixture
def reader(door: DynamoDoor) -> Iterator[Any]:
    client = door.client("dynamodbstreams")
    yield client
    client.close()


def make(dynamodb: Any, view_type: str = "NEW_AND_OLD_IMAGES", name: str = "abc") -> str:
    described = dynamodb.create_table(
        **PLAIN | {"TableName": name}, StreamSpecification={"StreamEnabled": True, "StreamViewType": view_type}
    )["TableDescription"]
    arn: str = described["LatestStreamArn"]
    return arn


def change(door: DynamoDoor, kind: str, key: str, old: str | None, new: str | None, **more: Any) -> None:
    def item(value: str | None) -> dict[str, Any] | None:
        return None if value is None else {"a": {"S": key}, "v": {"S": value}}

    def write(view: View) -> None:
        streams.record(view, tables.table(view, "abc"), kind, {"a": {"S": key}}, item(old), item(new), **more)

    door.run(write)


def iterator(reader: Any, arn: str, kind: str = "TRIM_HORIZON", **more: Any) -> str:
    (shard,) = reader.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    found: str = reader.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind, **more)[
        "ShardIterator"
    ]
    return found


def test_changes_come_in_order_and_once(door: DynamoDoor, dynamodb: Any, reader: Any) -> None:
    arn = make(dynamodb)
    for number in range(5):
        change(door, streams.INSERT, f"k{number}", None, "1")
    change(door, streams.MODIFY, "k0", "1", "2")
    change(door, streams.REMOVE, "k0", "2", None, identity=streams.TTL_IDENTITY)
    seen: list[dict[str, Any]] = []
    place = iterator(reader, arn)
    for _ in range(3):
        page = reader.get_records(ShardIterator=place, Limit=3)
        seen += page["Records"]
        place = page["NextShardIterator"]
    assert reader.get_records(ShardIterator=place)["Records"] == []
    assert [one["eventName"] for one in seen] == ["INSERT"] * 5 + ["MODIFY", "REMOVE"]
    numbers = [one["dynamodb"]["SequenceNumber"] for one in seen]
    assert numbers == sorted(set(numbers))
    assert len({one["eventID"] for one in seen}) == 7
    modified, removed = seen[-2:]
    assert modified["dynamodb"]["Keys"] == {"a": {"S": "k0"}}
    assert modified["dynamodb"]["OldImage"]["v"] == {"S": "1"}
    assert modified["dynamodb"]["NewImage"]["v"] == {"S": "2"}
    assert modified["dynamodb"]["SizeBytes"] == 3 + (3 + 2) + (3 + 2)
    assert modified["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert (modified["eventSource"], modified["awsRegion"]) == ("aws:dynamodb", "us-east-1")
    assert "userIdentity" not in modified
    assert removed["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    assert "NewImage" not in removed["dynamodb"]


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_view_types(door: DynamoDoor, dynamodb: Any, reader: Any, view_type: str, images: set[str]) -> None:
    arn = make(dynamodb, view_type)
    change(door, streams.MODIFY, "k", "1", "2")
    (one,) = reader.get_records(ShardIterator=iterator(reader, arn))["Records"]
    assert one["dynamodb"].keys() & {"NewImage", "OldImage"} == images


def test_where_reading_begins(door: DynamoDoor, dynamodb: Any, reader: Any) -> None:
    arn = make(dynamodb)
    change(door, streams.INSERT, "one", None, "1")
    change(door, streams.INSERT, "two", None, "1")
    latest = iterator(reader, arn, "LATEST")
    change(door, streams.INSERT, "three", None, "1")

    def found(place: str) -> list[str]:
        return [one["dynamodb"]["Keys"]["a"]["S"] for one in reader.get_records(ShardIterator=place)["Records"]]

    second = reader.get_records(ShardIterator=iterator(reader, arn))["Records"][1]["dynamodb"]["SequenceNumber"]
    assert found(latest) == ["three"]
    assert found(iterator(reader, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=second)) == ["two", "three"]
    assert found(iterator(reader, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=second)) == ["three"]
    with pytest.raises(ClientError, match="TrimmedDataAccessException"):
        iterator(reader, arn, "AT_SEQUENCE_NUMBER", SequenceNumber="0" * 21)
    with pytest.raises(ClientError, match="SequenceNumber is required"):
        iterator(reader, arn, "AT_SEQUENCE_NUMBER")


def test_reading_begins_at_a_moment(door: DynamoDoor, dynamodb: Any, reader: Any) -> None:
    arn = make(dynamodb)
    moments = []
    for key in ("one", "two", "three"):
        door.do(lambda: door.store.clock.advance(0.25))
        moments.append(door.store.clock.wall_ms() / 1000)
        change(door, streams.INSERT, key, None, "1")
    door.do(lambda: door.store.clock.advance(0.25))

    def found(moment: float) -> list[str]:
        (shard,) = reader.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        asked = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "AT_TIMESTAMP"}
        place = door.call("GetShardIterator", asked | {"Timestamp": moment}, service=STREAMS)[1]["ShardIterator"]
        return [one["dynamodb"]["Keys"]["a"]["S"] for one in reader.get_records(ShardIterator=place)["Records"]]

    for number, moment in enumerate(moments):
        assert found(moment) == ["one", "two", "three"][number:]
        assert found(moment + 0.001) == ["one", "two", "three"][number + 1 :]
    for early in (0, -1e306, moments[0] - 24 * 3600 * 365):
        assert found(early) == ["one", "two", "three"]
    place = iterator(reader, arn, "AT_TIMESTAMP", Timestamp=datetime.fromtimestamp(moments[1], UTC))
    assert len(reader.get_records(ShardIterator=place)["Records"]) == 2
    with pytest.raises(ClientError, match=r"ValidationException.*Timestamp must not be in the future"):
        iterator(reader, arn, "AT_TIMESTAMP", Timestamp=moments[2] + 1)
    with pytest.raises(ClientError, match=r"ValidationException.*Timestamp is required for AT_TIMESTAMP"):
        iterator(reader, arn, "AT_TIMESTAMP")


def test_streams_are_listed_and_described(dynamodb: Any, reader: Any) -> None:
    arns = [make(dynamodb, name=name) for name in ("abc", "abd", "abe")]
    first = reader.list_streams(Limit=2)
    assert [one["StreamArn"] for one in first["Streams"]] == arns[:2]
    assert first["LastEvaluatedStreamArn"] == arns[1]
    rest = reader.list_streams(ExclusiveStartStreamArn=arns[1])
    assert [one["StreamArn"] for one in rest["Streams"]] == arns[2:]
    assert [one["TableName"] for one in reader.list_streams(TableName="abd")["Streams"]] == ["abd"]
    described = reader.describe_stream(StreamArn=arns[0])["StreamDescription"]
    assert described["StreamStatus"] == "ENABLED"
    assert described["KeySchema"] == PLAIN["KeySchema"]
    assert described["TableName"] == "abc"
    (shard,) = described["Shards"]
    assert "EndingSequenceNumber" not in shard["SequenceNumberRange"]


@pytest.mark.parametrize("how", ["off", "deleted"])
def test_a_closed_stream_can_be_read_to_its_end(door: DynamoDoor, dynamodb: Any, reader: Any, how: str) -> None:
    arn = make(dynamodb)
    change(door, streams.INSERT, "one", None, "1")
    place = iterator(reader, arn)
    if how == "off":
        dynamodb.update_table(TableName="abc", StreamSpecification={"StreamEnabled": False})
    else:
        dynamodb.delete_table(TableName="abc")
    page = reader.get_records(ShardIterator=place)
    assert len(page["Records"]) == 1
    assert "NextShardIterator" not in page
    described = reader.describe_stream(StreamArn=arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED"
    assert "EndingSequenceNumber" in described["Shards"][0]["SequenceNumberRange"]


def test_records_and_closed_streams_are_gone_after_a_day(door: DynamoDoor, dynamodb: Any, reader: Any) -> None:
    arn = make(dynamodb)
    change(door, streams.INSERT, "one", None, "1")
    door.do(lambda: door.store.clock.advance(23 * 3600))
    change(door, streams.INSERT, "two", None, "1")
    dynamodb.delete_table(TableName="abc")
    assert len(reader.get_records(ShardIterator=iterator(reader, arn))["Records"]) == 2
    door.do(lambda: door.store.clock.advance(2 * 3600))
    now = door.store.clock.wall_ms()

    def trim(view: View) -> int:
        view.now_ms = now
        return streams.trim(view, 1000)

    assert len(reader.get_records(ShardIterator=iterator(reader, arn))["Records"]) == 1
    assert door.run(trim) == 1
    assert door.run(trim) == 0
    now += 23 * HOUR_MS
    assert door.run(trim) == 1
    assert door.run(trim) == 1
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        reader.describe_stream(StreamArn=arn)


def test_an_iterator_is_good_for_15_minutes(door: DynamoDoor, dynamodb: Any, reader: Any) -> None:
    place = iterator(reader, make(dynamodb))
    door.do(lambda: door.store.clock.advance(14 * 60))
    reader.get_records(ShardIterator=place)
    door.do(lambda: door.store.clock.advance(2 * 60))
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        reader.get_records(ShardIterator=place)
    with pytest.raises(ClientError, match="ValidationException"):
        reader.get_records(ShardIterator="nonsense")


def test_what_is_not_there(dynamodb: Any, reader: Any) -> None:
    arn = make(dynamodb)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        reader.describe_stream(StreamArn=arn + "1")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        reader.get_shard_iterator(
            StreamArn=arn, ShardId="shardId-00000000000000000000-00000000", ShardIteratorType="LATEST"
        )
