"""Global indexes whose keys have several attributes: written, queried, scanned and paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastickv.dynamodb_api import records
from tests.kit.dynamo_store import DynamoStore, N, S
from tests.kit.key_operators import OPERATORS

INVALID = "One or more parameter values were invalid: "
Item = dict[str, Any]
VALUES: Item = {
    ":h": S("o1"),
    ":a": S("T"),
    ":b": S("live"),
    ":c": S("a"),
    ":d": S("r"),
    ":x": S("r1"),
    ":y": S("r1"),
    ":n": N(1),
    ":e": S(""),
}


@pytest.fixture
def deep() -> DynamoStore:
    """A table of the index `gsi`, which has one attribute for the partition key and four for the sort key."""
    store = DynamoStore()
    store.table("tab", "pk:S", indexes=[("gsi", "h:S / a:S b:S c:S d:S", "ALL")])
    rows = ["T live b r1", "T live a r2", "T live a r1", "T draft c r1", "F live a r0"]
    for number, row in enumerate(rows, 1):
        put(store, f"p{number}", **dict(zip("abcd", row.split(), strict=True)))
    put(store, "p6", a="T", b="live", d="r1")  # no c: not in the index
    return store


def put(store: DynamoStore, key: str, **attributes: str) -> None:
    store.call(
        "PutItem", TableName="tab", Item={"pk": S(key), "h": S("o1"), **{k: S(v) for k, v in attributes.items()}}
    )


def request(condition: str, **more: Any) -> dict[str, Any]:
    used = {name: value for name, value in VALUES.items() if name in condition}
    return {
        "TableName": "tab",
        "IndexName": "gsi",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": used,
        **more,
    }


def found(answer: dict[str, Any]) -> list[str]:
    return [item["pk"]["S"] for item in answer["Items"]]


CONDITIONS = [
    ("h = :h", "p5 p4 p3 p2 p1"),
    ("h = :h AND a = :a", "p4 p3 p2 p1"),
    ("h = :h AND a < :a", "p5"),
    ("h = :h AND a = :a AND b = :b", "p3 p2 p1"),
    ("b = :b AND h = :h AND a = :a", "p3 p2 p1"),
    ("h = :h AND a = :a AND b < :b", "p4"),
    ("h = :h AND a = :a AND b = :b AND c = :c", "p3 p2"),
    ("h = :h AND a = :a AND b = :b AND c > :c", "p1"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND begins_with(d, :d)", "p3 p2"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND d BETWEEN :x AND :y", "p3"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND d = :x", "p3"),
    ("h = :h AND a = :a AND b = :b AND c = :c AND d > :x", "p2"),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_conditions(deep: DynamoStore, condition: str, expected: str) -> None:
    assert found(deep.call("Query", **request(condition))) == expected.split()
    assert found(deep.call("Query", **request(condition, ScanIndexForward=False))) == expected.split()[::-1]


OPEN = "RANGE key attributes {} must have equality conditions specified in the query because a condition is present on "


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("h = :h AND a = :a AND c = :c", OPEN.format("b") + "key attribute c"),
        ("h = :h AND a = :a AND b > :b AND c = :c", OPEN.format("b") + "key attribute c"),
        ("h = :h AND b = :b", OPEN.format("a") + "key attribute b"),
        ("h = :h AND a > :a AND c = :c", OPEN.format("a, b") + "key attribute c"),
        ("a = :a AND b = :b", "Query condition missed key schema element: h"),
        ("h > :h", "Query key condition not supported"),
        ("h = :h AND a = :a AND z = :c", "Query condition missed key schema element: b"),
        ("h = :h AND z = :c", "Query condition missed key schema element: a"),
        ("h = :n", f"{INVALID}Condition parameter type does not match schema type"),
        ("h = :h AND a = :a AND b = :n", f"{INVALID}Condition parameter type does not match schema type"),
        (
            "h = :h AND a = :e AND b = :b",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value. Key: a",
        ),
        (
            "h = :h AND a = :a AND b = :b AND c = :c AND d = :d AND z = :x",
            "The number of query conditions (6) exceeds the number of key attributes defined in the schema (5)",
        ),
    ],
)
def test_conditions_that_are_refused(deep: DynamoStore, condition: str, message: str) -> None:
    assert deep.refuse("Query", **request(condition)) == f"ValidationException: {message}"


def test_a_filter_names_none_of_them(deep: DynamoStore) -> None:
    refused = deep.refuse("Query", **request("h = :h AND a = :a", FilterExpression="c <> :a"))
    assert refused == (
        "ValidationException: Filter Expression can only contain non-primary key attributes: Primary key attribute: c"
    )


def test_the_legacy_style(deep: DynamoStore) -> None:
    def legacy(**conditions: tuple[str, Item]) -> dict[str, Any]:
        return {
            "TableName": "tab",
            "IndexName": "gsi",
            "KeyConditions": {
                name: {"ComparisonOperator": operator, "AttributeValueList": [value]}
                for name, (operator, value) in conditions.items()
            },
        }

    whole = legacy(h=("EQ", S("o1")), a=("EQ", S("T")), b=("EQ", S("live")), c=("LE", S("a")))
    assert found(deep.call("Query", **whole)) == ["p3", "p2"]
    gap = legacy(h=("EQ", S("o1")), b=("EQ", S("live")))
    assert deep.refuse("Query", **gap) == "ValidationException: " + OPEN.format("a") + "key attribute b"
    many = legacy(**{name: ("EQ", S("o1")) for name in "habcdz"})
    assert "(6) exceeds" in deep.refuse("Query", **many)
    assert deep.refuse("Query", **legacy()) == "ValidationException: Conditions can be of length 1 or 2 only"


def pages(run: Callable[..., dict[str, Any]], **asked: Any) -> Iterator[dict[str, Any]]:
    while True:
        answer = run(**asked)
        yield answer
        if "LastEvaluatedKey" not in answer:
            return
        asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@pytest.mark.parametrize("forward", [True, False])
def test_pages(deep: DynamoStore, forward: bool) -> None:
    asked = request("h = :h AND a = :a", Limit=1, ScanIndexForward=forward)
    answers = list(pages(lambda **more: deep.call("Query", **more), **asked))
    expected = ["p4", "p3", "p2", "p1"]
    assert [pk for answer in answers for pk in found(answer)] == (expected if forward else expected[::-1])
    assert all(set(answer["LastEvaluatedKey"]) == set("abcdh") | {"pk"} for answer in answers[:-1])


def test_pages_hold_still_while_items_change(deep: DynamoStore) -> None:
    first = deep.call("Query", **request("h = :h AND a = :a", Limit=2))
    assert found(first) == ["p4", "p3"]
    deep.call("DeleteItem", TableName="tab", Key={"pk": S("p3")})
    put(deep, "p0", a="T", b="live", c="a", d="r0")  # before the place
    put(deep, "p9", a="T", b="live", c="a", d="r11")
    rest = deep.call("Query", **request("h = :h AND a = :a", ExclusiveStartKey=first["LastEvaluatedKey"]))
    assert found(rest) == ["p9", "p2", "p1"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"c": None}, "The provided starting key is invalid"),
        ({"c": N(1)}, "The provided key element does not match the schema"),
        ({"a": S("F")}, "The provided starting key does not match the range key predicate"),
        ({"h": S("o2")}, "The query can return at most one row and cannot be restarted"),
        ({"pk": N(1)}, "The provided starting key is invalid: The provided key element does not match the schema"),
    ],
)
def test_starting_keys_that_are_refused(deep: DynamoStore, changed: Item, message: str) -> None:
    start = {name: S("x") for name in "bcd"} | {"pk": S("p"), "h": S("o1"), "a": S("T")} | changed
    start = {name: value for name, value in start.items() if value is not None}
    refused = deep.refuse("Query", **request("h = :h AND a = :a", ExclusiveStartKey=start))
    assert refused == f"ValidationException: {message}"


def test_a_scan(deep: DynamoStore) -> None:
    put(deep, "q", a="x", b="x", c="x", d="x")
    deep.call("UpdateItem", TableName="tab", Key={"pk": S("q")}, AttributeUpdates={"h": {"Value": S("o2")}})
    whole = found(deep.call("Scan", TableName="tab", IndexName="gsi"))
    assert sorted(whole) == ["p1", "p2", "p3", "p4", "p5", "q"]
    paged = pages(lambda **more: deep.call("Scan", **more), TableName="tab", IndexName="gsi", Limit=1)
    assert [pk for answer in paged for pk in found(answer)] == whole
    segments = [
        pk
        for segment in range(3)
        for answer in pages(
            lambda **more: deep.call("Scan", **more),
            TableName="tab",
            IndexName="gsi",
            Limit=2,
            Segment=segment,
            TotalSegments=3,
        )
        for pk in found(answer)
    ]
    assert segments == whole


# several attributes of the partition key


@pytest.fixture
def wide() -> DynamoStore:
    """The index `gsi` of (tenant, region) and, in order, (year, name); it shows keys only."""
    store = DynamoStore()
    store.table(
        "tab",
        "pk:S sk:N",
        indexes=[("gsi", "tenant:S region:S / year:N name:S", "KEYS_ONLY")],
        stream="NEW_AND_OLD_IMAGES",
    )
    return store


def row(number: int, tenant: str, region: str, year: int, name: str) -> Item:
    return {
        "pk": S("p"),
        "sk": N(number),
        "tenant": S(tenant),
        "region": S(region),
        "year": N(year),
        "name": S(name),
        "text": S("long"),
    }


def of_partition(store: DynamoStore, tenant: str, region: str, **more: Any) -> list[int]:
    answer = store.call(
        "Query",
        TableName="tab",
        IndexName="gsi",
        KeyConditionExpression="tenant = :t AND #r = :r",
        ExpressionAttributeNames={"#r": "region"},
        ExpressionAttributeValues={":t": S(tenant), ":r": S(region)},
        **more,
    )
    return [int(item["sk"]["N"]) for item in answer["Items"]]


def test_partitions_are_made_of_all_attributes(wide: DynamoStore) -> None:
    rows = [("ab", "c"), ("a", "bc"), ("a", "b"), ("a", "bc")]
    for number, (tenant, region) in enumerate(rows):
        wide.call("PutItem", TableName="tab", Item=row(number, tenant, region, -number, "n"))
    assert of_partition(wide, "a", "bc") == [3, 1]
    assert of_partition(wide, "ab", "c") == [0]
    assert of_partition(wide, "bc", "a") == []
    for condition, missed in (("tenant = :t", "region"), ("#r = :t", "tenant"), ("#y = :n", "tenant")):
        names = {"#r": "region", "#y": "year"}
        asked: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {name: names[name] for name in names if name in condition},
            "ExpressionAttributeValues": {":t": S("a")} if ":t" in condition else {":n": N(1)},
        }
        if not asked["ExpressionAttributeNames"]:
            del asked["ExpressionAttributeNames"]
        refused = wide.refuse("Query", TableName="tab", IndexName="gsi", **asked)
        assert refused == f"ValidationException: Query condition missed key schema element: {missed}"


def test_entries_follow_their_item(wide: DynamoStore) -> None:
    """Each write puts the item into the index, moves it or takes it out, and leaves nothing behind."""

    def update(**changes: Any) -> None:
        actions = {name: {"Action": "DELETE"} if value is None else {"Value": value} for name, value in changes.items()}
        wide.call("UpdateItem", TableName="tab", Key={"pk": S("p"), "sk": N(1)}, AttributeUpdates=actions)

    wide.call("PutItem", TableName="tab", Item=row(1, "a", "b", 1, "x"))
    wide.call("PutItem", TableName="tab", Item=row(2, "a", "b", 2, "x"))
    assert of_partition(wide, "a", "b") == [1, 2]
    update(year=N(3))
    assert of_partition(wide, "a", "b") == [2, 1]
    update(text=S("other"))
    assert of_partition(wide, "a", "b") == [2, 1]
    update(region=S("c"), name=S("y"))
    assert (of_partition(wide, "a", "b"), of_partition(wide, "a", "c")) == ([2], [1])
    for name in ("region", "tenant", "year", "name"):
        update(**{name: None})
        assert of_partition(wide, "a", "c") == []
        update(**{name: row(1, "a", "c", 3, "y")[name]})
        assert of_partition(wide, "a", "c") == [1]
    wide.call("DeleteItem", TableName="tab", Key={"pk": S("p"), "sk": N(1)})
    assert of_partition(wide, "a", "c") == []
    wide.call("TransactWriteItems", TransactItems=[{"Put": {"TableName": "tab", "Item": row(5, "a", "c", 1, "z")}}])
    wide.call("BatchWriteItem", RequestItems={"tab": [{"PutRequest": {"Item": row(4, "a", "c", 1, "y")}}]})
    assert of_partition(wide, "a", "c") == [4, 5]


def test_it_shows_all_keys(wide: DynamoStore) -> None:
    wide.call("PutItem", TableName="tab", Item=row(1, "a", "b", 1, "x"))
    (item,) = wide.call("Scan", TableName="tab", IndexName="gsi")["Items"]
    assert set(item) == {"pk", "sk", "tenant", "region", "year", "name"}
    refused = wide.refuse("Scan", TableName="tab", IndexName="gsi", Select="ALL_ATTRIBUTES")
    assert "ALL_ATTRIBUTES is not supported for global secondary index gsi" in refused


def test_what_it_costs(wide: DynamoStore) -> None:
    def costs(operation: str, **asked: Any) -> dict[str, Any]:
        answer = wide.call(operation, TableName="tab", ReturnConsumedCapacity="INDEXES", **asked)
        consumed: dict[str, Any] = answer["ConsumedCapacity"]
        return {name: one["CapacityUnits"] for name, one in consumed.get("GlobalSecondaryIndexes", {}).items()}

    whole = row(1, "a", "b", 1, "x")
    part = {name: value for name, value in whole.items() if name != "name"}
    assert costs("PutItem", Item=part) == {}
    assert costs("PutItem", Item=whole) == {"gsi": 1.0}
    assert costs("PutItem", Item=whole | {"text": S("other")}) == {}
    assert costs("PutItem", Item=whole | {"year": N(2)}) == {"gsi": 2.0}
    assert costs("Scan", IndexName="gsi") == {"gsi": 0.5}
    assert costs("DeleteItem", Key={"pk": S("p"), "sk": N(1)}) == {"gsi": 1.0}


EMPTY = "The AttributeValue for a key attribute cannot contain an empty string value."
HASH_SIZE = f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes"
RANGE_SIZE = f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes"


@pytest.mark.parametrize(
    ("name", "bad", "put", "updated"),
    [
        (
            "year",
            S("1"),
            f"{INVALID}Type mismatch for Index Key year Expected: N Actual: S IndexName: gsi",
            f"{INVALID}Type mismatch for Index Key year Expected: N Actual: S IndexName: gsi",
        ),
        (
            "region",
            {"BOOL": True},
            f"{INVALID}Type mismatch for Index Key region Expected: S Actual: BOOL IndexName: gsi",
            f"{INVALID}Type mismatch for Index Key region Expected: S Actual: BOOL IndexName: gsi",
        ),
        (
            "region",
            S(""),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            f"{EMPTY} IndexName: gsi, IndexKey: region",
            "One or more parameter values are not valid. The update expression attempted to update a secondary index "
            f"key to a value that is not supported. {EMPTY}",
        ),
        ("tenant", S("x" * 2049), HASH_SIZE, HASH_SIZE),
        ("tenant", S("x" * 2048), HASH_SIZE, HASH_SIZE),  # one byte more is in the region
        ("name", S("x" * 1023), RANGE_SIZE, RANGE_SIZE),  # the year has two
    ],
)
def test_items_that_are_refused(wide: DynamoStore, name: str, bad: Item, put: str, updated: str) -> None:
    good = row(1, "a", "b", 1, "x")
    item = good | {name: bad}
    assert wide.refuse("PutItem", TableName="tab", Item=item) == f"ValidationException: {put}"
    batch = {"tab": [{"PutRequest": {"Item": item}}]}
    assert wide.refuse("BatchWriteItem", RequestItems=batch) == f"ValidationException: {put}"
    wide.call("PutItem", TableName="tab", Item={key: value for key, value in good.items() if key != name})
    update: dict[str, Any] = {
        "TableName": "tab",
        "Key": {"pk": S("p"), "sk": N(1)},
        "UpdateExpression": "SET #n = :v",
        "ExpressionAttributeNames": {"#n": name},
    }
    refused = wide.refuse("UpdateItem", **update, ExpressionAttributeValues={":v": bad})
    assert refused.removeprefix("ValidationException: ").removeprefix("1 validation error detected: ") == updated
    wide.call("UpdateItem", **update, ExpressionAttributeValues={":v": good[name]})
    assert of_partition(wide, "a", "b") == [1]


def test_the_longest_keys(wide: DynamoStore) -> None:
    item = row(1, "x" * 1024, "y" * 1024, 1, "n" * 1022)
    wide.call("PutItem", TableName="tab", Item=item)
    assert of_partition(wide, "x" * 1024, "y" * 1024) == [1]


def test_the_stream_hears_of_items_and_not_of_indexes(wide: DynamoStore) -> None:
    before = len(wide.view.dump())
    wide.call("PutItem", TableName="tab", Item=row(1, "a", "b", 1, "x"))
    # The item, its entry, two counts and one change record.
    assert len(wide.view.dump()) - before == 5


@pytest.mark.parametrize("forward", [True, False])
def test_a_long_value_that_many_items_share_costs_no_page_more(monkeypatch: pytest.MonkeyPatch, forward: bool) -> None:
    """Only different values have to be put in order."""
    store = DynamoStore()
    store.table("tab", "pk:N", indexes=[("gsi", "g:S / url:S at:N", "ALL")])
    urls = ["x" * 300 + tail for tail in ("c", "a", "b")]
    for number in range(300):
        item = {"pk": N(number), "g": S("g"), "url": S(urls[number % 3]), "at": N(number)}
        store.call("PutItem", TableName="tab", Item=item)
    decoded: list[bytes] = []
    decode = records.decode

    def counted(record: bytes) -> Any:
        decoded.append(record)
        return decode(record)

    monkeypatch.setattr(records, "decode", counted)
    asked: dict[str, Any] = {
        "TableName": "tab",
        "IndexName": "gsi",
        "ExpressionAttributeValues": {":g": S("g"), ":u": S(urls[0])},
        "ScanIndexForward": forward,
        "Limit": 5,
    }
    answer = store.call(
        "Query", **asked, KeyConditionExpression="g = :g AND #u = :u", ExpressionAttributeNames={"#u": "url"}
    )
    expected = [0, 3, 6, 9, 12] if forward else [297, 294, 291, 288, 285]
    assert [int(item["pk"]["N"]) for item in answer["Items"]] == expected
    assert len(decoded) < 30
    del asked["ExpressionAttributeValues"][":u"]
    everything = [
        int(item["pk"]["N"])
        for answer in pages(lambda **more: store.call("Query", **more), **asked | {"KeyConditionExpression": "g = :g"})
        for item in answer["Items"]
    ]
    in_order = [number for start in (1, 2, 0) for number in range(start, 300, 3)]
    assert everything == (in_order if forward else in_order[::-1])


def test_the_table_s_own_key_may_be_part_of_it() -> None:
    store = DynamoStore()
    store.table("tab", "pk:S sk:N", indexes=[("gsi", "g:S sk:N / h:N pk:S", "KEYS_ONLY")])
    for number in range(8):
        item = {"pk": S(f"p{number}"), "sk": N(1), "g": S("g"), "h": N(-number // 2), "text": S("long")}
        store.call("PutItem", TableName="tab", Item=item)
    asked: dict[str, Any] = {
        "TableName": "tab",
        "IndexName": "gsi",
        "KeyConditionExpression": "g = :g AND sk = :s",
        "ExpressionAttributeValues": {":g": S("g"), ":s": N(1)},
        "Limit": 3,
    }
    answers = list(pages(lambda **more: store.call("Query", **more), **asked))
    assert [pk for answer in answers for pk in found(answer)] == ["p7", "p5", "p6", "p3", "p4", "p1", "p2", "p0"]
    assert set(answers[0]["LastEvaluatedKey"]) == {"pk", "sk", "g", "h"}
    assert set(answers[0]["Items"][0]) == {"pk", "sk", "g", "h"}


# against a plain model

# Around the places where values are cut; four of them are no more than 1024 bytes.
PIECES = st.sampled_from(["a", "b", "ab", "\0", "a\0", "\1", "x" * 250]) | st.builds(
    lambda place, less, tail: "x" * (place - less) + tail,
    st.sampled_from([51, 67, 70, 106, 120, 150, 200]),
    st.integers(0, 3),
    st.sampled_from(["", "a", "\0", "\0a", "y" * 40]),
)
KINDS: dict[str, st.SearchStrategy[Any]] = {"S": PIECES, "N": st.integers(-2, 2) | st.sampled_from([10**20, -(10**20)])}


def value(kind: str, plain: Any) -> Item:
    return {kind: str(plain)}


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_queries_are_in_the_order_of_tuples(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from("SN"), min_size=2, max_size=4))
    names = [f"r{number}" for number in range(len(kinds))]
    store = DynamoStore()
    schema = " ".join(f"{name}:{kind}" for name, kind in zip(names, kinds, strict=True))
    store.table("tab", "pk:N", indexes=[("gsi", f"g:S h:S / {schema}", "ALL")])
    rows: list[tuple[Any, ...]] = data.draw(
        st.lists(st.tuples(*(KINDS[kind] for kind in kinds)), min_size=1, max_size=12)
    )
    rows += [rows[0]] * data.draw(st.sampled_from([0, 0, 10]))
    for number, plain in enumerate(rows):
        item = {name: value(kind, one) for name, kind, one in zip(names, kinds, plain, strict=True)}
        store.call("PutItem", TableName="tab", Item={"pk": N(number), "g": S("g"), "h": S("h"), **item})
    given_ = data.draw(st.integers(0, len(kinds)))
    bound: Sequence[Any] = data.draw(st.sampled_from(rows))
    condition, values = "g = :g AND h = :h", {":g": S("g"), ":h": S("h")}
    operator = "="
    if given_:
        allowed = sorted(OPERATORS) if kinds[given_ - 1] == "S" else sorted(set(OPERATORS) - {"begins_with"})
        operator = data.draw(st.sampled_from(allowed))
        if operator == "begins_with":
            bound = [*bound[: given_ - 1], bound[given_ - 1][: data.draw(st.sampled_from([1, 50, 119, 149, 199, 320]))]]
    for number in range(given_):
        values[f":{number}"] = value(kinds[number], bound[number])
        last = number == given_ - 1
        condition += (
            f" AND begins_with({names[number]}, :{number})"
            if last and operator == "begins_with"
            else f" AND {names[number]} {operator if last else '='} :{number}"
        )
    forward = data.draw(st.booleans())
    meant = [
        plain
        for plain in rows
        if not given_
        or (
            tuple(plain[: given_ - 1]) == tuple(bound[: given_ - 1])
            and OPERATORS[operator](plain[given_ - 1], bound[given_ - 1])
        )
    ]
    asked: dict[str, Any] = {
        "TableName": "tab",
        "IndexName": "gsi",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": forward,
        "Limit": data.draw(st.integers(1, 5)),
    }
    forgetful = data.draw(st.booleans())

    def page(**more: Any) -> dict[str, Any]:
        answer = store.call("Query", **more)
        if forgetful and "LastEvaluatedKey" in answer:
            # Where the next page begins is a place, whether the item is still there or not.
            store.call("DeleteItem", TableName="tab", Key={"pk": answer["LastEvaluatedKey"]["pk"]})
        return answer

    got = [rows[int(item["pk"]["N"])] for answer in pages(page, **asked) for item in answer["Items"]]
    assert got == sorted(meant, reverse=not forward)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ghi"), PIECES, PIECES), min_size=1, max_size=15), st.integers(1, 4))
def test_scans_see_each_item_once_and_partitions_in_order(rows: list[tuple[str, str, str]], limit: int) -> None:
    store = DynamoStore()
    store.table("tab", "pk:N", indexes=[("gsi", "g:S / a:S b:S", "ALL")])
    for number, (partition, *values) in enumerate(rows):
        item = {"pk": N(number), "g": S(partition), "a": S(values[0]), "b": S(values[1])}
        store.call("PutItem", TableName="tab", Item=item)
    got = [
        int(item["pk"]["N"])
        for answer in pages(lambda **more: store.call("Scan", **more), TableName="tab", IndexName="gsi", Limit=limit)
        for item in answer["Items"]
    ]
    assert sorted(got) == list(range(len(rows)))
    for partition in "ghi":
        own = [rows[number][1:] for number in got if rows[number][0] == partition]
        assert own == sorted(own)
