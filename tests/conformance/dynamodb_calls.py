"""Calls that are made to two implementations of DynamoDB, and where they may differ.

A call is (label, operation, request). They are made in this order, against tables that `TABLES` creates. `EXPLAINED`
says, by label, why an answer of moto differs from ours; an explanation that no call needs any more makes the test
fail.
"""

from __future__ import annotations

from typing import Any

Call = tuple[str, str, dict[str, Any]]


def S(text: str) -> dict[str, Any]:
    return {"S": text}


def N(number: object) -> dict[str, Any]:
    return {"N": str(number)}


def _schema(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def _types(**kinds: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]


TABLES: list[dict[str, Any]] = [
    {
        "TableName": "plain",
        "AttributeDefinitions": _types(pk="S"),
        "KeySchema": _schema("pk"),
        "BillingMode": "PAY_PER_REQUEST",
    },
    {
        "TableName": "sorted",
        "AttributeDefinitions": _types(pk="S", sk="N", owner="S", rank="N"),
        "KeySchema": _schema("pk", "sk"),
        "BillingMode": "PAY_PER_REQUEST",
        "LocalSecondaryIndexes": [
            {"IndexName": "by_rank", "KeySchema": _schema("pk", "rank"), "Projection": {"ProjectionType": "ALL"}}
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_owner",
                "KeySchema": _schema("owner", "sk"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title"]},
            }
        ],
    },
]


def plain(operation: str, label: str, **request: Any) -> Call:
    return label, operation, {"TableName": "plain", **request}


def in_order(operation: str, label: str, **request: Any) -> Call:
    return label, operation, {"TableName": "sorted", **request}


ITEM: dict[str, Any] = {
    "pk": S("a"),
    "n": N("01.50"),
    "big": N("1e20"),
    "t": {"BOOL": True},
    "z": {"NULL": True},
    "b": {"B": "AQID"},
    "ss": {"SS": ["x", "y"]},
    "ns": {"NS": ["1", "2"]},
    "l": {"L": [S("0"), N(1), {"L": [S("deep")]}]},
    "m": {"M": {"x": N(1), "y": {"M": {"z": S("z")}}}},
}
KEY: dict[str, Any] = {"Key": {"pk": S("a")}}
ONE: dict[str, Any] = {":one": N(1)}

CALLS: list[Call] = [
    # items
    plain("PutItem", "put", Item=ITEM),
    plain("GetItem", "get", **KEY),
    plain("GetItem", "get missing", Key={"pk": S("none")}),
    plain("GetItem", "get projection", **KEY, ProjectionExpression="m.y.z, l[2], l[0], n, nothing"),
    plain("GetItem", "get names", **KEY, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "n"}),
    plain("GetItem", "get legacy list", **KEY, AttributesToGet=["n", "pk"]),
    plain("GetItem", "get wrong key", Key={"pk": N(1)}),
    plain("GetItem", "get empty key", Key={"pk": S("")}),
    plain("GetItem", "get capacity", **KEY, ReturnConsumedCapacity="TOTAL", ConsistentRead=True),
    plain("GetItem", "get overlapping paths", **KEY, ProjectionExpression="m, m.x"),
    plain("GetItem", "get syntax", **KEY, ProjectionExpression="m..x"),
    plain("GetItem", "get reserved", **KEY, ProjectionExpression="status"),
    ("get no table", "GetItem", {"TableName": "missing", "Key": {"pk": S("a")}}),
    plain("PutItem", "put old", Item={"pk": S("a2"), "x": S("1")}, ReturnValues="ALL_OLD"),
    plain("PutItem", "put old again", Item={"pk": S("a2"), "x": S("2")}, ReturnValues="ALL_OLD"),
    plain("PutItem", "put no key", Item={"x": S("1")}),
    plain("PutItem", "put wrong key", Item={"pk": N(1)}),
    plain("PutItem", "put empty key", Item={"pk": S("")}),
    plain("PutItem", "put empty set", Item={"pk": S("e"), "s": {"SS": []}}),
    plain("PutItem", "put double member", Item={"pk": S("e"), "s": {"SS": ["a", "a"]}}),
    plain("PutItem", "put no number", Item={"pk": S("e"), "n": N("x")}),
    plain("PutItem", "put large number", Item={"pk": S("e"), "n": N("1e126")}),
    plain("PutItem", "put long number", Item={"pk": S("e"), "n": N("1" * 39)}),
    plain("PutItem", "put too large", Item={"pk": S("e"), "x": S("x" * 409_600)}),
    plain("PutItem", "put values", Item={"pk": S("e")}, ReturnValues="UPDATED_NEW"),
    # conditions
    plain("PutItem", "fresh only", Item={"pk": S("a")}, ConditionExpression="attribute_not_exists(pk)"),
    plain(
        "DeleteItem",
        "condition holds not",
        **KEY,
        ConditionExpression="n > :v AND size(ss) = :two",
        ExpressionAttributeValues={":v": N(9), ":two": N(2)},
    ),
    plain(
        "UpdateItem",
        "many functions",
        **KEY,
        UpdateExpression="SET touched = :t",
        ConditionExpression=(
            "contains(ss, :x) AND begins_with(pk, :a) AND attribute_type(l, :L) AND n BETWEEN :one AND :two "
            "AND m.x IN (:one, :two) AND NOT attribute_exists(nothing) AND (t = :t OR z <> :t)"
        ),
        ExpressionAttributeValues={
            ":x": S("x"),
            ":a": S("a"),
            ":L": S("L"),
            ":one": N(1),
            ":two": N(2),
            ":t": {"BOOL": True},
        },
        ReturnValues="UPDATED_NEW",
    ),
    plain("PutItem", "condition syntax", Item={"pk": S("a")}, ConditionExpression="pk = = :v"),
    plain("PutItem", "condition undefined value", Item={"pk": S("a")}, ConditionExpression="pk = :v"),
    plain(
        "PutItem",
        "condition unused value",
        Item={"pk": S("a")},
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={":v": S("x")},
    ),
    plain(
        "PutItem", "both styles", Item={"pk": S("a")}, ConditionExpression="a = b", Expected={"x": {"Exists": False}}
    ),
    plain("PutItem", "expected", Item={"pk": S("a")}, Expected={"pk": {"Exists": False}}),
    # updates
    plain(
        "UpdateItem",
        "update all kinds",
        Key={"pk": S("u")},
        UpdateExpression="SET x = if_not_exists(x, :one), l = :l ADD n :one, s :s",
        ExpressionAttributeValues={**ONE, ":s": {"SS": ["b"]}, ":l": {"L": [N(0), N(1), N(2)]}},
        ReturnValues="ALL_NEW",
    ),
    plain(
        "UpdateItem",
        "update again",
        Key={"pk": S("u")},
        UpdateExpression="SET x = x + :one, l[9] = :one REMOVE l[0], l[1] ADD s :s",
        ExpressionAttributeValues={**ONE, ":s": {"SS": ["a"]}},
        ReturnValues="ALL_NEW",
    ),
    plain(
        "UpdateItem",
        "update append",
        Key={"pk": S("u")},
        UpdateExpression="SET l = list_append(l, :l)",
        ExpressionAttributeValues={":l": {"L": [S("end")]}},
        ReturnValues="UPDATED_NEW",
    ),
    plain(
        "UpdateItem",
        "update empties a set",
        Key={"pk": S("u")},
        UpdateExpression="DELETE s :s",
        ExpressionAttributeValues={":s": {"SS": ["a", "b"]}},
        ReturnValues="ALL_NEW",
    ),
    plain(
        "UpdateItem", "update key", Key={"pk": S("u")}, UpdateExpression="SET pk = :one", ExpressionAttributeValues=ONE
    ),
    plain(
        "UpdateItem",
        "update no path",
        Key={"pk": S("u")},
        UpdateExpression="SET q.r = :one",
        ExpressionAttributeValues=ONE,
    ),
    plain("UpdateItem", "update no attribute", Key={"pk": S("u")}, UpdateExpression="SET q = r"),
    plain(
        "UpdateItem",
        "update wrong type",
        Key={"pk": S("u")},
        UpdateExpression="SET q = l + :one",
        ExpressionAttributeValues=ONE,
    ),
    plain(
        "UpdateItem",
        "update two sets",
        Key={"pk": S("u")},
        UpdateExpression="SET q = :one SET r = :one",
        ExpressionAttributeValues=ONE,
    ),
    plain(
        "UpdateItem",
        "update overlapping paths",
        Key={"pk": S("u")},
        UpdateExpression="SET q = :one, q.r = :one",
        ExpressionAttributeValues=ONE,
    ),
    plain("UpdateItem", "update takes away only", Key={"pk": S("nobody")}, UpdateExpression="REMOVE x"),
    plain("GetItem", "nothing came into being", Key={"pk": S("nobody")}),
    plain("UpdateItem", "update without actions", Key={"pk": S("bare")}, ReturnValues="ALL_NEW"),
    plain(
        "UpdateItem",
        "legacy update",
        Key={"pk": S("u")},
        AttributeUpdates={"x": {"Action": "ADD", "Value": N(5)}, "l": {"Action": "DELETE"}, "y": {"Value": S("y")}},
        ReturnValues="ALL_NEW",
    ),
    plain("DeleteItem", "delete old", Key={"pk": S("u")}, ReturnValues="ALL_OLD"),
    plain("DeleteItem", "delete missing", Key={"pk": S("u")}, ReturnValues="ALL_OLD"),
    # queries
    *[
        in_order(
            "PutItem",
            f"seed {number}",
            Item={
                "pk": S("p"),
                "sk": N(number),
                "owner": S("ab"[number % 2]),
                "rank": N(-number),
                "title": S("t"),
                "x": S("x"),
            },
        )
        for number in range(6)
    ],
    *[
        in_order(
            "Query",
            f"query {words}",
            KeyConditionExpression=f"pk = :p AND {words}",
            ExpressionAttributeValues={":p": S("p"), ":a": N(2), **({":b": N(4)} if ":b" in words else {})},
            ScanIndexForward=forward,
        )
        for words in ("sk = :a", "sk < :a", "sk >= :a", "sk BETWEEN :a AND :b")
        for forward in (False,)
    ],
    in_order(
        "Query",
        "query page",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": S("p")},
        Limit=2,
    ),
    in_order(
        "Query",
        "query next page",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": S("p")},
        ExclusiveStartKey={"pk": S("p"), "sk": N(3)},
    ),
    in_order(
        "Query",
        "query filter and count",
        KeyConditionExpression="pk = :p",
        FilterExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":p": S("p"), ":o": S("a")},
        Select="COUNT",
    ),
    in_order(
        "Query",
        "query global index",
        IndexName="by_owner",
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": S("b")},
    ),
    in_order(
        "Query",
        "query local index",
        IndexName="by_rank",
        KeyConditionExpression="pk = :p AND #r < :r",
        ExpressionAttributeNames={"#r": "rank"},
        ExpressionAttributeValues={":p": S("p"), ":r": N(-3)},
    ),
    in_order(
        "Query",
        "query consistent global index",
        IndexName="by_owner",
        ConsistentRead=True,
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": S("b")},
    ),
    in_order("Query", "query without key", KeyConditionExpression="sk = :a", ExpressionAttributeValues={":a": N(1)}),
    in_order(
        "Query",
        "query no index",
        IndexName="nothing",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": S("p")},
    ),
    in_order(
        "Query",
        "query filters a key",
        KeyConditionExpression="pk = :p",
        FilterExpression="sk = :a",
        ExpressionAttributeValues={":p": S("p"), ":a": N(1)},
    ),
    in_order(
        "Query",
        "query legacy",
        KeyConditions={
            "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [S("p")]},
            "sk": {"ComparisonOperator": "GT", "AttributeValueList": [N(3)]},
        },
    ),
    in_order(
        "Scan",
        "scan filter",
        FilterExpression="rank > :r AND x = :x",
        ExpressionAttributeValues={":r": N(-2), ":x": S("x")},
    ),
    in_order(
        "Scan",
        "scan filter names",
        FilterExpression="#r > :r",
        ExpressionAttributeNames={"#r": "rank"},
        ExpressionAttributeValues={":r": N(-2)},
        ProjectionExpression="sk",
    ),
    in_order("Scan", "scan segment without total", Segment=0),
    in_order("Scan", "scan segment too high", Segment=3, TotalSegments=3),
    # batches and transactions
    (
        "batch write",
        "BatchWriteItem",
        {
            "RequestItems": {
                "plain": [{"PutRequest": {"Item": {"pk": S("b1")}}}, {"DeleteRequest": {"Key": {"pk": S("a2")}}}]
            }
        },
    ),
    ("batch get", "BatchGetItem", {"RequestItems": {"plain": {"Keys": [{"pk": S("b1")}, {"pk": S("a2")}]}}}),
    (
        "batch get doubles",
        "BatchGetItem",
        {"RequestItems": {"plain": {"Keys": [{"pk": S("b1")}, {"pk": S("b1")}]}}},
    ),
    (
        "batch write doubles",
        "BatchWriteItem",
        {
            "RequestItems": {
                "plain": [{"PutRequest": {"Item": {"pk": S("b")}}}, {"DeleteRequest": {"Key": {"pk": S("b")}}}]
            }
        },
    ),
    (
        "transaction",
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {"TableName": "plain", "Item": {"pk": S("t1"), "n": N(1)}}},
                {"Delete": {"TableName": "plain", "Key": {"pk": S("b1")}}},
            ]
        },
    ),
    (
        "transaction cancelled",
        "TransactWriteItems",
        {
            "TransactItems": [
                {"Put": {"TableName": "plain", "Item": {"pk": S("t2")}}},
                {
                    "Update": {
                        "TableName": "plain",
                        "Key": {"pk": S("t1")},
                        "UpdateExpression": "SET n = :one",
                        "ConditionExpression": "n > :one",
                        "ExpressionAttributeValues": ONE,
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
            ]
        },
    ),
    plain("GetItem", "nothing was written", Key={"pk": S("t2")}),
    (
        "transaction on one item",
        "TransactWriteItems",
        {"TransactItems": [{"Put": {"TableName": "plain", "Item": {"pk": S("t")}}}] * 2},
    ),
    (
        "transaction get",
        "TransactGetItems",
        {"TransactItems": [{"Get": {"TableName": "plain", "Key": {"pk": S(key)}}} for key in ("t1", "none")]},
    ),
]

_TEXTS = "AWS stores numbers in one canonical text; moto returns them as they came."
_LENIENT = "AWS refuses this; moto does not look."
_WORDS = "AWS has these words; moto has its own."
_BROKEN = "moto fails (HTTP 500)."

_ENVELOPE = "moto does not put what is wrong with a request into AWS' envelope."

EXPLAINED: dict[str, str] = {
    "get": _TEXTS,
    "get projection": "AWS returns all chosen elements of a list, moto the first; and " + _TEXTS,
    "get names": _TEXTS,
    "get legacy list": "moto ignores AttributesToGet.",
    "get wrong key": _LENIENT,
    "get capacity": "A consistent read of up to 4 KB costs one unit; moto says one half.",
    "get overlapping paths": _LENIENT,
    "get syntax": _LENIENT,
    "get reserved": _WORDS,
    "put empty key": _WORDS,
    "put empty set": _ENVELOPE,
    "put no number": _ENVELOPE,
    "update two sets": _ENVELOPE,
    "update overlapping paths": _ENVELOPE,
    "put double member": _LENIENT,
    "put large number": _LENIENT,
    "put long number": _LENIENT,
    "put values": _WORDS,
    "condition syntax": _BROKEN,
    "condition undefined value": _BROKEN,
    "condition unused value": _LENIENT,
    "both styles": _LENIENT,
    "update wrong type": "The operand's type is known only with the item, so AWS does not call the expression invalid.",
    "nothing came into being": "An update that only takes away makes no item.",
    "update without actions": _BROKEN,
    "query no index": "AWS answers with a ValidationException.",
    "query filters a key": _LENIENT,
    "scan filter": "moto calls every expression a ConditionExpression.",
    "scan segment too high": _WORDS,
    "batch write doubles": _LENIENT,
}

_PARSER = "AWS names the token and what stands near it; dynalite what its parser expected."
_REMOVED = "AWS removes all paths of one REMOVE as the list was; dynalite one after the other."
_UNKNOWN = "dynalite has no transactions."

EXPLAINED_OF_DYNALITE: dict[str, str] = {
    "get empty key": "AWS has newer words.",
    "get syntax": _PARSER,
    "put double member": "AWS quotes the members.",
    "condition syntax": _PARSER,
    "update again": _REMOVED,
    "update append": _REMOVED,
    "update empties a set": _REMOVED,
    "nothing came into being": "An update that only takes away makes no item.",
    "scan segment without total": "AWS refuses this; dynalite does not look.",
    "transaction": _UNKNOWN,
    "transaction cancelled": _UNKNOWN,
    "transaction on one item": _UNKNOWN,
    "transaction get": _UNKNOWN,
}


# keys of several attributes, which dynalite does not know


def _of(hashes: str, ranges: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": "HASH"} for name in hashes.split()] + [
        {"AttributeName": name, "KeyType": "RANGE"} for name in ranges.split()
    ]


COMPOSITE_TABLE: dict[str, Any] = {
    "TableName": "composite",
    "AttributeDefinitions": _types(pk="S", tenant="S", area="S", age="N", score="N", nick="S"),
    "KeySchema": _schema("pk"),
    "BillingMode": "PAY_PER_REQUEST",
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "index",
            "KeySchema": _of("tenant area", "age score nick"),
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def _member(pk: str, tenant: str, area: str, age: int, score: int, nick: str) -> Call:
    item = {"pk": S(pk), "tenant": S(tenant), "area": S(area), "age": N(age), "score": N(score), "nick": S(nick)}
    return f"put {pk}", "PutItem", {"TableName": "composite", "Item": item}


_BOUNDS = {":t": S("t"), ":a": S("a"), ":one": N(1), ":two": N(2), ":nine": N(9), ":n": S("n"), ":none": S("")}


def _members(label: str, condition: str, **more: Any) -> Call:
    words = condition.replace("(", " ").replace(")", " ").replace(",", " ").split()
    return (
        label,
        "Query",
        {
            "TableName": "composite",
            "IndexName": "index",
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {name: value for name, value in _BOUNDS.items() if name in words},
            **more,
        },
    )


_WHOLE = "tenant = :t AND area = :a"
COMPOSITE_CALLS: list[Call] = [
    _member("p1", "t", "a", 1, 2, "n"),
    _member("p2", "t", "a", 1, 10, "n"),
    _member("p3", "t", "a", 1, 2, "a"),
    _member("p4", "t", "a", -1, 5, "n"),
    _member("p5", "t", "b", 1, 1, "n"),
    _member("p6", "ta", "a", 1, 1, "n"),
    ("put sparse", "PutItem", {"TableName": "composite", "Item": {"pk": S("p7"), "tenant": S("t"), "area": S("a")}}),
    _members("all", _WHOLE),
    _members("all backwards", _WHOLE, ScanIndexForward=False),
    _members("one equal", f"{_WHOLE} AND age = :one"),
    _members("one below", f"{_WHOLE} AND age < :one"),
    _members("two", f"{_WHOLE} AND age = :one AND score > :two"),
    _members("two between", f"{_WHOLE} AND age = :one AND score BETWEEN :two AND :nine"),
    _members("three", f"{_WHOLE} AND age = :one AND score = :two AND nick = :n"),
    _members("three begin", f"{_WHOLE} AND age = :one AND score = :two AND begins_with(nick, :n)"),
    _members("page", _WHOLE, Limit=2),
    _members(
        "next page",
        _WHOLE,
        ExclusiveStartKey={
            "pk": S("p4"),
            "tenant": S("t"),
            "area": S("a"),
            "age": N(-1),
            "score": N(5),
            "nick": S("n"),
        },
    ),
    _members("count", _WHOLE, Select="COUNT"),
    _members("gap", f"{_WHOLE} AND score = :two"),
    _members("two gaps", f"{_WHOLE} AND nick = :n"),
    _members("range first", f"{_WHOLE} AND age > :one AND score = :two"),
    _members("half a partition", "tenant = :t"),
    _members("range of partitions", "tenant = :t AND area > :a"),
    _members("no key", f"{_WHOLE} AND stranger = :one"),
    _members("empty", "tenant = :none AND area = :a"),
    _members("wrong type", "tenant = :one AND area = :a"),
    ("scan", "Scan", {"TableName": "composite", "IndexName": "index", "Select": "COUNT"}),
]
EXPLAINED_OF_COMPOSITE: dict[str, str] = {
    "two gaps": "AWS' words speak of attributes; moto names the first of them.",
    "range first": "AWS says which attribute must have an equality.",
    "wrong type": _LENIENT,
}
