from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.dynamo_store import DynamoStore, N, S
from tests.kit.key_operators import OPERATORS

INVALID = "One or more parameter values were invalid: "


@pytest.fixture(autouse=True)
def _items(store: DynamoStore) -> None:
    for number in range(-2, 8):
        store.call("PutItem", TableName="two", Item={"pk": S("p"), "sk": N(number), "even": {"BOOL": number % 2 == 0}})
    store.call("PutItem", TableName="two", Item={"pk": S("q"), "sk": N(0)})


def query(store: DynamoStore, condition: str = "pk = :p", table: str = "two", **more: Any) -> dict[str, Any]:
    values = {":p": S("p"), ":a": N(2), ":b": N(4), ":s": S("s")}
    used = {name: value for name, value in values.items() if name in condition or name in str(more)}
    return store.call(
        "Query", TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=used, **more
    )


def numbers(answer: dict[str, Any]) -> list[int]:
    return [int(item["sk"]["N"]) for item in answer["Items"]]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("pk = :p", list(range(-2, 8))),
        ("pk = :p AND sk = :a", [2]),
        ("pk = :p AND sk < :a", [-2, -1, 0, 1]),
        ("sk <= :a AND pk = :p", [-2, -1, 0, 1, 2]),
        ("pk = :p AND sk > :b", [5, 6, 7]),
        ("(pk = :p) AND (:b <= sk)", [4, 5, 6, 7]),
        ("pk = :p AND sk BETWEEN :a AND :b", [2, 3, 4]),
    ],
)
def test_ranges(store: DynamoStore, condition: str, expected: list[int]) -> None:
    answer = query(store, condition)
    assert numbers(answer) == expected
    assert (answer["Count"], answer["ScannedCount"]) == (len(expected), len(expected))
    assert numbers(query(store, condition, ScanIndexForward=False)) == expected[::-1]


def pages(run: Callable[..., dict[str, Any]], **request: Any) -> tuple[list[dict[str, Any]], int]:
    """All items, page by page, and the number of pages."""
    items: list[dict[str, Any]] = []
    count = 0
    while True:
        answer = run(**request)
        items += answer["Items"]
        count += 1
        if "LastEvaluatedKey" not in answer:
            return items, count
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@pytest.mark.parametrize("forward", [True, False])
def test_pages(store: DynamoStore, forward: bool) -> None:
    items, count = pages(lambda **request: query(store, **request), Limit=3, ScanIndexForward=forward)
    assert [int(item["sk"]["N"]) for item in items] == sorted(range(-2, 8), reverse=not forward)
    assert count == 4
    # A page that ends with the last item says so all the same.
    assert "LastEvaluatedKey" in query(store, Limit=10)
    assert "LastEvaluatedKey" not in query(store, Limit=11)


def test_pages_hold_still_while_items_change(store: DynamoStore) -> None:
    first = query(store, Limit=4)
    store.call("DeleteItem", TableName="two", Key=first["LastEvaluatedKey"])
    store.call("PutItem", TableName="two", Item={"pk": S("p"), "sk": N("-1.5")})
    store.call("PutItem", TableName="two", Item={"pk": S("p"), "sk": N("1.5")})
    rest = query(store, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["sk"]["N"] for item in rest["Items"]] == ["1.5", "2", "3", "4", "5", "6", "7"]


def test_a_page_has_one_megabyte(store: DynamoStore) -> None:
    for number in range(20):
        store.call("PutItem", TableName="two", Item={"pk": S("big"), "sk": N(number), "x": S("x" * 100_000)})
    values = {":p": S("big")}
    request = {"TableName": "two", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values}
    items, count = pages(lambda **more: store.call("Query", **{**request, **more}))
    assert ([int(item["sk"]["N"]) for item in items], count) == (list(range(20)), 2)
    counted = store.call("Query", **request, Select="COUNT")
    assert ("Items" in counted, counted["Count"], counted["LastEvaluatedKey"]["sk"]) == (False, 11, N(10))


def test_filters_come_after_the_limit(store: DynamoStore) -> None:
    found = store.call(
        "Query",
        TableName="two",
        KeyConditionExpression="pk = :p",
        FilterExpression="even = :e",
        ExpressionAttributeValues={":p": S("p"), ":e": {"BOOL": True}},
        Limit=5,
    )
    assert (numbers(found), found["Count"], found["ScannedCount"]) == ([-2, 0, 2], 3, 5)
    assert found["LastEvaluatedKey"] == {"pk": S("p"), "sk": N(2)}


def test_projections_and_counts(store: DynamoStore) -> None:
    assert query(store, "pk = :p AND sk = :a", ProjectionExpression="even")["Items"] == [{"even": {"BOOL": True}}]
    assert query(store, "pk = :p AND sk > :b", Select="COUNT") == {"Count": 3, "ScannedCount": 3}
    message = store.refuse("Query", TableName="two", KeyConditions={}, Select="SPECIFIC_ATTRIBUTES")
    assert message.startswith("ValidationException: ")


def test_the_legacy_style(store: DynamoStore) -> None:
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("p")]},
        "sk": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [N(1), N(6)]},
    }
    request: dict[str, Any] = {"TableName": "two", "KeyConditions": conditions}
    assert numbers(store.call("Query", **request)) == [1, 2, 3, 4, 5, 6]
    even = {"even": {"ComparisonOperator": "NE", "AttributeValueList": [{"BOOL": False}]}}
    assert numbers(store.call("Query", **request, QueryFilter=even)) == [2, 4, 6]
    gone = {**even, "nothing": {"ComparisonOperator": "NOT_NULL"}}
    assert numbers(store.call("Query", **request, QueryFilter=gone)) == []
    assert numbers(store.call("Query", **request, QueryFilter=gone, ConditionalOperator="OR")) == [2, 4, 6]
    assert store.call("Query", **request, AttributesToGet=["sk"], Limit=1)["Items"] == [{"sk": N(1)}]


ENVELOPED = "ValidationException: 1 validation error detected: "


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("sk = :a", "Query condition missed key schema element: pk"),
        ("x = :a", "Query condition missed key schema element: pk"),
        ("pk = :p AND x = :a", "Query condition missed key schema element: sk"),
        ("pk > :p", "Query key condition not supported"),
        ("pk = :p AND sk = :s", f"{INVALID}Condition parameter type does not match schema type"),
        (
            "pk = :p AND pk = :p",
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        ),
        ("pk = :p OR sk = :a", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT pk = :p", "Invalid operator used in KeyConditionExpression: NOT"),
        ("pk IN (:p)", "Invalid operator used in KeyConditionExpression: IN"),
        ("pk <> :p", "Invalid operator used in KeyConditionExpression: <>"),
        ("attribute_exists(pk)", "Invalid operator used in KeyConditionExpression: attribute_exists"),
        ("size(pk) = :a", "KeyConditionExpressions cannot contain nested operations"),
        (
            "pk = :p AND sk.x = :a",
            "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes",
        ),
        ("pk = sk", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
        (":p = :s", "Invalid condition in KeyConditionExpression: No key attribute specified"),
        (
            ":a BETWEEN sk AND :b",
            "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first "
            "operand",
        ),
        (
            "begins_with(:s, pk)",
            "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its "
            "first operand",
        ),
        (
            "pk = :p AND sk = :a AND x = :b",
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
        ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
    ],
)
def test_key_conditions_that_are_refused(store: DynamoStore, condition: str, message: str) -> None:
    values = {":p": S("p"), ":a": N(2), ":b": N(4), ":s": S("s")}
    used = {name: value for name, value in values.items() if name in condition}
    more = {"ExpressionAttributeValues": used} if used else {}
    found = store.refuse("Query", TableName="two", KeyConditionExpression=condition, **more)
    assert found == f"ValidationException: {message}"


def test_keys_are_not_filtered(store: DynamoStore) -> None:
    values = {":p": S("p"), ":n": N(1)}
    request = {"TableName": "two", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values}
    assert store.refuse("Query", **request, FilterExpression="sk > :n") == (
        "ValidationException: Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"pk": S("p")}, "The provided starting key is invalid"),
        ({"pk": S("p"), "x": N(1)}, "The provided starting key is invalid"),
        ({"pk": S("p"), "sk": S("1")}, "The provided key element does not match the schema"),
        (
            {"pk": S("q"), "sk": N(1)},
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        ({"pk": S("p"), "sk": {"N": "x"}}, "The parameter cannot be converted to a numeric value: x"),
        (
            {"pk": S("p"), "sk": {}},
            "The provided starting key is invalid: Supplied AttributeValue is empty, must "
            "contain exactly one of the supported datatypes",
        ),
    ],
)
def test_starting_keys_that_are_refused(store: DynamoStore, start: dict[str, Any], message: str) -> None:
    request = {"TableName": "two", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": S("p")}}
    assert store.refuse("Query", **request, ExclusiveStartKey=start) == f"ValidationException: {message}"


def test_select(store: DynamoStore) -> None:
    def refuse(**more: Any) -> str:
        request = {"TableName": "two", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": S("p")}}
        return store.refuse("Query", **request, **more).removeprefix(f"ValidationException: {INVALID}")

    assert refuse(Select="ALL_ATTRIBUTES", ProjectionExpression="sk") == (
        f"{ENVELOPED}Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES"
    )
    assert refuse(Select="ALL_PROJECTED_ATTRIBUTES") == (
        f"{ENVELOPED}ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
    )
    assert refuse(Select="SPECIFIC_ATTRIBUTES") == (
        f"{ENVELOPED}Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
    )
    assert refuse(Limit=0).endswith(
        "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )


# indexes


@pytest.fixture
def books(store: DynamoStore) -> DynamoStore:
    for number in range(6):
        item: dict[str, Any] = {
            "pk": S("p"),
            "sk": S(f"s{number}"),
            "when": N(10 - number),
            "owner": S("ann" if number % 2 else "bob"),
            "title": S(f"t{number}"),
            "text": S("long"),
        }
        if number == 5:
            del item["when"]  # sparse: not in the indexes that have it
        store.call("PutItem", TableName="full", Item=item)
    return store


def by_owner(store: DynamoStore, owner: str, **more: Any) -> dict[str, Any]:
    return store.call(
        "Query",
        TableName="full",
        IndexName="by_owner",
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": S(owner)},
        **more,
    )


def test_a_global_index(books: DynamoStore) -> None:
    answer = by_owner(books, "bob")
    assert [item["sk"]["S"] for item in answer["Items"]] == ["s4", "s2", "s0"]
    assert answer["Items"][0] == {"pk": S("p"), "sk": S("s4"), "when": N(6), "owner": S("bob"), "title": S("t4")}
    assert [item["sk"]["S"] for item in by_owner(books, "ann")["Items"]] == ["s3", "s1"]
    items, count = pages(lambda **more: by_owner(books, "bob", **more), Limit=1)
    assert ([item["sk"]["S"] for item in items], count) == (["s4", "s2", "s0"], 4)
    assert set(by_owner(books, "bob", Limit=1)["LastEvaluatedKey"]) == {"pk", "sk", "owner", "when"}


def test_entries_follow_their_item(books: DynamoStore) -> None:
    key = {"pk": S("p"), "sk": S("s4")}
    books.call("UpdateItem", TableName="full", Key=key, AttributeUpdates={"owner": {"Value": S("ann")}})
    assert [item["sk"]["S"] for item in by_owner(books, "ann")["Items"]] == ["s4", "s3", "s1"]
    books.call("UpdateItem", TableName="full", Key=key, AttributeUpdates={"title": {"Value": S("new")}})
    assert by_owner(books, "ann")["Items"][0]["title"] == S("new")
    books.call("UpdateItem", TableName="full", Key=key, AttributeUpdates={"when": {"Action": "DELETE"}})
    assert [item["sk"]["S"] for item in by_owner(books, "ann")["Items"]] == ["s3", "s1"]
    books.call("DeleteItem", TableName="full", Key={"pk": S("p"), "sk": S("s3")})
    assert [item["sk"]["S"] for item in by_owner(books, "ann")["Items"]] == ["s1"]


def test_what_a_global_index_does_not_show(books: DynamoStore) -> None:
    def refuse(**more: Any) -> str:
        request: dict[str, Any] = {
            "TableName": "full",
            "IndexName": "by_owner",
            "KeyConditionExpression": "#o = :o",
            "ExpressionAttributeNames": {"#o": "owner"},
            "ExpressionAttributeValues": {":o": S("ann")},
        }
        request["ExpressionAttributeNames"].update(more.pop("names", {}))
        return books.refuse("Query", **request, **more).removeprefix("ValidationException: ")

    assert refuse(Select="ALL_ATTRIBUTES") == (
        f"{INVALID}Select type ALL_ATTRIBUTES is not supported for global secondary index by_owner "
        "because its projection type is not ALL"
    )
    assert refuse(ProjectionExpression="title, #t", names={"#t": "text"}) == (
        f"{INVALID}Global secondary index by_owner does not project [text]"
    )
    assert refuse(ConsistentRead=True) == "Consistent reads are not supported on global secondary indexes"


def test_a_local_index(books: DynamoStore) -> None:
    request: dict[str, Any] = {
        "TableName": "full",
        "KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("p")]}},
        "ConsistentRead": True,
    }
    whole = books.call("Query", **request, IndexName="by_when")["Items"]
    assert [item["sk"]["S"] for item in whole] == ["s4", "s3", "s2", "s1", "s0"]
    assert whole[0]["text"] == S("long")
    for number in range(6):
        update = {"rank": {"Value": N(number)}}
        key = {"pk": S("p"), "sk": S(f"s{number}")}
        books.call("UpdateItem", TableName="full", Key=key, AttributeUpdates=update)
    slim = books.call("Query", **request, IndexName="slim", Limit=1)["Items"]
    assert slim == [{"pk": S("p"), "sk": S("s0"), "rank": N(0)}]
    # What it does not show is fetched from the table.
    fetched = books.call("Query", **request, IndexName="slim", Limit=1, AttributesToGet=["title"])["Items"]
    assert fetched == [{"title": S("t0")}]
    everything = books.call("Query", **request, IndexName="slim", Limit=1, Select="ALL_ATTRIBUTES")["Items"]
    assert everything[0]["text"] == S("long")


def test_no_such_index(store: DynamoStore) -> None:
    conditions = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("p")]}}
    message = store.refuse("Query", TableName="full", IndexName="none", KeyConditions=conditions)
    assert message == "ValidationException: The table does not have the specified index: none"


def test_what_it_costs(books: DynamoStore) -> None:
    values = {":p": S("p")}
    request: dict[str, Any] = {
        "TableName": "full",
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": values,
        "ReturnConsumedCapacity": "INDEXES",
    }
    assert books.call("Query", **request)["ConsumedCapacity"] == {
        "TableName": "full",
        "CapacityUnits": 0.5,
        "Table": {"CapacityUnits": 0.5},
    }
    assert books.call("Query", **request, IndexName="by_when", ConsistentRead=True)["ConsumedCapacity"] == {
        "TableName": "full",
        "CapacityUnits": 1.0,
        "Table": {"CapacityUnits": 0.0},
        "LocalSecondaryIndexes": {"by_when": {"CapacityUnits": 1.0}},
    }
    found = by_owner(books, "bob", ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert found == {"TableName": "full", "CapacityUnits": 0.5}


# long sort keys, against a plain model

tails = st.lists(
    st.builds(lambda middle, tail: "x" * (316 + middle) + tail, st.integers(0, 6), st.text("\0ax", max_size=4))
    | st.text("\0ax", min_size=1, max_size=3),
    unique=True,
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(tails, st.data())
def test_long_sort_keys_are_in_order(keys: list[str], data: st.DataObject) -> None:
    store = DynamoStore()
    store.table("long", "pk:S sk:S", indexes=[("by_g", "g:S sk:S", "ALL")])
    for number, key in enumerate(keys):
        store.call("PutItem", TableName="long", Item={"pk": S("p"), "sk": S(key), "g": S("g"), "n": N(number)})
    operator = data.draw(st.sampled_from(sorted(OPERATORS)))
    bound = data.draw(st.sampled_from(keys) | st.text("\0ax", min_size=1, max_size=2))
    forward = data.draw(st.booleans())
    expected = sorted((key for key in keys if OPERATORS[operator](key, bound)), reverse=not forward)
    words = "begins_with(sk, :b)" if operator == "begins_with" else f"sk {operator} :b"
    for index, first in ((None, "pk = :p"), ("by_g", "g = :p")):
        request: dict[str, Any] = {
            "TableName": "long",
            "KeyConditionExpression": f"{first} AND {words}",
            "ExpressionAttributeValues": {":p": S("p" if index is None else "g"), ":b": S(bound)},
            "ScanIndexForward": forward,
            "Limit": data.draw(st.integers(1, 5)),
        }
        if index is not None:
            request["IndexName"] = index
        items, _ = pages(lambda **more: store.call("Query", **more), **request)
        assert [item["sk"]["S"] for item in items] == expected
    got = store.call("GetItem", TableName="long", Key={"pk": S("p"), "sk": S(keys[0])})["Item"]
    assert got["n"] == N(0)
