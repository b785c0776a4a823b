"""BatchExecuteStatement (PartiQL)."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api.capacity import Consumed, read_units, wanted
from elastickv.dynamodb_api.errors import ApiError, ValidationException
from elastickv.dynamodb_api.item_shapes import ON_CONDITION_FAILURE
from elastickv.dynamodb_api.operations.execute_statement import PARAMETERS, STATEMENT
from elastickv.dynamodb_api.partiql.parser import check_parameters, parse
from elastickv.dynamodb_api.partiql.reading import one_row
from elastickv.dynamodb_api.partiql.statements import Exists, Select
from elastickv.dynamodb_api.partiql.writing import execute, plan, returned
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    RETURN_CONSUMED_CAPACITY,
    Boolean,
    ListOf,
    Shape,
    Struct,
    required,
)

MOST: Final = 25
_CODES: Final = {"ValidationException": "ValidationError"}
_NO_KEY: Final = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."


@operation(
    "BatchExecuteStatement",
    shape=Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        Statements=required(
            ListOf(
                Struct(
                    "BatchStatementRequest",
                    Statement=required(STATEMENT),
                    Parameters=PARAMETERS,
                    ConsistentRead=Boolean(),
                    ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
                ),
                min=1,
                max=MOST,
            )
        ),
    ),
)
def batch_execute_statement(call: Call) -> dict[str, Any]:
    """Run up to 25 PartiQL statements, each for itself: one that fails does not undo the others."""
    consumed: dict[str, Consumed] = {}
    responses = [_one(call, request, consumed) for request in call.request["Statements"]]
    answer: dict[str, Any] = {"Responses": responses}
    mode = wanted(call.request)
    if mode:
        answer["ConsumedCapacity"] = [one.answer(mode) for one in consumed.values()]
    return answer


def _one(call: Call, request: dict[str, Any], consumed: dict[str, Consumed]) -> dict[str, Any]:
    """ReturnValuesOnConditionCheckFailure changes nothing here, as at AWS; a table is named once it was reached."""
    view = call.view
    response: dict[str, Any] = {}
    view.begin()
    try:
        parameters = request.get("Parameters", ())
        check_parameters(parameters)
        statement = parse(request["Statement"], parameters)
        if isinstance(statement, Exists):
            raise ValidationException("EXISTS can only be used in ExecuteTransaction write requests.")
        if isinstance(statement, Select):
            row = one_row(view, statement, _NO_KEY)
            cost = consumed.setdefault(row.table.name, Consumed(row.table.name))
            cost.read(read_units(row.size, request.get("ConsistentRead", False)))
            item = row.shown
        else:
            planned = plan(view, statement)
            response["TableName"] = planned.table.name
            change = execute(view, planned)
            cost = consumed.setdefault(change.table.name, Consumed(change.table.name))
            old = change.old if change.table.indexes else None
            cost.write(change.table, old, change.old_size, change.new, change.new_size)
            item = returned(planned, change)
        response["TableName"] = statement.table
        if item is not None:
            response["Item"] = item
    except ApiError as error:
        view.undo()
        code = _CODES.get(error.code, error.code.removesuffix("Exception"))
        response["Error"] = {"Code": code, "Message": error.message}
        return response
    view.keep()
    return response
