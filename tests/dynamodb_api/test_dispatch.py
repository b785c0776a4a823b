"""What answers rest on, when requests undo what they wrote."""

from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api.dispatch import Exchange, Router
from elastickv.dynamodb_api.errors import ConditionalCheckFailedException
from elastickv.dynamodb_api.registry import DYNAMODB, OPERATIONS, Call, Registry
from elastickv.dynamodb_api.request import Request
from elastickv.dynamodb_api.shapes import Shape
from elastickv.kv.view import Batch
from tests.kit.dynamo_store import DynamoStore, S
from tests.kit.fake_store import FakeView

REGISTRY = Registry()


@REGISTRY.operation("Writes", shape=Shape())
def writes(call: Call) -> dict[str, Any]:
    call.view.put(b"k", b"v")
    return {}


@REGISTRY.operation("Reads", shape=Shape())
def reads(call: Call) -> dict[str, Any]:
    call.view.get(b"k")
    return {}


@REGISTRY.operation("WritesAndFails", shape=Shape())
def writes_and_fails(call: Call) -> dict[str, Any]:
    call.view.put(b"k", b"v")
    raise ConditionalCheckFailedException()


@REGISTRY.operation("WritesAndUndoes", shape=Shape())
def writes_and_undoes(call: Call) -> dict[str, Any]:
    call.view.begin()
    call.view.put(b"k", b"v")
    call.view.undo()
    return {}


def run(view: FakeView, name: str) -> None:
    request = Request()
    request.method = b"POST"
    request.body = b"{}"
    request.headers = {b"x-amz-target": f"DynamoDB_20120810.{name}".encode(), b"content-type": b"application/json"}
    router = Router(REGISTRY)
    exchange = Exchange(request)
    parsed = router.find(exchange)
    assert parsed is not None
    router.run(exchange, parsed, view)
    assert exchange.answer


@pytest.mark.parametrize("name", ["WritesAndFails", "WritesAndUndoes"])
def test_an_empty_batch_is_nothing_to_rest_on(name: str) -> None:
    view = FakeView()
    run(view, name)
    assert (view.dependency, bool(view.forming)) == (None, False)


@pytest.mark.parametrize("name", ["WritesAndFails", "WritesAndUndoes"])
def test_what_is_on_its_way_is(name: str) -> None:
    view = FakeView()
    travelling = Batch(0)
    view.inflight.append(travelling)
    view.forming = Batch(1)
    run(view, name)
    assert view.dependency is travelling


@pytest.mark.parametrize("name", ["WritesAndFails", "WritesAndUndoes", "Reads", "Writes"])
def test_a_batch_that_others_have_written_to_is(name: str) -> None:
    view = FakeView()
    view.forming.puts[b"k"] = b"v"
    run(view, name)
    assert view.dependency is view.forming
    assert view.forming.puts == {b"k": b"v"}


def test_a_read_of_what_is_committed_rests_on_nothing() -> None:
    view = FakeView()
    run(view, "Reads")
    assert view.dependency is None


@pytest.mark.parametrize("name", ["PutItem", "UpdateItem", "DeleteItem"])
def test_a_write_that_fails_behind_its_first_record_leaves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DynamoStore()
    store.table("sound", "pk:S", indexes=[("by_who", "who:S", "ALL")], stream="KEYS_ONLY")
    item = {"pk": S("a"), "who": S("o")}
    store.call("PutItem", TableName="sound", Item=item)
    before = store.view.dump()

    def breaks(*arguments: object, **options: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("elastickv.dynamodb_api.items.streams.record", breaks)
    parsed: dict[str, Any] = {"TableName": "sound"}
    if name == "PutItem":
        parsed["Item"] = {"pk": S("a"), "who": S("other")}
    else:
        parsed["Key"] = {"pk": S("a")}
    if name == "UpdateItem":
        parsed["UpdateExpression"] = "REMOVE who"
    exchange = Exchange(Request())
    router = Router(OPERATIONS)
    exchange.route = router.routes[f"{DYNAMODB}.{name}".encode()]
    assert not exchange.route.layered
    router.run(exchange, parsed, store.view)
    assert exchange.outcome == "InternalServerError"
    assert not store.view.inflight
    assert store.view.dump() == before
