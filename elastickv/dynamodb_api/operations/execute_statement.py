"""ExecuteStatement (PartiQL)."""

from __future__ import annotations

from typing import Any

from elastickv.dynamodb_api.errors import ValidationException
from elastickv.dynamodb_api.item_shapes import ON_CONDITION_FAILURE, returns_item, written
from elastickv.dynamodb_api.partiql.parser import check_parameters, parse
from elastickv.dynamodb_api.partiql.reading import Reading
from elastickv.dynamodb_api.partiql.statements import Exists, Select
from elastickv.dynamodb_api.partiql.writing import execute, plan, returned
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import (
    ATTRIBUTE_VALUE,
    RETURN_CONSUMED_CAPACITY,
    Boolean,
    Integer,
    ListOf,
    Shape,
    String,
    required,
)

STATEMENT = String(min=1, max=8192)
PARAMETERS = ListOf(ATTRIBUTE_VALUE, min=1)


@operation(
    "ExecuteStatement",
    shape=Shape(
        ReturnConsumedCapacity=RETURN_CONSUMED_CAPACITY,
        Statement=required(STATEMENT),
        Parameters=PARAMETERS,
        ConsistentRead=Boolean(),
        NextToken=String(min=1, max=32768),
        Limit=Integer(min=1),
        ReturnValuesOnConditionCheckFailure=ON_CONDITION_FAILURE,
    ),
)
def execute_statement(call: Call) -> dict[str, Any]:
    """Run one PartiQL statement: SELECT, INSERT, UPDATE or DELETE."""
    request = call.request
    parameters = request.get("Parameters", ())
    check_parameters(parameters)
    statement = parse(request["Statement"], parameters)
    if isinstance(statement, Select):
        return Reading(call.view, statement, request).read()
    if isinstance(statement, Exists):
        raise ValidationException("EXISTS can only be used in ExecuteTransaction write requests.")
    planned = plan(call.view, statement)
    change = execute(call.view, planned, return_item=returns_item(request))
    item = returned(planned, change)
    return written(call, change, {"Items": [] if item is None else [item]}, planned.key)
