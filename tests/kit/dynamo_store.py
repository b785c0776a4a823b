"""DynamoDB operations in process: requests through their shape and body on a real view, answers as a client reads them.

`DynamoStore` has no door and no cluster; what an operation wrote is there for the next one. Tables are written into the
catalog directly, so a test of items needs no operation on tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

import elastickv.dynamodb_api.operations
from elastickv.clock import ManualClock
from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.errors import ApiError
from elastickv.dynamodb_api.registry import DYNAMODB, OPERATIONS, Call
from elastickv.dynamodb_api.tables import Table
from elastickv.kv.view import View
from tests.kit.fake_store import FakeView

assert elastickv.dynamodb_api.operations  # importing it declares them

Keys = str
"""Attributes of a key with their types: "pk:S sk:N"; several of a partition key stand before a stroke:
"tenant:S region:S / year:N month:N"."""


class DynamoStore:
    def __init__(self) -> None:
        self.clock = ManualClock(wall_ms=1_700_000_000_000)
        self.view = FakeView(self.clock)

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """The answer of an operation, or the error that it raises."""
        declared = OPERATIONS[f"{DYNAMODB}.{operation}"]
        body: dict[str, Any] = orjson.loads(orjson.dumps(request))

        def run(view: View) -> bytes:
            encoded = declared.short(view, body) if declared.short is not None else None
            return orjson.dumps(declared.body(Call(view, declared.shape.accept(body)))) if encoded is None else encoded

        read: dict[str, Any] = orjson.loads(self.view.run(run))
        return read

    def refuse(self, operation: str, /, **request: Any) -> str:
        """The message with which an operation refuses a request: "ValidationException: …" """
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        return f"{caught.value.code}: {caught.value.message}"

    def failure(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """The whole body of an error."""
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        body: dict[str, Any] = orjson.loads(orjson.dumps(caught.value.body()))
        return body

    def table(
        self,
        name: str,
        keys: Keys,
        *,
        indexes: Sequence[tuple[str, Keys, str | Sequence[str]]] = (),
        local: Sequence[tuple[str, Keys, str | Sequence[str]]] = (),
        stream: str = "",
    ) -> Table:
        """Indexes: (name, keys, projection); a projection is ALL, KEYS_ONLY or the names of an INCLUDE."""
        types: dict[str, str] = {}

        def schema(words: Keys) -> list[dict[str, str]]:
            found = []
            first, stroke, behind = words.partition("/")
            hashes = first.split() if stroke else first.split()[:1]
            ranges = behind.split() if stroke else first.split()[1:]
            for kind, parts in (("HASH", hashes), ("RANGE", ranges)):
                for word in parts:
                    attribute, _, letter = word.partition(":")
                    types[attribute] = letter
                    found.append({"AttributeName": attribute, "KeyType": kind})
            return found

        def index(view: Any, one: tuple[str, Keys, str | Sequence[str]]) -> dict[str, Any]:
            index_name, words, shown = one
            projection: dict[str, Any] = {"ProjectionType": shown if isinstance(shown, str) else "INCLUDE"}
            if not isinstance(shown, str):
                projection["NonKeyAttributes"] = list(shown)
            return {
                "IndexName": index_name,
                "Id": tables.fresh_id(view),
                "IndexStatus": "ACTIVE",
                "KeySchema": schema(words),
                "Projection": projection,
            }

        def make(view: Any) -> Table:
            record: dict[str, Any] = {
                "Id": tables.fresh_id(view),
                "TableName": name,
                "KeySchema": schema(keys),
                "LocalSecondaryIndexes": [index(view, one) for one in local],
                "GlobalSecondaryIndexes": [index(view, one) for one in indexes],
            }
            if stream:
                record["Stream"] = {
                    "Id": tables.fresh_id(view),
                    "Label": "now",
                    "StreamViewType": stream,
                    "Enabled": True,
                }
            record["AttributeDefinitions"] = [
                {"AttributeName": attribute, "AttributeType": letter} for attribute, letter in types.items()
            ]
            return tables.save(view, record)

        return self.view.run(make)


def S(text: str) -> dict[str, Any]:
    return {"S": text}


def N(number: object) -> dict[str, Any]:
    return {"N": str(number)}
