"""The short ways of PutItem and GetItem against the long ones: where there is an answer, it is the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elastickv.dynamodb_api.attributes import check_item
from elastickv.dynamodb_api.errors import ApiError
from elastickv.dynamodb_api.plain_items import plain_size
from elastickv.dynamodb_api.registry import DYNAMODB, OPERATIONS, Call
from elastickv.dynamodb_api.shapes import ITEM
from tests.kit.dynamo_store import DynamoStore

TEXTS = st.one_of(st.text(max_size=4), st.sampled_from(["", "é" * 300, "x" * 1500, "\x00"]))
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(["0", "-0", "01", "1e3", "1.50", ".5", "", "x", "1" * 39, "9" * 38, "²", "1E+126"]),
)
ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=2), st.just([]), st.just({}))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"S": TEXTS}),
        st.fixed_dictionaries({"N": NUMBERS}),
        st.sampled_from([{"BOOL": True}, {"NULL": True}, {"NULL": False}, {"B": "YQ=="}, {"SS": ["a"]}, {"X": "a"}]),
        st.dictionaries(st.sampled_from(["S", "N", "B", "BOOL", "NULL", "M", "L", "NS"]), ANYTHING, max_size=2),
        ANYTHING,
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"M": st.dictionaries(st.sampled_from(["", "a", "é", "n" * 300]), inner, max_size=3)}),
    ),
    max_leaves=6,
)
NAMES = st.one_of(st.sampled_from(["p", "s", "v", "", "é"]), st.text(max_size=3), st.just("n" * 300))
ITEMS = st.one_of(st.dictionaries(NAMES, VALUES, max_size=5), ANYTHING)
KEYS = st.fixed_dictionaries(
    {}, optional={"p": st.one_of(st.fixed_dictionaries({"S": TEXTS}), VALUES), "s": st.one_of(VALUES), "x": VALUES}
)
GOOD = {"p": {"S": "p"}, "s": {"N": "1"}}


def both_ways(operation: str, request: dict[str, Any]) -> bool:
    """Run a request the short way on one store and the long way on another; whether the short way answered."""
    declared = OPERATIONS[f"{DYNAMODB}.{operation}"]
    assert declared.short is not None
    stores = DynamoStore(), DynamoStore()
    for store in stores:
        store.table("plain", "p:S s:N")
        store.table("one", "p:N")
        store.call("PutItem", TableName="plain", Item={**GOOD, "v": {"S": "there"}})
        store.call("Scan", TableName="one")  # its name is known from now on
    sent = orjson.dumps(request)
    short = stores[0].view.run(lambda view: declared.short and declared.short(view, orjson.loads(sent)))
    if short is None:
        assert stores[0].view.dump() == stores[1].view.dump(), "the short way gave up and changed something"
        return False
    accepted = declared.shape.accept(orjson.loads(sent))
    long = stores[1].view.run(lambda view: orjson.dumps(declared.body(Call(view, accepted))))
    assert short == long
    assert stores[0].view.dump() == stores[1].view.dump()
    return True


@given(ITEMS, st.one_of(st.just(GOOD), KEYS), st.sampled_from(["plain", "plain", "one", "none", "", None, 1]))
def test_puts(item: Any, key: dict[str, Any], name: Any) -> None:
    whole = {**item, **key} if isinstance(item, dict) else item
    both_ways("PutItem", {"TableName": name, "Item": whole})


@given(
    st.one_of(KEYS, ANYTHING), st.sampled_from(["plain", "one", "none", ["plain"]]), st.sampled_from([True, False, 1])
)
def test_gets(key: Any, name: Any, consistent: Any) -> None:
    both_ways("GetItem", {"TableName": name, "Key": key})
    both_ways("GetItem", {"TableName": name, "Key": key, "ConsistentRead": consistent})


def test_ordinary_requests_go_the_short_way() -> None:
    document = {"L": [{"S": "a"}, {"M": {"b": {"N": "-1.5"}, "c": {"NULL": True}}}]}
    assert both_ways("PutItem", {"TableName": "plain", "Item": {**GOOD, "d": document, "e": {"BOOL": False}}})
    assert both_ways("PutItem", {"TableName": "one", "Item": {"p": {"N": "-12345.5"}}})
    assert both_ways("GetItem", {"TableName": "plain", "Key": GOOD})
    assert both_ways("GetItem", {"TableName": "plain", "Key": {**GOOD, "s": {"N": "2"}}, "ConsistentRead": True})


@pytest.mark.parametrize(
    "options",
    [{"ReturnValues": "NONE"}, {"Unknown": 1}, {"ConditionExpression": "attribute_exists(p)"}, {"Expected": None}],
)
def test_wishes_go_the_long_way(options: dict[str, Any]) -> None:
    assert not both_ways("PutItem", {"TableName": "plain", "Item": GOOD, **options})
    assert not both_ways("GetItem", {"TableName": "plain", "Key": GOOD, **options})


def test_tables_with_indexes_or_a_stream_go_the_long_way() -> None:
    store = DynamoStore()
    store.table("indexed", "p:S", indexes=[("i", "a:S", "ALL")])
    declared = OPERATIONS[f"{DYNAMODB}.PutItem"]
    store.call("PutItem", TableName="indexed", Item={"p": {"S": "1"}, "a": {"S": "1"}})
    assert declared.short is not None
    assert declared.short(store.view, {"TableName": "indexed", "Item": {"p": {"S": "1"}}}) is None


@given(ITEMS)
def test_a_plain_item_is_one_that_passes_all_checks_unchanged(item: Any) -> None:
    sent = orjson.dumps(item)
    size = plain_size(item)
    assert orjson.dumps(item) == sent
    if size < 0:
        return
    copy = ITEM.convert(orjson.loads(sent))
    try:
        assert check_item(copy) == size
    except ApiError as error:
        pytest.fail(f"plain, and yet {error.message}")
    assert orjson.dumps(copy) == sent


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"S": "x"}
    for level in range(levels):
        value = {"L": [value]} if level % 2 else {"M": {"m": value}}
    return {"a": value}


def test_depth() -> None:
    assert plain_size(nested(31)) == check_item(nested(31))
    assert plain_size(nested(32)) == -1
