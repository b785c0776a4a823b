from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S


def put(pk: str, table: str = "one", **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": table, "Item": {"pk": S(pk), "n": N(1)}, **more}}


def update(pk: str, expression: str, values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    action: dict[str, Any] = {"TableName": "one", "Key": {"pk": S(pk)}, "UpdateExpression": expression, **more}
    if values:
        action["ExpressionAttributeValues"] = values
    return {"Update": action}


def delete(pk: str, **more: Any) -> dict[str, Any]:
    return {"Delete": {"TableName": "one", "Key": {"pk": S(pk)}, **more}}


def check(pk: str, condition: str, **more: Any) -> dict[str, Any]:
    return {"ConditionCheck": {"TableName": "one", "Key": {"pk": S(pk)}, "ConditionExpression": condition, **more}}


def run(store: DynamoStore, *actions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return store.call("TransactWriteItems", TransactItems=list(actions), **more)


def reasons(store: DynamoStore, *actions: dict[str, Any]) -> Any:
    body = store.failure("TransactWriteItems", TransactItems=list(actions))
    assert body["__type"].endswith("#TransactionCanceledException")
    found = body["CancellationReasons"]
    codes = ", ".join(reason["Code"] for reason in found)
    assert body["Message"] == (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    )
    return found


def refuse(store: DynamoStore, *actions: dict[str, Any], **more: Any) -> str:
    message = store.refuse("TransactWriteItems", TransactItems=list(actions), **more)
    return message.removeprefix("ValidationException: ")


def items(store: DynamoStore, table: str = "one") -> dict[str, Any]:
    return {item["pk"]["S"]: item for item in store.call("Scan", TableName=table)["Items"]}


def test_all_kinds_together(store: DynamoStore) -> None:
    for pk in ("old", "there", "counter"):
        store.call("PutItem", TableName="one", Item={"pk": S(pk), "n": N(7)})
    two = {"Put": {"TableName": "two", "Item": {"pk": S("p"), "sk": N(1)}}}
    actions = [
        put("new", ConditionExpression="attribute_not_exists(pk)"),
        delete("old"),
        check("there", "n = :n", ExpressionAttributeValues={":n": N(7)}),
        update("counter", "ADD n :n", {":n": N(3)}),
        two,
    ]
    assert run(store, *actions) == {}
    found = items(store)
    assert (set(found), found["counter"]["n"], found["there"]["n"]) == ({"new", "there", "counter"}, N(10), N(7))
    assert store.call("Scan", TableName="two")["Count"] == 1


def test_one_failed_condition_cancels_all(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("a"), "n": N(5)})
    found = reasons(
        store,
        put("new"),
        put("a", ConditionExpression="attribute_not_exists(pk)"),
        update("a2", "SET x = :x", {":x": N(1)}, ConditionExpression="attribute_exists(pk)"),
        check("a3", "attribute_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD"),
        delete(
            "a4",
            ConditionExpression="attribute_exists(pk)",
        ),
    )
    failed = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    assert found == [{"Code": "None"}, failed, failed, failed, failed]
    assert items(store) == {"a": {"pk": S("a"), "n": N(5)}}


def test_the_item_that_failed_is_shown_on_request(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("a"), "n": N(5)})
    shown = put("a", ConditionExpression="attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert reasons(store, shown)[0]["Item"] == {"pk": S("a"), "n": N(5)}


def test_the_first_action_that_does_not_fit_its_table_cancels(store: DynamoStore) -> None:
    wrong = {"Put": {"TableName": "one", "Item": {"pk": N(7)}}}
    assert reasons(store, wrong, wrong, put("a", ConditionExpression="attribute_exists(pk)")) == [
        {
            "Code": "ValidationError",
            "Message": "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N",
        },
        {"Code": "None"},
        {"Code": "None"},
    ]
    mismatch = {"Code": "ValidationError", "Message": "The provided key element does not match the schema"}
    assert reasons(store, {"Delete": {"TableName": "one", "Key": {"pk": N(5)}}}) == [mismatch]
    index = {
        "Update": {
            "TableName": "full",
            "Key": {"pk": S("a"), "sk": S("b")},
            "UpdateExpression": "SET tag = :v",
            "ExpressionAttributeValues": {":v": N(5)},
        }
    }
    assert reasons(store, index)[0]["Message"].endswith("Expected: S Actual: N IndexName: by_tag")


def test_what_an_update_meets_may_cancel(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("a"), "s": S("text")})
    found = reasons(store, update("a", "SET s = s + :n", {":n": N(1)}), put("b"))
    assert found == [
        {"Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type"},
        {"Code": "None"},
    ]
    assert set(items(store)) == {"a"}
    big = update("a", "SET x = :x", {":x": S("x" * 409_600)})
    assert reasons(store, big)[0]["Message"] == "Item size to update has exceeded the maximum allowed size"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({}, "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"),
        ({**put("a"), **delete("a")}, "TransactItems can only contain one of Check, Put, Update or Delete"),
        (
            {"Put": {"TableName": "one", "Item": {"pk": S("")}}},
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value. Key: pk",
        ),
        (
            put("a", ConditionExpression="a = :x"),
            "Invalid ConditionExpression: An expression attribute value used in "
            "expression is not defined; attribute value: :x",
        ),
        (
            put("a", ConditionExpression="attribute_exists(pk)", ExpressionAttributeNames={"#x": "x"}),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#x}",
        ),
        (
            {"ConditionCheck": {"TableName": "one", "Key": {"pk": S("a")}}},
            "1 validation error detected: Value null at 'transactItems.1.member.conditionCheck.conditionExpression' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            {"Put": {"TableName": "one", "Item": {"pk": S("a"), "x": S("x" * 409_600)}}},
            "Item size has exceeded the maximum allowed size",
        ),
    ],
)
def test_requests_that_are_refused(store: DynamoStore, action: dict[str, Any], message: str) -> None:
    assert refuse(store, action) == message


def test_one_item_once(store: DynamoStore) -> None:
    message = "Transaction request cannot include multiple operations on one item"
    assert refuse(store, put("a"), put("a")) == message
    assert refuse(store, put("a"), check("a", "attribute_exists(pk)")) == message
    missing = store.refuse("TransactWriteItems", TransactItems=[put("a", "none"), put("a", "none")])
    assert missing == "ResourceNotFoundException: Requested resource not found"


def test_how_many_and_how_large(store: DynamoStore) -> None:
    run(store, *[put(f"k{number}") for number in range(100)])
    assert refuse(store, *[put(f"k{number}") for number in range(101)]).endswith(
        "' at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"
    )
    assert refuse(store) == (
        "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    text = S("x" * 350_000)
    big = [{"Put": {"TableName": "one", "Item": {"pk": S(f"b{number}"), "x": text}}} for number in range(12)]
    assert refuse(store, *big) == "Transaction payload size cannot exceed 4 MB"
    run(store, *big[:11])


def test_a_token_makes_it_happen_once(store: DynamoStore) -> None:
    add = update("a", "ADD n :n", {":n": N("1.0")})
    cost = {"ReturnConsumedCapacity": "TOTAL"}
    first = run(store, add, ClientRequestToken="t1", **cost)
    assert first["ConsumedCapacity"] == [{"TableName": "one", "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}]
    again = run(store, add, ClientRequestToken="t1", **cost)
    assert again["ConsumedCapacity"] == [{"TableName": "one", "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]
    assert items(store)["a"]["n"] == N(1)
    other = store.failure("TransactWriteItems", TransactItems=[put("b")], ClientRequestToken="t1")
    assert other["__type"].endswith("#IdempotentParameterMismatchException")
    run(store, add, ClientRequestToken="t2")
    run(store, add)
    assert items(store)["a"]["n"] == N(3)
    store.clock.advance(600)
    run(store, add, ClientRequestToken="t1")
    assert items(store)["a"]["n"] == N(4)


def test_a_repetition_costs_what_the_first_time_found_or_left(store: DynamoStore) -> None:
    """In begun 4 KB of the larger of both, twice, whatever is there by then (measured at AWS)."""

    def costs(token: str, *actions: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(2):
            found += run(store, *actions, ClientRequestToken=token, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
        assert "ReadCapacityUnits" not in found[0]
        assert "WriteCapacityUnits" not in found[1]
        return found

    def units(token: str, *actions: dict[str, Any]) -> list[float]:
        return [one["CapacityUnits"] for one in costs(token, *actions)]

    large = S("x" * 9000)
    store.call("PutItem", TableName="one", Item={"pk": S("a"), "x": large})
    assert units("check", check("a", "attribute_exists(pk)")) == [18.0, 6.0]
    assert units("shrink", put("a")) == [18.0, 6.0]
    grown = {"Put": {"TableName": "one", "Item": {"pk": S("a"), "x": large}}}
    assert units("grow", grown) == [18.0, 6.0]
    assert units("delete", delete("a"), put("b")) == [20.0, 8.0]
    again = run(store, put("b"), ClientRequestToken="quiet")
    assert again == run(store, put("b"), ClientRequestToken="quiet") == {}


def test_a_cancelled_transaction_does_not_use_up_its_token(store: DynamoStore) -> None:
    fresh = update("a", "SET n = :n", {":n": N(1)}, ConditionExpression="attribute_exists(pk)")
    request = {"TransactItems": [fresh], "ClientRequestToken": "t"}
    assert "TransactionCanceled" in store.refuse("TransactWriteItems", **request)
    store.call("PutItem", TableName="one", Item={"pk": S("a")})
    store.call("TransactWriteItems", **request)
    assert items(store)["a"]["n"] == N(1)


def test_old_tokens_are_forgotten(store: DynamoStore) -> None:
    for number in range(10):
        run(store, put("a"), ClientRequestToken=f"t{number}")
    store.clock.advance(601)
    for number in range(5):
        run(store, put("a"), ClientRequestToken=f"new{number}")
    tokens = [key for key in store.view.dump() if key[:2] in (b"Dk", b"De")]
    assert len(tokens) == 2 * 5


def test_tokens_have_36_characters(store: DynamoStore) -> None:
    run(store, put("a"), ClientRequestToken="x" * 36)
    assert "clientRequestToken" in refuse(store, put("a"), ClientRequestToken="x" * 37)


def test_indexes_cost_no_more_than_without_a_transaction(store: DynamoStore) -> None:
    """The table costs twice, its indexes do not (measured at AWS)."""
    item = {"pk": S("a"), "sk": S("b"), "tag": S("t"), "when": N(1), "x": S("x" * 1500)}
    whole = {"Put": {"TableName": "full", "Item": item}}
    first = run(store, whole, ReturnConsumedCapacity="INDEXES")
    assert first["ConsumedCapacity"] == [
        {
            "TableName": "full",
            "CapacityUnits": 8.0,
            "WriteCapacityUnits": 8.0,
            "Table": {"CapacityUnits": 4.0, "WriteCapacityUnits": 4.0},
            "LocalSecondaryIndexes": {"by_when": {"CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}},
            "GlobalSecondaryIndexes": {"by_tag": {"CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}},
        }
    ]
    again = run(store, whole, ReturnConsumedCapacity="TOTAL")
    assert again["ConsumedCapacity"] == [{"TableName": "full", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0}]


def test_a_token_that_is_too_long_is_told_first(store: DynamoStore) -> None:
    message = refuse(store, put("a"), ClientRequestToken="x" * 37, ReturnConsumedCapacity="BOGUS")
    assert message.startswith("2 validation errors detected: Value 'xxx")
    assert message.endswith("enum value set: [INDEXES, TOTAL, NONE]")


def test_collections(store: DynamoStore) -> None:
    item = {"pk": S("p"), "sk": S("1")}
    answer = run(store, {"Put": {"TableName": "full", "Item": item}}, ReturnItemCollectionMetrics="SIZE")
    assert answer == {
        "ItemCollectionMetrics": {"full": [{"ItemCollectionKey": {"pk": S("p")}, "SizeEstimateRangeGB": [0.0, 1.0]}]}
    }


TOO_DEEP = (
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
)
EMPTY_NAME = "Empty attribute name"


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = S("leaf")
    for _ in range(levels):
        value = {"M": {"n": value}}
    return value


def put_item(**item: Any) -> dict[str, Any]:
    """The table is not there: what is told is told without it."""
    return {"Put": {"TableName": "none", "Item": {"pk": S("a"), **item}}}


def test_the_first_action_that_is_wrong_is_told(store: DynamoStore) -> None:
    empty, deep = put_item(**{"": S("x")}), put_item(d=nested(40))
    wrong = {"Put": {"TableName": "none", "Item": {"pk": S("b")}, "ConditionExpression": "a = = b"}}
    syntax = 'Invalid ConditionExpression: Syntax error; token: "=", near: "= = b"'
    assert refuse(store, empty, deep) == EMPTY_NAME
    assert refuse(store, deep, empty) == TOO_DEEP
    assert refuse(store, deep, wrong) == TOO_DEEP
    assert refuse(store, wrong, deep) == syntax


def test_in_one_item_depth_comes_between_its_own_names_and_those_inside(store: DynamoStore) -> None:
    inside = {"M": {"": S("x")}}
    assert refuse(store, put_item(d=nested(100), **{"": S("x")})) == EMPTY_NAME
    assert refuse(store, put_item(m=inside, d=nested(40))) == TOO_DEEP
    assert refuse(store, put_item(m=inside)) == EMPTY_NAME
    assert refuse(store, put_item(m={"L": [inside]})) == EMPTY_NAME


def test_expressions_come_before_what_is_far_too_deep(store: DynamoStore) -> None:
    def deletion(levels: int, **more: Any) -> dict[str, Any]:
        return {"Delete": {"TableName": "none", "Key": {"pk": nested(levels)}, **more}}

    wrong = {"ConditionExpression": "a = = b"}
    assert refuse(store, deletion(100, **wrong)).startswith("Invalid ConditionExpression: Syntax error")
    assert refuse(store, deletion(40, **wrong)) == TOO_DEEP
    assert refuse(store, deletion(100)) == TOO_DEEP
    long = {"ConditionExpression": " AND ".join(["a = :v"] * 400), "ExpressionAttributeValues": {":v": S("x")}}
    size = len(long["ConditionExpression"])
    assert refuse(store, deletion(100, **long)) == (
        f"Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: {size}"
    )


def test_of_an_update_that_is_too_long_the_size_is_not_told(store: DynamoStore) -> None:
    expression = "SET " + ", ".join(f"a{number} = :v" for number in range(500))
    assert refuse(store, update("a", expression, {":v": S("x")})) == (
        "Invalid UpdateExpression: Expression size has exceeded the maximum allowed size;"
    )


def test_values_of_expressions_may_be_a_level_deeper_than_attributes(store: DynamoStore) -> None:
    store.call("PutItem", TableName="one", Item={"pk": S("a")})
    values = {":d": nested(32)}
    found = reasons(store, check("a", "d = :d", ExpressionAttributeValues=values))
    assert found == [{"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}]
    assert reasons(store, update("a", "SET d = :d", values)) == [{"Code": "ValidationError", "Message": TOO_DEEP}]
    assert refuse(store, update("a", "SET d = :d", {":d": nested(33)})) == (
        f"ExpressionAttributeValues contains invalid value: {TOO_DEEP} for key :d"
    )
