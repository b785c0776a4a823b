"""ListTables."""

from __future__ import annotations

from typing import Any, Final

from elastickv.dynamodb_api import tables
from elastickv.dynamodb_api.registry import Call, operation
from elastickv.dynamodb_api.shapes import NAME, Integer, Shape

MOST: Final = 100


@operation("ListTables", shape=Shape(ExclusiveStartTableName=NAME, Limit=Integer(min=1, max=MOST)), write=False)
def list_tables(call: Call) -> dict[str, Any]:
    """Table names in order, a page at a time."""
    limit = call.request.get("Limit", MOST)
    found = tables.names(call.view, call.request.get("ExclusiveStartTableName", ""), limit + 1)
    answer: dict[str, Any] = {"TableNames": found[:limit]}
    if len(found) > limit:
        answer["LastEvaluatedTableName"] = found[limit - 1]
    return answer
