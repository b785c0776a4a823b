from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S

KEY = {"pk": S("a")}


def update(store: DynamoStore, expression: str, values: dict[str, Any] | None = None, **more: Any) -> Any:
    request: dict[str, Any] = {"TableName": "one", "Key": KEY, "UpdateExpression": expression, **more}
    if values:
        request["ExpressionAttributeValues"] = values
    return store.call("UpdateItem", **request)


def refused(store: DynamoStore, expression: str, values: dict[str, Any] | None = None, **more: Any) -> str:
    request: dict[str, Any] = {"TableName": "one", "Key": KEY, "UpdateExpression": expression, **more}
    if values:
        request["ExpressionAttributeValues"] = values
    return store.refuse("UpdateItem", **request).removeprefix("ValidationException: ")


def item(store: DynamoStore) -> Any:
    return store.call("GetItem", TableName="one", Key=KEY).get("Item")


def put(store: DynamoStore, **attributes: Any) -> None:
    store.call("PutItem", TableName="one", Item={**KEY, **attributes})


def test_all_actions_together(store: DynamoStore) -> None:
    put(
        store,
        n=N(1),
        s={"SS": ["a", "b"]},
        gone=S("x"),
        l={"L": [S("0"), S("1"), S("2"), S("3")]},
        m={"M": {"x": N(1)}},
    )
    update(
        store,
        "SET c = n, n = n + :n, m.y = if_not_exists(m.z, :s), m.x = :s "
        "REMOVE gone, l[0], l[2] ADD k :n, s :ss DELETE t :ss",
        {":n": N(2), ":s": S("new"), ":ss": {"SS": ["b", "c"]}},
    )
    assert item(store) == {
        **KEY,
        "c": N(1),
        "n": N(3),
        "k": N(2),
        "s": {"SS": ["a", "b", "c"]},
        "l": {"L": [S("1"), S("3")]},
        "m": {"M": {"x": S("new"), "y": S("new")}},
    }


def test_values_are_those_before_the_update(store: DynamoStore) -> None:
    put(store, a=N(1), b=N(2))
    update(store, "SET a = b, b = a")
    assert item(store) == {**KEY, "a": N(2), "b": N(1)}


def test_lists_grow_at_their_end(store: DynamoStore) -> None:
    put(store, l={"L": [S("0")]})
    update(store, "SET l[9] = :b, l[5] = :a, l[0] = :z", {":a": S("5"), ":b": S("9"), ":z": S("z")})
    assert item(store)["l"] == {"L": [S("z"), S("5"), S("9")]}
    update(store, "SET l = list_append(:l, l)", {":l": {"L": [N(1)]}})
    assert item(store)["l"]["L"][0] == N(1)


def test_a_set_that_becomes_empty_is_gone(store: DynamoStore) -> None:
    put(store, s={"NS": ["1", "2"]}, m={"M": {"s": {"SS": ["x"]}}})
    update(store, "DELETE s :n, m.s :s", {":n": {"NS": ["2.0", "1", "7"]}, ":s": {"SS": ["x"]}})
    assert item(store) == {**KEY, "m": {"M": {}}}


def test_numbers_are_exact(store: DynamoStore) -> None:
    put(store, n=N("0.1"))
    update(store, "ADD n :n", {":n": N("1e20")})
    assert item(store)["n"] == N("100000000000000000000.1")
    assert refused(store, "ADD n :n", {":n": N("1e50")}).startswith("Number overflow.")


def test_an_item_comes_into_being(store: DynamoStore) -> None:
    assert update(store, "ADD n :n", {":n": N(1)}, ReturnValues="UPDATED_NEW") == {"Attributes": {"n": N(1)}}
    assert item(store) == {**KEY, "n": N(1)}


def test_nothing_comes_into_being_by_taking_away(store: DynamoStore) -> None:
    assert update(store, "REMOVE x", ReturnValues="ALL_NEW") == {}
    assert item(store) is None
    store.call("UpdateItem", TableName="one", Key=KEY, AttributeUpdates={"x": {"Action": "DELETE"}})
    assert item(store) is None
    assert store.call("UpdateItem", TableName="one", Key=KEY, ReturnValues="ALL_NEW") == {"Attributes": KEY}
    assert item(store) == KEY


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("SET e = absent", "The provided expression refers to an attribute that does not exist in the item"),
        (
            "SET e = list_append(absent, l)",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        ("SET absent.x = :n", "The document path provided in the update expression is invalid for update"),
        ("SET absent[0] = :n", "The document path provided in the update expression is invalid for update"),
        ("SET m[0] = :n", "The document path provided in the update expression is invalid for update"),
        ("SET l.x = :n", "The document path provided in the update expression is invalid for update"),
        ("REMOVE n.x", "The document path provided in the update expression is invalid for update"),
        ("SET e = s + :n", "An operand in the update expression has an incorrect data type"),
        ("SET e = list_append(m, l)", "An operand in the update expression has an incorrect data type"),
        ("ADD s :n", "An operand in the update expression has an incorrect data type"),
        ("ADD n :ss", "An operand in the update expression has an incorrect data type"),
        ("DELETE ns :ss", "An operand in the update expression has an incorrect data type"),
        (
            "SET pk = :n",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            "SET e = :n REMOVE pk.x",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
    ],
)
def test_updates_that_fail_change_nothing(store: DynamoStore, expression: str, message: str) -> None:
    attributes = {"n": N(1), "s": S("x"), "l": {"L": []}, "m": {"M": {}}, "ns": {"NS": ["1"]}}
    put(store, **attributes)
    values = {":n": N(1), ":ss": {"SS": ["a"]}}
    used = {name: value for name, value in values.items() if name in expression.replace(",", " ").split()}
    assert refused(store, expression, used) == message
    assert item(store) == {**KEY, **attributes}


def test_return_values(store: DynamoStore) -> None:
    put(store, a=S("1"), m={"M": {"x": N(1), "l": {"L": [N(0), N(1), N(2)]}}})

    def returned(mode: str, expression: str, **values: Any) -> Any:
        given = {f":{name}": value for name, value in values.items()}
        return update(store, expression, given, ReturnValues=mode).get("Attributes")

    assert returned("NONE", "SET a = :v", v=S("2")) is None
    assert returned("UPDATED_OLD", "SET a = :v, b = :v", v=S("3")) == {"a": S("2")}
    assert returned("UPDATED_OLD", "SET c = :v", v=S("3")) is None
    assert returned("UPDATED_NEW", "SET m.l[1] = :v, m.x = :v REMOVE b", v=N(9)) == {
        "m": {"M": {"l": {"L": [N(9)]}, "x": N(9)}}
    }
    assert returned("UPDATED_NEW", "REMOVE c") is None
    assert returned("UPDATED_NEW", "SET m.l[50] = :v", v=N(1)) is None
    old = returned("ALL_OLD", "SET a = :v", v=S("4"))
    assert (old["pk"], old["a"]) == (S("a"), S("3"))
    assert returned("ALL_NEW", "REMOVE m") == {**KEY, "a": S("4")}


def test_conditions(store: DynamoStore) -> None:
    more: dict[str, Any] = {"ConditionExpression": "attribute_exists(pk)"}
    assert "ConditionalCheckFailed" in refused(store, "ADD n :n", {":n": N(1)}, **more)
    assert item(store) is None
    put(store, n=N(1))
    update(store, "ADD n :n", {":n": N(1)}, **more)
    failure = store.failure(
        "UpdateItem",
        TableName="one",
        Key=KEY,
        AttributeUpdates={"n": {"Action": "ADD", "Value": N(1)}},
        Expected={"n": {"ComparisonOperator": "GT", "Value": N(5)}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert failure["Item"] == {**KEY, "n": N(2)}


def test_the_legacy_updates(store: DynamoStore) -> None:
    put(store, n=N(1), s={"SS": ["a", "b"]}, l={"L": [N(1)]}, x=S("x"))
    updates = {
        "n": {"Action": "ADD", "Value": N(2)},
        "s": {"Action": "DELETE", "Value": {"SS": ["a"]}},
        "l": {"Action": "ADD", "Value": {"L": [N(2)]}},
        "x": {"Action": "DELETE"},
        "y": {"Value": S("y")},
    }
    store.call("UpdateItem", TableName="one", Key=KEY, AttributeUpdates=updates)
    assert item(store) == {**KEY, "n": N(3), "s": {"SS": ["b"]}, "l": {"L": [N(1), N(2)]}, "y": S("y")}
    message = store.refuse(
        "UpdateItem", TableName="one", Key=KEY, AttributeUpdates={"n": {"Action": "ADD", "Value": {"SS": ["a"]}}}
    )
    assert message == "ValidationException: Type mismatch for attribute to update"


@pytest.mark.parametrize(
    ("update", "sentence"),
    [
        ({}, "Only DELETE action is allowed when no attribute value is specified"),
        ({"Action": "DELETE", "Value": S("a")}, "DELETE action with value is not supported for the type S"),
        ({"Action": "ADD", "Value": {"BOOL": True}}, "ADD action is not supported for the type BOOL"),
    ],
)
def test_legacy_updates_that_are_refused(store: DynamoStore, update: dict[str, Any], sentence: str) -> None:
    message = store.refuse("UpdateItem", TableName="one", Key={}, AttributeUpdates={"a": update})
    assert message == (
        f"ValidationException: 1 validation error detected: One or more parameter values were invalid: {sentence}"
    )


def test_keys_of_indexes(store: DynamoStore) -> None:
    request: dict[str, Any] = {"TableName": "full", "Key": {"pk": S("a"), "sk": S("b")}}

    def refuse(expression: str, **values: Any) -> str:
        given = {f":{name}": value for name, value in values.items()}
        more = {"ExpressionAttributeValues": given} if given else {}
        message = store.refuse("UpdateItem", **request, UpdateExpression=expression, **more)
        return message.removeprefix("ValidationException: ")

    assert refuse("SET tag = :v", v=N(1)) == (
        "One or more parameter values were invalid: "
        "Type mismatch for Index Key tag Expected: S Actual: N IndexName: by_tag"
    )
    assert refuse("SET tag = :v", v=S("")) == (
        "One or more parameter values are not valid. The update expression attempted to update a secondary index key "
        "to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value."
    )
    assert refuse("SET x = tag.y") == (
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: tag"
    )
    store.call("PutItem", TableName="full", Item={**request["Key"], "num": N(1)})
    assert refuse("SET tag = num") == (
        "The update expression attempted to update the secondary index key to unsupported type"
    )


def test_how_large_an_update_may_be(store: DynamoStore) -> None:
    """At AWS an update measures what it writes and 22 bytes, beside the finished item."""
    limit = 409_600

    def pad(size: int) -> dict[str, Any]:
        return {":p": S("x" * size)}

    update(store, "SET b = :p", pad(limit - 22 - 1))
    message = "Item size to update has exceeded the maximum allowed size"
    assert refused(store, "SET b = :p", pad(limit - 22)) == message
    long_key = {"pk": S("k" * 100)}
    update(store, "SET b = :p", pad(limit - 102 - 1), Key=long_key)
    assert refused(store, "SET b = :p", pad(limit - 102), Key=long_key) == message
    assert refused(store, "SET c = :p, b = :q", {**pad(limit - 100), ":q": S("y" * 200)}) == message


def test_what_it_costs(store: DynamoStore) -> None:
    request: dict[str, Any] = {
        "TableName": "full",
        "Key": {"pk": S("a"), "sk": S("b")},
        "ReturnConsumedCapacity": "INDEXES",
    }

    def cost(expression: str, **values: Any) -> tuple[Any, ...]:
        given = {f":{name}": value for name, value in values.items()}
        more = {"ExpressionAttributeValues": given} if given else {}
        found = store.call("UpdateItem", **request, UpdateExpression=expression, **more)["ConsumedCapacity"]
        globals_ = {name: one["CapacityUnits"] for name, one in found.get("GlobalSecondaryIndexes", {}).items()}
        return found["CapacityUnits"], globals_

    owned = "SET #o = :o, #w = :w, title = :t"
    request["ExpressionAttributeNames"] = {"#o": "owner", "#w": "when"}
    assert cost(owned, o=S("o"), w=N(1), t=S("t")) == (3.0, {"by_owner": 1.0})
    del request["ExpressionAttributeNames"]
    assert cost("SET misc = :v", v=S("v")) == (2.0, {})
    assert cost("SET title = :v", v=S("v")) == (3.0, {"by_owner": 1.0})
    request["ExpressionAttributeNames"] = {"#o": "owner"}
    assert cost("SET #o = :v", v=S("v")) == (4.0, {"by_owner": 2.0})
    assert cost("REMOVE #o") == (3.0, {"by_owner": 1.0})


def test_attributes_have_names(store: DynamoStore) -> None:
    message = "ValidationException: 1 validation error detected: Empty attribute name"
    request = {"TableName": "one", "Key": KEY}
    assert store.refuse("UpdateItem", **request, AttributeUpdates={"": {"Value": S("x")}}) == message
    inside = {"M": {"": S("x")}}
    assert store.refuse("UpdateItem", **request, AttributeUpdates={"a": {"Value": inside}}) == message
    assert store.refuse("PutItem", TableName="one", Item={**KEY, "a": inside}) == message
    assert store.refuse("PutItem", TableName="one", Item={**KEY, "": S("x")}) == message
    assert item(store) is None
