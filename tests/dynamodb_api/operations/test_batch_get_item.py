from __future__ import annotations

from typing import Any

import pytest

from tests.kit.dynamo_store import DynamoStore, N, S


@pytest.fixture(autouse=True)
def _items(store: DynamoStore) -> None:
    for number in range(3):
        store.call("PutItem", TableName="one", Item={"pk": S(f"k{number}"), "n": N(number)})
        store.call("PutItem", TableName="two", Item={"pk": S("p"), "sk": N(number), "x": S("x" * 5000)})


def keys(*numbers: int) -> list[dict[str, Any]]:
    return [{"pk": S(f"k{number}")} for number in numbers]


def test_names_of_tables_are_told_first(store: DynamoStore) -> None:
    message = store.refuse("BatchGetItem", RequestItems={"no!": {"Keys": keys(0)}}, ReturnConsumedCapacity="BOGUS")
    quoted = '{"no!":{"Keys":[{"pk":{"S":"k0"}}]}}'
    assert message.startswith(f"ValidationException: 2 validation errors detected: Value '{quoted}' at 'requestItems' ")
    assert message.endswith("enum value set: [INDEXES, TOTAL, NONE]")


def test_items_of_several_tables(store: DynamoStore) -> None:
    answer = store.call(
        "BatchGetItem",
        RequestItems={
            "one": {"Keys": keys(0, 2, 9)},
            "two": {"Keys": [{"pk": S("p"), "sk": N("1.0")}], "ProjectionExpression": "sk", "ConsistentRead": True},
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer == {
        "Responses": {
            "one": [{"pk": S("k0"), "n": N(0)}, {"pk": S("k2"), "n": N(2)}],
            "two": [{"sk": N(1)}],
        },
        "UnprocessedKeys": {},
        "ConsumedCapacity": [
            {"TableName": "one", "CapacityUnits": 1.5},
            {"TableName": "two", "CapacityUnits": 2.0},
        ],
    }


def test_what_is_too_much_for_one_answer_is_left(store: DynamoStore) -> None:
    large = [{"pk": S("big"), "sk": N(number), "x": S("x" * 400_000)} for number in range(45)]
    for item in large:
        store.call("PutItem", TableName="two", Item=item)
    wanted: dict[str, Any] = {"two": {"Keys": [{"pk": item["pk"], "sk": item["sk"]} for item in large]}}
    found: list[Any] = []
    rounds = 0
    while wanted:
        answer = store.call("BatchGetItem", RequestItems=wanted)
        found += answer["Responses"]["two"]
        wanted = answer["UnprocessedKeys"]
        rounds += 1
    assert (found, rounds) == (large, 2)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            {},
            "1 validation error detected: Value at 'RequestItems' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            {"one": {"Keys": keys(*range(101))}},
            "1 validation error detected: Value at 'RequestItems.one.member.Keys' failed to satisfy constraint: "
            "Member must have length less than or equal to 100",
        ),
        (
            {"one": {"Keys": keys(*range(60))}, "other": {"Keys": keys(*range(60))}},
            "Too many items requested for the BatchGetItem call",
        ),
        (
            {"bad!name": {"Keys": [{"pk": S("a")}]}},
            """1 validation error detected: Value '{"bad!name":{"Keys":[{"pk":{"S":"a"}}]}}' at 'requestItems' """
            "failed to satisfy constraint: Map keys must satisfy constraint: "
            "[Member must have length less than or equal to 255, "
            "Member must have length greater than or equal to 3, "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
        ),
        ({"one": {"Keys": keys(1, 1)}}, "Provided list of item keys contains duplicates"),
        (
            {"two": {"Keys": [{"pk": S("p"), "sk": N(1)}, {"sk": N("1.0"), "pk": S("p")}]}},
            "Provided list of item keys contains duplicates",
        ),
        ({"one": {"Keys": [{"pk": N(1)}]}}, "The provided key element does not match the schema"),
        (
            {"one": {"Keys": keys(1), "ProjectionExpression": "a, a"}},
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these paths; path one: [a], path two: [a]",
        ),
        (
            {"one": {"Keys": keys(1), "ProjectionExpression": "a"}, "two": {"Keys": [], "AttributesToGet": ["a"]}},
            "1 validation error detected: Value at 'RequestItems.two.member.Keys' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
    ],
)
def test_requests_that_are_refused(store: DynamoStore, items: dict[str, Any], message: str) -> None:
    assert store.refuse("BatchGetItem", RequestItems=items) == f"ValidationException: {message}"


def test_styles_do_not_mix_even_between_tables(store: DynamoStore) -> None:
    two = {"Keys": [{"pk": S("p"), "sk": N(1)}], "AttributesToGet": ["pk"]}
    one = {"Keys": keys(1), "ProjectionExpression": "pk"}
    message = store.refuse("BatchGetItem", RequestItems={"one": one, "two": two})
    assert message.startswith("ValidationException: Can not use both expression and non-expression parameters")


def test_no_table(store: DynamoStore) -> None:
    message = store.refuse("BatchGetItem", RequestItems={"one": {"Keys": keys(1)}, "none": {"Keys": keys(1)}})
    assert message == "ResourceNotFoundException: Requested resource not found"
