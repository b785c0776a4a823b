"""ExecuteStatement, BatchExecuteStatement and ExecuteTransaction through boto3."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.dynamodb_api.operations.test_create_table import PLAIN, definitions, index, keys

INVALID = "One or more parameter values were invalid: "


@pytest.fixture
def sql(dynamodb: Any) -> Any:
    """Runs statements on the tables `abc` (key a) and `ranged` (keys a, b, and some indexes)."""
    dynamodb.create_table(**PLAIN)
    dynamodb.create_table(
        TableName="ranged",
        AttributeDefinitions=definitions("a", "b", "g", "l"),
        KeySchema=keys("a", "b"),
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            index("gsi", "g"),
            index("gsi-inc", "g", Projection={"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]}),
        ],
        LocalSecondaryIndexes=[index("lsi", "a", "l", Projection={"ProjectionType": "KEYS_ONLY"})],
    )
    return Sql(dynamodb)


class Sql:
    def __init__(self, client: Any) -> None:
        self.client = client

    def __call__(self, statement: str, *parameters: Any, **more: Any) -> list[dict[str, Any]]:
        return self.whole(statement, *parameters, **more)["Items"]  # type: ignore[no-any-return]

    def whole(self, statement: str, *parameters: Any, **more: Any) -> dict[str, Any]:
        if parameters:
            more["Parameters"] = list(parameters)
        found: dict[str, Any] = self.client.execute_statement(Statement=statement, **more)
        return found

    def refused(self, statement: str, *parameters: Any, **more: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            self(statement, *parameters, **more)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]


def fill(sql: Sql) -> None:
    for a in ("p", "q"):
        for number in range(5):
            item = {"a": {"S": a}, "b": {"S": f"s{number}"}, "n": {"N": str(number)}, "hidden": {"S": "h"}}
            if number % 2:
                item |= {"g": {"S": "x"}, "l": {"S": f"l{number}"}, "shown": {"S": "yes"}}
            sql.client.put_item(TableName="ranged", Item=item)


def sorts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["b"]["S"] for row in rows]


# one statement


def test_insert_select_update_delete(sql: Sql) -> None:
    assert (
        sql("""INSERT INTO "abc" VALUE {'a': 'one', 'n': 1, 'data': 'it''s', 'l': [1, {'x': null}], 's': <<'m'>>}""")
        == []
    )
    (item,) = sql("SELECT * FROM abc WHERE a = 'one'")
    assert item == {
        "a": {"S": "one"},
        "n": {"N": "1"},
        "data": {"S": "it's"},
        "l": {"L": [{"N": "1"}, {"M": {"x": {"NULL": True}}}]},
        "s": {"SS": ["m"]},
    }
    assert sql("INSERT INTO abc VALUE {'a': ?, 'n': ?}", {"S": "two"}, {"N": "-1.50"}) == []
    assert sql("SELECT n FROM abc WHERE a = ?", {"S": "two"}) == [{"n": {"N": "-1.5"}}]
    assert sql.refused("INSERT INTO abc VALUE {'a': 'one'}") == (
        "DuplicateItemException",
        "Duplicate primary key exists in table",
    )
    sql("UPDATE abc SET n = n + 2 SET data = 'new', l[1].x = 7 REMOVE s WHERE a = 'one' AND n = 1")
    (item,) = sql("SELECT * FROM abc WHERE a = 'one'")
    assert item == {
        "a": {"S": "one"},
        "n": {"N": "3"},
        "data": {"S": "new"},
        "l": {"L": [{"N": "1"}, {"M": {"x": {"N": "7"}}}]},
    }
    assert sql.refused("UPDATE abc SET n = 1 WHERE a = 'one' AND n = 1")[0] == "ConditionalCheckFailedException"
    assert sql.refused("UPDATE abc SET n = 1 WHERE a = 'nobody'")[0] == "ConditionalCheckFailedException"
    assert sql.refused("DELETE FROM abc WHERE a = 'one' AND n = 1")[0] == "ConditionalCheckFailedException"
    assert sql("DELETE FROM abc WHERE a = 'nobody'") == []
    assert sql("DELETE FROM abc WHERE a = 'nobody' AND a = 'nobody' AND n = 1 RETURNING ALL OLD *") == []
    assert sql("DELETE FROM abc WHERE a = 'one' RETURNING ALL OLD *") == [item]
    assert sql("SELECT * FROM abc WHERE a = 'one'") == []


def test_an_update_that_says_from_first(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 'n': 1, 'm': 2}")
    assert sql("FROM abc WHERE a = ? AND n = 1 SET n = 3 REMOVE m RETURNING ALL NEW *", {"S": "k"}) == [
        {"a": {"S": "k"}, "n": {"N": "3"}}
    ]
    assert sql.refused("FROM abc WHERE a = 'k' AND n = 1 SET n = 4")[0] == "ConditionalCheckFailedException"
    assert sql.refused("FROM abc WHERE a = 'nobody' SET n = 4")[0] == "ConditionalCheckFailedException"
    transact(sql, "FROM abc WHERE a = 'k' SET n = 5")
    assert "Error" not in batch(sql, "FROM abc WHERE a = 'k' SET n = n + 1")["Responses"][0]
    assert sql("SELECT * FROM abc") == [{"a": {"S": "k"}, "n": {"N": "6"}}]
    for statement in ("FROM abc SET n = 1", "FROM abc WHERE n = 6 REMOVE n"):
        assert sql.refused(statement)[1] == "Where clause does not contain a mandatory equality on all key attributes"
    assert sql.refused("FROM absent WHERE a = 'k' SET n = 1")[0] == "ResourceNotFoundException"


def test_set_functions_on_what_is_not_there_or_no_set(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 's': <<'x'>>, 'n': 1}")
    sql("UPDATE abc SET t = set_add(t, <<'y'>>) SET s = SET_DELETE(s, <<'x', 'z'>>) WHERE a = 'k'")
    assert sql("SELECT * FROM abc") == [{"a": {"S": "k"}, "t": {"SS": ["y"]}, "n": {"N": "1"}}]
    sql("UPDATE abc SET s = set_delete(s, <<'x'>>) WHERE a = 'k'")
    assert len(sql("SELECT * FROM abc WHERE s IS MISSING")) == 1
    for change in ("t = set_add(t, <<1>>)", "n = set_add(n, <<1>>)", "t = set_delete(t, <<1>>)"):
        assert sql.refused(f"UPDATE abc SET {change} WHERE a = 'k'") == (
            "ValidationException",
            "An operand in the update expression has an incorrect data type",
        )
    refused = sql.refused("UPDATE abc SET s = set_add(s, <<1>>) WHERE a = 'nobody'")
    assert refused[0] == "ConditionalCheckFailedException"


def test_sets_and_lists_change(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 's': <<1, 2>>, 'l': ['x']}")
    sql("UPDATE abc SET s = set_add(s, <<3>>) SET l = list_append(l, ['y']) WHERE a = 'k'")
    sql("UPDATE abc SET s = set_delete(s, <<1>>) WHERE a = 'k'")
    (item,) = sql("SELECT s, l FROM abc WHERE a = 'k'")
    assert sorted(item["s"]["NS"]) == ["2", "3"]
    assert item["l"] == {"L": [{"S": "x"}, {"S": "y"}]}


@pytest.mark.parametrize(
    ("clause", "rows"),
    [
        ("ALL OLD", [{"a": {"S": "k"}, "m": {"M": {"x": {"N": "1"}}}, "n": {"N": "1"}}]),
        ("ALL NEW", [{"a": {"S": "k"}, "m": {"M": {"x": {"N": "2"}}}, "n": {"N": "1"}}]),
        ("MODIFIED OLD", [{"m": {"M": {"x": {"N": "1"}}}}]),
        ("MODIFIED NEW", [{"m": {"M": {"x": {"N": "2"}}}}]),
    ],
)
def test_returning(sql: Sql, clause: str, rows: list[dict[str, Any]]) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 'm': {'x': 1}, 'n': 1}")
    assert sql(f"UPDATE abc SET m.x = 2 WHERE a = 'k' RETURNING {clause} *") == rows


def test_an_empty_modified_row_is_none(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 'n': 1}")
    assert sql("UPDATE abc REMOVE n WHERE a = 'k' RETURNING MODIFIED NEW *") == []


def test_rows_have_the_last_names_of_their_paths(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 'm': {'deep': {'er': 'x'}}, 'l': [[5]]}")
    assert sql("""SELECT m.deep, m['deep'].er, l[0][0], "a", absent FROM abc WHERE a = 'k'""") == [
        {"deep": {"M": {"er": {"S": "x"}}}, "er": {"S": "x"}, "l[0][0]": {"N": "5"}, "a": {"S": "k"}}
    ]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("a = 'p'", 5),
        ("a = 'p' AND b = 's2'", 1),
        ("'s2' < b AND a = 'p'", 2),
        ("a = 'p' AND b BETWEEN 's1' AND 's3'", 3),
        ("a = 'p' AND begins_with(b, 's')", 5),
        ("a IN ['p', 'q'] AND n >= 3", 4),
        ("a IN ('p', 'nobody')", 5),
        ("n > 1 AND n <= 3", 4),
        ("NOT n = 1", 8),
        ("a = 'p' OR b = 's4'", 6),
        ("g IS MISSING", 6),
        ("g IS NOT MISSING AND a = 'p'", 2),
        ("g IS NULL", 0),
        ("g IS NOT NULL", 10),
        ("n IS NUMERIC AND g IS STRING", 4),
        ("g IS NOT STRING", 6),
        ("n IS STRUCT OR n IS TUPLE OR n IS LIST OR n IS BLOB OR n IS BOOL OR n IS BOOLEAN", 0),
        ("attribute_exists(g) = true", 4),
        ("false = attribute_exists(g)", 6),
        ("attribute_exists(g) <> hidden", 10),
        ("contains(hidden, 'h') AND attribute_type(n, 'N')", 10),
        ("size(hidden) = 1", 10),
        ("n NOT IN [1, 2, 3]", 4),
        ("(a = 'p' AND n = 1) OR (a = 'q' AND (n = 2 OR n = 3))", 3),
        ("n <> 1 AND n != 2", 6),
    ],
)
def test_what_a_clause_finds(sql: Sql, where: str, found: int) -> None:
    fill(sql)
    assert len(sql(f"SELECT * FROM ranged WHERE {where}")) == found


def test_order(sql: Sql) -> None:
    fill(sql)
    assert sorts(sql("SELECT b FROM ranged WHERE a = 'p' ORDER BY b DESC")) == ["s4", "s3", "s2", "s1", "s0"]
    rows = sql("SELECT a, b FROM ranged WHERE a IN ['p', 'q'] AND b < 's2' ORDER BY a DESC, b")
    assert [(row["a"]["S"], row["b"]["S"]) for row in rows] == [("q", "s0"), ("q", "s1"), ("p", "s0"), ("p", "s1")]
    rows = sql("SELECT a, b FROM ranged WHERE a = 'q' AND b = 's0' OR a = 'p' AND b > 's3' ORDER BY a")
    assert [(row["a"]["S"], row["b"]["S"]) for row in rows] == [("p", "s4"), ("q", "s0")]
    assert sorts(sql("SELECT b FROM ranged WHERE a = 'p' ORDER BY b")) == ["s0", "s1", "s2", "s3", "s4"]
    assert sorts(sql("SELECT b FROM ranged WHERE a = 'p' ORDER BY a ASC")) == ["s4", "s3", "s2", "s1", "s0"]
    for where in ("a IN ['p', 'q']", "a = 'p' OR a = 'q'"):
        assert sql.refused(f"SELECT * FROM ranged WHERE {where} ORDER BY b")[1] == (
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
        )
    assert sql.refused("SELECT * FROM ranged ORDER BY b")[1].startswith("Must have WHERE clause in the statement when")
    assert sql.refused("SELECT * FROM ranged WHERE n = 1 ORDER BY b")[1].startswith("Must have at least one non-opti")
    assert sql.refused("SELECT * FROM ranged WHERE a = 'p' ORDER BY n")[1] == (
        "Attribute n in ORDER BY clause must be part of the primary key"
    )


@pytest.mark.parametrize(
    "where", ["a = 'p'", "a IN ['q', 'p']", "n >= 0", "a = 'p' AND n <> 2", "a = 'q' AND b > 's0' OR a = 'p'"]
)
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_put_together_are_the_whole(sql: Sql, where: str, limit: int) -> None:
    fill(sql)
    statement = f"SELECT a, b FROM ranged WHERE {where}"
    whole = sql(statement)
    rows: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(100):
        page = sql.whole(statement, Limit=limit, **token)
        rows += page["Items"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert rows == whole
    assert len(rows) > 3


def test_a_token_belongs_to_its_statement(sql: Sql) -> None:
    fill(sql)
    token = sql.whole("SELECT * FROM ranged WHERE a = ?", {"S": "p"}, Limit=1)["NextToken"]
    assert len(sql("SELECT * FROM ranged WHERE a = ?", {"S": "p"}, NextToken=token)) == 4
    assert sql.refused("SELECT * FROM ranged WHERE a = ?", {"S": "q"}, NextToken=token) == (
        "ValidationException",
        "Invalid NextToken",
    )
    digest, number, last = json.loads(urlsafe_b64decode(token))
    forged: list[Any] = [
        "nonsense",
        [digest, 7, last],
        [digest, number, {"a": {"S": 1}, "b": {"S": "x"}}],
        [digest, number, {"a": {"S": "p"}, "b": {"N": "1"}}],
        [digest, number, {"a": {"S": "p"}}],
        [digest, number, "p"],
        {},
    ]
    for one in forged:
        text = one if isinstance(one, str) else urlsafe_b64encode(json.dumps(one).encode()).decode()
        assert sql.refused("SELECT * FROM ranged WHERE a = ?", {"S": "p"}, NextToken=text) == (
            "ValidationException",
            "Invalid NextToken",
        )


# indexes


def test_an_index_shows_what_it_projects(sql: Sql) -> None:
    fill(sql)
    assert len(sql("""SELECT * FROM "ranged"."gsi" WHERE g = 'x'""")) == 4
    for row in sql("""SELECT * FROM "ranged"."gsi-inc" WHERE g = 'x'"""):
        assert set(row) == {"a", "b", "g", "shown"}
    for row in sql("""SELECT * FROM "ranged"."lsi" WHERE a = 'p'"""):
        assert set(row) == {"a", "b", "l"}
    rows = sql.whole("""SELECT hidden FROM "ranged"."lsi" WHERE a = 'p'""", ReturnConsumedCapacity="INDEXES")
    assert rows["Items"] == [{"hidden": {"S": "h"}}] * 2
    assert rows["ConsumedCapacity"]["Table"]["CapacityUnits"] > 0


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("""SELECT * FROM "ranged"."none" WHERE a = 'p'""", "The table does not have the specified index"),
        (
            """SELECT * FROM "ranged"."gsi"."extra" WHERE a = 'p'""",
            "A path may contain at most 2 components in the FROM clause",
        ),
        ("""SELECT * FROM "ranged"."" WHERE a = 'p'""", "Path component cannot be an empty string"),
        ("""SELECT * FROM "" WHERE a = 'p'""", "Path component cannot be an empty string"),
        (
            """SELECT hidden FROM "ranged"."gsi-inc" WHERE g = 'x'""",
            f"{INVALID}Global secondary index gsi-inc does not project [hidden]",
        ),
        (
            """SELECT a FROM "ranged"."gsi-inc" WHERE g = 'x' AND hidden = 'h'""",
            f"{INVALID}Secondary index gsi-inc does not project one or more filter attributes: [hidden]",
        ),
        (
            """SELECT a FROM "ranged"."lsi" WHERE a = 'p' AND NOT hidden = 'h'""",
            f"{INVALID}Secondary index lsi does not project one or more filter attributes: [hidden]",
        ),
    ],
)
def test_indexes_and_what_is_refused(sql: Sql, statement: str, message: str) -> None:
    assert sql.refused(statement) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("where", "hidden"),
    [
        ("(g = 'x' OR g = 'y') AND h1 = 1", "h1"),
        ("g = 'x' AND NOT (h1 = 1 OR shown = 'y')", "h1"),
        ("g = 'b' AND h1 = 1 OR g = 'q' AND h2 = 1", "h2"),
        ("g = 'q' AND h1 = 1 OR g = 'b' AND h2 = 1", "h1"),
        ("g = 'x' AND h2 = 1 AND (h1 = 2 OR shown = 'y')", "h1, h2"),
        ("g = 'x' AND (zz = 1 OR aa = 2 OR mm = 3)", "zz, aa, mm"),
        ("g = 'x' AND shown = 'y' OR g = 'y' AND h1 = 1", None),
        ("g > 'x' AND h1 = 1", None),
        ("g = 'x' AND (g = 'y' OR h1 = 1)", None),
        ("g = 'x' AND h1 = 1 OR h2 = 1", None),
    ],
)
def test_filters_on_what_an_index_does_not_show(sql: Sql, where: str, hidden: str | None) -> None:
    statement = f"""SELECT a FROM "ranged"."gsi-inc" WHERE {where}"""
    if hidden is None:
        assert sql(statement) == []
    else:
        assert sql.refused(statement) == (
            "ValidationException",
            f"{INVALID}Secondary index gsi-inc does not project one or more filter attributes: [{hidden}]",
        )


def test_a_filter_on_what_an_index_does_not_show_matches_nothing_in_a_scan(sql: Sql) -> None:
    fill(sql)
    assert sql("""SELECT a FROM "ranged"."gsi-inc" WHERE hidden = 'h'""") == []
    assert len(sql("""SELECT a FROM "ranged"."gsi-inc" WHERE NOT hidden = 'h'""")) == 4


def test_consistent_reads_of_global_indexes(sql: Sql) -> None:
    assert sql.refused("""SELECT * FROM "ranged"."gsi" WHERE g = 'x'""", ConsistentRead=True) == (
        "ValidationException",
        "Strongly consistent read is not supported on Global Secondary Indexes",
    )


# what is refused


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SLECT * FROM abc", "Expected data manipulation"),
        ("", None),
        ('SELECT * FROM "abc', ""),
        ("SELECT * FROM abc WHERE", "Unexpected term"),
        ("SELECT * FROM abc WHERE a = 'x' nonsense", "Unexpected token after expression"),
        ("SELECT FROM abc", "Unexpected keyword"),
        ("INSERT INTO abc {'a': 1}", "Expected VALUE"),
        ("UPDATE abc WHERE a = 'x'", "Expected data manipulation"),
        ("SELECT * FROM abc WHERE " + "(" * 200 + "a = 1" + ")" * 200, "Nested too deeply"),
    ],
)
def test_statements_that_are_not_well_formed(sql: Sql, statement: str, message: str | None) -> None:
    if message is None:
        with pytest.raises(Exception, match="Statement"):
            sql(statement)
    else:
        assert sql.refused(statement) == (
            "ValidationException",
            f"Statement wasn't well formed, can't be processed: {message}",
        )


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("SELECT * FROM absent WHERE a = 'x'", "ResourceNotFoundException", "Requested resource not found"),
        (
            "UPDATE ranged SET n = 1 WHERE a = 'p'",
            "ValidationException",
            "Where clause does not contain a mandatory equality on all key attributes",
        ),
        (
            "DELETE FROM abc WHERE a = 'x' AND a = 'y'",
            "ValidationException",
            "Multiple conditions on same key a. Only single item Update/Insert/Delete are supported",
        ),
        (
            "SELECT * FROM abc WHERE a = 'x' AND attribute_exists()",
            "ValidationException",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of "
            "operands: 0",
        ),
        *[
            (
                f"SELECT * FROM abc WHERE {where}",
                "ValidationException",
                "The function is not allowed to be used this way in an expression; function: size",
            )
            for where in ("size(n)", "a = 'x' AND size(n)", "NOT size(n)")
        ],
        (
            "DELETE FROM abc WHERE n = 1",
            "ValidationException",
            "Where clause does not contain a mandatory equality on all key attributes",
        ),
        (
            "UPDATE abc SET a = 'y' WHERE a = 'x'",
            "ValidationException",
            f"{INVALID}Cannot update attribute a. This attribute is part of the key",
        ),
        (
            "DELETE FROM abc WHERE a = 'x' RETURNING MODIFIED OLD *",
            "ValidationException",
            "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE "
            "statements.",
        ),
        ("INSERT INTO abc VALUE {'n': 1}", "ValidationException", f"{INVALID}Missing the key a in the item"),
        (
            """UPDATE "ranged"."gsi" SET n = 1 WHERE a = 'p' AND b = 's'""",
            "ValidationException",
            "This operation is not supported on an index",
        ),
        (
            """DELETE FROM "ranged"."gsi" WHERE a = 'p' AND b = 's'""",
            "ValidationException",
            "This operation is not supported on an index",
        ),
        (
            """INSERT INTO "ranged"."gsi" VALUE {'a': 'p', 'b': 's'}""",
            "ValidationException",
            "Statement wasn't well formed, can't be processed: FROM clause may only contain a single table name",
        ),
        (
            "SELECT a FROM absent WHERE a = 'x' AND v < true",
            "ValidationException",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "SELECT * FROM abc WHERE a = ?",
            "ValidationException",
            "Number of parameters in request and statement don't match.",
        ),
        (
            "EXISTS(SELECT * FROM abc WHERE a = 'x')",
            "ValidationException",
            "EXISTS can only be used in ExecuteTransaction write requests.",
        ),
    ],
)
def test_statements_that_make_no_sense(sql: Sql, statement: str, code: str, message: str) -> None:
    assert sql.refused(statement) == (code, message)


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_what_has_no_order(sql: Sql, operator: str) -> None:
    assert sql.refused(f"SELECT a FROM abc WHERE a = 'x' AND v {operator} ?", {"BOOL": True}) == (
        "ValidationException",
        f"Incorrect operand type for operator or function; operator or function: {operator}, operand type: BOOL",
    )


# batches


def batch(sql: Sql, *statements: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = sql.client.batch_execute_statement(
        Statements=[{"Statement": one} for one in statements], **more
    )
    return found


def test_a_batch_s_statements_stand_alone(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'one', 'n': 1}")
    responses = batch(
        sql,
        "INSERT INTO abc VALUE {'a': 'one'}",
        "INSERT INTO abc VALUE {'a': 'two'}",
        "UPDATE abc SET n = 2 WHERE a = 'one' RETURNING ALL NEW *",
        "DELETE FROM absent WHERE a = 'x'",
        "SLECT",
        "UPDATE abc SET n = 3 WHERE a = 'one' AND n = 1",
        "DELETE FROM abc WHERE a = 'one' RETURNING ALL NEW *",
    )["Responses"]
    assert [one.get("Error", {}).get("Code") for one in responses] == [
        "DuplicateItem",
        None,
        None,
        "ResourceNotFound",
        "ValidationError",
        "ConditionalCheckFailed",
        "ValidationError",
    ]
    assert [one.get("TableName") for one in responses] == ["abc", "abc", "abc", None, None, "abc", None]
    assert responses[2]["Item"] == {"a": {"S": "one"}, "n": {"N": "2"}}
    assert responses[4]["Error"]["Message"] == (
        "Statement wasn't well formed, can't be processed: Expected data manipulation"
    )
    assert len(sql("SELECT * FROM abc")) == 2


def test_a_batch_reads_by_key_only(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'one', 'n': 1}")
    found = batch(
        sql,
        "SELECT n FROM abc WHERE a = 'one'",
        "SELECT * FROM abc WHERE a = 'nobody'",
        "SELECT * FROM abc WHERE n = 1",
        "SELECT * FROM abc WHERE a = 'one' AND n = 1",
        "SELECT * FROM abc WHERE a = 'one' AND attribute_exists(n)",
        """SELECT * FROM "ranged"."gsi" WHERE g = 'x'""",
        ReturnConsumedCapacity="TOTAL",
    )
    responses = found["Responses"]
    assert responses[0] == {"TableName": "abc", "Item": {"n": {"N": "1"}}}
    assert responses[1] == {"TableName": "abc"}
    for one in responses[2:]:
        assert one["Error"]["Code"] == "ValidationError"
        assert "must specify the primary key in the where clause" in one["Error"]["Message"]
    assert [one["CapacityUnits"] for one in found["ConsumedCapacity"]] == [1.0]


# transactions


def transact(sql: Sql, *statements: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = sql.client.execute_transaction(
        TransactStatements=[{"Statement": one} for one in statements], **more
    )
    return found


def test_a_transaction_is_all_or_nothing(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'one', 'n': 1}")
    transact(sql, "INSERT INTO abc VALUE {'a': 'two'}", "UPDATE abc SET n = n + 1 WHERE a = 'one'")
    with pytest.raises(ClientError) as caught:
        transact(
            sql,
            "INSERT INTO abc VALUE {'a': 'three'}",
            "INSERT INTO abc VALUE {'a': 'two'}",
            "EXISTS(SELECT * FROM abc WHERE a = 'one' AND n = 7)",
        )
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [one["Code"] for one in caught.value.response["CancellationReasons"]] == [
        "None",
        "DuplicateItem",
        "ConditionalCheckFailed",
    ]
    assert sql("SELECT * FROM abc WHERE a = 'three'") == []
    transact(sql, "DELETE FROM abc WHERE a = 'two'", "EXISTS(SELECT * FROM abc WHERE a = 'one' AND n = 2)")
    found = transact(sql, "SELECT n FROM abc WHERE a = 'one'", "SELECT * FROM abc WHERE a = 'two'")
    assert found["Responses"] == [{"Item": {"n": {"N": "2"}}}, {}]


def test_writes_of_a_transaction_have_no_responses(sql: Sql) -> None:
    statements = ["INSERT INTO abc VALUE {'a': 'x'}", "DELETE FROM abc WHERE a = 'y'"]
    found = transact(sql, *statements, ClientRequestToken="token", ReturnConsumedCapacity="TOTAL")
    again = transact(sql, *statements, ClientRequestToken="token", ReturnConsumedCapacity="TOTAL")
    for answer in (found, again):
        assert answer["Responses"] == []
        assert [one["TableName"] for one in answer["ConsumedCapacity"]] == ["abc"]


def test_a_transaction_reads_by_key_in_any_words(sql: Sql) -> None:
    sql("INSERT INTO ranged VALUE {'a': 'x', 'b': 'y', 'n': 1}")
    for where in ("a IN ['x'] AND b = 'y'", "(b = 'y') AND ('x' = a AND a = 'x')"):
        assert transact(sql, f"SELECT n FROM ranged WHERE {where}")["Responses"] == [{"Item": {"n": {"N": "1"}}}]


def cancelled(sql: Sql, *statements: str) -> list[tuple[str, str | None]]:
    with pytest.raises(ClientError) as caught:
        transact(sql, *statements)
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    return [(one["Code"], one.get("Message")) for one in caught.value.response["CancellationReasons"]]


def test_tables_that_are_not_there_cancel_a_transaction(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'x'}")
    absent = ("ResourceNotFound", "Requested resource not found")
    update = "UPDATE abc SET n = 1 WHERE a = 'x'"
    assert cancelled(sql, update, "DELETE FROM absent WHERE a = 'x' RETURNING ALL OLD *") == [("None", None), absent]
    reads = ["SELECT * FROM abc WHERE a = 'x'", """SELECT * FROM "absent"."index" WHERE a = 'x'"""]
    assert cancelled(sql, *reads) == [("None", None), absent]
    assert sql("SELECT * FROM abc") == [{"a": {"S": "x"}}]
    with pytest.raises(ClientError, match=r"Validation failed in TransactStatements\[1\]: RETURNING clause is not"):
        transact(sql, "DELETE FROM absent WHERE a = 'x'", update + " RETURNING ALL NEW *")


def test_keys_that_name_no_item_cancel_a_transaction(sql: Sql) -> None:
    mismatch = ("ValidationError", "The provided key element does not match the schema")
    found = cancelled(
        sql,
        "UPDATE ranged SET n = 1 WHERE a = 'x'",
        "DELETE FROM ranged WHERE a = 'x' AND b = 1",
        "DELETE FROM ranged WHERE a = 'x' AND b = 'y' AND a = 'z'",
        "INSERT INTO ranged VALUE {'a': 'x'}",
        "DELETE FROM abc WHERE a = 'x'",
    )
    assert found == [
        mismatch,
        mismatch,
        (
            "ValidationError",
            "Multiple conditions on same key a. Only single item Update/Insert/Delete are supported",
        ),
        ("ValidationError", f"{INVALID}Missing the key b in the item"),
        ("None", None),
    ]
    twice = "SELECT * FROM abc WHERE a = 'x'"
    assert cancelled(sql, twice, twice, "SELECT * FROM abc WHERE a = 1") == [("None", None)] * 2 + [mismatch]


def test_an_update_that_leaves_an_item_too_deep(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'k', 'm': {}}")
    value: dict[str, Any] = {"S": "x"}
    for _ in range(31):
        value = {"L": [value]}
    assert sql.refused("UPDATE abc SET m.x = ? WHERE a = 'k'", value) == (
        "ValidationException",
        "Nesting Levels have exceeded supported limits",
    )
    assert sql("UPDATE abc SET m = ? WHERE a = 'k'", value) == []


def test_parameters_come_before_statements(sql: Sql) -> None:
    wrong: Any = [{"N": "1e99999999999"}]
    message = "The parameter cannot be converted to a numeric value: 1e99999999999"
    assert sql.refused("nonsense", *wrong) == ("ValidationException", message)
    with pytest.raises(ClientError) as caught:
        sql.client.execute_transaction(
            TransactStatements=[{"Statement": "nonsense"}, {"Statement": "nonsense", "Parameters": wrong}]
        )
    assert caught.value.response["Error"]["Message"] == message
    answer = sql.client.batch_execute_statement(Statements=[{"Statement": "nonsense", "Parameters": wrong}])
    assert answer["Responses"][0]["Error"] == {"Code": "ValidationError", "Message": message}


def test_a_token_makes_a_transaction_happen_once(sql: Sql) -> None:
    sql("INSERT INTO abc VALUE {'a': 'one', 'n': 1}")
    more = {"ClientRequestToken": "token", "ReturnConsumedCapacity": "INDEXES"}
    first = transact(sql, "UPDATE abc SET n = n + 1 WHERE a = 'one'", **more)
    again = transact(sql, "UPDATE abc SET n = n + 1 WHERE a = 'one'", **more)
    assert sql("SELECT n FROM abc WHERE a = 'one'") == [{"n": {"N": "2"}}]
    assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2
    assert again["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        transact(sql, "UPDATE abc SET n = n + 2 WHERE a = 'one'", **more)


def test_tokens_of_transactions_in_partiql_are_tokens_of_their_own(sql: Sql) -> None:
    """As at AWS: one token may stand for one transaction of each operation."""
    sql("INSERT INTO abc VALUE {'a': 'one', 'n': 1}")
    put = {"TransactItems": [{"Put": {"TableName": "abc", "Item": {"a": {"S": "two"}}}}], "ClientRequestToken": "token"}
    for _ in range(2):
        sql.client.transact_write_items(**put)
        transact(sql, "UPDATE abc SET n = n + 1 WHERE a = 'one'", ClientRequestToken="token")
    assert sql("SELECT n FROM abc WHERE a = 'one'") == [{"n": {"N": "2"}}]
    assert sql("SELECT * FROM abc WHERE a = 'two'") == [{"a": {"S": "two"}}]


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            ["UPDATE abc SET n = 1 WHERE a = 'x' RETURNING ALL NEW *"],
            "Validation failed in TransactStatements[0]: RETURNING clause is not supported in ExecuteTransaction.",
        ),
        (
            ["""SELECT * FROM "ranged"."gsi" WHERE g = 'x'"""],
            "Validation failed in TransactStatements[0]: Reads on indices are not supported within transactions.",
        ),
        (
            ["SELECT * FROM abc WHERE a = 'x' AND n = 1"],
            "Validation failed in TransactStatements[0]: Select statements within ExecuteTransaction must specify the "
            "primary key in the where clause.",
        ),
        (
            ["SELECT * FROM abc WHERE a IN ['x', 'x']"],
            "Validation failed in TransactStatements[0]: Overlapping conditions with range keys are not supported in "
            "where clause",
        ),
        (
            ["DELETE FROM abc WHERE a = 'y'", "EXISTS(SELECT * FROM abc WHERE a = 'x')"],
            "Validation failed in TransactStatements[1]: EXISTS() must contain a single item read with additional "
            "condition",
        ),
        (
            ["EXISTS(SELECT * FROM ranged WHERE a = 'x' AND n = 1)"],
            "Validation failed in TransactStatements[0]: EXISTS() must contain a single item read with additional "
            "condition",
        ),
        (
            ["SELECT * FROM abc WHERE a = 'x'", "DELETE FROM abc WHERE a = 'x'"],
            "ExecuteTransaction API does not support both read and write operations in the same request.",
        ),
        (
            ["DELETE FROM abc WHERE a = 'x'", "UPDATE abc SET n = 1 WHERE a = 'x'"],
            "Transaction request cannot include multiple operations on one item",
        ),
    ],
)
def test_transactions_that_are_refused(sql: Sql, statements: list[str], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        transact(sql, *statements)
    assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": message}


# indexes with keys of several attributes

MULTIPLE = (
    "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys."
)


@pytest.fixture
def several(sql: Any) -> Any:
    """The table `several` (key a) with the indexes `wide` (g, h; r), `deep` (g; r, s) and `plain` (g)."""
    hashes = [{"AttributeName": name, "KeyType": "HASH"} for name in "gh"]
    sql.client.create_table(
        TableName="several",
        AttributeDefinitions=definitions(*"aghrs"),
        KeySchema=keys("a"),
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            index("wide", KeySchema=[*hashes, {"AttributeName": "r", "KeyType": "RANGE"}]),
            index("deep", "g", "r", "s"),
            index("plain", "g"),
        ],
    )
    sql.client.put_item(TableName="several", Item={name: {"S": "x"} for name in "aghrs"})
    return sql


@pytest.mark.parametrize("name", ["wide", "deep"])
def test_an_index_with_a_key_of_several_attributes_is_not_read(several: Any, name: str) -> None:
    for statement in (
        "SELECT * FROM {} WHERE g = 'x'",
        "SELECT a FROM {} WHERE g = 'x' AND h = 'x' ORDER BY r DESC",
        "SELECT * FROM {} WHERE g = 5",
        "SELECT * FROM {} WHERE a = 'x'",
        "SELECT * FROM {}",
        "SELECT COUNT(*) FROM {}",
    ):
        with pytest.raises(ClientError) as caught:
            several(statement.format(f'"several"."{name}"'))
        assert caught.value.response["Error"] == {"Code": "ValidationException", "Message": MULTIPLE}


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT * FROM {} WHERE", "Statement wasn't well formed, can't be processed: Unexpected term"),
        ("SELECT * FROM {} WHERE g = 1e99999999999", "Statement wasn't well formed, can't be processed: "),
        ("SELECT * FROM {} WHERE g = ?", "The parameter cannot be converted to a numeric value: 1e99999999999"),
    ],
)
def test_what_is_said_before(several: Any, statement: str, message: str) -> None:
    parameters = [{"N": "1e99999999999"}] if "?" in statement else []
    with pytest.raises(ClientError) as caught:
        several(statement.format('"several"."wide"'), *parameters)
    assert caught.value.response["Error"]["Message"] == message


def test_the_rest_of_such_a_table_is_as_ever(several: Any) -> None:
    assert len(several("""SELECT * FROM "several" WHERE a = 'x'""")) == 1
    assert len(several("""SELECT * FROM "several"."plain" WHERE g = 'x'""")) == 1
    with pytest.raises(ClientError, match="Unexpected path component at 1:8:5"):
        several("""SELECT COUNT(*) FROM "several"."plain" WHERE g = 'x'""")
    several("""INSERT INTO several VALUE {'a': 'y', 'g': 'x', 'h': 'x', 'r': 'x'}""")
    several("""UPDATE several SET r = 'z' WHERE a = 'y'""")
    found = several.client.scan(TableName="several", IndexName="wide")["Items"]
    assert {item["a"]["S"]: item["r"]["S"] for item in found} == {"x": "x", "y": "z"}
    several("""DELETE FROM several WHERE a = 'y'""")
    assert several.client.scan(TableName="several", IndexName="wide")["Count"] == 1


def test_in_a_batch_only_its_own_statement_fails(several: Any) -> None:
    statements = [
        """SELECT * FROM "several"."plain" WHERE g = 'x'""",
        """SELECT * FROM "several"."wide" WHERE g = 'x'""",
        """SELECT * FROM "several"."deep" """,
        """SELECT * FROM "several" WHERE a = 'x'""",
    ]
    answer = several.client.batch_execute_statement(Statements=[{"Statement": one} for one in statements])
    plain, wide, deep, table = answer["Responses"]
    assert plain["Error"]["Message"].startswith("Select statements within BatchExecuteStatement must specify")
    assert wide["Error"] == deep["Error"] == {"Code": "ValidationError", "Message": MULTIPLE}
    assert table["Item"]["a"] == {"S": "x"}
