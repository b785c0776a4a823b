"""Requests made at random from the shapes of all operations, right and wrong: whatever comes, the answer is 200 or 400
and never an internal error, and a request that fails changes nothing."""

from __future__ import annotations

import os
import random
from typing import Any

import orjson
import pytest

from elastickv.dynamodb_api.dispatch import Exchange, Router
from elastickv.dynamodb_api.operations import OPERATIONS
from elastickv.dynamodb_api.request import Request
from elastickv.dynamodb_api.shapes import (
    AttributeValueKind,
    Blob,
    Boolean,
    Integer,
    Kind,
    ListOf,
    MapOf,
    String,
    Struct,
)
from tests.kit.fake_store import FakeView

REQUESTS = int(os.environ.get("ELASTICKV_NONSENSE", "3000"))
WORDS = (
    "abc", "ranged", "a", "b", "g", "one", "two", "x", "", "#n", ":v", "a.b[0]", "NONE", "ALL", "HASH", "RANGE",
    "S", "N", "ALL_OLD", "ALL_NEW", "UPDATED_NEW", "TOTAL", "INDEXES", "INCLUDE", "until",
    "arn:aws:dynamodb:us-east-1:123456789012:table/abc", "PAY_PER_REQUEST", "EQ", "BETWEEN", "AND", "é\u0000\U0001f600",
)  # fmt: skip
EXPRESSIONS = (
    "a = :v", "attribute_exists(a)", "#n = :v AND b < :v", "SET #n = :v", "SET c = if_not_exists(c, :v) + :v REMOVE d",
    "ADD n :v", "DELETE s :v", "contains(c, :v) OR NOT size(c) > :v", "a, b, c.d[1]", "a = :v AND begins_with(b, :v)",
    "SELECT * FROM abc WHERE a = 'x'", "SELECT c.d[0] FROM \"ranged\".\"one\" WHERE g = ? ORDER BY g",
    "INSERT INTO abc VALUE {'a': ?, 'n': 1, 'l': [1, <<'x'>>]}", "UPDATE abc SET n = n + ? WHERE a = 'x'",
    "DELETE FROM ranged WHERE a = ? AND b = 'y' RETURNING ALL OLD *", "((((", "SET", "\"", "a BETWEEN :v AND :v",
    "g = :v AND x = :v", "x = :v AND g = :v AND b > :v", "g = :v AND x = :v AND b = :v AND n < :v",
    "SELECT a FROM \"ranged\".\"two\" WHERE g = ?",
)  # fmt: skip
NUMBERS = (
    "0",
    "1",
    "-1.50",
    "1e125",
    "1e-130",
    "1e126",
    "9" * 39,
    "x",
    "",
    "NaN",
    "1" * 400,
    "00",
    "+.5",
    "1e99999999999",
)


class Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def of(self, kind: Kind, depth: int = 0) -> Any:
        rng = self.rng
        if rng.random() < 0.02:
            return rng.choice([None, True, 0, -1, 1.5, 1 << 70, "", "x", [], {}, [None], {"S": None}, [[]], {"a": {}}])
        kind = getattr(kind, "kind", kind)
        if isinstance(kind, AttributeValueKind):
            return self.value(depth)
        if isinstance(kind, String):
            if kind.enum and rng.random() < 0.9:
                return rng.choice(kind.enum)
            return rng.choice(EXPRESSIONS if rng.random() < 0.4 else WORDS)
        if isinstance(kind, Blob):
            return rng.choice(["", "AAEC", "AA==", "A", "===="])
        if isinstance(kind, Boolean):
            return rng.choice([True, False, "true"])
        if isinstance(kind, Integer):
            return rng.choice([0, 1, 2, 5, 100, 1000, -1, 10**13, 2.5])
        if isinstance(kind, ListOf):
            return [self.of(kind.member, depth + 1) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
        if isinstance(kind, MapOf):
            names = rng.sample(WORDS, rng.choice([0, 1, 1, 2, 3]))
            return {name: self.of(kind.value, depth + 1) for name in names}
        assert isinstance(kind, Struct)
        chance = 0.5 if depth < 3 else 0.3
        return {
            name: self.of(member, depth + 1)
            for name, member in kind.members.items()
            if member.required or rng.random() < chance
        }

    def value(self, depth: int) -> Any:
        rng = self.rng
        match rng.randrange(12 if depth < 6 else 8):
            case 0 | 1 | 2:
                return {"S": rng.choice(WORDS)}
            case 3 | 4:
                return {"N": rng.choice(NUMBERS)}
            case 5:
                return {"B": rng.choice(["AAEC", "", "AA=="])}
            case 6:
                return rng.choice([{"BOOL": True}, {"NULL": True}, {"NULL": False}, {}, {"S": "x", "N": "1"}])
            case 7:
                return rng.choice(
                    [{"SS": ["a", "b"]}, {"NS": ["1", "1.0"]}, {"BS": ["AA=="]}, {"SS": []}, {"NS": ["2"]}]
                )
            case 8 | 9:
                return {"L": [self.value(depth + 1) for _ in range(rng.randrange(3))]}
            case _:
                return {"M": {rng.choice(WORDS): self.value(depth + 1) for _ in range(rng.randrange(3))}}

    def sensible(self, request: dict[str, Any]) -> dict[str, Any]:
        """Often mend what would make nearly every request fail at once."""
        rng = self.rng
        if "TableName" in request and rng.random() < 0.9:
            request["TableName"] = rng.choice(["abc", "ranged"])
        ranged = request.get("TableName") == "ranged"
        for name in ("Key", "Item", "ExclusiveStartKey"):
            if name in request and rng.random() < 0.9:
                key = {"a": {"S": rng.choice("xyz")}} | ({"b": {"S": rng.choice("xyz")}} if ranged else {})
                request[name] = (request[name] if name == "Item" and isinstance(request[name], dict) else {}) | key
        if ranged and rng.random() < 0.3:
            request["IndexName"] = rng.choice(["one", "two"])
            for name in ("Item", "ExclusiveStartKey"):
                if isinstance(request.get(name), dict):
                    request[name] |= {"g": {"S": "x"}, "x": {"S": rng.choice("xyz")}, "n": {"N": rng.choice("012")}}
        if "ExpressionAttributeValues" in request and rng.random() < 0.9:
            request["ExpressionAttributeValues"] = {":v": self.value(4)}
        if "ExpressionAttributeNames" in request and rng.random() < 0.9:
            request["ExpressionAttributeNames"] = {"#n": rng.choice(WORDS)}
        for name in ("Expected", "AttributeUpdates", "QueryFilter", "ScanFilter", "KeyConditions", "AttributesToGet"):
            if rng.random() < 0.8:
                request.pop(name, None)
        return request


def make_tables(router: Router, view: FakeView) -> None:
    keys = [{"AttributeName": "a", "KeyType": "HASH"}]
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("a", "b", "g", "x")]
    attributes.append({"AttributeName": "n", "AttributeType": "N"})
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    for request in (
        {"TableName": "abc", "KeySchema": keys, "AttributeDefinitions": attributes[:1], "StreamSpecification": stream},
        {
            "TableName": "ranged",
            "KeySchema": [*keys, {"AttributeName": "b", "KeyType": "RANGE"}],
            "AttributeDefinitions": attributes,
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": "one",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                },
                {
                    "IndexName": "two",
                    "KeySchema": [
                        {"AttributeName": name, "KeyType": kind}
                        for name, kind in (("g", "HASH"), ("x", "HASH"), ("b", "RANGE"), ("n", "RANGE"))
                    ],
                    "Projection": {"ProjectionType": "ALL"},
                },
            ],
        },
    ):
        assert run(router, view, "CreateTable", {"BillingMode": "PAY_PER_REQUEST", **request}) == 200


def run(router: Router, view: FakeView, operation: str, request: Any) -> int:
    """The status of the answer."""
    made = Request()
    made.method = b"POST"
    service = next(one.service for one in OPERATIONS.values() if one.name == operation)
    made.headers = {b"x-amz-target": f"{service}.{operation}".encode(), b"content-type": b"application/json"}
    made.body = orjson.dumps(request, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    exchange = Exchange(made)

    def body(_: object) -> None:
        parsed = router.find(exchange)
        if parsed is not None:
            router.run(exchange, parsed, view)

    view.run(body)
    return int(exchange.answer.split()[1])


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_the_answer_is_never_an_internal_error(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(seed)
    maker = Maker(rng)
    router = Router(OPERATIONS)
    view = FakeView()
    make_tables(router, view)
    operations = sorted(OPERATIONS.values(), key=lambda one: one.target)
    statuses: dict[int, int] = {}
    for _ in range(REQUESTS // 4):
        one = rng.choice(operations)
        request = maker.of(one.shape)
        if isinstance(request, dict):
            request = maker.sensible(request)
            if one.name in ("DeleteTable", "UpdateTable") and rng.random() < 0.9:
                continue
        try:
            text = orjson.dumps(request)
        except TypeError:
            continue  # an integer of more than 64 bits, which JSON has but orjson does not write
        before = view.dump()
        status = run(router, view, one.name, orjson.loads(text))
        statuses[status] = statuses.get(status, 0) + 1
        assert status in (200, 400), (one.name, text, [record.exc_text for record in caplog.records])
        if status == 400:
            assert view.dump() == before, (one.name, text)
    assert statuses[200] > sum(statuses.values()) / 20, statuses
