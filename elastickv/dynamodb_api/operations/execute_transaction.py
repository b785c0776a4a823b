"""ExecuteTransaction (PartiQL)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from elastickv.dynamodb_api import tables, transactions
from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.errors import (
    ConditionalCheckFailedException,
    DuplicateItemException,
    ResourceNotFoundException,
    TransactionCanceledException,
    ValidationException,
)
from elastickv.dynamodb_api.item_shapes import ON_CONDITION_FAILURE, returns_item
from elastickv.dynamodb_api.operations.execute_statement import PARAMETERS, STATEMENT
from elastickv.dynamodb_api.partiql.faults import NotOneItem
from elastickv.dynamodb_api.partiql.parser import check_parameters, parse
from elastickv.dynamodb_api.partiql.reading import one_row
from elastickv.dynamodb_api.partiql.statements import Change, Delete, Select, Statement
from elastickv.dynamodb_api.partiql.writing import Plan, execute, plan
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import RETURN_CONSUMED_CAPACITY, ListOf, Shape, String, Struct, required
from elastickv.kv.view import View

_BOTH: Final = "ExecuteTransaction API does not support both read and write operations in the same request."
_NO_KEY: Final = "Select statements within ExecuteTransaction must specify the primary key in the where clause."
Request = dict[str, Any]
S = TypeVar("S", bound=Statement)
T = TypeVar("T")


@operation(
    "ExecuteTransaction",
    shape=Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        ClientRequestToken=String(min=1, max=36),
        TransactStatements=required(
            ListOf(
                Struct(
                    "ParameterizedStatement",
                    Statement=required(STATEMENT),
                    Parameters=PARAMETERS,
                    ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
                ),
                min=1,
                max=transactions.MAX_ACTIONS,
            )
        ),
    ),
)
def execute_transaction(call: Call) -> dict[str, Any]:
    """Run up to a hundred PartiQL statements, all or none: either only reads, or writes and EXISTS."""
    requests: list[Request] = call.request["TransactStatements"]
    token, digest = b"", b""
    if "ClientRequestToken" in call.request:
        token = transactions.token_key(call.request["ClientRequestToken"], of_statements=True)
        digest = transactions.fingerprint(list(requests))
    for request in requests:
        check_parameters(request.get("Parameters", ()))
    statements = [_parsed(number, request) for number, request in enumerate(requests)]
    reads = [one for one in statements if isinstance(one, Select)]
    writing = [one for one in statements if not isinstance(one, Select)]
    if reads and writing:
        raise ValidationException(_BOTH)
    if reads:
        return _read(call, reads)
    plans = _each(call, writing, plan)
    transactions.check_distinct(one.place for one in plans)
    if token and transactions.done_before(call.view, token, digest, call.now_ms):
        return _answer(call, [], transactions.repeated(call.view, token))
    consumed = _write(call, requests, plans)
    if token:
        transactions.remember(call.view, token, digest, call.now_ms, consumed)
    return _answer(call, [], consumed)


def _failed(number: int, error: ValidationException) -> ValidationException:
    return ValidationException(f"Validation failed in TransactStatements[{number}]: {error.message}")


def _parsed(number: int, request: Request) -> Statement:
    try:
        return parse(request["Statement"], request.get("Parameters", ()))
    except ValidationException as error:
        raise _failed(number, error) from None


def _each(call: Call, statements: Sequence[S], work: Callable[[View, S], T]) -> list[T]:
    """`work` done on each statement, on a table that is there. A mistake of a statement refuses the request; tables
    that are not there and keys that name no item cancel the transaction, when all statements have been looked at."""
    done: list[T] = []
    reasons: list[dict[str, Any]] = []
    for number, statement in enumerate(statements):
        reason = transactions.reason_of(None)
        try:
            tables.table(call.view, statement.table)
            _check_clauses(statement)
            done.append(work(call.view, statement))
        except ResourceNotFoundException as error:
            reason = {"Code": "ResourceNotFound", "Message": error.message}
        except NotOneItem as error:
            reason = {"Code": "ValidationError", "Message": error.reason}
        except ValidationException as error:
            raise _failed(number, error) from None
        reasons.append(reason)
    if len(done) < len(statements):
        raise TransactionCanceledException(reasons)
    return done


def _check_clauses(statement: Statement) -> None:
    if isinstance(statement, Change | Delete) and statement.returning:
        raise ValidationException("RETURNING clause is not supported in ExecuteTransaction.")
    if isinstance(statement, Select) and statement.index:
        raise ValidationException("Reads on indices are not supported within transactions.")


def _read(call: Call, statements: list[Select]) -> dict[str, Any]:
    rows = _each(call, statements, lambda view, statement: one_row(view, statement, _NO_KEY))
    transactions.check_distinct(row.place for row in rows)
    if sum(row.size for row in rows) > transactions.MAX_BYTES:
        raise ValidationException(transactions.TOO_LARGE)
    consumed: dict[str, Consumed] = {}
    for row in rows:
        cost = consumed.setdefault(row.table.name, Consumed(row.table.name, transaction=True))
        cost.read(2 * read_units(row.size, True))
    responses = [{} if row.shown is None else {"Item": row.shown} for row in rows]
    return _answer(call, responses, consumed.values())


def _write(call: Call, requests: list[Request], plans: list[Plan]) -> list[Consumed]:
    """What it costs each table."""
    consumed: dict[str, Consumed] = {}
    reasons: list[dict[str, Any]] = []
    for request, planned in zip(requests, plans, strict=True):
        table = planned.table
        try:
            change = execute(call.view, planned, return_item=returns_item(request))
        except DuplicateItemException as error:
            reasons.append({"Code": "DuplicateItem", "Message": error.message})
            continue
        except (ConditionalCheckFailedException, ValidationException) as error:
            reasons.append(transactions.reason_of(error))
            continue
        reasons.append(transactions.reason_of(None))
        cost = consumed.setdefault(table.name, Consumed(table.name, transaction=True))
        old = change.old if table.indexes else None
        cost.write(table, old, change.old_size, change.new, change.new_size)
    if any(reason["Code"] != "None" for reason in reasons):
        raise TransactionCanceledException(reasons)
    return list(consumed.values())


def _answer(call: Call, responses: list[dict[str, Any]], consumed: Iterable[Consumed]) -> dict[str, Any]:
    """`responses`: one for each read; writes have none."""
    answer: dict[str, Any] = {"Responses": responses}
    mode = wanted(call.request)
    if mode:
        answer["ConsumedCapacity"] = [cost.answer(mode) for cost in consumed]
    return answer
