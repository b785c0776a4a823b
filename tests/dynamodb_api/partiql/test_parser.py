"""What statements are refused for, in AWS' words (github.com/paritysuite/dynamodb-conformance, October 2026)."""

from __future__ import annotations

from typing import Any

import pytest

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.expressions.nodes import Both, Comparison, Either, Function, Not, Path
from elastickv.dynamodb_api.partiql.parser import parse
from elastickv.dynamodb_api.partiql.statements import Change, Select

KEY = "SELECT * FROM t WHERE k = 'x' AND "


def refused(statement: str, *parameters: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        parse(statement, parameters)
    return caught.value.message


def placed(statement: str, token: str, *, behind: str = "") -> str:
    """Line, column and length of a token, the first behind a text."""
    start = statement.index(token, statement.index(behind) + len(behind))
    line = statement.count("\n", 0, start)
    return f"{line + 1}:{start - statement.rfind(chr(10), 0, start)}:{len(token)}"


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("SELECT * FROM t WHERE k = 1 more", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE k = 1 e5", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE k = 1)", "Unexpected token after expression"),
        ("SELECT * FROM t ORDER BY k WHERE k = 1", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE k = 1; more", "Unexpected token after expression"),
        ("INSERT INTO t VALUE {'k': 1} more", "Unexpected token after expression"),
        ("INSERT INTO t u VALUE {'k': 1}", "Unexpected token after expression"),
        ("DELETE FROM t WHERE k = 1 ORDER BY k", "Unexpected token after expression"),
        ("FROM t SET a = 1 WHERE k = 1", "Unexpected token after expression"),
        ("SELECT * FROM", "Unexpected term"),
        ("SELECT * FROM t WHERE", "Unexpected term"),
        ("SELECT * FROM t WHERE;", "Unexpected term"),
        ("SELECT * FROM t WHERE NOT", "Unexpected term"),
        ("SELECT * FROM t WHERE (", "Unexpected term"),
        ("UPDATE t SET a = 1 WHERE", "Unexpected term"),
        ("SELECT * FROM t WHERE k = 1 AND", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE k = 1 OR", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE k =", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE ORDER BY k", "Unexpected keyword"),
        ("SELECT group FROM t", "Unexpected keyword"),
        ("SELECT * FROM t WHERE IS NULL", "Unexpected operator"),
        ("SELECT * FROM t WHERE k = LIKE", "Unexpected operator"),
        ("SELECT * FROM t WHERE k = * 1", "Unexpected operator"),
        ("SELECT * FROM t WHERE k > -?", "Unexpected term"),
        (KEY + "a IS WONDERFUL", "Expected type name"),
        (KEY + "attribute_exists(m.inner)", "Invalid path dot component"),
        ("UPDATE t SET m.value = 1 WHERE k = 1", "Invalid path dot component"),
        ("DELETE FROM", "Expected identifier for simple path"),
        ("DELETE FROM;", "Expected identifier for simple path"),
        ("DELETE FROM WHERE k = 1", "Expected identifier for simple path"),
        ("UPDATE t SET order = 1 WHERE k = 1", "Expected identifier for simple path"),
        (KEY + "a", "Expected a condition"),
        ("UPDATE t WHERE k = 1", "Expected data manipulation"),
        ("FROM t WHERE k = 1", "Expected data manipulation"),
        ("DELETE t WHERE k = 1", "Expected FROM after DELETE"),
        ("SELECT a WHERE k = 1", "Expected FROM after SELECT list"),
        (
            "SELECT *, a FROM t",
            "Other expressions may not be present in the select list when '*' is used without dot notation.",
        ),
        ("INSERT t VALUE {'k': 1}", "Unexpected keyword"),
        ("DROP TABLE t", "Unexpected keyword"),
        (
            "DELETE FROM t WHERE k = 1 RETURNING OLD *",
            "Expected ( MODIFIED | ALL ) ( NEW | OLD ) in each returning element.",
        ),
        (KEY + "a BETWEEN 1 AND", "Expected expression after AND"),
        (KEY + "a IS", "Expected type name"),
        (KEY + "()", "Expression group cannot be empty"),
        (KEY + "size(*) = 1", "size(*) is not allowed"),
        ("UPDATE t SET a = (b = 1) WHERE k = 1", "Expected a value"),
    ],
)
def test_what_is_not_well_formed(statement: str, detail: str) -> None:
    assert refused(statement) == f"Statement wasn't well formed, can't be processed: {detail}"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM t u WHERE k = 1",
        "SELECT * FROM t AS u WHERE k = 1",
        'UPDATE t "u" SET a = 1 WHERE k = 1',
        "DELETE FROM t u",
        "FROM t u WHERE k = 1 REMOVE a",
    ],
)
def test_tables_have_no_other_names(statement: str) -> None:
    assert refused(statement) == "Aliasing is not supported"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "1e126",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root",
        ),
        (
            "1e-131",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range under root",
        ),
        ("-" + "1" * 39, "Attempting to store more than 38 significant digits in a Number under root"),
        (
            "[1, {'x': 1e126}]",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root[1].x",
        ),
        ("[?]", "Unsupported data type: Parameter under key root[0]"),
        ("{'x': ?}", "Unsupported data type: Parameter under key root.x"),
        ("upper('x', (1))", "Unsupported data type: upper under key root"),
        ("<<>>", "Empty bags are not supported"),
        ("<<'b', 'b'>>", "One or more parameter values were invalid: Input collection [b, b] contains duplicates."),
        (
            "<<2, -1, 2.0>>",
            "One or more parameter values were invalid: Input collection [2, -1, 2.0] contains duplicates! under root",
        ),
        ("<<1, 'x'>>", "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"),
        ("[" * 32 + "1" + "]" * 32, "Nesting Levels have exceeded supported limits under root" + "[0]" * 32),
    ],
)
def test_literals_that_are_refused_and_where_they_stand(value: str, message: str) -> None:
    statement = f"INSERT INTO t VALUE {{'a': {value}}}"
    for token in ("?", "upper"):
        if token in value:
            message += f" at {placed(statement, token)}"
    assert refused(statement, {"S": "x"}) == message
    assert refused(f"{statement} more", {"S": "x"}).endswith("Unexpected token after expression")


def test_signs_of_numbers_add_up() -> None:
    statement = parse("SELECT * FROM t WHERE a = - - 1 AND b = -/* */+2", ())
    assert isinstance(statement, Select)
    assert list(statement.values.values()) == [{"N": "1"}, {"N": "-2"}]


@pytest.mark.parametrize(
    ("change", "token", "behind", "message"),
    [
        ("t = set_add(s, <<1>>)", "set_add", "", "The first argument to SET_ADD must equal the assignment value"),
        ("s = SET_ADD(<<1>>, <<1>>)", "SET_ADD", "", "The first argument to SET_ADD must equal the assignment value"),
        ("s = set_add(s, 'x')", "s", "(", "The second argument to SET_ADD must be a value with type SET"),
        ('"s" = set_add("s", [1])', '"s"', "(", "The second argument to SET_ADD must be a value with type SET"),
        ("s = set_delete(s, 1)", "s", "(", "The second argument to SET_DELETE must be a value with type SET"),
        ("s = set_add(s)", "set_add", "", "SET_ADD must have exactly two arguments"),
        ("s = set_add()", "set_add", "", "SET_ADD must have exactly two arguments"),
        ("s = set_delete(s, <<1>>, <<2>>)", "set_delete", "", "SET_DELETE must have exactly two arguments"),
    ],
)
def test_changes_of_sets_that_are_refused(change: str, token: str, behind: str, message: str) -> None:
    statement = f"UPDATE u\nSET {change}\nWHERE k = 1"
    assert refused(statement) == f"{message} at {placed(statement, token, behind=behind or 'SET ')}"


def test_functions_that_there_are_not() -> None:
    for call in ("EXISTS(a)", "set_add(a, <<1>>) = a", "COUNT(*) = 1"):
        name = call.partition("(")[0]
        assert refused(KEY + call) == f"Unrecognized function: {name.lower()} at {placed(KEY + call, name, behind=KEY)}"
    assert refused("SELECT a, size(b) FROM t") == "Unexpected path component at 1:11:4"
    assert refused("SELECT COUNT(*) FROM t") == "Unexpected path component at 1:8:5"


def test_numbers_of_elements() -> None:
    select = parse("SELECT l[0], l[-0], l[2147483647], m['x'] FROM t", ())
    assert isinstance(select, Select)
    assert select.paths == (Path(("l", 0)), Path(("l", 0)), Path(("l", 2147483647)), Path(("m", "x")))
    out_of_range = "List index is not within the allowable range; index: "
    assert refused("SELECT l[-1] FROM t") == out_of_range + "[-1] at 1:11:1"
    assert refused("SELECT l[2147483648] FROM t") == out_of_range + "[2147483648] at 1:10:10"
    assert refused(f"SELECT l[{'9' * 5000}] FROM t") == f"{out_of_range}[{'9' * 5000}] at 1:10:5000"
    assert refused("SELECT l[-'x'] FROM t").endswith("Expected the number of an element")


def test_a_type_test_is_no_statement() -> None:
    for name in ("INT8", "NULL", "NOT MISSING", "DOUBLE PRECISION", "CHARACTER VARYING"):
        assert refused(f"a IS {name}") == "Unsupported operation: IsType"
    assert refused(KEY + "a IS INT8") == "Unsupported data type: INT8"


def test_too_many_operands_of_in() -> None:
    many = ", ".join(map(str, range(101)))
    assert refused(f"{KEY}a IN [{many}]") == (
        "The IN operator is provided with too many operands; number of operands: 101"
    )


def test_parameters_are_counted_when_all_else_is_right() -> None:
    counted = "Number of parameters in request and statement don't match."
    assert refused(KEY + "a = ?") == counted
    assert refused(KEY + "a = 1", {"S": "x"}) == counted
    assert refused(KEY + "a = ? more").endswith("Unexpected token after expression")


# what can be said


def condition(text: str) -> Any:
    statement = parse(f"SELECT * FROM t WHERE {text}", ())
    assert isinstance(statement, Select)
    return statement.where


A = Function("attribute_exists", (Path(("a",)),))
B = Function("attribute_exists", (Path(("b",)),))


def test_a_condition_is_compared_with_truth() -> None:
    assert condition("attribute_exists(a) = true") == A
    assert condition("false = attribute_exists(a)") == Not(A)
    assert condition("attribute_exists(a) <> true") == Not(A)
    assert condition("NOT attribute_exists(a) = true") == Not(A)
    assert condition("(attribute_exists(a) = true) = false") == Not(A)
    assert condition("attribute_exists(a) = attribute_exists(b)") == Either((Both((A, B)), Both((Not(A), Not(B)))))
    assert condition("attribute_exists(a) IN [true, false]") == Either((A, Not(A)))
    compared = condition("attribute_exists(a) = c")
    assert isinstance(compared, Either)
    assert refused(KEY + "attribute_exists(a) > false") == (
        "Incorrect operand type for operator or function; operator or function: >, operand type: BOOL"
    )


def test_parentheses_stand_around_anything() -> None:
    assert isinstance(condition("(a) = (1)"), Comparison)
    assert condition("((attribute_exists(a)))") == A


def test_both_orders_of_an_update_are_one() -> None:
    usual = parse("UPDATE t SET a = 1 REMOVE b WHERE k = 'x' RETURNING ALL NEW *", ())
    from_first = parse("from t where k = 'x' set a = 1 remove b returning all new *", ())
    assert isinstance(usual, Change)
    assert isinstance(from_first, Change)
    assert (usual.table, usual.update.sections, usual.returning) == ("t", ("SET", "REMOVE"), "ALL_NEW")
    assert (from_first.table, from_first.update.sections, from_first.returning) == ("t", ("SET", "REMOVE"), "ALL_NEW")
    assert [action.path for action in usual.update.actions] == [action.path for action in from_first.update.actions]
