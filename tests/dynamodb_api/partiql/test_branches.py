"""OR and IN over keys: which clauses AWS refuses, and that the others find what they say."""

from __future__ import annotations

import pytest

from tests.kit.dynamo_store import DynamoStore

OVERLAPPING = "ValidationException: Overlapping conditions with range keys are not supported in where clause"
TOO_MANY = "ValidationException: Too many decomposed read operations for a given query."


@pytest.fixture
def store() -> DynamoStore:
    """`t` with p (text) and s (text); in the partitions p and q the sort keys 1 to 3, with n 1 to 3."""
    store = DynamoStore()
    store.table("t", "p:S s:S")
    store.table("hashed", "p:N")
    for partition in "pq":
        for number in "123":
            item = {"p": {"S": partition}, "s": {"S": number}, "n": {"N": number}}
            store.call("PutItem", TableName="t", Item=item)
    return store


def found(store: DynamoStore, where: str, table: str = "t") -> list[str]:
    items = store.call("ExecuteStatement", Statement=f"SELECT * FROM {table} WHERE {where}")["Items"]
    return [item["p"]["S"] + item["s"]["S"] for item in items]


@pytest.mark.parametrize(
    "where",
    [
        "p = 'p' AND n = 1 OR p = 'p' AND s = '2'",
        "p = 'p' AND n <> 1 OR p = 'p' AND s = '2'",
        "p = 'p' OR p = 'p'",
        "p IN ['p', 'p']",
        "p IN ['q', 'p'] AND s = '1' OR p = 'p' AND s < '2'",
        "p = 'p' AND (s > '0' OR s < '5')",
        "p = 'p' AND (s = '1' OR n = 2)",
        "(p = 'p' AND n = 1) OR (p = 'p' AND n = 2)",
        "p = 'p' AND s BETWEEN '1' AND '2' OR p = 'p' AND s >= '2'",
        "p = 'p' AND begins_with(s, '1') OR p = 'p' AND s = '1x'",
        "p = 'p' AND begins_with(s, '') OR p = 'p' AND s = '1'",
        "p = 'p' AND s IN ['1', '2', '1']",
    ],
)
def test_reads_that_overlap(store: DynamoStore, where: str) -> None:
    assert store.refuse("ExecuteStatement", Statement=f"SELECT * FROM t WHERE {where}") == OVERLAPPING


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("p = 'p' AND NOT s = '1' OR p = 'p' AND s = '2'", ["p2", "p3"]),
        ("p = 'p' AND s <> '1' OR p = 'p' AND s = '2'", ["p2", "p3"]),
        ("p = 'p' AND NOT begins_with(s, 'x') OR p = 'p' AND s = '2'", ["p1", "p2", "p3"]),
        ("p = 'p' AND s NOT IN ['1', '3'] OR p = 'p' AND s = '2'", ["p2"]),
        ("p = 'p' OR p = 'p' AND NOT s = '1'", ["p1", "p2", "p3"]),
        ("p = 'p' AND (s = '1' OR s = '2')", ["p1", "p2"]),
        ("p = 'p' AND (s < '2' OR s > '2' OR s = '2')", ["p1", "p2", "p3"]),
        ("p = 'p' AND begins_with(s, '1') OR p = 'p' AND s = '2'", ["p1", "p2"]),
        ("p = 'p' AND s = '1' AND s > '0' OR p = 'p' AND s >= '3'", ["p1", "p3"]),
        ("p = 'p' AND s = '1' OR p = 'q' AND s = '1'", ["p1", "q1"]),
        ("p = 'p' AND s IN ['1', '3']", ["p1", "p3"]),
        ("p = 'p' OR s = '1'", ["p1", "p2", "p3", "q1"]),
        ("p = 'p' OR p = 'p' OR n = 1", ["p1", "p2", "p3", "q1"]),
        ("p = 'p' AND (n = 1 OR n = 2)", ["p1", "p2"]),
        ("p = 'p' AND (p = 'q' OR s = '2')", ["p2"]),
    ],
)
def test_reads_that_do_not(store: DynamoStore, where: str, keys: list[str]) -> None:
    assert sorted(found(store, where)) == keys


def test_more_reads_than_there_may_be(store: DynamoStore) -> None:
    def some(number: int) -> str:
        return "[" + ", ".join(f"'{one}'" for one in range(number)) + "]"

    for where in (f"p IN {some(51)}", f"p = 'p' AND s IN {some(51)}", f"p IN {some(26)} AND s IN ['1', '2']"):
        assert store.refuse("ExecuteStatement", Statement=f"SELECT * FROM t WHERE {where}") == TOO_MANY
    assert found(store, f"p IN {some(50)} AND n IN {some(100)}") == []
    assert found(store, f"p IN {some(51)} OR n = 1") == ["p1", "q1"]


def test_only_the_partitions_that_are_named_are_read(store: DynamoStore) -> None:
    for partition in "opqr":
        item = {"p": {"S": partition}, "s": {"S": "large"}, "filler": {"S": "x" * 100_000}}
        store.call("PutItem", TableName="t", Item=item)

    def cost(where: str) -> float:
        statement = f"SELECT s FROM t WHERE {where}"
        answer = store.call("ExecuteStatement", Statement=statement, ReturnConsumedCapacity="TOTAL")
        assert len(answer["Items"]) == 2
        units: float = answer["ConsumedCapacity"]["CapacityUnits"]
        return units

    assert cost("p = 'o' OR p = 'r'") == cost("p IN ['o', 'r']") < cost("p = 'o' OR p = 'r' OR n = 7")


def test_branches_that_contradict_themselves_find_nothing(store: DynamoStore) -> None:
    assert found(store, "(p = 'p' AND p = 'q') OR (p = 'q' AND p = 'r' AND s = '1')") == []


def test_a_clause_that_multiplies_out_without_end_is_a_scan(store: DynamoStore) -> None:
    tangle = " AND ".join(f"(s = '{one}' OR n < 3)" for one in range(12))
    assert sorted(found(store, f"p = 'p' AND {tangle}")) == ["p1", "p2"]


def test_values_have_the_types_of_keys(store: DynamoStore) -> None:
    wrong = "ValidationException: Key attribute's data type should match its data type in table's schema: Key "
    for where, name in (
        ("p = 1", "p"),
        ("p = 1 OR p = 'p'", "p"),
        ("p = 'p' AND s IN ['1', 2]", "s"),
        ("p = 'p' AND s > 2", "s"),
    ):
        assert store.refuse("ExecuteStatement", Statement=f"SELECT * FROM t WHERE {where}") == wrong + name
    assert found(store, "p > 1") == []


def test_numbers_overlap_by_their_value(store: DynamoStore) -> None:
    statement = "SELECT * FROM hashed WHERE p IN [1, 1.0]"
    assert store.refuse("ExecuteStatement", Statement=statement) == OVERLAPPING
