"""Operations on items in process: shape, body, view and answer, without a door and without a cluster.

    python -m tests.bench.bench_dynamodb_items

Prints microseconds per request, the best of several rounds. The item has ten attributes and about 1 KB.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import orjson

from elastickv.dynamodb_api.registry import DYNAMODB, OPERATIONS, Call
from elastickv.kv.layers import Layer
from tests.kit.dynamo_store import DynamoStore, N, S

ROUNDS = 5
REQUESTS = 2000


def item(number: int) -> dict[str, Any]:
    return {
        "pk": S(f"user#{number % 100}"),
        "sk": S(f"order#{number:06}"),
        "owner": S(f"owner{number % 7}"),
        "n": N(number),
        "price": N("19.99"),
        "ok": {"BOOL": True},
        "tags": {"SS": ["red", "green"]},
        "address": {"M": {"street": S("x" * 100), "zip": N(12345)}},
        "lines": {"L": [S("a"), N(2)]},
        "text": S("t" * 650),
    }


class Bench:
    def __init__(self) -> None:
        self.store = DynamoStore()
        self.store.table("plain", "pk:S sk:S")
        self.store.table("indexed", "pk:S sk:S", indexes=[("by_owner", "owner:S sk:S", "ALL")])

    def run(self, name: str, operation: str, make: Callable[[int], dict[str, Any]]) -> None:
        declared = OPERATIONS[f"{DYNAMODB}.{operation}"]
        view = self.store.view
        bodies = [orjson.dumps(make(number)) for number in range(REQUESTS)]
        best = float("inf")
        for _ in range(ROUNDS):
            gc.collect()
            gc.disable()
            started = time.perf_counter()
            for body in bodies:
                call = Call(view, declared.shape.accept(orjson.loads(body)))
                orjson.dumps(declared.body(call))
            best = min(best, time.perf_counter() - started)
            gc.enable()
            self.settle()
        print(f"{name:<42}{best / REQUESTS * 1e6:8.1f} µs")

    def settle(self) -> None:
        """What was written is committed, and lies in the memtable."""
        view = self.store.view
        view.applied.merge(view.forming)
        assert isinstance(view.forming, Layer)
        view.forming.clear()
        view.applied.keys()


def main() -> None:
    bench = Bench()
    put = {"TableName": "plain"}
    bench.run("PutItem, 1 KB", "PutItem", lambda number: {**put, "Item": item(number)})
    bench.run(
        "PutItem, 1 KB, one global index", "PutItem", lambda number: {"TableName": "indexed", "Item": item(number)}
    )
    condition = {"ConditionExpression": "attribute_exists(pk) AND #n >= :n", "ExpressionAttributeNames": {"#n": "n"}}
    bench.run(
        "PutItem, 1 KB, condition",
        "PutItem",
        lambda number: {**put, **condition, "ExpressionAttributeValues": {":n": N(0)}, "Item": item(number)},
    )

    def key(number: int) -> dict[str, Any]:
        return {"pk": item(number)["pk"], "sk": item(number)["sk"]}

    bench.run("GetItem, 1 KB", "GetItem", lambda number: {**put, "Key": key(number)})
    bench.run(
        "GetItem, projection",
        "GetItem",
        lambda number: {**put, "Key": key(number), "ProjectionExpression": "price, address.zip"},
    )
    bench.run(
        "UpdateItem, ADD",
        "UpdateItem",
        lambda number: {
            **put,
            "Key": key(number),
            "UpdateExpression": "ADD n :one SET #t = :t",
            "ExpressionAttributeNames": {"#t": "touched"},
            "ExpressionAttributeValues": {":one": N(1), ":t": S("now")},
        },
    )

    def query(number: int) -> dict[str, Any]:
        return {
            "TableName": "plain",
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": S(f"user#{number % 100}")},
            "Limit": 10,
        }

    bench.run("Query, 10 items of 1 KB", "Query", query)
    bench.run(
        "Query, 10 items, filter",
        "Query",
        lambda number: {
            **query(number),
            "FilterExpression": "n >= :n",
            "ExpressionAttributeValues": {":p": S(f"user#{number % 100}"), ":n": N(0)},
        },
    )
    bench.run(
        "Query, 10 items by index",
        "Query",
        lambda number: {
            "TableName": "indexed",
            "IndexName": "by_owner",
            "KeyConditionExpression": "#o = :o",
            "ExpressionAttributeNames": {"#o": "owner"},
            "ExpressionAttributeValues": {":o": S(f"owner{number % 7}")},
            "Limit": 10,
        },
    )


if __name__ == "__main__":
    main()
