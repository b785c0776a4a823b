from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.errors import ResourceNotFoundException
from elastickv.kv.view import View
from tests.kit.fake_store import FakeView

RECORD: dict[str, Any] = {
    "Id": 7,
    "TableName": "orders",
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "at", "AttributeType": "N"},
        {"AttributeName": "who", "AttributeType": "B"},
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "mine",
            "Id": 8,
            "IndexStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "who", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x"]},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "all",
            "Id": 9,
            "IndexStatus": "CREATING",
            "KeySchema": [{"AttributeName": "who", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def test_a_record_is_taken_apart() -> None:
    view = FakeView()
    view.run(lambda view: tables.save(view, RECORD))
    found = view.run(lambda view: tables.table(view, "orders"))
    assert (found.id, found.hash, found.range) == (
        7,
        tables.KeyAttribute("id", "S"),
        tables.KeyAttribute("at", "N"),
    )
    assert found.stream_view == found.ttl_attribute == ""
    mine, everything = found.indexes.values()
    assert (mine.local, mine.keys[1].type, mine.projection, mine.non_key) == (True, "B", "INCLUDE", ("x",))
    assert (everything.local, everything.ranges, everything.status) == (False, (), "CREATING")
    assert tables.table(view, "arn:aws:dynamodb:eu-west-1:000000000000:table/orders") is found


def test_what_is_not_there() -> None:
    view = FakeView()
    with pytest.raises(ResourceNotFoundException, match=r"^Requested resource not found$"):
        tables.table(view, "orders")
    with pytest.raises(ResourceNotFoundException, match=r"^Requested resource not found: Table: orders not found$"):
        tables.described_table(view, "orders")


def test_names_come_in_order_and_in_pages() -> None:
    view = FakeView()
    for name in ("b", "a", "c", "ab"):
        view.run(lambda view, name=name: tables.save(view, RECORD | {"TableName": name}))  # type: ignore[misc]
    assert tables.names(view, "", 3) == ["a", "ab", "b"]
    assert tables.names(view, "ab", 3) == ["b", "c"]
    assert [one.name for one in tables.every(view)] == ["a", "ab", "b", "c"]


def test_numbers_are_never_used_again() -> None:
    view = FakeView()
    assert [view.run(tables.fresh_id) for _ in range(3)] == [1, 2, 3]


def test_counts_add_up_and_are_undone_with_the_request() -> None:
    view = FakeView()
    view.run(lambda view: tables.count(view, 7, 2, 100))
    view.run(lambda view: tables.count(view, 7, -1, -40))

    def fail(view: View) -> None:
        tables.count(view, 7, 5, 5)
        raise KeyError

    with pytest.raises(KeyError):
        view.run(fail)
    assert tables.counts(view, 7) == (1, 60)
    assert tables.counts(view, 8) == (0, 0)


def test_a_dropped_table_is_purged_in_steps_and_nothing_else_is() -> None:
    view = FakeView()

    def fill(view: View) -> None:
        gone = tables.save(view, RECORD)
        for identity in (6, 7, 8, 9, 10):
            for number in range(5):
                view.put(tables.data_prefix(identity) + bytes((number,)), b"x")
            tables.count(view, identity, 5, 5)
        tables.remove(view, gone)

    view.run(fill)
    assert tables.find(view, "orders") is None
    purge = tables.Purge()
    steps = 0
    while view.run(lambda view: purge.step(view, 2)):
        steps += 1
    assert steps == 9
    left = {key for key in view.dump() if key.startswith(tables.DATA)}
    assert left == {tables.data_prefix(one) + bytes((n,)) for one in (6, 10) for n in range(5)}
    assert tables.counts(view, 7) == (0, 0)
    assert tables.counts(view, 10) == (5, 5)
    assert not [key for key in view.dump() if key.startswith(tables.PURGE)]
